"""The measured tables that advice rests on: few-shot accuracies, and coverage of annotated actors.

``measured.json`` is made of saved results by ``benchmarks/advice_tables.py``.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import Any, Literal, TypeAlias

from mocrop.evaluation.scores.comparisons import Verdict
from mocrop.evaluation.scores.statistics import Estimate
from mocrop.pipeline.strict_json import parsed_json

FILE = "measured.json"
Kind: TypeAlias = Literal["still", "moves"]  # what the camera does in the clips of a coverage


@dataclass(frozen=True, kw_only=True)
class Tested:
    """A tested difference of two ways to crop, in shares of right answers."""

    variant: str  # such as "follow 0.25"
    base: str
    difference: Estimate
    verdict: Verdict


@dataclass(frozen=True, kw_only=True)
class Measured:
    """The accuracy of one way to crop in one view; described, not tested."""

    variant: str
    size: int  # pixels
    frames: int
    gflops: float  # of a clip
    accuracy: float


@dataclass(frozen=True, kw_only=True)
class AccuracyTable:
    """What an ablation found on one set of clips, with heads trained on few groups of clips."""

    data: str  # which clips
    backbone: str  # whose frozen features the heads were trained on
    still: float  # share of them whose camera stands still
    spread: float  # median share of the picture that holds 90 % of what moves by itself
    clips: int
    groups: int  # of each class trained on
    size: int  # of the tests, pixels
    frames: int  # of the tests
    tested: tuple[Tested, ...]
    measured: tuple[Measured, ...]

    def test(self, variant: str, base: str) -> Tested | None:
        """A test of this table; None if it was not made."""
        return next((each for each in self.tested if (each.variant, each.base) == (variant, base)), None)

    def accuracy(self, variant: str, *, size: int, frames: int) -> Measured | None:
        """An accuracy of this table; None if it was not measured."""
        wanted = variant, size, frames
        return next((each for each in self.measured if (each.variant, each.size, each.frames) == wanted), None)

    @property
    def conditions(self) -> str:
        """What the accuracies of the tests stand for, in words."""
        groups, frames = _counted(self.groups, "group"), _counted(self.frames, "frame")
        heads = f"heads on the frozen {self.backbone}, trained on {groups} of clips a class"
        return f"{self.data}: {heads}, {self.size} px, {frames}"


def _counted(count: int, of: str) -> str:
    return f"{count} {of}{'' if count == 1 else 's'}"


@dataclass(frozen=True, kw_only=True)
class CoverageEntry:
    """Mean share of the annotated actor inside the crops, at the slots of a cache."""

    data: str
    kind: Kind
    variant: str
    inside: Estimate


@dataclass(frozen=True, kw_only=True)
class Tables:
    """All measured tables."""

    accuracy: tuple[AccuracyTable, ...]
    coverage: tuple[CoverageEntry, ...]


@functools.cache
def measured_tables() -> Tables:
    """The tables that come with mocrop."""
    return tables_from(parsed_json(files("mocrop.evaluation.advice").joinpath(FILE).read_bytes()))


def tables_from(content: Mapping[str, Any]) -> Tables:
    """Tables from the values of their file."""
    return Tables(
        accuracy=tuple(
            AccuracyTable(
                **{
                    **table,
                    "tested": tuple(_tested(each) for each in table["tested"]),
                    "measured": tuple(Measured(**each) for each in table["measured"]),
                }
            )
            for table in content["accuracy"]
        ),
        coverage=tuple(
            CoverageEntry(**{**entry, "inside": _estimate(entry["inside"])}) for entry in content["coverage"]
        ),
    )


def _tested(values: Mapping[str, Any]) -> Tested:
    return Tested(
        **{**values, "difference": _estimate(values["difference"]), "verdict": Verdict(values["verdict"])},
    )


def _estimate(values: Sequence[float | None]) -> Estimate:
    """An estimate from its mean and both ends; an end that is not known lies anywhere."""
    mean, low, high = values
    assert mean is not None
    return Estimate(mean=mean, low=-math.inf if low is None else low, high=math.inf if high is None else high)
