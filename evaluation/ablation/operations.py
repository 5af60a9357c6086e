"""Accuracy against operations, from the few-shot draws: which policy is best within a budget, and what one costs.

Both readings let each policy choose among its areas, sizes, numbers of frames and pools. The best of many looks better
than it is on the clips that it was chosen on, so the groups are halved: what a clip is judged by was chosen on the
groups of the other half.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from mocrop.evaluation.ablation.families import corrected_by_question
from mocrop.evaluation.ablation.few_shot import Draws
from mocrop.evaluation.ablation.few_shot_results import FewShot, compare_rights, curve_of
from mocrop.evaluation.ablation.settings import AblationSettings, View
from mocrop.evaluation.ablation.variants import FULL, PICTURE, WHOLE, Variant, bases_of
from mocrop.evaluation.flops import Cost
from mocrop.evaluation.scores.comparisons import Comparison

BoolArray = npt.NDArray[np.bool_]
HALVES = (0, 1)
MARGIN = 0.01  # of "as accurate": not more than a point of top-1 below, at 95 %
ROUNDING = 1e-9  # of GFLOPs


@dataclass(frozen=True, kw_only=True)
class Choice:
    """One way to classify clips, and what it costs."""

    variant: Variant
    view: View
    gflops: float  # of a clip, 1e9 operations

    @property
    def name(self) -> str:
        return f"{self.variant.name}, {self.view.name}"


@dataclass(frozen=True, kw_only=True, eq=False)
class Chosen:
    """What one policy chose for the clips of each half of the groups, and the right answers that it gave there."""

    choices: tuple[Choice, ...]  # one a half
    right: BoolArray  # (draws, clips)

    @property
    def gflops(self) -> float:
        """Of a clip: the mean of both halves."""
        return float(np.mean([each.gflops for each in self.choices]))


@dataclass(frozen=True, kw_only=True)
class Reading:
    """A comparison of two policies with their choices."""

    comparison: Comparison
    choices: tuple[str, ...]  # of the variant, one a half of the groups
    base_choices: tuple[str, ...]
    gflops: float  # of a clip
    base_gflops: float

    @property
    def reaches(self) -> bool:
        """Whether the interval leaves no room for more than a point less than the base."""
        return self.comparison.difference.low > -MARGIN


@dataclass(frozen=True, kw_only=True, eq=False)
class Field:
    """Every choice with its right answers, at one number of groups trained on."""

    few_shot: FewShot
    draws: Draws
    right: Mapping[Choice, BoolArray]  # (draws, clips)
    half: npt.NDArray[np.int64]  # (clips,) 0 or 1, the same for the clips of a group

    def accuracy(self, choice: Choice, half: int | None = None) -> float:
        """Share of right answers, on the clips of one half or on all."""
        chosen = slice(None) if half is None else self.half == half
        return float(self.right[choice][:, chosen].sum() / self.draws.tested[:, chosen].sum())

    def chosen(self, choose: Callable[[int], Choice]) -> Chosen:
        """Judge the clips of each half by what was chosen on the other one.

        Args:
            choose: gives the choice from the clips of one half.
        """
        choices = tuple(choose(1 - half) for half in HALVES)
        right = np.where(self.half == 0, self.right[choices[0]], self.right[choices[1]])
        return Chosen(choices=choices, right=right)

    def compare(self, variant: tuple[str, Chosen], base: tuple[str, Chosen], *, where: str) -> Reading:
        """Compare two policies; not corrected yet."""
        return Reading(
            comparison=compare_rights(
                self.few_shot.table,
                self.draws,
                (variant[0], variant[1].right),
                (base[0], base[1].right),
                where=where,
            ),
            choices=tuple(each.name for each in variant[1].choices),
            base_choices=tuple(each.name for each in base[1].choices),
            gflops=variant[1].gflops,
            base_gflops=base[1].gflops,
        )


def field_of(few_shot: FewShot, settings: AblationSettings, costs: Sequence[Cost]) -> Field:
    """Every variant in every view, at the middle number of groups."""
    assert settings.few_shot
    frame_gflops = {cost.size: cost.frame_gflops for cost in costs}
    curves = {view: curve_of(few_shot, view, settings.few_shot.main) for view in settings.views}
    clusters = np.unique(few_shot.table.clusters, return_inverse=True)[1].reshape(-1)
    return Field(
        few_shot=few_shot,
        draws=curves[settings.main].draws,
        right={
            Choice(variant=variant, view=view, gflops=frame_gflops[view.size] * view.frames): curve.right(
                variant.name, few_shot.table.labels
            )
            for view, curve in curves.items()
            for variant in settings.variants
        },
        half=(clusters % 2).astype(np.int64),
    )


def budgets(settings: AblationSettings, costs: Sequence[Cost]) -> list[float]:
    """GFLOPs of a clip that policies are compared within: the most frames at each size."""
    return sorted(cost.clip_gflops(max(settings.frames)) for cost in costs)


def at_equal_operations(field: Field, settings: AblationSettings, costs: Sequence[Cost]) -> list[Reading]:
    """Every policy against its bases, each with the best that it can do within a budget; corrected by question."""
    found = []
    for budget in budgets(settings, costs):
        best = {policy: _best(field, policy, budget) for policy in settings.policies}
        for policy, base in _questions(settings):
            where = f"at most {budget:.3g} GFLOPs"
            found.append(field.compare((policy, best[policy]), (base, best[base]), where=where))
    return _corrected(found)


def at_equal_accuracy(field: Field, settings: AblationSettings) -> list[Reading]:
    """What every policy needs to be as accurate as no crop is with the most frames of the largest size.

    Each takes the least operations that are as accurate on the other half of the groups or, if none are, its best.
    """
    found = []
    view = View(size=max(settings.sizes), frames=max(settings.frames), pool=settings.pools[0])
    for base in (FULL, PICTURE):
        if base in settings.policies:
            reference = next(each for each in field.right if each.variant.policy == base and each.view == view)
            wanted = field.chosen(lambda _, reference=reference: reference)  # type: ignore[misc]
            for policy in settings.policies:
                cheapest = _cheapest(field, policy, reference)
                found.append(field.compare((policy, cheapest), (base, wanted), where=view.name))
    return _corrected(found)


def _best(field: Field, policy: str, budget: float) -> Chosen:
    """The most accurate choice of a policy within a budget; of equals, the one of least operations."""
    within = [each for each in _choices(field, policy) if each.gflops <= budget + ROUNDING]
    return field.chosen(lambda half: max(within, key=lambda each: (field.accuracy(each, half), -each.gflops)))


def _cheapest(field: Field, policy: str, reference: Choice) -> Chosen:
    """The choice of least operations that is as accurate as the reference, else the most accurate one."""
    every = _choices(field, policy)

    def choose(half: int) -> Choice:
        wanted = field.accuracy(reference, half)
        enough = [each for each in every if field.accuracy(each, half) >= wanted]
        if enough:
            return min(enough, key=lambda each: (each.gflops, -field.accuracy(each, half)))
        return max(every, key=lambda each: (field.accuracy(each, half), -each.gflops))

    return field.chosen(choose)


def _choices(field: Field, policy: str) -> list[Choice]:
    return [each for each in field.right if each.variant.policy == policy]


def _questions(settings: AblationSettings) -> Iterator[tuple[str, str]]:
    """Policies and their bases, whatever the area."""
    for policy in settings.policies:
        variant = Variant(policy=policy) if policy in WHOLE else Variant(policy=policy, ratio=settings.ratios[0])
        yield from ((policy, base.policy) for base in bases_of(variant, settings.policies))


def _corrected(readings: Sequence[Reading]) -> list[Reading]:
    tested = corrected_by_question([each.comparison for each in readings])
    return [replace(reading, comparison=each) for reading, each in zip(readings, tested, strict=True)]
