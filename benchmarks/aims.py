"""What the project wants to reach in its benchmarks: saved results in, one row an aim out, met or missed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mocrop.evaluation.rounds import Spread, ratios

Result = dict[str, Any]
Seconds = Mapping[str, Sequence[float]]  # by case, one value a round
Measure = Callable[[Seconds], Spread | None]  # None: who is compared with did not take part
OURS = "mocrop FrameReader"
OTHERS = ("TensorStore", "zarrs", "WebDataset", "torchcodec")


@dataclass(frozen=True, kw_only=True)
class Aim:
    """One thing to reach."""

    run: str  # whose results
    title: str  # what its title begins with
    contains: str = ""  # and what stands in it
    clock: str  # "cpu" or "wall"
    work: str
    compared: str
    measure: Measure
    least: float | None = None  # the ratio should be at least this
    most: float | None = None  # or at most this


@dataclass(frozen=True, kw_only=True)
class Row:
    """An aim and what came out."""

    aim: Aim
    found: Spread

    @property
    def met(self) -> bool:
        limits = self.aim.least, self.aim.most
        return (limits[0] is None or self.found.median >= limits[0]) and (
            limits[1] is None or self.found.median <= limits[1]
        )

    @property
    def wanted(self) -> str:
        return f"at least {self.aim.least:g}" if self.aim.least is not None else f"at most {self.aim.most:g}"


def slowness(*beginnings: str, than: str = OURS) -> Measure:
    """How much longer the quickest of some cases takes than one of ours."""

    def measure(seconds: Seconds) -> Spread | None:
        found = [ratios(values, to=seconds[than]) for name, values in seconds.items() if name.startswith(beginnings)]
        return min(found, key=lambda spread: spread.median) if found and than in seconds else None

    return measure


def cost(case: str, *, to: str) -> Measure:
    """Ratio of a case of ours to its peer."""
    return lambda seconds: ratios(seconds[case], to=seconds[to]) if {case, to} <= seconds.keys() else None


def _loader_aims() -> list[Aim]:
    aims = []
    for kind in ("training", "evaluation"):
        for clock, state in (("cpu", "in memory"), ("cpu", "in memory again"), ("wall", "evicted from memory")):
            compared: list[tuple[str, Measure, float]] = [
                ("the reference's pattern (OpenCV)", slowness("OpenCV"), 300),
                ("zarr-python, its quicker way", slowness("zarr-python"), 20),
                ("the quickest of the others", slowness(*OTHERS), 3),
                ("throughput of a memory map, share", slowness("numpy memmap"), 0.6),
                ("throughput of memcpy, share", slowness("memcpy"), 0.25),
            ]
            for name, measure, least in compared:
                aims.append(
                    Aim(
                        run="loader",
                        title=f"{kind} batch",
                        contains=f", {state}{'' if state != 'in memory again' else ','}",
                        clock=clock,
                        work=f"{kind} batch, {state} ({clock.upper() if clock == 'cpu' else clock})",
                        compared=name,
                        measure=measure,
                        least=least,
                    )
                )
    return aims


AIMS: tuple[Aim, ...] = tuple(_loader_aims())


def rows(results: Mapping[str, Sequence[Result]], aims: Sequence[Aim] = AIMS) -> list[Row]:
    """Every aim that something has been measured for, in order."""
    found = []
    for aim in aims:
        for result in results.get(aim.run, ()):
            if "seconds" not in result or not result["title"].startswith(aim.title) or not _says(result, aim.contains):
                continue
            spread = aim.measure(result["seconds"].get(aim.clock, {}))
            if spread is not None:
                found.append(Row(aim=aim, found=spread))
    return found


def _says(result: Result, words: str) -> bool:
    """Whether a title has these words, as a whole part of it."""
    return f"{words}," in f"{result['title']}," if not words.endswith(",") else words in f"{result['title']},"
