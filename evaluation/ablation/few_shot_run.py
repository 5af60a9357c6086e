"""Few-shot heads of every variant in every view, on the clips that all of them have."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import numpy.typing as npt
import torch

from mocrop.evaluation.ablation.callback import AblationCallback
from mocrop.evaluation.ablation.features import clip_features, variant_features
from mocrop.evaluation.ablation.few_shot import Curve, Draws, FewShotClips, all_draws, few_shot_clips, few_shot_curves
from mocrop.evaluation.ablation.few_shot_results import FewShot
from mocrop.evaluation.ablation.settings import AblationSettings, View
from mocrop.evaluation.scores.few_shot_test import require_groups
from mocrop.pipeline.cache.crop_cache import CropCache
from mocrop.pipeline.workspace.paths import Workspace
from mocrop.training.data.features import Features
from mocrop.training.loop.saver import RunControl
from mocrop.training.model.device import one_thread

IntArray = npt.NDArray[np.int64]


def run_few_shot(
    workspace: Workspace, settings: AblationSettings, callback: AblationCallback, control: RunControl
) -> FewShot:
    """Few-shot curves in every view, on the clips that every variant has at every size.

    Raises: StoppedError if it was asked to stop; SettingsError naming a class that has too few groups left for a test;
        what computing features and fitting heads raise.
    """
    assert settings.few_shot
    found: dict[int, dict[str, tuple[CropCache, Features]]] = {}
    for size in settings.sizes:
        each = variant_features(workspace, settings, size, callback, control)
        found[size] = {variant.name: (cache, features) for variant, cache, features in each}
    usable = [
        {cache.clip[row] for row in np.flatnonzero(features.used > 0).tolist()}
        for by_variant in found.values()
        for cache, features in by_variant.values()
    ]
    cache, _ = next(iter(found[settings.sizes[-1]].values()))
    table = _shared_table(cache, set.intersection(*usable))
    require_groups(clusters=table.clusters, classes=table.labels, class_names=table.class_names)
    draws = all_draws(table, settings.few_shot)

    def curves_in(view: View) -> list[Curve]:
        return _curves(found[view.size], view, table, draws, callback, control)

    with one_thread():  # products of many small matrices: as many views at once as there are cores, on a thread each
        pool = ThreadPoolExecutor(os.cpu_count(), "few-shot", initializer=torch.set_num_threads, initargs=(1,))
        try:
            curves = dict(zip(settings.views, pool.map(curves_in, settings.views), strict=True))
        finally:
            pool.shutdown(cancel_futures=True)
    return FewShot(table=table, curves=curves)


def _curves(
    found: Mapping[str, tuple[CropCache, Features]],
    view: View,
    table: FewShotClips,
    draws: Sequence[Draws],
    callback: AblationCallback,
    control: RunControl,
) -> list[Curve]:
    def on_fits(done: int, total: int) -> None:
        callback.fits(view.name, done, total)
        control.stop_while("few-shot heads were fitted")

    values = {
        name: clip_features(features, _rows_of(table, cache), view).numpy() for name, (cache, features) in found.items()
    }
    return few_shot_curves(values, table, draws, on_fits=on_fits)


def _shared_table(cache: CropCache, shared: set[str]) -> FewShotClips:
    rows = [row for row, name in enumerate(cache.clip) if name in shared]
    labels, groups = cache.label[rows].astype(np.int64), cache.group[rows].astype(np.int64)
    return few_shot_clips([cache.clip[row] for row in rows], labels, groups, cache.class_names)


def _rows_of(table: FewShotClips, cache: CropCache) -> IntArray:
    """Rows of a cache that hold the clips of the table, in its order."""
    place = {name: row for row, name in enumerate(cache.clip)}
    return np.array([place[name] for name in table.clips], np.int64)
