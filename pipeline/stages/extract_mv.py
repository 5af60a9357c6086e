"""The stage `extract-mv`: read the motion of a unit's clips and write it as one shard of the motion store."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from mocrop.pipeline.choices import Source, require_choice
from mocrop.pipeline.limits import require_whole
from mocrop.pipeline.motion.clip_motion import ClipMotion
from mocrop.pipeline.motion.store_writer import MotionRow, write_shard
from mocrop.pipeline.motion.vectors import read_motion
from mocrop.pipeline.outcome import ClipTask, Outcome, clip_log
from mocrop.pipeline.settings import plain_settings
from mocrop.pipeline.stages.contract import WorkUnit, file_to_read
from mocrop.pipeline.stages.originals import with_originals
from mocrop.pipeline.system_errors import errors_that_travel
from mocrop.pipeline.video.decoder import MAX_DAMAGED, require_share
from mocrop.pipeline.workspace.paths import Workspace

EXTRACT_VERSION = 2
DEFAULT_KEY_FRAMES = 16  # as many as a crop cache has slots, unless another number is asked for


@dataclass(frozen=True, kw_only=True)
class ExtractSettings:
    """Where motion vectors come from."""

    source: Source = "h264"  # the transcoded files, the data set's own, or of each clip its own if that serves
    key_frames: int | None = None  # source auto: that a clip's own file must have; None: 16; no matter otherwise
    max_damaged: float = MAX_DAMAGED  # largest share of frames that may be damaged, 0 to 1

    def __post_init__(self) -> None:
        require_share(self.max_damaged)
        require_choice("source", self.source, Source)
        if self.key_frames is not None:
            require_whole("key_frames", self.key_frames)
        if self.source != "auto":
            object.__setattr__(self, "key_frames", None)
        elif self.key_frames is None:
            object.__setattr__(self, "key_frames", DEFAULT_KEY_FRAMES)


@errors_that_travel
@with_originals
def extract_unit(unit: WorkUnit, settings: ExtractSettings, workspace: str) -> list[Outcome]:
    """Write ``motion.zarr/shard-NNNNN`` for the clips of a unit.

    A failed clip gets a row without motion. A probe reads everything and writes nothing.

    Args:
        workspace: root folder of the workspace.
    Returns: one outcome per clip, in order.
    Raises: DiskFullError; FileError where the workspace cannot be written.
    """
    place = Workspace(Path(workspace))
    outcomes: list[Outcome] = []
    rows = _rows(unit, settings, place, outcomes)
    if unit.probe:
        for _ in rows:
            pass
    else:
        write_shard(place.motion, unit.index, rows, attributes={"settings": plain_settings(settings)})
    return outcomes


def _rows(unit: WorkUnit, settings: ExtractSettings, place: Workspace, outcomes: list[Outcome]) -> Iterator[MotionRow]:
    """Yield one row at a time and append to ``outcomes``, so that only one clip's vectors are in memory."""
    for task in unit.clips:
        yield _row(task, settings, place, outcomes)  # no variable: it would keep the row alive during the next one


def _row(task: ClipTask, settings: ExtractSettings, place: Workspace, outcomes: list[Outcome]) -> MotionRow:
    outcome, motion = _extract_clip(task, settings, place)
    outcomes.append(outcome)
    return MotionRow(position=task.position, clip=task.name, motion=motion)


def _extract_clip(task: ClipTask, settings: ExtractSettings, workspace: Workspace) -> tuple[Outcome, ClipMotion | None]:
    motion: ClipMotion | None = None
    with clip_log(task) as log:
        task.require_accepted()
        path = file_to_read(task, settings.source, workspace, log)
        motion = read_motion(path, clip=task.name, log=log, max_damaged=settings.max_damaged)
    assert log.outcome is not None
    return log.outcome, motion
