"""The whole result of an ablation, as its report shows it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mocrop.evaluation.ablation.few_shot_results import FewShotAccuracy, FewShotDifference, PairChange
from mocrop.evaluation.ablation.operations import Reading
from mocrop.evaluation.ablation.outcomes import ClassChange, Outcomes
from mocrop.evaluation.ablation.settings import AblationSettings, View
from mocrop.evaluation.flops import Cost
from mocrop.evaluation.scores.comparisons import Comparison


@dataclass(frozen=True, kw_only=True)
class Area:
    """Area that one variant really crops, over its usable clips."""

    variant: str
    area: float  # mean share of the frame
    whole_frames: int  # clips kept whole for want of usable motion
    clips: int


@dataclass(frozen=True, kw_only=True, eq=False)
class FewShotResult:
    """Results of training on few groups."""

    clips: int
    groups: int
    tested: Sequence[Comparison]  # in the main view
    pools: Sequence[Comparison]  # other pools against the first; empty with one
    accuracies: Sequence[FewShotAccuracy]  # in every view
    differences: Sequence[FewShotDifference]  # in every view, not tested
    equal_operations: Sequence[Reading]
    equal_accuracy: Sequence[Reading]
    pairs: Sequence[PairChange]

    @property
    def enough_draws(self) -> bool:
        """Whether there are two draws a group, without which intervals are needlessly wide."""
        return all(each.enough_draws for each in self.tested)


@dataclass(frozen=True, kw_only=True, eq=False)
class AblationResult:
    """Everything that the report shows."""

    settings: AblationSettings
    outcomes: Outcomes
    costs: Sequence[Cost]  # one a size; of a network of clips, one a size and number of frames
    areas: Sequence[Area]
    failed: int  # clips that could not be cropped for every cache
    short: int  # clips with fewer frames than the most that are tested
    full_data: Sequence[Comparison]  # in the main view
    streams: Sequence[Comparison]  # of motion fields beside frames; empty without
    classes: Sequence[ClassChange]
    few_shot: FewShotResult | None

    def gflops(self, view: View) -> float:
        """Operations of a clip in one view, 1e9."""
        counted = (cost for cost in self.costs if cost.size == view.size and cost.frames in (None, view.frames))
        return next(counted).clip_gflops(view.frames)
