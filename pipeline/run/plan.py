"""Decide from the manifest which clips a stage must run on and why, and group them into work units."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import chain, groupby
from pathlib import Path

from mocrop.pipeline.dataset_place import AddressPath
from mocrop.pipeline.errors import Reason
from mocrop.pipeline.outcome import ClipTask
from mocrop.pipeline.run.segment_units import segment_units
from mocrop.pipeline.stages.contract import Stage, WorkUnit
from mocrop.pipeline.video.spans import may_be_entered as video_may_be_entered
from mocrop.pipeline.workspace.manifest import StageRow

_PASSED_ON = ((Reason.EARLIER_STAGE_FAILED,), (Reason.NO_MOTION_VECTORS,))  # failures that later stages repeat


class Why(StrEnum):
    """Why a stage runs on a clip."""

    NEW = "not done yet"
    SETTINGS_CHANGED = "settings have changed"
    SOURCE_CHANGED = "its file has changed"
    SOURCE_GONE = "its file is gone"
    MAP_CHANGED = "its density map has changed"
    EARLIER_STAGE_CHANGED = "the stage before has another outcome now"
    OUTPUT_MISSING = "its output is gone"
    SHARES_A_SHARD = "shares a shard with a clip that must run"


@dataclass(frozen=True, kw_only=True)
class Decision:
    """What a stage does with one clip: run (``why`` is set), wait for the stage before (``waits``), or nothing."""

    row: StageRow
    why: Why | None = None
    waits: bool = False


@dataclass
class PlanCounts:
    """Numbers of clips in a plan."""

    to_run: int = 0
    done: int = 0
    failed_before: int = 0
    waiting: int = 0
    why: Counter[Why] = field(default_factory=Counter)

    def add(self, decisions: Iterable[Decision]) -> None:
        for decision in decisions:
            if decision.why is not None:
                self.to_run += 1
                self.why[decision.why] += 1
            elif decision.waits:
                self.waiting += 1
            elif decision.row.present:
                self.failed_before += decision.row.status == "failed"
                self.done += decision.row.status == "done"


@dataclass(frozen=True, kw_only=True)
class StagePlan:
    """What one run of a stage is to do."""

    counts: PlanCounts
    units: tuple[WorkUnit, ...]  # in order; about 400 bytes for each clip that runs


def decision_on(row: StageRow, stage: Stage) -> Decision:
    """Decide whether ``stage`` must run on one clip.

    A clip that failed does not run again until something changes or `mocrop retry` is given.
    """
    if row.present and stage.upstream is not None and not row.upstream_current:
        return Decision(row=row, waits=True)
    return Decision(row=row, why=_why(row, stage))


def _why(row: StageRow, stage: Stage) -> Why | None:
    if not row.present:
        known = row.status is None or row.reasons[:1] == (Reason.VANISHED,)
        return None if known else Why.SOURCE_GONE
    if row.status is None:
        return Why.NEW
    if not row.same_settings:
        return Why.SETTINGS_CHANGED
    if not row.same_source:
        return Why.SOURCE_CHANGED
    if has_another_input(row, stage):
        return Why.MAP_CHANGED
    blocked = stage.upstream is not None and row.reasons[:1] in _PASSED_ON
    if blocked != (_refusal(row, stage) is not None) or _takes_other_file(row, stage):
        return Why.EARLIER_STAGE_CHANGED
    if row.status == "done" and stage.makes_output(row.reasons) and not stage.output(row.position, row.name).exists():
        return Why.OUTPUT_MISSING
    return None


def has_another_input(row: StageRow, stage: Stage) -> bool:
    """Whether what the stage has read of a clip beside its video is another one now."""
    return stage.input_changed is not None and stage.input_changed(row.name, row.checksum)


def plan_stage(
    rows: Iterable[StageRow],
    stage: Stage,
    *,
    dataset: Path,
    clip_seconds: float = 0.0,
    may_be_entered: Callable[[Path], bool] = video_may_be_entered,
) -> StagePlan:
    """Group the clips that ``stage`` must run on into work units, in one pass.

    A stage that writes shards runs on fixed spans of positions as a whole; the others run only on clips that need it,
    and on segments of one video together.

    Args:
        rows: every clip of the workspace, by position.
        dataset: folder that the clips' paths are relative to.
        clip_seconds: time limit per clip; 0: none.
        may_be_entered: see :func:`segment_units`.
    """
    counts, units, segments = PlanCounts(), list[WorkUnit](), list[ClipTask]()
    for span, decisions in _spans(rows, stage):
        counts.add(decisions)
        chosen = [d for d in decisions if d.why is not None or (stage.writes_shards and _any_runs(decisions))]
        tasks = [_task(d, stage, dataset, clip_seconds) for d in chosen]
        together = tuple(task for task in tasks if stage.writes_shards or task.span is None)
        if together:
            units.append(WorkUnit(index=span if stage.writes_shards else len(units), clips=together))
        segments += [task for task in tasks if not stage.writes_shards and task.span is not None]
    if isinstance(dataset, AddressPath):  # a video that is divided would be fetched for each of its parts

        def may_be_entered(_: Path) -> bool:
            return False

    for clips in segment_units(segments, may_be_entered=may_be_entered):
        units.append(WorkUnit(index=len(units), clips=clips))
    return StagePlan(counts=counts, units=tuple(units))


def as_if_done(row: StageRow) -> StageRow:
    """The same clip once the stage before has run on it, as far as that can be known."""
    return dataclasses.replace(
        row, upstream_current=True, upstream_status="done", upstream_reasons=row.reasons, upstream_message=""
    )


def plan_decisions(rows: Iterable[StageRow], stage: Stage) -> Iterator[Decision]:
    """Decide for every clip, unit by unit, what ``stage`` would do; the same decisions that :func:`plan_stage` uses."""
    return chain.from_iterable(decisions for _, decisions in _spans(rows, stage))


def _spans(rows: Iterable[StageRow], stage: Stage) -> Iterator[tuple[int, list[Decision]]]:
    unit_of = stage.unit_of or (lambda position: position // stage.clips_per_unit)
    if stage.unit_of is not None:  # a sort that keeps the order within a unit
        rows = sorted(rows, key=lambda row: unit_of(row.position))
    for span, members in groupby(rows, key=lambda row: unit_of(row.position)):
        yield span, _span_decisions([decision_on(row, stage) for row in members], stage)


def _any_runs(decisions: Iterable[Decision]) -> bool:
    return any(decision.why is not None for decision in decisions)


def _span_decisions(decisions: list[Decision], stage: Stage) -> list[Decision]:
    """Mark every clip that can run in a shard in which any clip runs."""
    if not (stage.writes_shards and _any_runs(decisions)):
        return decisions
    return [
        d if d.why or d.waits or not d.row.present else Decision(row=d.row, why=Why.SHARES_A_SHARD) for d in decisions
    ]


def _task(decision: Decision, stage: Stage, dataset: Path, clip_seconds: float) -> ClipTask:
    row = decision.row
    refusal = _refusal(row, stage)
    if decision.waits:
        refusal = (Reason.EARLIER_STAGE_MISSING, f"{row.name}: the stage before has not run on it yet")
    return ClipTask(
        position=row.position,
        name=row.name,
        path=str(dataset / row.path),
        refusal=refusal,
        own_file=_own_file_serves(row),
        limit_seconds=clip_seconds,
        h264_checksum=row.h264_checksum,
        span=row.span,
        told="" if stage.tells is None else stage.tells(row.position),
        size_bytes=0 if refusal else row.size_bytes,
    )


def _own_file_serves(row: StageRow) -> bool:
    return row.upstream_status == "done" and Reason.OWN_FILE_SERVES in row.upstream_reasons


def _takes_other_file(row: StageRow, stage: Stage) -> bool:
    """Whether a clip was done from its own file and the stage before now has the transcoded one, or the reverse."""
    before = Reason.OWN_FILE_SERVES in row.reasons
    return stage.upstream is not None and row.status == "done" and before != _own_file_serves(row)


def _refusal(row: StageRow, stage: Stage) -> tuple[Reason, str] | None:
    if not row.present:
        gone = "the file was gone" if row.span is None else "its row in the list or its video was gone"
        return Reason.VANISHED, f"{row.name}: {gone} when the data set was last looked at"
    if stage.upstream is None or row.upstream_status != "failed":
        return None
    if row.upstream_reasons[:1] in _PASSED_ON:
        return row.upstream_reasons[0], row.upstream_message
    return Reason.EARLIER_STAGE_FAILED, f"{stage.upstream.name} failed: {row.upstream_message}"
