"""Made data whose truth is known, in the shape of real ones: to see how often tests reject and intervals hold it.

Nothing is trained here: differences and right or wrong answers are drawn as such. Clips of a group share an effect;
training on a group has one too, in few-shot data; both belong to a variant.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

BoolArray = npt.NDArray[np.bool_]
DoubleArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
Generator = np.random.Generator


@dataclass(frozen=True, kw_only=True)
class FewShotShape:
    """How many clips there are, and how many draws of how many groups to train on; as the real ones unless said."""

    classes: int = 6
    groups: int = 25  # of each class
    clips: tuple[int, int] = (2, 2)  # of each group, fewest and most
    draws: int = 300
    train: int = 1  # groups of each class
    spanning: bool = False  # every group is in all classes, as people are
    training: float = 1.0  # size of what training on a group does, against the usual
    heavy: bool = False  # effects of Student's t with three degrees of freedom instead of normal ones


@dataclass(frozen=True, kw_only=True, eq=False)
class FewShotData:
    """Arguments of ``jackknife_difference``."""

    differences: DoubleArray  # (draws, clips)
    tested: BoolArray
    trained: BoolArray
    clusters: IntArray  # (clips,)
    classes: IntArray


def additive_draws(rng: Generator, shape: FewShotShape, *, mean: float = 0.0) -> FewShotData:
    """Differences that are a sum: of the mean, of the groups trained on, of the test group, and of the clip.

    What a training group adds has 2.5 times the spread of what a test group adds: a test that sees test groups alone
    is far off.
    """
    data = _empty(rng, shape)
    effects = _effects(rng, shape, data.clusters.max() + 1) * 2.5 * shape.training
    by_draw = _training_means(data, effects[np.newaxis], shape)[0].mean(axis=1)
    clip = _effects(rng, shape, data.clusters.max() + 1)[data.clusters] + 0.5 * rng.normal(size=len(data.clusters))
    noise = 0.5 * rng.normal(size=data.tested.shape)
    return replace(data, differences=(mean + by_draw[:, np.newaxis] + clip + noise) * data.tested)


def few_shot_answers(rng: Generator, shape: FewShotShape, *, shift: float = 0.0) -> FewShotData:
    """Right and wrong answers of two variants, alike but for ``shift``: right where a sum of effects is above zero.

    Both find the same groups and clips hard; each has its own luck with training groups, test groups and clips.
    """
    data = _empty(rng, shape)
    groups, clips = int(data.clusters.max()) + 1, len(data.clusters)
    hard = 0.6 + rng.normal(0, 0.7, groups)[data.clusters] + rng.normal(0, 0.8, clips)
    shared = np.stack([_effects(rng, shape, groups)] * 2) * 0.9
    own = 0.45 * np.stack([_effects(rng, shape, groups) for _ in range(2)]) * shape.training
    training = _training_means(data, shared + own, shape)[:, :, data.classes]
    testing = 0.25 * np.stack([_effects(rng, shape, groups)[data.clusters] for _ in range(2)])
    luck = rng.normal(0, 0.25, (2, 1, clips)) + rng.normal(0, 0.3, (2, *data.tested.shape))
    right = hard + training + testing[:, np.newaxis] + luck + np.array([shift, 0.0]).reshape(2, 1, 1) > 0
    return replace(data, differences=(right[0].astype(np.float64) - right[1]) * data.tested)


def list_answers(
    rng: Generator, groups: int, *, clips: tuple[int, int] = (4, 7), spread: float = 1.0, shift: float = 0.0
) -> tuple[BoolArray, BoolArray, IntArray]:
    """Right answers of two networks to a test list, alike but for ``shift``, and the number of each clip's group.

    Args:
        spread: of what a network's answers to clips of a group have in common, against a clip's own luck.
    """
    clusters = np.repeat(np.arange(groups), rng.integers(clips[0], clips[1] + 1, groups))
    hard = 0.8 + rng.normal(0, 0.8, groups)[clusters] + rng.normal(0, 0.5, len(clusters))
    both = [
        hard + spread * rng.normal(size=groups)[clusters] + rng.normal(0, 0.6, len(clusters)) + more
        for more in (shift, 0.0)
    ]
    return both[0] > 0, both[1] > 0, clusters


def share_differences(
    rng: Generator, groups: int, *, clips: tuple[int, int] = (1, 3), skewed: bool = False
) -> tuple[DoubleArray, IntArray]:
    """Differences of clips whose expectation is zero, such as those of coverage; and the number of each clip's group.

    Args:
        skewed: most groups lose little and few win much.
    """
    clusters = np.repeat(np.arange(groups), rng.integers(clips[0], clips[1] + 1, groups))
    effect = rng.exponential(size=groups) - 1 if skewed else rng.normal(size=groups)
    return effect[clusters] + rng.normal(0, 0.4, len(clusters)), clusters


def correct_clips(
    rng: Generator, groups: int, *, accuracy: float, together: float, clips: tuple[int, int] = (4, 7)
) -> tuple[BoolArray, IntArray]:
    """Right answers with an expected accuracy, and the number of each clip's group.

    Args:
        together: correlation of two clips of a group, from 0 to below 1; a group's own accuracy is a beta variable.
    """
    clusters = np.repeat(np.arange(groups), rng.integers(clips[0], clips[1] + 1, groups))
    if together == 0:
        return rng.random(len(clusters)) < accuracy, clusters
    strength = 1 / together - 1
    own = rng.beta(accuracy * strength, (1 - accuracy) * strength, groups)
    return rng.random(len(clusters)) < own[clusters], clusters


def scored_labels(
    rng: Generator, groups: int, strengths: DoubleArray, *, share: float, together: float
) -> tuple[DoubleArray, npt.NDArray[np.uint8], IntArray]:
    """Scores and labels of clips in groups of four to seven, which have several labels; some clip has one.

    Args:
        strengths: (classes,) how much higher the clips of a class score; apart from that, scores are standard normal.
        share: of the clips that are of a class.
        together: correlation of two clips of a group, in what decides their labels and in their scores.
    Returns: scores (clips, classes), marks of the same shape, 1 where a clip is of a class, and clusters (clips,).
    """
    clusters = np.repeat(np.arange(groups), rng.integers(4, 8, groups))
    shape, least = (len(clusters), len(strengths)), NormalDist().inv_cdf(1 - share)

    def drawn() -> DoubleArray:
        of_group = rng.normal(size=(groups, len(strengths)))[clusters]
        return np.asarray(together**0.5 * of_group + (1 - together) ** 0.5 * rng.normal(size=shape))

    marks = drawn() > least
    while not marks.any():
        marks = drawn() > least
    return marks * strengths + drawn(), marks.astype(np.uint8), clusters


def _empty(rng: Generator, shape: FewShotShape) -> FewShotData:
    """Clips and draws without differences; a group that spans classes is trained on in all of them or in none."""
    drawn = 1 if shape.spanning else shape.classes
    cells = shape.classes * shape.groups
    sizes = rng.integers(shape.clips[0], shape.clips[1] + 1, cells)
    chosen = rng.random((shape.draws, drawn, shape.groups)).argsort(axis=2) < shape.train
    chosen = np.broadcast_to(chosen, (shape.draws, shape.classes, shape.groups)).reshape(shape.draws, cells)
    number = np.tile(np.arange(shape.groups), shape.classes) if shape.spanning else np.arange(cells)
    trained = np.repeat(chosen, sizes, axis=1)
    return FewShotData(
        differences=np.zeros(trained.shape),
        tested=~trained,
        trained=trained,
        clusters=np.repeat(number, sizes),
        classes=np.repeat(np.repeat(np.arange(shape.classes), shape.groups), sizes),
    )


def _training_means(data: FewShotData, effects: DoubleArray, shape: FewShotShape) -> DoubleArray:
    """(variants, draws, classes): mean effect of the groups of a class that a draw trains on, a third of it for others.

    Args:
        effects: (variants, groups).
    """
    own = np.empty((len(effects), len(data.trained), shape.classes))
    for label in range(shape.classes):
        first = np.unique(data.clusters[data.classes == label], return_index=True)
        columns = np.flatnonzero(data.classes == label)[first[1]]
        own[:, :, label] = effects[:, first[0]] @ data.trained[:, columns].T / shape.train
    return own + (own.sum(axis=2, keepdims=True) - own) / (3 * max(1, shape.classes - 1))


def _effects(rng: Generator, shape: FewShotShape, groups: int) -> DoubleArray:
    """(groups,) effects of variance one."""
    return rng.standard_t(3, groups) / 3**0.5 if shape.heavy else rng.normal(size=groups)
