"""Measure what a clip takes in a shard, on a few clips, so that shards can be planned before they are written."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from pathlib import Path

from mocrop.pipeline.export.base import ExportSettings
from mocrop.pipeline.export.registry import FORMS
from mocrop.pipeline.export.shard_plan import MEGABYTE, rank
from mocrop.pipeline.export.stage import PARTIAL, clip_of
from mocrop.pipeline.export.work import ExportWork
from mocrop.pipeline.outcome import ClipTask, Outcome, clip_log
from mocrop.pipeline.stages.contract import WorkUnit
from mocrop.pipeline.stages.originals import with_originals
from mocrop.pipeline.system_errors import errors_that_travel
from mocrop.pipeline.workspace.paths import Workspace

_CLIPS = 64  # where frames are at hand: real clips differ by a factor of ten, so that their mean is known to a tenth
_VIDEOS = 16  # that must be decoded and encoded, which takes a second for each
_UNKNOWN_BYTES = MEGABYTE  # where none of them can be read


def is_to_be_measured(settings: ExportSettings, *, anew: bool) -> bool:
    """Whether the size of shards depends on what a clip takes, and that is not known yet, or to be found ``anew``."""
    known = getattr(settings.form_settings, "clip_bytes", None)
    return known is not None and (anew or known == 0)


def clips_to_measure(tasks: Iterable[ClipTask], settings: ExportSettings) -> tuple[ClipTask, ...]:
    """A few clips by chance, always the same of the same clips."""
    count = _VIDEOS if FORMS[settings.form].own_files(settings.form_settings) else _CLIPS
    accepted = (task for task in tasks if task.refusal is None)
    return tuple(sorted(accepted, key=lambda task: rank(task.name, 0))[:count])


@errors_that_travel
@with_originals
def measure_unit(unit: WorkUnit, settings: ExportSettings, workspace: str) -> list[Outcome]:
    """Write clips as for a shard, and keep nothing. Returns: their outcomes, whose messages are sizes in bytes.

    Raises: what the stage that exports them raises.
    """
    work = ExportWork(settings, Workspace(Path(workspace)))
    folder = Path(settings.folder) / PARTIAL
    folder.mkdir(parents=True, exist_ok=True)
    outcomes = []
    for task in unit.clips:
        piece = folder / f"{task.position}-measured"
        with clip_log(task) as log:
            FORMS[settings.form].write(clip_of(task), piece, work, log)
            size = piece.stat().st_size
        assert log.outcome is not None
        done = log.outcome.status == "done"
        outcomes.append(dataclasses.replace(log.outcome, message=str(size)) if done else log.outcome)
        piece.unlink(missing_ok=True)
    return outcomes


def with_clip_bytes(settings: ExportSettings, outcomes: Iterable[Outcome] | None) -> ExportSettings:
    """The same settings with what a clip takes on average.

    Args:
        outcomes: of :func:`measure_unit`; None: the worker has died over it.
    """
    sizes = [int(each.message) for each in outcomes or () if each.status == "done"]
    mean = max(1, round(sum(sizes) / len(sizes))) if sizes else _UNKNOWN_BYTES
    return dataclasses.replace(settings, form_settings=dataclasses.replace(settings.form_settings, clip_bytes=mean))
