"""Train and test every cell of an ablation.

A cell leaves one checkpoint, and the logits of every tested clip in each view. A cell whose predictions exist, of the
caches as they are now, is not run again: a killed ablation loses only the cell that it was at. Policies, areas, sizes,
numbers of frames, pools, splits, seeds and a second stream may be added later; how a cell is trained may not change
under one name.
"""

from __future__ import annotations

import collections
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import torch

from mocrop.evaluation.ablation.callback import AblationCallback
from mocrop.evaluation.ablation.features import cache_features, clip_features, open_cache, variant_features
from mocrop.evaluation.ablation.folder import AblationFolder, keep_plan
from mocrop.evaluation.ablation.settings import AblationSettings, Cell, View
from mocrop.evaluation.scores.evaluate import EvalSettings, evaluate, predictions_of, require_same_classes
from mocrop.evaluation.scores.predict import Outputs
from mocrop.evaluation.scores.predictions import Predictions, read_predictions, write_predictions
from mocrop.evaluation.views import Look
from mocrop.pipeline.cache.crop_cache import CropCache
from mocrop.pipeline.cache.layout import ClipState
from mocrop.pipeline.commands.preprocess import precrop
from mocrop.pipeline.errors import CacheError, PredictionsError
from mocrop.pipeline.run.session import RunOptions
from mocrop.pipeline.workspace.paths import Workspace
from mocrop.training.data.selection import Subset, select_clips
from mocrop.training.loop.callbacks import TrainCallback
from mocrop.training.loop.saver import RunControl
from mocrop.training.loop.train import train
from mocrop.training.model.checkpoint import describe_cache, load_checkpoint, restore_backbone
from mocrop.training.model.device import one_thread
from mocrop.training.model.pooling import head_layer


def make_caches(workspace: Workspace, settings: AblationSettings, run: RunOptions, callback: AblationCallback) -> int:
    """Make the crop caches that are missing or stale; clips that fail are left out of every comparison.

    Returns: how many clips failed, each counted once however many caches lack it.
    Raises: CacheError if a cache of one of the names has other settings or another number of slots; WorkspaceError if
        an earlier stage has not run.
    """
    wanted, failed = list(settings.caches()), set[str]()
    for variant, size in wanted:
        _require_slots(workspace.cache(variant.cache_name(size)), settings)
    for number, (variant, size) in enumerate(wanted, start=1):
        precrop(workspace, run=run, **variant.precrop_options(size=size, slots=settings.cache_slots))
        cache = open_cache(workspace, variant, size)
        failed.update(cache.clip[row] for row in np.flatnonzero(cache.state == ClipState.FAILED).tolist())
        callback.cache(variant.cache_name(size), number, len(wanted))
    return len(failed)


def _require_slots(cache: Path, settings: AblationSettings) -> None:
    """Refuse a cache of that name with another number of slots, before others are made.

    Raises: CacheError naming the option that takes it as it is.
    """
    if not cache.exists():
        return
    try:
        there = CropCache(cache).frames_per_clip
    except CacheError:
        return  # damaged: precrop repairs it, or says what is wrong with it
    if there != settings.cache_slots:
        most = max(settings.frames)
        take = f"pass --slots {there} to take it as it is" if there >= most else f"pass --frames up to {there}"
        raise CacheError(
            f"crop cache {cache.stem} has {there} slots a clip, and {settings.cache_slots} are asked for; {take}, or "
            "move it away"
        )


def run_cells(
    folder: AblationFolder, settings: AblationSettings, callback: AblationCallback, control: RunControl | None = None
) -> None:
    """Train and test every cell that is not done.

    Raises: SettingsError if cells of this name were trained with other settings; StoppedError if it was asked to
        stop; what training and evaluation raise.
    """
    keep_plan(folder, settings)
    cells, control = settings.cells, control or RunControl()
    if settings.training.freeze_backbone:  # on all threads; what then remains is little work
        for size in settings.list_sizes:
            collections.deque(variant_features(folder.workspace, settings, size, callback, control), maxlen=0)
    for number, cell in enumerate(cells, start=1):
        missing = [view for view in settings.views_of(cell) if not is_done(folder, cell, view)]
        if missing:
            with one_thread() if settings.training_of(cell).freeze_backbone else nullcontext():
                _run_cell(folder, settings, cell, missing, callback, control)
        callback.cell(cell, number, len(cells), ran=bool(missing))


def is_done(folder: AblationFolder, cell: Cell, view: View) -> bool:
    """Whether a cell's predictions exist, of the caches as they are now."""
    try:
        origin = read_predictions(folder.predictions(cell, view)).origin
    except PredictionsError:
        return False
    trained, tested = (open_cache(folder.workspace, cell.variant, size) for size in (cell.train_size, view.size))
    hashes = (describe_cache(trained)["hash"], describe_cache(tested)["hash"])
    return (origin.trained_on["hash"], origin.cache["hash"]) == hashes and origin.segments == view.frames


def _run_cell(
    folder: AblationFolder,
    settings: AblationSettings,
    cell: Cell,
    views: Sequence[View],
    callback: AblationCallback,
    control: RunControl,
) -> None:
    """Train a cell, or resume its run, and write its predictions in some views."""
    run, training = folder.run(cell), settings.training_of(cell)
    best = run / "best.pt"
    if not best.exists() or (run / "last.pt").exists() or _trained_on(best) != _cache_hash(folder, cell):
        trained = open_cache(folder.workspace, cell.variant, cell.train_size)
        listener = TrainCallback() if training.freeze_backbone else callback.training(cell)
        best = train(trained.path, run, training, callback=listener, control=control).checkpoint
        (run / "last.pt").unlink(missing_ok=True)  # needed only to resume
    if training.freeze_backbone:
        found = predict_from_features(folder.workspace, best, cell, views, settings, callback, control)
        for view, predictions in found:
            write_predictions(predictions, folder.predictions(cell, view))
        return
    for view in views:
        control.stop_while(f"{cell.name} was to be tested")
        cache = open_cache(folder.workspace, cell.variant, view.size)
        predictions = evaluate(cache.path, best, testing_of(cell, view, settings)).predictions
        write_predictions(predictions, folder.predictions(cell, view))


def testing_of(cell: Cell, view: View, settings: AblationSettings) -> EvalSettings:
    """Evaluation settings of one cell in one view."""
    return EvalSettings(split=cell.split, segments=view.frames, device=settings.training.device)


def predict_from_features(
    workspace: Workspace,
    checkpoint_file: Path,
    cell: Cell,
    views: Sequence[View],
    settings: AblationSettings,
    callback: AblationCallback,
    control: RunControl,
) -> Iterator[tuple[View, Predictions]]:
    """Predictions of a cell from the features that cells share; but for rounding, those of `mocrop eval`."""
    checkpoint = load_checkpoint(checkpoint_file)
    for size in dict.fromkeys(view.size for view in views):
        control.stop_while(f"{cell.name} was to be tested")
        cache = open_cache(workspace, cell.variant, size)
        require_same_classes(checkpoint, cache, source=checkpoint_file)
        backbone = restore_backbone(checkpoint, size=size, source=checkpoint_file)
        features = cache_features(cache, backbone, settings, callback, control)
        rows = select_clips(cache, split=cell.split, subset=Subset.TEST).rows
        labels = torch.from_numpy(cache.label[rows].astype(np.int64))
        head = head_layer(backbone).cpu()
        for view in (view for view in views if view.size == size):
            with torch.inference_mode():
                logits = head(clip_features(features, rows, view))
            outputs = Outputs(rows=rows, labels=labels, logits=logits, seconds=0.0, times=())
            look = Look(frames=view.frames)
            found = predictions_of(cache, checkpoint, checkpoint_file, outputs, split=cell.split, look=look)
            yield view, found


def _cache_hash(folder: AblationFolder, cell: Cell) -> str:
    return str(describe_cache(open_cache(folder.workspace, cell.variant, cell.train_size))["hash"])


def _trained_on(checkpoint: Path) -> str:
    return str(load_checkpoint(checkpoint).cache["hash"])
