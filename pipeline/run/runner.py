"""Run the units of a stage: keep a window of them in flight, and record outcomes as they come back."""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from mocrop.pipeline.errors import ClusterError, Reason
from mocrop.pipeline.outcome import Outcome
from mocrop.pipeline.run.executors import Executor, Finished
from mocrop.pipeline.run.trials import Ran, Trials
from mocrop.pipeline.stages.contract import Stage, WorkUnit
from mocrop.pipeline.workspace.manifest import Manifest

SECONDS_BETWEEN_COMMITS = 1.0  # to the manifest; each waits for the disk, and a killed run repeats that much work


class Progress(Protocol):
    """Where the runner reports progress."""

    def advance(self, *, clips: int, failed: int, size_bytes: int) -> None:
        """Count clips that have been recorded, ``failed`` of them failed, and the size of their files."""
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
    """One run of a stage. Units whose worker died are tried again, with nothing else in flight."""

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
        self._lost: deque[WorkUnit] = deque()  # units whose worker died
        self._trials = Trials(self._run_alone, whole=stage.writes_shards)
        self._given_up: list[WorkUnit] = []

    def all(self, units: Iterable[WorkUnit]) -> StageSummary:
        start = time.perf_counter()
        waiting = iter(units)
        unit = next(waiting, None)
        while unit is not None or self._in_flight or self._lost:
            while unit is not None and self._in_flight < self._executor.window and not self._lost:
                self._submit(unit)
                unit = next(waiting, None)
            if self._in_flight:
                self._take(self._next_finished())
            elif self._lost:
                self._try(self._lost.popleft())
        self._require_all_settled()
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
        if finished.outcomes is None:
            self._lost.append(finished.unit)
        else:
            self._record(finished.outcomes, finished.unit)

    def _try(self, unit: WorkUnit) -> None:
        self.commit()  # trials may take minutes
        outcomes = self._trials.outcomes(unit)
        if outcomes is None:
            self._given_up.append(unit)
        else:
            self._record(outcomes, unit)

    def _run_alone(self, unit: WorkUnit) -> Ran:
        self._executor.wait_for_a_worker()
        start = time.monotonic()
        self._submit(unit)
        return Ran(outcomes=self._next_finished().outcomes, seconds=time.monotonic() - start)

    def _require_all_settled(self) -> None:
        if not self._given_up:
            return
        clips, more = self._given_up[0].clips, len(self._given_up) - 1
        others = f", and over {more} more {'shard' if more == 1 else 'shards'}" if more else ""
        raise ClusterError(
            f"{self._stage.name}: workers died again and again over the clips from {clips[0].name} to {clips[-1].name}"
            f"{others}, and over none of them alone; perhaps there is too little memory: free some or pass fewer "
            "--workers, then run the same command again: all other clips are done"
        )

    def _record(self, outcomes: list[Outcome], unit: WorkUnit) -> None:
        # A clip that waits for the stage before is still to do: it has no outcome to record.
        recorded = [o for o in outcomes if o.reasons[:1] != (Reason.EARLIER_STAGE_MISSING,)]
        self._uncommitted += recorded
        self._summary.add(recorded)
        failed = sum(o.status == "failed" for o in recorded)
        self._progress.advance(clips=len(recorded), failed=failed, size_bytes=unit.size_bytes)
        if time.monotonic() >= self._committed + SECONDS_BETWEEN_COMMITS:
            self.commit()
