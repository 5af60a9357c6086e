"""Stage `extract-mv`: from video files to one group of the motion store."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from mocrop.pipeline.choices import Source, require_choice
from mocrop.pipeline.errors import raise_if_disk_full
from mocrop.pipeline.motion.clip_motion import ClipMotion
from mocrop.pipeline.motion.store import MotionRow, write_shard
from mocrop.pipeline.motion.vectors import read_motion
from mocrop.pipeline.outcome import ClipTask, Outcome, clip_log
from mocrop.pipeline.stages.contract import WorkUnit
from mocrop.pipeline.workspace.paths import Workspace

EXTRACT_VERSION = 1


@dataclass(frozen=True, kw_only=True)
class ExtractSettings:
    """Where motion vectors come from."""

    source: Source = "h264"  # the transcoded files, or the data set's own

    def __post_init__(self) -> None:
        require_choice("source", self.source, Source)


def extract_unit(unit: WorkUnit, settings: ExtractSettings, workspace: str) -> list[Outcome]:
    """Write ``motion.zarr/shard-NNNNN`` for the clips of a unit; one outcome per clip.

    A failed clip gets a row without motion. A probe reads everything and writes nothing.

    Raises: DiskFullError.
    """
    place = Workspace(Path(workspace))
    outcomes: list[Outcome] = []
    rows = _rows(unit, settings, place, outcomes)
    if unit.probe:
        for _ in rows:
            pass
    else:
        try:
            write_shard(place.motion, unit.index, rows, attributes={"settings": dataclasses.asdict(settings)})
        except Exception as error:
            raise_if_disk_full(error)
            raise
    return outcomes


def _rows(unit: WorkUnit, settings: ExtractSettings, place: Workspace, outcomes: list[Outcome]) -> Iterator[MotionRow]:
    """One row after the other, so that the vectors of one clip are in memory, not those of all; fills ``outcomes``."""
    for task in unit.clips:
        yield _row(task, settings, place, outcomes)  # kept in no variable, where it would outlive its turn


def _row(task: ClipTask, settings: ExtractSettings, place: Workspace, outcomes: list[Outcome]) -> MotionRow:
    outcome, motion = _extract_clip(task, settings, place)
    outcomes.append(outcome)
    return MotionRow(position=task.position, clip=task.name, motion=motion)


def _extract_clip(task: ClipTask, settings: ExtractSettings, workspace: Workspace) -> tuple[Outcome, ClipMotion | None]:
    motion: ClipMotion | None = None
    path = workspace.h264_file(task.name) if settings.source == "h264" else Path(task.path)
    with clip_log(task) as log:
        task.require_accepted()
        motion = read_motion(path, clip=task.name, log=log)
    assert log.outcome is not None
    return log.outcome, motion
