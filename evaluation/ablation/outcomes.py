"""Accuracies and paired comparisons from the predictions of an ablation's cells."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain

import numpy as np
import numpy.typing as npt

from mocrop.evaluation.ablation.families import corrected_by_question
from mocrop.evaluation.ablation.folder import AblationFolder
from mocrop.evaluation.ablation.settings import AblationSettings, Cell, View
from mocrop.evaluation.ablation.variants import Variant, bases_of
from mocrop.evaluation.scores.alignment import shared_clips
from mocrop.evaluation.scores.comparisons import Comparison, compare
from mocrop.evaluation.scores.metrics import right
from mocrop.evaluation.scores.predictions import Predictions, read_predictions
from mocrop.evaluation.scores.split_mean import pooled_clusters
from mocrop.evaluation.scores.statistics import Estimate, accuracy_interval

IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]
DoubleArray = npt.NDArray[np.float64]
Seeds = Sequence[Predictions]  # of one condition and split, one a seed


@dataclass(frozen=True, kw_only=True, order=True)
class Condition:
    """A variant at one training size, tested in one view."""

    variant: Variant
    train_size: int  # pixels
    view: View

    @property
    def where(self) -> str:
        """Size and frames, as tables show them.

        >>> Condition(variant=Variant(policy="full"), train_size=192, view=View(size=224, frames=4)).where
        'trained at 192 px, 224 px, 4 frames'
        """
        trained = "" if self.train_size == self.view.size else f"trained at {self.train_size} px, "
        return trained + self.view.name


@dataclass(frozen=True, kw_only=True, eq=False)
class ListedClips:
    """The clips in the test lists of all splits, each once."""

    names: tuple[str, ...]
    labels: IntArray  # (clips,)
    clusters: IntArray  # (clips,) groups
    class_names: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, eq=False)
class ConditionResult:
    """Result of one condition over all splits and seeds."""

    share: DoubleArray  # (clips,) share of the networks that test a clip and get it right
    answers: IntArray  # (clips,) by the mean of their logits
    together: BoolArray  # (clips,) whether that answer is right
    accuracy: Estimate  # interval over groups


@dataclass(frozen=True, kw_only=True, eq=False)
class Outcomes:
    """All conditions on the clips that all of them have."""

    clips: ListedClips
    left_out: int  # clips that some condition lacks
    by_condition: Mapping[Condition, ConditionResult]
    seen_in_training: int = 0  # the most clips of one list that the network tested on it has seen, as far as is known


@dataclass(frozen=True, kw_only=True)
class ClassChange:
    """Clips of one class that a variant gains and loses against its base."""

    condition: Condition
    base: str
    name: str  # of the class
    clips: int
    gained: int  # clips that only the variant gets right
    lost: int


def gather(folder: AblationFolder, settings: AblationSettings) -> Outcomes:
    """Read the predictions of all cells on frames and keep the clips that all of them have.

    Raises: PredictionsError if some are missing or do not fit together.
    """
    conditions = conditions_of(settings, settings.variants)
    found, left_out = gather_predictions(folder, settings, conditions)
    clips = clips_of(found[conditions[0]])
    return Outcomes(
        clips=clips,
        left_out=left_out,
        by_condition={condition: condition_result(several, clips) for condition, several in found.items()},
        seen_in_training=max(
            predictions.origin.seen_in_training
            for several in found.values()
            for seeds in several
            for predictions in seeds
        ),
    )


def conditions_of(settings: AblationSettings, variants: Sequence[Variant]) -> list[Condition]:
    """Variants in every view, trained at its size or, if the settings say so, at every one; in the order of tables."""
    return [
        Condition(variant=variant, train_size=size, view=view)
        for view in settings.list_views
        for size in (settings.sizes if settings.cross_sizes else (view.size,))
        for variant in variants
    ]


def main_condition(settings: AblationSettings, variant: Variant) -> Condition:
    """A variant where its comparisons are tested."""
    return Condition(variant=variant, train_size=settings.main.size, view=settings.main)


def gather_predictions(
    folder: AblationFolder, settings: AblationSettings, conditions: Sequence[Condition]
) -> tuple[dict[Condition, list[Seeds]], int]:
    """Predictions by condition, split and seed, all of one split of the same clips; and how many clips some lack.

    Raises: PredictionsError if some are missing or do not fit together.
    """
    found: dict[Condition, list[Seeds]] = {condition: [] for condition in conditions}
    lacking: set[str] = set()
    for split in settings.splits:
        read = [
            read_predictions(folder.predictions(_cell(condition, split, seed), condition.view))
            for condition in conditions
            for seed in settings.seeds
        ]
        kept = shared_clips(*read)
        lacking.update({clip for predictions in read for clip in predictions.clips}.difference(kept[0].clips))
        for number, condition in enumerate(conditions):
            found[condition].append(kept[number * len(settings.seeds) :][: len(settings.seeds)])
    return found, len(lacking)


def clips_of(splits: Sequence[Seeds]) -> ListedClips:
    """The clips of predictions by split and seed; one that several splits test comes once."""
    first = [seeds[0] for seeds in splits]
    names = [clip for predictions in first for clip in predictions.clips]
    rows = np.sort(np.unique(names, return_index=True)[1])
    return ListedClips(
        names=tuple(names[row] for row in rows.tolist()),
        labels=np.concatenate([predictions.labels for predictions in first])[rows],
        clusters=pooled_clusters(first)[rows],
        class_names=first[0].class_names,
    )


def condition_result(splits: Sequence[Seeds], clips: ListedClips) -> ConditionResult:
    """Combine predictions by split and seed, clip by clip.

    A clip that several splits test has one share and one answer all the same, so that no test counts it twice.
    """
    place = {clip: row for row, clip in enumerate(clips.names)}
    tests, rights = np.zeros(len(place)), np.zeros(len(place))
    logits = np.zeros((len(place), len(clips.class_names)))
    for predictions in chain.from_iterable(splits):
        rows = [place[clip] for clip in predictions.clips]
        tests[rows] += 1
        rights[rows] += right(predictions)
        logits[rows] += predictions.logits
    share, answers = rights / tests, logits.argmax(axis=1)
    low, high = accuracy_interval(share, clusters=clips.clusters)
    return ConditionResult(
        share=share,
        answers=answers,
        together=answers == clips.labels,
        accuracy=Estimate(mean=float(share.mean()), low=low, high=high),
    )


def compare_outcomes(
    variant: tuple[str, ConditionResult], base: tuple[str, ConditionResult], clips: ListedClips, *, where: str
) -> Comparison:
    """Compare two results, given with their names; the test is not corrected yet."""
    (name, outcome), (base_name, other) = variant, base
    return compare(
        (name, outcome.share, outcome.together),
        (base_name, other.share, other.together),
        where=where,
        clusters=clips.clusters,
    )


def comparisons(outcomes: Outcomes, settings: AblationSettings) -> list[Comparison]:
    """Every variant against its bases in the main view; each question's tests are corrected together."""
    return corrected_by_question(
        [
            compare_outcomes(
                (condition.variant.name, outcome), (base.name, other), outcomes.clips, where=condition.where
            )
            for condition, outcome, base, other in _pairs(outcomes, settings)
        ]
    )


def _pairs(
    outcomes: Outcomes, settings: AblationSettings
) -> Iterator[tuple[Condition, ConditionResult, Variant, ConditionResult]]:
    """Every variant in the main view beside each of its bases there."""
    for variant in settings.variants:
        condition = main_condition(settings, variant)
        for base in bases_of(variant, settings.policies):
            other = outcomes.by_condition[replace(condition, variant=base)]
            yield condition, outcomes.by_condition[condition], base, other


def class_changes(outcomes: Outcomes, settings: AblationSettings) -> list[ClassChange]:
    """Clips gained and lost in the main view, by class, against the bases; classes without a test clip are left out."""
    clips = outcomes.clips
    members = {label: clips.labels == label for label in np.unique(clips.labels).tolist()}
    return [
        ClassChange(
            condition=condition,
            base=base.name,
            name=clips.class_names[label],
            clips=int(chosen.sum()),
            gained=int((outcome.together & ~other.together)[chosen].sum()),
            lost=int((other.together & ~outcome.together)[chosen].sum()),
        )
        for condition, outcome, base, other in _pairs(outcomes, settings)
        for label, chosen in members.items()
    ]


def _cell(condition: Condition, split: str, seed: int) -> Cell:
    pool = condition.view.pool
    return Cell(variant=condition.variant, train_size=condition.train_size, split=split, seed=seed, pool=pool)
