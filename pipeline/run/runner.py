"""Run the units of a stage: keep a window of them in flight, and record outcomes as they come back."""

from __future__ import annotations

import dataclasses
import time
from collections import Counter, deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from mocrop.pipeline.errors import ClusterError, Reason
from mocrop.pipeline.outcome import ClipTask, Outcome
from mocrop.pipeline.run.executors import Executor, Finished
from mocrop.pipeline.stages.contract import Stage, WorkUnit
from mocrop.pipeline.time_limit import timeout_message
from mocrop.pipeline.workspace.manifest import Manifest

SECONDS_BETWEEN_COMMITS = 1.0  # to the manifest; each waits for the disk, and a killed run repeats that much work


class Progress(Protocol):
    """Where the runner reports progress."""

    def advance(self, *, clips: int, failed: int) -> None:
        """Count clips that have been recorded, ``failed`` of them failed."""
        ...


@dataclass
class StageSummary:
    """The results of one run of a stage, in clips."""

    done: int = 0
    seconds: float = 0.0  # wall-clock time
    failed: Counter[Reason] = field(default_factory=Counter)  # by first reason
    notes: Counter[Reason] = field(default_factory=Counter)  # on clips that are done

    @property
    def clips(self) -> int:
        return self.done + self.failed.total()

    def add(self, outcomes: Iterable[Outcome]) -> None:
        for outcome in outcomes:
            if outcome.status == "done":
                self.done += 1
                self.notes.update(outcome.reasons)
            else:
                self.failed[outcome.reasons[0]] += 1


@dataclass
class _Trial:
    """The search for the clip that killed a unit's worker: its clips are tried one at a time."""

    unit: WorkUnit
    outstanding: int
    culprits: dict[int, Reason] = field(default_factory=dict)


def run_units(
    stage: Stage,
    units: Iterable[WorkUnit],
    *,
    executor: Executor,
    manifest: Manifest,
    workspace: Path,
    progress: Progress,
) -> StageSummary:
    """Run every unit and record every outcome; an interruption keeps what has come back.

    Only a killed process loses outcomes: those that came less than a second after the last commit and were followed by
    none. Their units are run again.

    Args:
        workspace: its root folder.
    Raises: DiskFullError, ClusterError, and whatever a bug in a stage raises.
    """
    run = _Run(stage, executor, manifest, workspace, progress)
    try:
        return run.all(units)
    except BaseException:
        executor.cancel()
        raise
    finally:
        run.commit()


class _Run:
    """One run of a stage.

    When a worker dies, Dask blames every unit that it held. So each such unit is tried with nothing else in flight:
    first its clips one at a time, then the unit again without the clips that killed a worker.
    """

    def __init__(
        self, stage: Stage, executor: Executor, manifest: Manifest, workspace: Path, progress: Progress
    ) -> None:
        self._stage = stage
        self._executor = executor
        self._manifest = manifest
        self._workspace = str(workspace)
        self._progress = progress
        self._summary = StageSummary()
        self._uncommitted: list[Outcome] = []
        self._committed = -SECONDS_BETWEEN_COMMITS  # monotonic time of the last commit
        self._in_flight = 0
        self._alone: deque[WorkUnit] = deque()  # units to run with nothing else in flight
        self._trials: dict[int, _Trial] = {}  # by index of the unit whose worker died

    def all(self, units: Iterable[WorkUnit]) -> StageSummary:
        start = time.perf_counter()
        waiting = iter(units)
        unit = next(waiting, None)
        while unit is not None or self._in_flight or self._alone:
            while unit is not None and self._in_flight < self._executor.window and not self._alone:
                self._submit(unit)
                unit = next(waiting, None)
            if self._in_flight:
                self._take(self._next_finished())
            elif self._alone:
                self._run_alone(self._alone.popleft())
        self._summary.seconds = time.perf_counter() - start
        return self._summary

    def commit(self) -> None:
        """Write the outcomes that have come back since the last commit to the manifest."""
        outcomes, self._uncommitted = self._uncommitted, []
        self._manifest.record(self._stage.name, self._stage.settings_hash, outcomes)
        self._committed = time.monotonic()

    def _submit(self, unit: WorkUnit) -> None:
        self._in_flight += 1
        self._executor.submit(self._stage, unit, self._workspace)

    def _next_finished(self) -> Finished:
        finished = self._executor.next_finished()
        self._in_flight -= 1
        return finished

    def _take(self, finished: Finished) -> None:
        if finished.outcomes is not None:
            self._record(finished.outcomes)
            return
        unit = finished.unit
        suspects = _suspects(unit)
        self._trials[unit.index] = _Trial(unit=unit, outstanding=len(suspects))
        self._alone.extend(WorkUnit(index=unit.index, clips=(clip,), probe=True) for clip in suspects)

    def _run_alone(self, unit: WorkUnit) -> None:
        start = time.monotonic()
        self._submit(unit)
        finished = self._next_finished()
        if unit.probe:
            self._note_probe(unit, died=finished.outcomes is None, seconds=time.monotonic() - start)
        elif finished.outcomes is not None:
            self._record(finished.outcomes)
        else:  # no clip kills a worker alone, but together they do
            culprits = {clip.position: Reason.KILLED_WORKER for clip in _suspects(unit)}
            self._alone.appendleft(_refuse(unit, culprits))

    def _note_probe(self, probe: WorkUnit, *, died: bool, seconds: float) -> None:
        """Note whether a clip, tried alone, killed its worker; after the last one run the unit without the culprits."""
        (clip,) = probe.clips
        trial = self._trials[probe.index]
        trial.outstanding -= 1
        if died:
            hung = 0 < clip.limit_seconds <= seconds
            trial.culprits[clip.position] = Reason.TIMED_OUT if hung else Reason.KILLED_WORKER
        if trial.outstanding == 0:
            self._alone.appendleft(_refuse(trial.unit, trial.culprits))

    def _record(self, outcomes: list[Outcome]) -> None:
        # A clip that waits for the stage before is still to do: it has no outcome to record.
        recorded = [o for o in outcomes if o.reasons[:1] != (Reason.EARLIER_STAGE_MISSING,)]
        self._uncommitted += recorded
        self._summary.add(recorded)
        self._progress.advance(clips=len(recorded), failed=sum(o.status == "failed" for o in recorded))
        if time.monotonic() >= self._committed + SECONDS_BETWEEN_COMMITS:
            self.commit()


def _suspects(unit: WorkUnit) -> list[ClipTask]:
    """The clips of a lost unit that were opened. Raises: ClusterError if there are none, so that none is to blame."""
    suspects = [clip for clip in unit.clips if clip.refusal is None]
    if not suspects:
        raise ClusterError("Dask workers die even when there is no clip to work on; look at the cluster's logs")
    return suspects


def _refuse(unit: WorkUnit, culprits: dict[int, Reason]) -> WorkUnit:
    """The same unit with some of its clips refused."""
    clips = (
        dataclasses.replace(clip, refusal=_refusal(culprits[clip.position], clip.name, clip.limit_seconds))
        if clip.position in culprits
        else clip
        for clip in unit.clips
    )
    return dataclasses.replace(unit, clips=tuple(clips))


def _refusal(reason: Reason, clip: str, limit_seconds: float) -> tuple[Reason, str]:
    if reason is Reason.TIMED_OUT:
        return reason, timeout_message(clip, limit_seconds)
    return reason, f"{clip}: the process that worked on it died; `mocrop retry` tries it again"
