"""What an ablation found, whole: outcomes, comparisons and what they are worth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mocrop.evaluation.ablation.few_shot_results import PairChange
from mocrop.evaluation.ablation.outcomes import ClassChange, Outcomes
from mocrop.evaluation.ablation.settings import AblationSettings
from mocrop.evaluation.flops import Cost
from mocrop.evaluation.scores.comparisons import Comparison


@dataclass(frozen=True, kw_only=True)
class Area:
    """What one variant really crops, over the clips that are used."""

    variant: str
    area: float  # mean share of the frame
    whole_frames: int  # clips kept whole because there was nothing to go by
    clips: int


@dataclass(frozen=True, kw_only=True, eq=False)
class AblationResult:
    """Everything that is reported."""

    settings: AblationSettings
    outcomes: Outcomes
    costs: Sequence[Cost]  # one a size
    areas: Sequence[Area]
    failed: int  # clips that could not be cropped for every cache
    full_data: Sequence[Comparison]
    streams: Sequence[Comparison]  # of motion fields beside frames; empty without
    classes: Sequence[ClassChange]
    few_shot: Sequence[Comparison]  # empty without
    pairs: Sequence[PairChange]
