"""Few-shot results: variants compared over all draws, and the pairs of classes that are confused most."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from mocrop.evaluation.ablation.few_shot import Curve, FewShotClips, clip_sums, confusion_rates
from mocrop.evaluation.ablation.outcomes import bases_of
from mocrop.evaluation.ablation.settings import AblationSettings
from mocrop.evaluation.scores.comparisons import Comparison, compare_sums, corrected
from mocrop.evaluation.scores.statistics import Estimate, bootstrap

DoubleArray = npt.NDArray[np.float64]

MAX_PAIRS = 4


@dataclass(frozen=True, kw_only=True, eq=False)
class FewShot:
    """The curves of every size, all of the same clips."""

    table: FewShotClips
    curves: Mapping[int, Sequence[Curve]]  # by size of the frames, pixels


@dataclass(frozen=True, kw_only=True)
class PairChange:
    """How often two classes are taken for each other under one variant; intervals over draws."""

    size: int  # pixels
    groups: int  # of each class trained on
    classes: tuple[str, str]
    variant: str
    rate: Estimate  # share of the tested clips of both that are taken for the other
    over_full: Estimate  # difference to `full`, draw by draw


def few_shot_comparisons(few_shot: FewShot, settings: AblationSettings) -> list[Comparison]:
    """Every variant against its bases, at each size and number of groups; corrected as one family."""
    return corrected(list(_uncorrected(few_shot, settings)))


def _uncorrected(few_shot: FewShot, settings: AblationSettings) -> Iterator[Comparison]:
    labels, clusters = few_shot.table.labels, few_shot.table.clusters
    for size, curves in few_shot.curves.items():
        for curve in curves:
            accuracies = {variant: curve.accuracy(variant.name, labels) for variant in settings.variants}
            for variant in settings.variants:
                for base in bases_of(variant, settings):
                    rights, tests = clip_sums(curve, variant.name, labels)
                    yield compare_sums(
                        (variant.name, rights),
                        (base.name, clip_sums(curve, base.name, labels)[0]),
                        where=where(curve.groups, size),
                        tests=tests,
                        clusters=clusters,
                        over_draws=over_draws(accuracies[variant] - accuracies[base]),
                    )


def where(groups: int, size: int) -> str:
    """Label of a few-shot comparison in tables.

    >>> where(1, 192), where(4, 224)
    ('1 group, 192', '4 groups, 224')
    """
    return f"{groups} group{'' if groups == 1 else 's'}, {size}"


def over_draws(values: DoubleArray) -> Estimate:
    """Mean over draws with its 95 % interval."""
    mean, low, high = bootstrap(values, seed=0)
    return Estimate(mean=float(mean), low=float(low), high=float(high))


def pair_changes(few_shot: FewShot, settings: AblationSettings, *, most: int = MAX_PAIRS) -> list[PairChange]:
    """The pairs of classes that `full` confuses most, at each size and number of groups, under every variant.

    A pair that is never confused by `full` is left out.
    """
    labels, names = few_shot.table.labels, few_shot.table.class_names
    changes = []
    for size, curves in few_shot.curves.items():
        for curve in curves:
            rates = {
                variant.name: _pair_rates(confusion_rates(curve, variant.name, labels, classes=len(names)))
                for variant in settings.variants
            }
            base = rates["full"].mean(axis=0)
            for cell in np.argsort(-base, axis=None, kind="stable")[:most].tolist():
                first, second = divmod(cell, len(names))
                if base[first, second] == 0:
                    continue
                for name, each in rates.items():
                    values = each[:, first, second]
                    changes.append(
                        PairChange(
                            size=size,
                            groups=curve.groups,
                            classes=(names[first], names[second]),
                            variant=name,
                            rate=over_draws(values),
                            over_full=over_draws(values - rates["full"][:, first, second]),
                        )
                    )
    return changes


def _pair_rates(rates: DoubleArray) -> DoubleArray:
    """(draws, classes, classes): mean of both ways of confusing two classes, in the upper triangle."""
    return np.asarray(np.triu((rates + rates.transpose(0, 2, 1)) / 2, k=1))
