"""What turns the logits of a trained network into probabilities: softmax, or sigmoid where a clip may have several."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from mocrop.pipeline.errors import CheckpointError
from mocrop.training.model.checkpoint import SEVERAL_LABELS, Checkpoint
from mocrop.training.recipe import Activation


def activation_of(checkpoint: Checkpoint, *, source: Path, way_out: str) -> Activation:
    """Softmax for a network that was trained to choose one class (ce), sigmoid for one asked about each (bce).

    Args:
        source: the checkpoint's file, for messages.
        way_out: what to do where it does not say, for messages.
    Raises: CheckpointError if the checkpoint, of an older mocrop, does not say it.
    """
    loss = checkpoint.settings.get("loss")
    if loss is not None:
        return "sigmoid" if loss == "bce" else "softmax"
    several = checkpoint.cache.get(SEVERAL_LABELS)
    if several is None:  # written before descriptions of caches said it: the scores of its clips tell
        scores = checkpoint.metrics
        if scores.get("validation_map") is None and scores.get("validation_top1") is None:
            raise CheckpointError(
                f"{source}, of an older mocrop, does not say whether its clips had several labels; {way_out}"
            )
        several = scores.get("validation_map") is not None
    return "sigmoid" if several else "softmax"


def probabilities_of(logits: Tensor, activation: Activation) -> Tensor:
    """Probabilities of the classes: float32, (..., classes); they add up to 1 unless it is sigmoid."""
    return torch.sigmoid(logits) if activation == "sigmoid" else torch.softmax(logits, dim=-1)
