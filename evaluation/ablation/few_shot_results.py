"""Few-shot results: variants compared over all draws, and the pairs of classes that are confused most."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from mocrop.evaluation.ablation.families import corrected_by_question
from mocrop.evaluation.ablation.few_shot import Curve, Draws, FewShotClips, confusion_rates
from mocrop.evaluation.ablation.settings import AblationSettings, View
from mocrop.evaluation.ablation.variants import bases_of
from mocrop.evaluation.scores.comparisons import Comparison, compare_few_shot, corrected
from mocrop.evaluation.scores.few_shot_test import jackknife_difference
from mocrop.evaluation.scores.statistics import Estimate, group_interval

DoubleArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]

MAX_PAIRS = 4


@dataclass(frozen=True, kw_only=True, eq=False)
class FewShot:
    """The curves in every view, all of the same clips and draws."""

    table: FewShotClips
    curves: Mapping[View, Sequence[Curve]]


@dataclass(frozen=True, kw_only=True)
class FewShotAccuracy:
    """Share of right answers over all draws of one variant."""

    variant: str
    view: View
    groups: int  # of each class trained on
    accuracy: float


@dataclass(frozen=True, kw_only=True)
class FewShotDifference:
    """A difference that is described and not tested; its interval is for one such difference, named beforehand."""

    variant: str
    base: str
    view: View
    groups: int
    difference: Estimate


@dataclass(frozen=True, kw_only=True)
class PairChange:
    """How often two classes are taken for each other under one variant; intervals over draws."""

    view: View
    groups: int  # of each class trained on
    classes: tuple[str, str]
    variant: str
    rate: Estimate  # share of the tested clips of both that are taken for the other
    over_full: Estimate  # difference to `full`, draw by draw


def few_shot_comparisons(few_shot: FewShot, settings: AblationSettings) -> list[Comparison]:
    """Every variant against its bases in the main view, at each number of groups; corrected question by question."""
    found = []
    for curve in few_shot.curves[settings.main]:
        for variant in settings.variants:
            for base in bases_of(variant, settings.policies):
                pair = ((variant.name, variant.name), (base.name, base.name))
                found.append(compare_curves(few_shot.table, (curve, curve), pair, where=where(curve.groups)))
    return corrected_by_question(found)


def pool_comparisons(few_shot: FewShot, settings: AblationSettings) -> list[Comparison]:
    """Every other pool against the first one, at the main size, frames and groups; one family a pool."""
    assert settings.few_shot
    family = []
    for pool in settings.pools[1:]:
        views, groups = (replace(settings.main, pool=pool), settings.main), settings.few_shot.main
        pair = curve_of(few_shot, views[0], groups), curve_of(few_shot, views[1], groups)
        for variant in settings.variants:
            names = ((f"{pool}: {variant.name}", variant.name), (f"{settings.main.pool}: {variant.name}", variant.name))
            family.append(compare_curves(few_shot.table, pair, names, where=where(groups)))
    return corrected(family)


def compare_curves(
    table: FewShotClips, curves: tuple[Curve, Curve], names: tuple[tuple[str, str], tuple[str, str]], *, where: str
) -> Comparison:
    """Compare two variants in two curves of the same draws; not corrected yet.

    Args:
        names: of each: as it is called in tables, and in its curve.
    """
    rights = [curve.right(inside, table.labels) for curve, (_, inside) in zip(curves, names, strict=True)]
    return compare_rights(table, curves[0].draws, (names[0][0], rights[0]), (names[1][0], rights[1]), where=where)


def compare_rights(
    table: FewShotClips, draws: Draws, variant: tuple[str, BoolArray], base: tuple[str, BoolArray], *, where: str
) -> Comparison:
    """Compare the right answers, (draws, clips), of two ways to classify in the same draws; not corrected yet."""
    tests = draws.tested.sum(axis=1)
    by_draw = (variant[1] & draws.tested).sum(axis=1) / tests - (base[1] & draws.tested).sum(axis=1) / tests
    return compare_few_shot(
        variant,
        base,
        where=where,
        tested=draws.tested,
        trained=draws.trained,
        clusters=table.clusters,
        classes=table.labels,
        over_draws=over_draws(by_draw),
    )


def curve_of(few_shot: FewShot, view: View, groups: int) -> Curve:
    """The curve of one number of groups in one view."""
    return next(curve for curve in few_shot.curves[view] if curve.groups == groups)


def few_shot_accuracies(few_shot: FewShot, settings: AblationSettings) -> list[FewShotAccuracy]:
    """The accuracy of every variant in every view, at each number of groups."""
    labels = few_shot.table.labels
    return [
        FewShotAccuracy(
            variant=variant.name,
            view=view,
            groups=curve.groups,
            accuracy=float(curve.right(variant.name, labels).sum() / curve.draws.tested.sum()),
        )
        for view, curves in few_shot.curves.items()
        for curve in curves
        for variant in settings.variants
    ]


def few_shot_differences(few_shot: FewShot, settings: AblationSettings) -> Iterator[FewShotDifference]:
    """Every variant against its bases in every view and at each number of groups, without a test."""
    table = few_shot.table
    clusters = table.clusters
    for view, curves in few_shot.curves.items():
        for curve in curves:
            rights = {each.name: curve.right(each.name, table.labels) for each in settings.variants}
            for variant in settings.variants:
                for base in bases_of(variant, settings.policies):
                    found = jackknife_difference(
                        rights[variant.name].astype(np.float64) - rights[base.name],
                        curve.draws.tested,
                        curve.draws.trained,
                        clusters=clusters,
                        classes=table.labels,
                    )
                    yield FewShotDifference(
                        variant=variant.name,
                        base=base.name,
                        view=view,
                        groups=curve.groups,
                        difference=found.estimate,
                    )


def where(groups: int) -> str:
    """Label of a few-shot comparison in tables.

    >>> where(1), where(4)
    ('1 group', '4 groups')
    """
    return f"{groups} group{'' if groups == 1 else 's'}"


def over_draws(values: DoubleArray) -> Estimate:
    """Mean over draws with its 95 % interval, which is about these clips."""
    mean, low, high = group_interval(values)
    return Estimate(mean=float(mean), low=float(low), high=float(high))


def pair_changes(few_shot: FewShot, settings: AblationSettings, *, most: int = MAX_PAIRS) -> list[PairChange]:
    """The pairs of classes that `full` confuses most in the main view, by number of groups, under every variant.

    A pair that is never confused by `full` is left out.
    """
    labels, names = few_shot.table.labels, few_shot.table.class_names
    changes = []
    for curve in few_shot.curves[settings.main]:
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
                        view=settings.main,
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
