"""What an exported file says of itself: labels, what it takes and gives, and how the crops were made."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path

from mocrop.evaluation.scores.predictions import file_hash
from mocrop.pipeline.strict_json import json_text
from mocrop.training.model.checkpoint import Checkpoint
from mocrop.training.recipe import Activation


def metadata_of(checkpoint: Checkpoint, activation: Activation, *, source: Path) -> Mapping[str, str]:
    """Facts by name; what is no plain word is JSON.

    ``labels`` are the names of the classes in the order of the outputs, ``cache`` describes the crops that the network
    was trained on with all settings of their making, ``frames`` counts those of a clip that it was validated on.
    ``clip`` and ``crop`` are as for `mocrop train`, and empty without: they differ from what the cache says of its own
    windows and frames.

    Args:
        source: the file of the checkpoint, whose SHA-256 is kept.
    """
    return {
        "labels": json_text(list(checkpoint.class_names)),
        "activation": activation,
        "input": checkpoint.input,
        "size": str(checkpoint.size),
        "frames": str(checkpoint.settings.get("validation_segments", "")),
        "clip": "x".join(map(str, checkpoint.clip or ())),
        "crop": str(checkpoint.crop or ""),
        "arch": checkpoint.arch,
        "epoch": str(checkpoint.epoch),
        "cache": json_text(checkpoint.cache),
        "checkpoint": file_hash(source),
        "mocrop": version("mocrop"),
    }
