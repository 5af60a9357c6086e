"""Means and intervals of coverage over clips, as rows of a table. Intervals count groups of clips, not clips."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from mocrop.evaluation.coverage.overlap import METRICS, DoubleMap
from mocrop.evaluation.coverage.settings import BASES, CoverageSettings, takes_ratio
from mocrop.evaluation.scores.statistics import Estimate, group_interval

At = Literal["slots", "frames"]  # of the crop cache, or all annotated frames
Estimates = Mapping[str, Estimate]  # by metric


@dataclass(frozen=True, kw_only=True)
class CoverageRow:
    """One variant at one ratio on one set of clips."""

    at: At  # which frames count
    clips_of: str  # the set: "all", "class X", "camera still" or "camera moves"
    clips: int  # that have frames which count
    groups: int  # that these clips belong to; a clip without group is one of its own
    variant: str
    ratio: float  # that was asked for; 1 for a policy that does not ask for one, whose area is an estimate
    estimates: Estimates
    over: Mapping[str, Estimates]  # by base: differences to it on the same clips


def coverage_rows(
    values: Mapping[At, DoubleMap],
    *,
    clusters: npt.NDArray[np.int64],
    sets: Mapping[str, npt.NDArray[np.bool_]],
    variants: tuple[str, ...],
    settings: CoverageSettings,
) -> Iterator[CoverageRow]:
    """Rows of every set of clips, at slots and then at all frames.

    Args:
        values: shape (clips, variants, ratios, metrics) each.
        clusters: shape (clips,), the same number for the clips of one group.
        sets: shape (clips,) each.
    """
    for name, members in sets.items():
        for at, measured in values.items():
            counts = members & ~np.isnan(measured).all(axis=(1, 2, 3))
            if counts.any():
                yield from _rows(at, name, measured[counts], clusters[counts], variants, settings)


def _rows(
    at: At,
    name: str,
    values: DoubleMap,
    clusters: npt.NDArray[np.int64],
    variants: tuple[str, ...],
    settings: CoverageSettings,
) -> Iterator[CoverageRow]:
    mean = group_interval(values, clusters=clusters)
    bases = [base for base in BASES if base in variants]
    over = {base: group_interval(values - values[:, [variants.index(base)]], clusters=clusters) for base in bases}
    for v, variant in enumerate(variants):
        for r, ratio in enumerate(settings.ratios if takes_ratio(variant, settings) else (1.0,)):
            yield CoverageRow(
                at=at,
                clips_of=name,
                clips=len(values),
                groups=len(np.unique(clusters)),
                variant=variant,
                ratio=ratio,
                estimates=_estimates(mean, v, r, least=0),
                over={base: _estimates(over[base], v, r, least=-1) for base in bases if base != variant},
            )


def _estimates(of: tuple[DoubleMap, DoubleMap, DoubleMap], v: int, r: int, *, least: float) -> Estimates:
    """Estimates of one variant and ratio; no end of an interval lies where no value can."""
    found = zip(METRICS, *(part[v, r].tolist() for part in of), strict=True)
    return {metric: Estimate(mean=mean, low=max(low, least), high=min(high, 1.0)) for metric, mean, low, high in found}
