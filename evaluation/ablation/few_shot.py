"""Few-shot comparison of crops: a linear head on frozen features, trained on many paired draws of few clips.

In every draw, G groups of each class are trained on and all others tested on, the same ones for every variant. A draw's
accuracy depends on which groups it got, so variants are compared draw by draw. All draws share their clips: an interval
over draws is of the mean over draws for *these* clips; one over groups says what other clips might have given.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from mocrop.evaluation.ablation.probe import probe_logits
from mocrop.evaluation.scores.statistics import cluster_numbers
from mocrop.pipeline.errors import SettingsError
from mocrop.pipeline.groups import across_classes
from mocrop.pipeline.limits import MAX_SEED, require_whole
from mocrop.training.seeds import few_shot_generator

IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]
DoubleArray = npt.NDArray[np.float64]
Answers = npt.NDArray[np.int16]  # an ablation keeps many millions


@dataclass(frozen=True, kw_only=True)
class FewShotSettings:
    """How many groups to train on, and how often to draw them."""

    groups: tuple[int, ...] = (1, 2, 4)  # of each class to train on
    draws: int = 300
    seed: int = 0

    def __post_init__(self) -> None:
        if not self.groups or min(self.groups) < 1 or len(set(self.groups)) < len(self.groups):
            raise ValueError(f"few-shot takes numbers of groups from 1, none twice, not {self.groups}")
        for count in self.groups:
            require_whole("few-shot groups", count, least=1)
        require_whole("draws", self.draws, least=2)
        require_whole("seed", self.seed, most=MAX_SEED)

    @property
    def main(self) -> int:
        """The number of groups of comparisons that are made at one alone: the middle one."""
        return sorted(self.groups)[len(self.groups) // 2]


@dataclass(frozen=True, kw_only=True, eq=False)
class FewShotClips:
    """Clips that every variant has; classes without a clip are left out and the others renumbered."""

    clips: tuple[str, ...]
    labels: IntArray  # (clips,) from 0
    groups: IntArray  # (clips,) group, or a number of its own
    class_names: tuple[str, ...]

    @property
    def clusters(self) -> IntArray:
        """(clips,) the same number for the clips of one group."""
        return cluster_numbers(self.labels, self.groups, self.clips)


@dataclass(frozen=True, kw_only=True, eq=False)
class Draws:
    """The clips of all draws of one number of groups, the same for every variant, size and number of frames."""

    groups: int  # of each class trained on
    trained: BoolArray  # (draws, clips) which clips were trained on
    tested: BoolArray  # (draws, clips) which clips were tested


@dataclass(frozen=True, kw_only=True, eq=False)
class Curve:
    """Answers of all variants for one number of groups."""

    draws: Draws
    answers: Mapping[str, Answers]  # by variant: (draws, clips) answered class; -1 where not tested

    @property
    def groups(self) -> int:
        """Groups of each class trained on."""
        return self.draws.groups

    def right(self, variant: str, labels: IntArray) -> BoolArray:
        """(draws, clips) whether a tested clip was recognised."""
        return np.asarray(self.answers[variant] == labels)

    def accuracy(self, variant: str, labels: IntArray) -> DoubleArray:
        """(draws,) share of the tested clips that were recognised."""
        return np.asarray(self.right(variant, labels).sum(axis=1) / self.draws.tested.sum(axis=1))


def draw_groups(table: FewShotClips, *, groups: int, draw: int, seed: int) -> BoolArray:
    """Choose the clips to train on: ``groups`` whole groups of each class; (clips,).

    Groups that span classes are drawn in one order for all classes, so that few of them are trained on in one class
    and there to be tested in another.

    Raises: SettingsError naming a class that would have none left to test on.
    """
    rng = few_shot_generator(seed, groups=groups, draw=draw)
    chosen = np.zeros(len(table.clips), np.bool_)
    order = rng.permutation(np.unique(table.groups)) if across_classes(table.groups).any() else None
    for label, name in enumerate(table.class_names):
        members = table.labels == label
        available = np.unique(table.groups[members])
        if len(available) <= groups:
            raise SettingsError(
                f"class {name} has {len(available)} groups, of which {groups} are to be trained on and some tested; "
                "pass --few-shot with smaller numbers"
            )
        shuffled = rng.choice(available, groups, replace=False) if order is None else order[np.isin(order, available)]
        chosen |= members & np.isin(table.groups, shuffled[:groups])
    return chosen


def clips_to_test(table: FewShotClips, trained: BoolArray) -> BoolArray:
    """Choose the clips to test on: those that are neither trained on nor of a group that another class trains on.

    Raises: SettingsError if there is none.
    """
    seen = across_classes(table.groups) & np.isin(table.groups, table.groups[trained])
    tested = np.asarray(~(trained | seen))
    if not tested.any():
        raise SettingsError("every group is trained on in some class; pass --few-shot with smaller numbers")
    return tested


def all_draws(table: FewShotClips, settings: FewShotSettings) -> list[Draws]:
    """The draws of every number of groups.

    Raises: SettingsError for more groups than a class has.
    """
    found = []
    for groups in settings.groups:
        trained = np.stack(
            [draw_groups(table, groups=groups, draw=draw, seed=settings.seed) for draw in range(settings.draws)]
        )
        tested = np.stack([clips_to_test(table, each) for each in trained])
        found.append(Draws(groups=groups, trained=trained, tested=tested))
    return found


def few_shot_curves(
    features: Mapping[str, npt.NDArray[np.floating]],
    table: FewShotClips,
    draws: Sequence[Draws],
    *,
    on_fits: Callable[[int, int], None] = lambda done, total: None,
) -> list[Curve]:
    """Train a linear head on each draw for each variant, and classify the clips that it has not seen.

    Args:
        features: by variant, (clips, width), one row a clip.
        on_fits: called with the number of heads that are fitted, and of all.
    Raises: TrainingError if a head cannot be fitted.
    """
    curves, done, total = list[Curve](), 0, len(features) * sum(len(each.trained) for each in draws)
    for each in draws:
        answers = {}
        for name, values in features.items():
            found = list[Answers]()
            for logits in probe_logits(values, table.labels, each.trained, classes=len(table.class_names)):
                found.append(logits.argmax(axis=2).astype(np.int16))
                done += len(logits)
                on_fits(done, total)
            answers[name] = np.where(each.tested, np.concatenate(found), np.int16(-1))
        curves.append(Curve(draws=each, answers=answers))
    return curves


def confusion_rates(curve: Curve, variant: str, labels: IntArray, *, classes: int) -> DoubleArray:
    """(draws, classes, classes): share of the tested clips of a class (down) that are taken for another (across)."""
    rates = np.zeros((len(curve.draws.tested), classes, classes))
    for true in range(classes):
        members = labels == true
        tested = curve.draws.tested[:, members].sum(axis=1)
        for answer in range(classes):
            taken = (curve.answers[variant][:, members] == answer).sum(axis=1)
            rates[:, true, answer] = taken / np.maximum(tested, 1)
    return rates


def few_shot_clips(
    clips: Sequence[str], labels: IntArray, groups: IntArray, class_names: Sequence[str]
) -> FewShotClips:
    """Leave out classes without a clip, renumber the others, and give a clip without a group one of its own.

    Clips without a class, whose label is -1, are left out.
    """
    kept = np.flatnonzero(labels >= 0)
    present, numbered = np.unique(labels[kept], return_inverse=True)
    alone = groups.max(initial=0) + 1 + np.arange(len(groups))
    return FewShotClips(
        clips=tuple(clips[row] for row in kept.tolist()),
        labels=numbered.reshape(-1).astype(np.int64),
        groups=np.where(groups >= 0, groups, alone)[kept].astype(np.int64),
        class_names=tuple(class_names[label] for label in present.tolist()),
    )
