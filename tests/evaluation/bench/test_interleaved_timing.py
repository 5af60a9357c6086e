"""Cases take turns, and their time is counted per call."""

from __future__ import annotations

import pytest

from mocrop.evaluation.bench import interleaved_timing
from mocrop.evaluation.bench.interleaved_timing import Case, take_turns


def test_cases_take_turns_and_the_warm_up_does_not_count() -> None:
    said: list[str] = []
    cases = {
        "a": Case(run=lambda n: said.append(f"a{n}"), times=2, prepare=lambda: said.append("prepare")),
        "b": Case(run=lambda n: said.append(f"b{n}")),
    }
    timings = take_turns(cases, rounds=2)
    assert said == ["prepare", "a0", "a1", "b0", "prepare", "a2", "a3", "b1", "prepare", "a4", "a5", "b2"]
    assert [len(timing.cpu) for timing in timings.values()] == [2, 2]
    assert all(seconds >= 0 for timing in timings.values() for seconds in timing.cpu + timing.wall)


def test_without_warm_up_every_round_counts() -> None:
    timings = take_turns({"a": Case(run=lambda _: None)}, rounds=3, warm_up=0)
    assert len(timings["a"].wall) == 3


def test_time_is_counted_per_call_and_preparing_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    """Four calls of two seconds each, after a hundred seconds of preparing."""
    clock = [0.0]
    monkeypatch.setattr(interleaved_timing, "cpu_seconds", lambda: clock[0])

    def spend(seconds: float) -> None:
        clock[0] += seconds

    case = Case(run=lambda _: spend(2.0), times=4, prepare=lambda: spend(100.0))
    assert take_turns({"a": case}, rounds=1)["a"].cpu == [2.0]
