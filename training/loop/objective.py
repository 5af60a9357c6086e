"""What a run minimises: one class out of all (ce), or for each class whether a clip is of it (bce)."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional

from mocrop.pipeline.cache.crop_cache import CropCache
from mocrop.pipeline.errors import SettingsError
from mocrop.training.data.augment import targets_of
from mocrop.training.recipe import Loss


def chosen_loss(cache: CropCache, asked: Loss | None) -> Loss:
    """The loss that was asked for, else the one that fits the labels of a cache.

    Raises: SettingsError for one class out of all, where a clip may be of several.
    """
    several = cache.labels is not None
    if several and asked == "ce":
        raise SettingsError(
            f"{cache.path}: a clip may have several labels, and --loss ce takes one for the only one; leave it out, or "
            "pass --loss bce"
        )
    return asked or ("bce" if several else "ce")


def mean_loss(logits: Tensor, targets: Tensor, *, loss: Loss, label_smoothing: float = 0.0) -> Tensor:
    """Mean loss over the clips; of bce over clips and classes.

    Smoothing takes its share off every target: for ce it is spread over all classes; for bce, where each class is a
    question of its own, over yes and no.

    Args:
        logits: float32, shape (clips, classes).
        targets: float32, of the same shape, from 0 to 1; for ce, rows that sum to 1.
    """
    if loss == "ce":
        return functional.cross_entropy(logits, targets, label_smoothing=label_smoothing)
    smoothed = targets * (1 - label_smoothing) + label_smoothing / 2
    return functional.binary_cross_entropy_with_logits(logits, smoothed)


def summed_loss(logits: Tensor, labels: Tensor, *, loss: Loss) -> Tensor:
    """Loss of :func:`mean_loss` without smoothing, summed over the clips.

    Args:
        logits: float32, shape (clips, classes).
        labels: int64, shape (clips,), or 1 for each class of a clip, shape (clips, classes).
    """
    if loss == "ce":
        return functional.cross_entropy(logits, labels, reduction="sum")
    return mean_loss(logits, targets_of(labels, classes=logits.shape[1]), loss=loss) * len(labels)
