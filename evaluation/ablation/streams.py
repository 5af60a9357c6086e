"""Comparison of a second stream, motion fields, with frames alone and with a control.

Averaging any two networks helps, whatever the second one sees. The control is therefore a fusion with a second network
of frames, that of the centre crop: only what motion fields add to `full` beyond the control is due to motion.
"""

from __future__ import annotations

from dataclasses import replace

from mocrop.evaluation.ablation.cells import AblationFolder
from mocrop.evaluation.ablation.outcomes import (
    Seeds,
    clips_of,
    compare_outcomes,
    condition_result,
    conditions_of,
    gather_predictions,
)
from mocrop.evaluation.ablation.settings import FIELDS, AblationSettings, Variant
from mocrop.evaluation.scores.comparisons import Comparison, corrected
from mocrop.evaluation.scores.fusion import fuse


def stream_comparisons(folder: AblationFolder, settings: AblationSettings) -> list[Comparison]:
    """Motion fields, and `full` fused with them, against `full` alone and against the control; corrected as one family.

    Both networks of a fusion have the same sizes, split and seed, and half the weight.

    Returns: nothing if the settings have no second stream.
    Raises: PredictionsError if predictions are missing or do not fit together.
    """
    if not settings.stream:
        return []
    frames, fields = Variant(policy="full"), Variant(policy=FIELDS)
    control = Variant(policy="center", ratio=settings.ratios[0])
    found, _ = gather_predictions(folder, settings, conditions_of(settings, (frames, fields, control)))
    clips = clips_of(next(iter(found.values())))
    family = []
    for condition in conditions_of(settings, (frames,)):
        alone, moving, other = (found[replace(condition, variant=each)] for each in (frames, fields, control))
        first, second, fused, controlled = (
            (name, condition_result(splits, clips))
            for name, splits in (
                (frames.name, alone),
                (fields.name, moving),
                (f"{frames.name} + {fields.name}", _fused(alone, moving)),
                (f"{frames.name} + {control.name}", _fused(alone, other)),
            )
        )
        for variant, base in ((second, first), (fused, first), (controlled, first), (fused, controlled)):
            family.append(compare_outcomes(variant, base, clips, where=condition.sizes))
    return corrected(family)


def _fused(first: list[Seeds], second: list[Seeds]) -> list[Seeds]:
    """Fuse predictions by split and seed."""
    return [
        [fuse(one, other) for one, other in zip(seeds, others, strict=True)]
        for seeds, others in zip(first, second, strict=True)
    ]
