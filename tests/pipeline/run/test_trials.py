"""Trials of units whose workers died: who is blamed after how many deaths, and who never is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest

from mocrop.pipeline.errors import ClusterError, Reason
from mocrop.pipeline.outcome import ClipTask, Outcome
from mocrop.pipeline.run import trials
from mocrop.pipeline.run.trials import Ran, Trials
from mocrop.pipeline.stages.contract import WorkUnit

UNIT = WorkUnit(index=7, clips=tuple(ClipTask(position=n, name=f"A/{n}", path=f"/{n}.avi") for n in range(4)))
ONE = replace(UNIT, clips=UNIT.clips[:1])


class Workers:
    """Runs units as a list of deaths says.

    Args:
        dies: whether the worker dies over these clips, the first, second, third time that they are run together.
        seconds: that each run takes.
    """

    def __init__(self, dies: Callable[[tuple[int, ...], int], bool], *, seconds: float = 1.0) -> None:
        self.dies, self.seconds = dies, seconds
        self.ran: list[tuple[int, ...]] = []  # clips of each unit, refused ones left out

    def __call__(self, unit: WorkUnit) -> Ran:
        clips = tuple(clip.position for clip in unit.clips if clip.refusal is None)
        self.ran.append(clips)
        if self.dies(clips, self.ran.count(clips)):
            return Ran(outcomes=None, seconds=self.seconds)
        return Ran(outcomes=[_outcome(clip) for clip in unit.clips], seconds=self.seconds)


def _outcome(clip: ClipTask) -> Outcome:
    reasons = (clip.refusal[0],) if clip.refusal else ()
    return Outcome(position=clip.position, status="failed" if reasons else "done", reasons=reasons)


def failed(outcomes: Sequence[Outcome] | None) -> dict[int, Reason]:
    assert outcomes is not None
    return {outcome.position: outcome.reasons[0] for outcome in outcomes if outcome.status == "failed"}


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trials, "PAUSES", (0.0,) * 8)


@pytest.mark.parametrize("deaths", range(8))
def test_a_unit_that_dies_again_though_its_clips_do_not_is_tried_again(deaths: int) -> None:
    workers = Workers(lambda clips, time: len(clips) == 4 and time <= deaths)
    outcomes = Trials(workers, whole=True).outcomes(UNIT)
    assert (None if outcomes is None else failed(outcomes)) == {}
    assert workers.ran.count((0, 1, 2, 3)) == deaths + 1


def test_a_shard_that_dies_however_often_it_is_tried_is_given_up_and_nobody_is_blamed() -> None:
    assert Trials(Workers(lambda clips, _: len(clips) == 4), whole=True).outcomes(UNIT) is None


def test_clips_that_need_not_be_run_together_are_done_one_by_one_then() -> None:
    outcomes = Trials(Workers(lambda clips, _: len(clips) == 4), whole=False).outcomes(UNIT)
    assert [outcome.position for outcome in outcomes or ()] == [0, 1, 2, 3]
    assert failed(outcomes) == {}


@pytest.mark.parametrize(("deaths", "blamed"), [(1, False), (2, False), (3, True)])
def test_a_clip_is_blamed_when_it_has_died_alone_three_times_in_a_row(deaths: int, blamed: bool) -> None:
    workers = Workers(lambda clips, time: clips == (2,) and time <= deaths)
    outcomes = Trials(workers, whole=True).outcomes(UNIT)
    assert failed(outcomes) == ({2: Reason.KILLED_WORKER} if blamed else {})


@pytest.mark.parametrize(("deaths", "blamed"), [(1, False), (2, False), (3, True)])
def test_so_is_the_only_clip_of_a_unit_which_is_run_for_real(deaths: int, blamed: bool) -> None:
    workers = Workers(lambda clips, time: clips == (0,) and time <= deaths)
    assert failed(Trials(workers, whole=True).outcomes(ONE)) == ({0: Reason.KILLED_WORKER} if blamed else {})


def test_where_workers_are_known_to_be_killed_from_outside_more_deaths_are_asked_for() -> None:
    """Clips 0 and 1 die once and then do not; clip 3 dies every time, five times in all and not three."""
    workers = Workers(lambda clips, time: (clips in ((0,), (1,)) and time == 1) or clips == (3,))
    assert failed(Trials(workers, whole=True).outcomes(UNIT)) == {3: Reason.KILLED_WORKER}
    assert workers.ran.count((3,)) == trials.DEATHS_ALONE + 2


def test_but_a_clip_that_always_dies_is_found_however_many_have_been_killed_from_outside() -> None:
    tried = Trials(Workers(lambda clips, time: clips == (0,) and time % 2 == 1), whole=True)
    for _ in range(20):  # the only clip of a unit dies, and then does not
        tried.outcomes(ONE)
    tried._run = Workers(lambda clips, _: 3 in clips)
    assert failed(tried.outcomes(UNIT)) == {3: Reason.KILLED_WORKER}
    assert tried._run.ran.count((3,)) == trials.MOST_DEATHS_ALONE


@pytest.mark.parametrize(("limit", "reason"), [(1.0, Reason.TIMED_OUT), (1.5, Reason.KILLED_WORKER)])
@pytest.mark.parametrize("unit", [UNIT, ONE])
def test_a_clip_whose_worker_lives_to_the_limit_has_hung_and_is_not_run_again(
    unit: WorkUnit, limit: float, reason: Reason
) -> None:
    limited = replace(unit, clips=tuple(replace(clip, limit_seconds=limit) for clip in unit.clips))
    workers = Workers(lambda clips, _: 0 in clips, seconds=1.0)
    assert failed(Trials(workers, whole=True).outcomes(limited)) == {0: reason}
    assert workers.ran.count((0,)) == (1 if reason is Reason.TIMED_OUT else trials.DEATHS_ALONE)


def test_several_clips_that_kill_are_all_found_and_the_rest_is_done() -> None:
    workers = Workers(lambda clips, _: 1 in clips or 2 in clips)
    assert failed(Trials(workers, whole=True).outcomes(UNIT)) == dict.fromkeys((1, 2), Reason.KILLED_WORKER)


def test_workers_that_die_without_a_clip_are_nobodys_fault() -> None:
    with pytest.raises(ClusterError, match="die even when there is no clip"):
        Trials(Workers(lambda *_: True), whole=True).outcomes(UNIT)
