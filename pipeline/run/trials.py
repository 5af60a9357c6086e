"""Find out why a unit's worker died: a clip that kills it, a clip that hangs, or something no clip is to blame for.

A worker may die of its clip, of a neighbour's (Dask blames every unit that a worker held), or of something outside, as
when the system ends processes for lack of memory. One death therefore proves nothing. A unit whose worker died is tried
with nothing else in flight: first its clips one at a time, then the unit without those that were found guilty.
"""

from __future__ import annotations

import dataclasses
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

from mocrop.pipeline.errors import ClusterError, Reason
from mocrop.pipeline.outcome import ClipTask, Outcome
from mocrop.pipeline.stages.contract import WorkUnit
from mocrop.pipeline.time_limit import timeout_message

DEATHS_ALONE = 3  # in a row, of a clip alone, before it is found guilty
MOST_DEATHS_ALONE = 10  # where workers are known to be killed from outside
PAUSES = (0.0, 0.0, 1.0, 2.0, 4.0, 8.0, 16.0, 30.0)  # seconds before each trial of a unit: what kills workers may pass


@dataclass(frozen=True, kw_only=True)
class Ran:
    """A unit that was run alone."""

    outcomes: list[Outcome] | None  # None: its worker died
    seconds: float  # from when there was a worker until it came back


class Trials:
    """Runs units whose worker died until it is known what became of each clip.

    Args:
        run: runs a unit alone, once there is a worker.
        whole: units must be run as a whole, because each is a shard.
    """

    def __init__(self, run: Callable[[WorkUnit], Ran], *, whole: bool) -> None:
        self._run = run
        self._whole = whole
        self._deaths_needed = DEATHS_ALONE  # one more for each clip that has died alone and then not

    def outcomes(self, unit: WorkUnit) -> list[Outcome] | None:
        """Run a unit, tried as often as it takes; None: it always loses its worker, and no clip does so alone.

        A clip that does is refused, as KILLED_WORKER or TIMED_OUT.

        Raises: ClusterError if workers die even without a clip.
        """
        for seconds in PAUSES:
            time.sleep(seconds)
            if len(_suspects(unit)) == 1:
                return self._outcomes_of_one(unit)
            unit = _refuse(unit, self._culprits(unit))
            ran = self._run(unit)
            if ran.outcomes is not None:
                return ran.outcomes
        if not _suspects(unit):
            raise ClusterError("Dask workers die even when there is no clip to work on; look at the cluster's logs")
        return None if self._whole else self._one_by_one(unit)

    def _culprits(self, unit: WorkUnit) -> dict[int, Reason]:
        """Try the clips of a unit one at a time, in rounds, so that deaths in a row are not of the same moment."""
        culprits: dict[int, Reason] = {}
        deaths: Counter[int] = Counter()
        trying = _suspects(unit)
        while trying:
            for clip in trying:
                verdict = self._judge(clip, self._run(WorkUnit(index=unit.index, clips=(clip,), probe=True)), deaths)
                if verdict is not None:
                    culprits[clip.position] = verdict
            trying = [clip for clip in trying if deaths[clip.position] and clip.position not in culprits]
        return culprits

    def _outcomes_of_one(self, unit: WorkUnit) -> list[Outcome] | None:
        """Run a unit of a single clip that can be to blame, for real: a probe would show no more."""
        (clip,) = _suspects(unit)
        deaths: Counter[int] = Counter()
        verdict = None
        while verdict is None:
            ran = self._run(unit)
            if ran.outcomes is not None:
                self._judge(clip, ran, deaths)
                return ran.outcomes
            verdict = self._judge(clip, ran, deaths)
        return self.outcomes(_refuse(unit, {clip.position: verdict}))

    def _judge(self, clip: ClipTask, ran: Ran, deaths: Counter[int]) -> Reason | None:
        """Count the deaths of a clip in a row, and say what it is guilty of; None: nothing, or not yet."""
        if ran.outcomes is not None:
            if deaths.pop(clip.position, 0):  # killed from outside: believe the next deaths less
                self._deaths_needed = min(self._deaths_needed + 1, MOST_DEATHS_ALONE)
            return None
        if 0 < clip.limit_seconds <= ran.seconds:
            return Reason.TIMED_OUT
        deaths[clip.position] += 1
        return Reason.KILLED_WORKER if deaths[clip.position] >= self._deaths_needed else None

    def _one_by_one(self, unit: WorkUnit) -> list[Outcome] | None:
        """Outcomes of clips that need not be run together."""
        outcomes: list[Outcome] = []
        for clip in unit.clips:
            outcomes += self.outcomes(dataclasses.replace(unit, clips=(clip,))) or []
        return outcomes


def _suspects(unit: WorkUnit) -> list[ClipTask]:
    """The clips of a unit that are opened."""
    return [clip for clip in unit.clips if clip.refusal is None]


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
