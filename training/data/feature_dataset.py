"""A crop cache as a data set of features: the inputs of a frozen network's head in place of frames."""

from __future__ import annotations

import threading

import torch
from torch import Tensor

from mocrop.pipeline.cache.crop_cache import CropCache
from mocrop.training.data.dataset import Batch, CropDataset, IntArray
from mocrop.training.data.feature_file import OnFrames
from mocrop.training.data.features import Features, load_features
from mocrop.training.model.backbones import Backbone
from mocrop.training.model.pooling import pooled
from mocrop.training.recipe import Pool


class LazyFeatures:
    """The features of one cache, loaded or computed at the first use; any thread may use it.

    Args:
        backbone: its weights must be loaded by the first use.
        device: where to compute.
        on_frames: called with the frames done and the frames in all.
    """

    def __init__(self, cache: CropCache, backbone: Backbone, *, device: torch.device, on_frames: OnFrames) -> None:
        self._cache, self._backbone, self._device, self._on_frames = cache, backbone, device, on_frames
        self._features: Features | None = None
        self._lock = threading.Lock()

    def get(self) -> Features:
        """The features.

        Raises: what :func:`~mocrop.training.data.features.load_features` raises.
        """
        with self._lock:
            if self._features is None:
                self._features = load_features(
                    self._cache, self._backbone, device=self._device, on_frames=self._on_frames
                )
            return self._features


class FeatureDataset(CropDataset):
    """Like :class:`~mocrop.training.data.dataset.CropDataset`, with features in place of frames and the same slots.

    Batches hold float32 of shape (clips, segments, width) as ``frames``; pooled ones, (clips, 1, numbers a clip).

    Args:
        features: of ``cache``.
        pool: what the head takes; it pools a mean by itself, from the features of every frame.
    """

    def __init__(
        self,
        cache: CropCache,
        rows: IntArray,
        features: LazyFeatures,
        *,
        segments: int,
        random: bool = False,
        seed: int = 0,
        pool: Pool = "mean",
    ) -> None:
        super().__init__(cache, rows, segments=segments, random=random, seed=seed)
        self._features, self._pool = features, pool

    def batch_shape(self, clips: int) -> tuple[int, ...]:
        """An empty shape: a loader needs no memory for features."""
        return (clips, *self._slots.shape, 0)

    def read(self, indices: IntArray, *, epoch: int | None = None, out: Tensor | None = None) -> Batch:
        """Features of several clips, float32, see the class; ``out`` is not used."""
        rows = self.rows[indices]
        features = self._features.get().of(rows, self.slots(indices, epoch))
        if self._pool != "mean":
            features = pooled(features, self._pool).unsqueeze(1)
        return Batch(features, torch.from_numpy(self.labels[indices]), torch.from_numpy(rows))
