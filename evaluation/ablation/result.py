"""The whole result of an ablation, as its report shows it."""

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
    """Area that one variant really crops, over its usable clips."""

    variant: str
    area: float  # mean share of the frame
    whole_frames: int  # clips kept whole for want of usable motion
    clips: int


@dataclass(frozen=True, kw_only=True, eq=False)
class AblationResult:
    """Everything that the report shows."""

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
