"""Late fusion: the weighted mean of two networks' softmax on the same clips.

A weight that was chosen on the same clips flatters the result: choose it on others, or leave it at one half. Tests and
intervals are about these two networks on new groups of clips; other trainings of both might give another gain.
"""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from mocrop.evaluation.scores.alignment import align
from mocrop.evaluation.scores.comparisons import Comparison, compare, corrected
from mocrop.evaluation.scores.metrics import DoubleMap, Metrics, log_softmax, measure, right
from mocrop.evaluation.scores.predictions import Origin, Predictions, require_one_label

Logits = npt.NDArray[np.floating]


@dataclass(frozen=True, kw_only=True, eq=False)
class Stream:
    """One row of a fusion: a network, or both together."""

    name: str
    predictions: Predictions
    metrics: Metrics
    over_first: Comparison | None = None  # in top-1, corrected for the two of a fusion; None for the first itself

    def to_json(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "origin": asdict(self.predictions.origin),
            **self.metrics.to_json(),
            "over_first": self.over_first and comparison_json(self.over_first),
        }


@dataclass(frozen=True, kw_only=True, eq=False)
class Fusion:
    """Both networks and their fusion, on the same clips in the same order."""

    weight: float  # of the second
    first: Stream
    second: Stream
    fused: Stream

    @property
    def streams(self) -> tuple[Stream, Stream, Stream]:
        return self.first, self.second, self.fused

    def to_json(self) -> dict[str, Any]:
        streams = {name: getattr(self, name).to_json() for name in ("first", "second", "fused")}
        return {"weight": self.weight, "split": self.first.predictions.split, **streams}


def late_fusion(
    first: Predictions, second: Predictions, *, weight: float = 0.5, names: tuple[str, str] = ("first", "second")
) -> Fusion:
    """Fuse two networks and compare the second and the fusion with the first.

    Args:
        weight: of the second, from 0 to 1.
        names: of both in the report.
    Raises: PredictionsError naming both if classes or clips differ; ValueError for another weight.
    """
    first, second = align(first, second)
    fused = fuse(first, second, weight=weight)
    base = Stream(name=names[0], predictions=first, metrics=measure(first))
    over_second, over_fused = corrected([_against(first, second, "second"), _against(first, fused, "fused")])
    return Fusion(
        weight=weight,
        first=base,
        second=Stream(name=names[1], predictions=second, metrics=measure(second), over_first=over_second),
        fused=Stream(
            name=f"weights {1 - weight:g} and {weight:g}",
            predictions=fused,
            metrics=measure(fused),
            over_first=over_fused,
        ),
    )


def fuse(first: Predictions, second: Predictions, *, weight: float = 0.5) -> Predictions:
    """Average the softmax of two networks; see :func:`mixed_logits` for the logits of the result.

    Raises: PredictionsError if classes or clips differ, or if a clip may have several labels; ValueError for a weight
        outside 0 to 1.
    """
    require_one_label(first)
    if not 0 <= weight <= 1:
        raise ValueError(f"weight must be from 0 to 1, not {weight}")
    first, second = align(first, second)
    logits = mixed_logits(first.logits, second.logits, weight=weight)
    return replace(first, logits=logits, origin=_joined(first.origin, second.origin, weight=weight))


def mixed_logits(first: Logits, second: Logits, *, weight: float) -> DoubleMap:
    """Logits whose softmax is the weighted mean of two: the logarithm of that mean, taken without leaving logarithms.

    The probability of a class may be far below the smallest number above zero; its logarithm is not, and so no two
    classes become equal that were not. Where only one network counts, or both give the same logits for a clip, the
    result is these logits: its order of classes is exactly theirs.

    Args:
        first: (clips, classes).
        second: of the same shape.
        weight: of the second, from 0 to 1.
    Returns: float64, finite.

    >>> mixed_logits(np.array([[3.0, 1.0, 1.0, -2000.0]]), np.array([[3.0, 1.0, 1.0, -2000.0]]), weight=0.3).tolist()
    [[3.0, 1.0, 1.0, -2000.0]]
    """
    if weight in (0, 1):
        return (second if weight else first).astype(np.float64)
    mixed = np.logaddexp(log_softmax(first) + np.log1p(-weight), log_softmax(second) + np.log(weight))
    same = (first == second).all(axis=1, keepdims=True)
    return np.asarray(np.where(same, first, mixed), dtype=np.float64)


def _against(first: Predictions, other: Predictions, role: str) -> Comparison:
    before, now = right(first), right(other)
    return compare(
        (role, now.astype(np.float64), now),
        ("first", before.astype(np.float64), before),
        where=first.split,
        clusters=first.clusters,
    )


def comparison_json(comparison: Comparison) -> dict[str, Any]:
    """What a comparison has found as plain values."""
    return {
        "difference": comparison.difference.mean,
        "interval_95": [comparison.difference.low, comparison.difference.high],
        "gained": comparison.gained,
        "lost": comparison.lost,
        "p_value": comparison.p_value,
        "p_corrected": comparison.p_corrected,
        "verdict": comparison.verdict,
    }


def _joined(first: Origin, second: Origin, *, weight: float) -> Origin:
    """Origin of fused predictions: hashes made of those of both parts, and what the first network got of a clip."""

    def both(*parts: object) -> str:
        return hashlib.sha256(repr((*parts, weight)).encode()).hexdigest()[:16]

    def caches(one: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
        return {"name": f"{one.get('name')} + {other.get('name')}", "hash": both(one.get("hash"), other.get("hash"))}

    return Origin(
        checkpoint=f"{first.checkpoint} + {second.checkpoint}",
        checkpoint_hash=both(first.checkpoint_hash, second.checkpoint_hash),
        arch=f"{first.arch} + {second.arch}",
        epoch=first.epoch,
        trained_on=caches(first.trained_on, second.trained_on),
        cache=caches(first.cache, second.cache),
        segments=first.segments,
        look=first.look,
        seen_in_training=max(first.seen_in_training, second.seen_in_training),
    )
