"""Comparison of a second stream, motion fields, with frames alone and with a control.

Averaging any two networks helps, whatever the second one sees. The control is therefore a fusion with a second network
of frames, that of the centre crop: only what motion fields add to `full` beyond the control is due to motion.
"""

from __future__ import annotations

from mocrop.evaluation.ablation.folder import AblationFolder
from mocrop.evaluation.ablation.outcomes import (
    Seeds,
    clips_of,
    compare_outcomes,
    condition_result,
    gather_predictions,
    main_condition,
)
from mocrop.evaluation.ablation.settings import AblationSettings
from mocrop.evaluation.ablation.variants import CENTER, FIELDS, FULL, Variant
from mocrop.evaluation.scores.comparisons import Comparison, corrected
from mocrop.evaluation.scores.fusion import fuse


def stream_comparisons(folder: AblationFolder, settings: AblationSettings) -> list[Comparison]:
    """Motion fields, and `full` fused with them, against `full` alone and against the control; corrected as one family.

    Both networks of a fusion have the main view, the same split and seed, and half the weight.

    Returns: nothing if the settings have no second stream.
    Raises: PredictionsError if predictions are missing or do not fit together.
    """
    if not settings.stream:
        return []
    frames, fields, control = (
        main_condition(settings, variant)
        for variant in (
            Variant(policy=FULL),
            Variant(policy=FIELDS),
            Variant(policy=CENTER, ratio=settings.ratios[0]),
        )
    )
    found, _ = gather_predictions(folder, settings, (frames, fields, control))
    clips = clips_of(found[frames])
    alone, moving, other = (found[each] for each in (frames, fields, control))
    names = [each.variant.name for each in (frames, fields, control)]
    first, second, fused, controlled = (
        (name, condition_result(splits, clips))
        for name, splits in (
            (names[0], alone),
            (names[1], moving),
            (f"{names[0]} + {names[1]}", _fused(alone, moving)),
            (f"{names[0]} + {names[2]}", _fused(alone, other)),
        )
    )
    pairs = ((second, first), (fused, first), (controlled, first), (fused, controlled))
    return corrected([compare_outcomes(*pair, clips, where=frames.where) for pair in pairs])


def _fused(first: list[Seeds], second: list[Seeds]) -> list[Seeds]:
    """Fuse predictions by split and seed."""
    return [
        [fuse(one, other) for one, other in zip(seeds, others, strict=True)]
        for seeds, others in zip(first, second, strict=True)
    ]
