"""Clips of a test list that a network has seen in training."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from torch import Tensor

from mocrop.pipeline.cache.crop_cache import CropCache
from mocrop.pipeline.errors import SettingsError
from mocrop.training.data.selection import Subset, select_clips, split_index
from mocrop.training.model.checkpoint import Checkpoint
from mocrop.training.model.external_checkpoint import load_any_checkpoint
from mocrop.training.model.trained_on import are_among

IntArray = npt.NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class SeenInTraining:
    """How many of the clips that are tested a network has seen."""

    trained_on: int | None  # None: its checkpoint does not say
    validated_on: int | None  # clips that chose its best epoch
    listed: int | None  # both, else those in the list that the cache has of its split; None if it has no such split

    @property
    def any(self) -> int:
        return self.listed or 0


def seen_by(cache_path: Path, checkpoint_path: Path, *, split: str) -> SeenInTraining:
    """How many of the test clips of a split a checkpoint has seen."""
    cache = CropCache(cache_path)
    checkpoint = load_any_checkpoint(checkpoint_path, cache=cache)
    return seen_in_training(cache, select_clips(cache, split=split, subset=Subset.TEST).rows, checkpoint)


def seen_in_training(cache: CropCache, rows: IntArray, checkpoint: Checkpoint) -> SeenInTraining:
    """How many clips of a cache a checkpoint has seen; by the lists as they are now where it does not say."""
    names = [cache.clip[row] for row in rows.tolist()]
    if isinstance(checkpoint.trained_on, Tensor) and isinstance(checkpoint.validated_on, Tensor):
        trained = are_among(names, checkpoint.trained_on)
        validated = are_among(names, checkpoint.validated_on) & ~trained
        counts = int(np.count_nonzero(trained)), int(np.count_nonzero(validated))
        return SeenInTraining(trained_on=counts[0], validated_on=counts[1], listed=sum(counts))
    return SeenInTraining(trained_on=None, validated_on=None, listed=_in_training_list(cache, rows, checkpoint))


def _in_training_list(cache: CropCache, rows: IntArray, checkpoint: Checkpoint) -> int | None:
    """Number of clips in the training list of the checkpoint's split; None if the cache has no such split."""
    try:
        column = split_index(cache, str(checkpoint.settings["split"]))
    except SettingsError:
        return None
    return int(np.count_nonzero(cache.subset[rows, column] == Subset.TRAIN))
