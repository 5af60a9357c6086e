"""Hold an ablation's predictions against each other: files of logits go in, accuracies and comparisons come out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from mocrop.evaluation.ablation import AblationFolder
from mocrop.evaluation.ablation_settings import FRAME_CENTER, AblationSettings, Cell, Variant, base_of
from mocrop.evaluation.comparisons import Comparison, compare, corrected
from mocrop.evaluation.metrics import right
from mocrop.evaluation.predictions import Predictions, read_predictions, shared_clips
from mocrop.evaluation.split_mean import pooled_clusters
from mocrop.evaluation.statistics import Estimate, bootstrap

IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]
DoubleArray = npt.NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, order=True)
class Condition:
    """What one row of a table is about."""

    variant: Variant
    train_size: int  # pixels
    test_size: int

    @property
    def sizes(self) -> str:
        """For tables.

        >>> Condition(variant=Variant(policy="full"), train_size=192, test_size=224).sizes
        '192 -> 224'
        """
        return f"{self.train_size} -> {self.test_size}"


@dataclass(frozen=True, kw_only=True, eq=False)
class Outcome:
    """What all splits and seeds of one condition come to; rows are test clips, split after split."""

    share: DoubleArray  # (clips,) of the seeds that get a clip right
    together: BoolArray  # (clips,) whether they do by the mean of their logits
    answers: IntArray  # (clips,) by the mean of their logits
    accuracy: Estimate  # interval over groups


@dataclass(frozen=True, kw_only=True, eq=False)
class Outcomes:
    """All conditions on the clips that all of them have."""

    clips: tuple[str, ...]
    labels: IntArray  # (clips,)
    clusters: IntArray  # (clips,) groups
    class_names: tuple[str, ...]
    left_out: int  # clips that some condition lacks
    by_condition: Mapping[Condition, Outcome]


@dataclass(frozen=True, kw_only=True)
class ClassChange:
    """How one class fares under a variant and its base."""

    condition: Condition
    base: str
    name: str  # of the class
    clips: int
    gained: int  # clips that only the variant gets right
    lost: int


def gather(folder: AblationFolder, settings: AblationSettings) -> Outcomes:
    """Read the predictions of all cells and bring them to the same clips.

    Raises: PredictionsError if some are missing or do not fit together.
    """
    conditions = [
        Condition(variant=variant, train_size=train_size, test_size=test_size)
        for train_size in settings.sizes
        for test_size in settings.sizes
        for variant in settings.variants
    ]
    splits = [_gather_split(folder, settings, conditions, split) for split in settings.splits]
    first = [each[0][conditions[0]][0] for each in splits]
    clusters = pooled_clusters(first)
    return Outcomes(
        clips=tuple(clip for predictions in first for clip in predictions.clips),
        labels=np.concatenate([predictions.labels for predictions in first]),
        clusters=clusters,
        class_names=first[0].class_names,
        left_out=sum(left_out for _, left_out in splits),
        by_condition={
            condition: _outcome([found[condition] for found, _ in splits], clusters) for condition in conditions
        },
    )


def comparisons(outcomes: Outcomes, settings: AblationSettings) -> list[Comparison]:
    """Every variant against its bases, at the same sizes; corrected as one family."""
    family = []
    for condition, outcome in outcomes.by_condition.items():
        for base in bases_of(condition.variant, settings):
            other = outcomes.by_condition[
                Condition(variant=base, train_size=condition.train_size, test_size=condition.test_size)
            ]
            family.append(
                compare(
                    (condition.variant.name, outcome.share, outcome.together),
                    (base.name, other.share, other.together),
                    where=condition.sizes,
                    clusters=outcomes.clusters,
                )
            )
    return corrected(family)


def bases_of(variant: Variant, settings: AblationSettings) -> Iterator[Variant]:
    """What a variant is compared with: no crop, the centre crop of its area, and `adaptive` also that of its shape."""
    if variant.policy == "full":
        return
    yield base_of(variant, "full")
    if variant.policy == "center":
        return
    yield base_of(variant, "center")
    if variant.policy == "adaptive" and FRAME_CENTER in settings.policies:
        yield base_of(variant, FRAME_CENTER)


def class_changes(outcomes: Outcomes, settings: AblationSettings) -> list[ClassChange]:
    """Clips gained and lost, class by class, against the bases; classes without a test clip are left out."""
    changes = []
    for condition, outcome in outcomes.by_condition.items():
        for base in bases_of(condition.variant, settings):
            other = outcomes.by_condition[
                Condition(variant=base, train_size=condition.train_size, test_size=condition.test_size)
            ]
            for label in np.unique(outcomes.labels).tolist():
                members = outcomes.labels == label
                now, before = outcome.together[members], other.together[members]
                changes.append(
                    ClassChange(
                        condition=condition,
                        base=base.name,
                        name=outcomes.class_names[label],
                        clips=int(members.sum()),
                        gained=int((now & ~before).sum()),
                        lost=int((before & ~now).sum()),
                    )
                )
    return changes


def _gather_split(
    folder: AblationFolder, settings: AblationSettings, conditions: Sequence[Condition], split: str
) -> tuple[dict[Condition, list[Predictions]], int]:
    """Predictions of one split by condition, one a seed, all of the same clips; and how many clips some lack."""
    keys = [(condition, seed) for condition in conditions for seed in settings.seeds]
    read = [
        read_predictions(folder.predictions(_cell(condition, split, seed), condition.test_size))
        for condition, seed in keys
    ]
    kept = shared_clips(*read)
    found: dict[Condition, list[Predictions]] = {condition: [] for condition in conditions}
    for (condition, _), predictions in zip(keys, kept, strict=True):
        found[condition].append(predictions)
    return found, len({clip for predictions in read for clip in predictions.clips}) - len(kept[0])


def _cell(condition: Condition, split: str, seed: int) -> Cell:
    return Cell(variant=condition.variant, train_size=condition.train_size, split=split, seed=seed)


def _outcome(splits: Sequence[Sequence[Predictions]], clusters: IntArray) -> Outcome:
    """Args: splits: predictions by split and seed."""
    share = np.concatenate([np.mean([right(each) for each in seeds], axis=0) for seeds in splits])
    answers = np.concatenate([np.mean([each.logits for each in seeds], axis=0).argmax(axis=1) for seeds in splits])
    labels = np.concatenate([seeds[0].labels for seeds in splits])
    mean, low, high = bootstrap(share, clusters=clusters, seed=0)
    return Outcome(
        share=share,
        together=answers == labels,
        answers=answers,
        accuracy=Estimate(mean=float(mean), low=float(low), high=float(high)),
    )
