"""Features of the frozen backbone in an ablation: computed once per cache, pooled anew in every view."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import torch

from mocrop.evaluation.ablation.callback import AblationCallback
from mocrop.evaluation.ablation.settings import AblationSettings, View
from mocrop.evaluation.ablation.variants import Variant
from mocrop.pipeline.cache.crop_cache import CropCache
from mocrop.pipeline.workspace.paths import Workspace
from mocrop.training.data.features import Features, load_features
from mocrop.training.data.segments import middle_slots
from mocrop.training.loop.saver import RunControl
from mocrop.training.model.backbones import Backbone, build_backbone
from mocrop.training.model.device import choose_device
from mocrop.training.model.pooling import pooled


def clip_features(features: Features, rows: npt.NDArray[np.int64], view: View) -> torch.Tensor:
    """Pooled features of the middle frames of each clip: float32, (clips, width), or twice that with a spread."""
    return pooled(features.of(rows, middle_slots(features.used[rows], segments=view.frames)), view.pool)


def variant_features(
    workspace: Workspace, settings: AblationSettings, size: int, callback: AblationCallback, control: RunControl
) -> Iterator[tuple[Variant, CropCache, Features]]:
    """The frozen backbone's features of every variant of frames at one size.

    Raises: StoppedError if it was asked to stop; what :func:`~mocrop.training.data.features.load_features` raises.
    """
    training = settings.training
    backbone: Backbone | None = None
    for variant in settings.variants:
        cache = open_cache(workspace, variant, size)
        if backbone is None:
            torch.manual_seed(training.seed)  # for random weights, as in training
            classes = len(cache.class_names)
            backbone = build_backbone(training.arch, classes=classes, size=size, weights=training.weights)
        yield variant, cache, cache_features(cache, backbone, settings, callback, control)


def cache_features(
    cache: CropCache, backbone: Backbone, settings: AblationSettings, callback: AblationCallback, control: RunControl
) -> Features:
    """The features of one cache, loaded or computed and stored.

    Raises: as :func:`variant_features`.
    """

    def on_frames(done: int, total: int) -> None:
        callback.features(cache.path.stem, done, total)
        control.stop_while(f"features of {cache.path.stem} were computed")

    return load_features(cache, backbone, device=choose_device(settings.training.device), on_frames=on_frames)


def open_cache(workspace: Workspace, variant: Variant, size: int) -> CropCache:
    """The crop cache of a variant at one size."""
    return CropCache(workspace.choose_cache(variant.cache_name(size)))
