"""Interleaved timing: cases take turns, and are compared round by round.

On a machine that others use, speed changes from minute to minute. What runs in the same round sees the same machine, so
the ratio of two cases is taken within each round.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from mocrop.pipeline.platform_calls import cpu_seconds as cpu_seconds


@dataclass(frozen=True, kw_only=True)
class Case:
    """One piece of work to time."""

    run: Callable[[int], object]  # takes the number of the call, counted over all rounds
    times: int = 1  # calls a round
    prepare: Callable[[], object] | None = None  # before each round; not timed


@dataclass(frozen=True, kw_only=True)
class Timing:
    """Seconds per call, one value a round."""

    cpu: list[float] = field(default_factory=list)
    wall: list[float] = field(default_factory=list)


@dataclass(frozen=True, kw_only=True)
class Spread:
    """Median and range of some values."""

    median: float
    least: float
    most: float


def take_turns(
    cases: Mapping[str, Case],
    *,
    rounds: int,
    warm_up: int = 1,
) -> dict[str, Timing]:
    """Run every case once a round, in turn.

    Args:
        rounds: number of rounds that are measured.
        warm_up: number of rounds before them that are not.
    """
    timings = {name: Timing() for name in cases}
    numbers = dict.fromkeys(cases, 0)
    for turn in range(warm_up + rounds):
        for name, case in cases.items():
            if case.prepare:
                case.prepare()
            cpu, wall = cpu_seconds(), time.perf_counter()
            for number in range(numbers[name], numbers[name] + case.times):
                case.run(number)
            cpu, wall = cpu_seconds() - cpu, time.perf_counter() - wall
            numbers[name] += case.times
            if turn >= warm_up:
                timings[name].cpu.append(cpu / case.times)
                timings[name].wall.append(wall / case.times)
    return timings


def spread(values: Sequence[float]) -> Spread:
    """Median and range.

    >>> spread([3.0, 1.0, 2.0])
    Spread(median=2.0, least=1.0, most=3.0)
    """
    return Spread(median=statistics.median(values), least=min(values), most=max(values))


def ratios(values: Sequence[float], to: Sequence[float]) -> Spread:
    """Ratios of one case to another, round by round.

    >>> ratios([2.0, 6.0, 4.0], to=[1.0, 2.0, 4.0])
    Spread(median=2.0, least=1.0, most=3.0)
    """
    return spread([mine / theirs for mine, theirs in zip(values, to, strict=True)])
