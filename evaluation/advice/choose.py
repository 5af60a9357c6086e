"""Choose policy, area, size and frames from the measured tables, each with the reason.

A crop is chosen only where the tests of a table show it better than no crop; one that motion places only where they
also show it better than the centre crop of its shape and area. Otherwise the simpler one is chosen, and the reason says
what is not shown.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from mocrop.evaluation.advice.measured import AccuracyTable, CoverageEntry, Kind, Measured, Tables, Tested
from mocrop.evaluation.advice.motion_facts import DataSetFacts
from mocrop.evaluation.report.format import points
from mocrop.evaluation.scores.comparisons import Verdict

NEARLY = 0.01  # accuracies that are apart by no more count as about the same; this is no test
CLEAR = 0.8  # share of clips of one kind of camera from which on coverage with the other is not told
WHOLE = ("full", "picture")
MOVED = ("motion", "motion-v2", "adaptive", "follow")  # policies that motion places
LIKE_STILL = 0.3  # clips are alike whose share of still cameras differs by no more, and
LIKE_SPREAD = 2.5  # whose motion is spread over no more times as much of the picture, or as little


@dataclass(frozen=True, kw_only=True)
class Crop:
    """A chosen crop."""

    policy: str
    ratio: float | None  # None: it is of no chosen area
    reason: str

    @property
    def variant(self) -> str:
        """Its name in the tables."""
        return self.policy if self.ratio is None else f"{self.policy} {self.ratio:g}"

    @property
    def options(self) -> dict[str, str]:
        """Options of `mocrop precrop` that make it."""
        name, shape = ("center", {"--shape": "frame"}) if self.policy == "center-frame" else (self.policy, {})
        return {"--policy": name, **({} if self.ratio is None else {"--ratio": f"{self.ratio:g}"}), **shape}


@dataclass(frozen=True, kw_only=True)
class Count:
    """A chosen number."""

    value: int
    reason: str


def tables_like(facts: DataSetFacts, tables: Sequence[AccuracyTable]) -> list[AccuracyTable]:
    """The tables that were measured on clips like those of a data set."""
    return [table for table in tables if _distance(facts, table) <= 1]


def nearest_table(facts: DataSetFacts, tables: Sequence[AccuracyTable]) -> AccuracyTable | None:
    """The table that was measured on the clips most like those of a data set; None if there is no table."""
    return min(tables, key=lambda table: _distance(facts, table), default=None)


def _distance(facts: DataSetFacts, table: AccuracyTable) -> float:
    """How unlike clips are: 1 at the limit of what counts as alike."""
    spread = 0.0 if facts.spread is None else abs(math.log(facts.spread / table.spread)) / math.log(LIKE_SPREAD)
    return max(abs(facts.still - table.still) / LIKE_STILL, spread)


def choose_crop(tables: Sequence[AccuracyTable], *, bars: bool) -> Crop:
    """Choose a policy and its area: of those that no table shows worse and one shows better, the most accurate.

    Args:
        tables: that the data set is judged by; with several, a crop must do in all of them.
        bars: whether clips have black bars.
    """
    whole = "picture" if bars else "full"
    able = [variant for variant in _variants(tables) if _pays(variant, tables)]
    if not able:
        return Crop(policy=whole, ratio=None, reason=_why_none(tables))
    best = max(able, key=lambda variant: _mean_accuracy(variant, tables))
    policy, _, ratio = best.partition(" ")
    return Crop(policy=policy, ratio=float(ratio), reason=_why(best, tables))


def _variants(tables: Sequence[AccuracyTable]) -> list[str]:
    """Crops that every table has tested."""
    tested = [{each.variant for each in table.tested} for table in tables]
    return sorted(set.intersection(*tested) - set(WHOLE)) if tested else []


def _pays(variant: str, tables: Sequence[AccuracyTable]) -> bool:
    """Whether each table has compared a crop with all that it must beat, and the tests show that it does."""
    compared = all(_compared(variant, table) for table in tables)
    return compared and all(_shown(tests) for tests in _questions(variant, tables))


def _compared(variant: str, table: AccuracyTable) -> bool:
    return all(any(table.test(variant, base) for base in bases) for bases in _to_beat(variant))


def _to_beat(variant: str) -> list[tuple[str, ...]]:
    """What a crop must be better than: no crop and, if motion places it, the centre crop of its area."""
    policy, _, ratio = variant.partition(" ")
    return [WHOLE, (f"center-frame {ratio}", f"center {ratio}")] if policy in MOVED else [WHOLE]


def _questions(variant: str, tables: Sequence[AccuracyTable]) -> Iterator[list[Tested]]:
    """The tests of a crop against each thing that it must be better than."""
    for base in itertools.chain(*_to_beat(variant)):
        if tests := [found for table in tables if (found := table.test(variant, base))]:
            yield tests


def _shown(tests: Sequence[Tested]) -> bool:
    verdicts = {test.verdict for test in tests}
    return Verdict.BETTER in verdicts and Verdict.WORSE not in verdicts


def _mean_accuracy(variant: str, tables: Sequence[AccuracyTable]) -> float:
    found = (table.accuracy(variant, size=table.size, frames=table.frames) for table in tables)
    return float(np.mean([each.accuracy for each in found if each is not None] or [0.0]))


def _why(variant: str, tables: Sequence[AccuracyTable]) -> str:
    said = [
        f"{table.data}: " + ", ".join(_words(test) for test in table.tested if test.variant == variant)
        for table in tables
    ]
    return f"{variant}, points of top-1 on {'; on '.join(said)}"


def _words(test: Tested) -> str:
    shown = ""
    if test.verdict is Verdict.NOT_SHOWN:
        corrected = not test.difference.low <= 0 <= test.difference.high
        shown = " (not shown, corrected for all tests of the question)" if corrected else " (not shown)"
    return f"{points(test.difference)} to {test.base}{shown}"


def _why_none(tables: Sequence[AccuracyTable]) -> str:
    if not tables:
        return "no table has been measured on such clips, so nothing is shown to beat no crop"
    return f"no crop is shown to be better than none and, if motion places it, than the centre, on {_data(tables)}"


def _data(tables: Sequence[AccuracyTable]) -> str:
    return " and ".join(table.data for table in tables)


def passed_over(crop: Crop, tables: Sequence[AccuracyTable]) -> Iterator[str]:
    """Why the crop that was the most accurate is not the chosen one, in a sentence."""
    best = max(_variants(tables), key=lambda variant: _mean_accuracy(variant, tables), default=crop.variant)
    if best == crop.variant:
        return
    lacking = [
        f"{_words(test)} on {table.data}"
        for table in tables
        for base in itertools.chain(*_to_beat(best))
        if (test := table.test(best, base)) and test.verdict is not Verdict.BETTER
    ]
    lacks = f": {'; '.join(lacking)}" if lacking else ""
    shares = (f"{name} has {100 * _mean_accuracy(name, tables):.1f} %" for name in (best, crop.variant))
    yield f"{', '.join(shares)}; but {best} is not shown better than all that it must be{lacks}."


def choose_frames(crop: Crop, tables: Sequence[AccuracyTable]) -> Count | None:
    """The fewest frames of a clip that were about as accurate as the most; None if nothing was measured."""
    return _fewest(
        crop,
        [
            [each for each in table.measured if each.variant == crop.variant and each.size == table.size]
            for table in tables
        ],
        tables,
        name="frames",
    )


def choose_size(crop: Crop, tables: Sequence[AccuracyTable], *, frames: int) -> Count | None:
    """The smallest frames that were about as accurate as the largest; None if nothing was measured."""
    return _fewest(
        crop,
        [
            [each for each in table.measured if each.variant == crop.variant and each.frames == frames]
            for table in tables
        ],
        tables,
        name="size",
    )


def _fewest(
    crop: Crop, curves: Sequence[Sequence[Measured]], tables: Sequence[AccuracyTable], *, name: str
) -> Count | None:
    """The least number at which every curve is nearly as high as at the largest one."""
    by_number = [{int(getattr(each, name)): each for each in curve} for curve in curves]
    common = sorted(set.intersection(*(set(each) for each in by_number))) if by_number else []
    if not common:
        return None
    most = common[-1]
    enough = [
        number for number in common if all(each[number].accuracy >= each[most].accuracy - NEARLY for each in by_number)
    ]
    said = "; ".join(
        f"{table.data}: " + ", ".join(_accuracy(number, each[number], name) for number in common)
        for table, each in zip(tables, by_number, strict=True)
    )
    return Count(value=enough[0], reason=f"{said} (with {crop.variant}; described, not tested)")


def _accuracy(number: int, one: Measured, name: str) -> str:
    unit = " px" if name == "size" else f" frame{'' if number == 1 else 's'}"
    return f"{100 * one.accuracy:.1f} % with {number}{unit} at {one.gflops:.2g} GFLOPs"


def coverage_words(crop: Crop, tables: Tables, *, still: float) -> list[str]:
    """How much of annotated actors the chosen crop holds, one sentence a set of clips; none of the whole picture.

    Args:
        still: share of the clips whose camera stands still.
    """
    if crop.ratio is None:
        return []
    kinds: set[Kind] = {"still"} if still >= CLEAR else {"moves"} if still <= 1 - CLEAR else {"still", "moves"}
    return [_held(entry) for entry in tables.coverage if entry.variant == crop.variant and entry.kind in kinds]


def _held(entry: CoverageEntry) -> str:
    one = entry.inside
    return f"{entry.variant} holds {one.mean:.3f} [{one.low:.3f}, {one.high:.3f}] of the actors of {entry.data}."
