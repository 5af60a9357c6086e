"""Train and test every cell of an ablation.

A cell leaves one checkpoint, and the logits of every tested clip at each testing size. A cell whose predictions exist,
of the caches as they are now, is not run again: a killed ablation loses only the cell that it was at. Policies, areas,
sizes, splits, seeds and a second stream may be added later; how a cell is trained may not change under one name.
"""

from __future__ import annotations

import collections
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from mocrop.evaluation.ablation.settings import AblationSettings, Cell, Variant
from mocrop.evaluation.report.format import write_json
from mocrop.evaluation.scores.evaluate import EvalSettings, evaluate, predictions_of, require_same_classes
from mocrop.evaluation.scores.predict import Outputs
from mocrop.evaluation.scores.predictions import Predictions, read_predictions, write_predictions
from mocrop.pipeline.cache.crop_cache import CropCache
from mocrop.pipeline.cache.layout import ClipState
from mocrop.pipeline.commands.preprocess import precrop
from mocrop.pipeline.errors import PredictionsError, SettingsError
from mocrop.pipeline.run.session import RunOptions
from mocrop.pipeline.settings import plain_settings, unknown_settings, with_defaults
from mocrop.pipeline.strict_json import parsed_json
from mocrop.pipeline.versions import not_known
from mocrop.pipeline.workspace.paths import Workspace
from mocrop.training.data.features import Features, load_features
from mocrop.training.data.segments import middle_slots
from mocrop.training.data.selection import Subset, select_clips
from mocrop.training.loop.callbacks import TrainCallback
from mocrop.training.loop.saver import RunControl
from mocrop.training.loop.train import train
from mocrop.training.model.backbones import Backbone, build_backbone
from mocrop.training.model.checkpoint import describe_cache, load_checkpoint, restore_backbone
from mocrop.training.model.device import choose_device, one_thread
from mocrop.training.model.pooling import head_layer
from mocrop.training.recipe import TrainSettings

FREE = ("split", "seed", "device")  # training settings that may differ under one name


class AblationCallback:
    """Progress of an ablation; the methods do nothing, override those of interest."""

    def cache(self, name: str, done: int, total: int) -> None:
        """The crop cache ``name`` is ready; ``done`` of ``total`` are."""

    def cell(self, cell: Cell, done: int, total: int, *, ran: bool) -> None:
        """A cell is finished, now or (``ran`` is False) earlier."""

    def training(self, cell: Cell) -> TrainCallback:
        """Callback for the epochs of a cell that is trained end to end, which takes long."""
        return TrainCallback()

    def features(self, cache: str, done: int, total: int) -> None:
        """The frozen backbone has processed ``done`` of ``total`` frames of a cache."""

    def fits(self, size: int, done: int, total: int) -> None:
        """``done`` of ``total`` few-shot heads at one size are fitted."""


@dataclass(frozen=True)
class AblationFolder:
    """Paths of everything that one ablation writes; touches no file.

    Raises: SettingsError for a name that no folder can have.
    """

    workspace: Workspace
    name: str

    def __post_init__(self) -> None:
        self.workspace.run(self.name)

    @property
    def reports(self) -> Path:
        return self.workspace.reports / self.name

    @property
    def plan(self) -> Path:
        return self.reports / "plan.json"

    def run(self, cell: Cell) -> Path:
        """Folder of the run that trains a cell; one level below the runs that `mocrop eval` chooses from."""
        return self.workspace.run(self.name) / cell.name

    def predictions(self, cell: Cell, test_size: int) -> Path:
        return self.reports / "predictions" / f"{cell.tested_name(test_size)}.npz"


def make_caches(workspace: Workspace, settings: AblationSettings, run: RunOptions, callback: AblationCallback) -> int:
    """Make the crop caches that are missing or stale; clips that fail are left out of every comparison.

    Returns: how many clips failed, each counted once however many caches lack it.
    Raises: CacheError if a cache of one of the names has other settings; WorkspaceError if an earlier stage has not
        run.
    """
    wanted, failed = list(settings.caches()), set[str]()
    for number, (variant, size) in enumerate(wanted, start=1):
        precrop(workspace, run=run, **variant.precrop_options(size=size, frames=settings.frames))
        cache = _cache(workspace, variant, size)
        failed.update(cache.clip[row] for row in np.flatnonzero(cache.state == ClipState.FAILED).tolist())
        callback.cache(variant.cache_name(size), number, len(wanted))
    return len(failed)


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
        for size in settings.sizes:
            collections.deque(variant_features(folder.workspace, settings, size, callback, control), maxlen=0)
    for number, cell in enumerate(cells, start=1):
        missing = [size for size in settings.sizes if not is_done(folder, cell, size, settings)]
        if missing:
            with one_thread() if settings.training_of(cell).freeze_backbone else nullcontext():
                _run_cell(folder, settings, cell, missing, callback, control)
        callback.cell(cell, number, len(cells), ran=bool(missing))


def keep_plan(folder: AblationFolder, settings: AblationSettings) -> None:
    """Record in plan.json how cells are trained and tested, and refuse other settings under the same name.

    A second stream may be added later.

    Raises: SettingsError naming what differs.
    """
    plan = {name: _fixed(training) for name, training in zip(("training", "stream"), settings.trainings, strict=False)}
    plan["testing"] = {"segments": settings.segments}
    there = parsed_json(folder.plan.read_bytes()) if folder.plan.exists() else {}
    for name in plan.keys() & there.keys():
        before, now = there[name], plan[name]
        if name != "testing":
            if unknown := unknown_settings(TrainSettings, before):
                raise SettingsError(not_known(f"the ablation in {folder.reports}", repr(unknown[0])))
            before, now = with_defaults(TrainSettings, before), with_defaults(TrainSettings, now)
        if differing := [key for key in now if before.get(key) != now[key]]:
            shown = "; ".join(f"{key}: {before.get(key)} there, {now[key]} now" for key in differing)
            raise SettingsError(
                f"{folder.reports} holds an ablation with other settings of {name} ({shown}); pass another --name"
            )
    write_json({**there, **plan}, folder.plan)


def _fixed(training: TrainSettings) -> dict[str, Any]:
    """Settings that may not differ under one name."""
    return {key: value for key, value in plain_settings(training, keep_none=True).items() if key not in FREE}


def is_done(folder: AblationFolder, cell: Cell, test_size: int, settings: AblationSettings) -> bool:
    """Whether a cell's predictions exist, of the caches as they are now."""
    try:
        origin = read_predictions(folder.predictions(cell, test_size)).origin
    except PredictionsError:
        return False
    trained, tested = (_cache(folder.workspace, cell.variant, size) for size in (cell.train_size, test_size))
    hashes = (describe_cache(trained)["hash"], describe_cache(tested)["hash"])
    return (origin.trained_on["hash"], origin.cache["hash"]) == hashes and origin.segments == settings.segments


def _run_cell(
    folder: AblationFolder,
    settings: AblationSettings,
    cell: Cell,
    test_sizes: list[int],
    callback: AblationCallback,
    control: RunControl,
) -> None:
    """Train a cell, or resume its run, and write its predictions at the testing sizes."""
    run, training = folder.run(cell), settings.training_of(cell)
    best = run / "best.pt"
    if not best.exists() or (run / "last.pt").exists() or _trained_on(best) != _cache_hash(folder, cell):
        trained = _cache(folder.workspace, cell.variant, cell.train_size)
        listener = TrainCallback() if training.freeze_backbone else callback.training(cell)
        best = train(trained.path, run, training, callback=listener, control=control).checkpoint
        (run / "last.pt").unlink(missing_ok=True)  # needed only to resume
    for size in test_sizes:
        control.stop_while(f"{cell.name} was to be tested")
        cache = _cache(folder.workspace, cell.variant, size)
        if training.freeze_backbone:
            predictions = predict_from_features(cache, best, cell, settings, callback, control)
        else:
            predictions = evaluate(cache.path, best, testing_of(cell, settings)).predictions
        write_predictions(predictions, folder.predictions(cell, size))


def testing_of(cell: Cell, settings: AblationSettings) -> EvalSettings:
    """Evaluation settings of one cell."""
    return EvalSettings(split=cell.split, segments=settings.segments, device=settings.training.device)


def predict_from_features(
    cache: CropCache,
    checkpoint_file: Path,
    cell: Cell,
    settings: AblationSettings,
    callback: AblationCallback,
    control: RunControl,
) -> Predictions:
    """Predictions of a cell from the features that cells share; but for rounding, those of `mocrop eval`."""
    checkpoint = load_checkpoint(checkpoint_file)
    require_same_classes(checkpoint, cache, source=checkpoint_file)
    backbone = restore_backbone(checkpoint, size=cache.size, source=checkpoint_file)
    features = _load_features(cache, backbone, settings, callback, control)
    rows = select_clips(cache, split=cell.split, subset=Subset.TEST).rows
    with torch.inference_mode():
        head = head_layer(backbone).cpu()
        logits = head(mean_features(features, rows, segments=settings.segments))
    labels = torch.from_numpy(cache.label[rows].astype(np.int64))
    outputs = Outputs(rows=rows, labels=labels, logits=logits, seconds=0.0, times=())
    return predictions_of(cache, checkpoint, checkpoint_file, testing_of(cell, settings), outputs)


def mean_features(features: Features, rows: np.ndarray[Any, Any], *, segments: int) -> torch.Tensor:
    """Mean over the middle frames of each clip: float32, (clips, width); a linear head turns it into mean logits."""
    return features.of(rows, middle_slots(features.used[rows], segments=segments)).mean(dim=1)


def variant_features(
    workspace: Workspace, settings: AblationSettings, size: int, callback: AblationCallback, control: RunControl
) -> Iterator[tuple[Variant, CropCache, Features]]:
    """The frozen backbone's features of every variant of frames at one size.

    Raises: StoppedError if it was asked to stop; what :func:`~mocrop.training.data.features.load_features` raises.
    """
    training = settings.training
    backbone: Backbone | None = None
    for variant in settings.variants:
        cache = _cache(workspace, variant, size)
        if backbone is None:
            torch.manual_seed(training.seed)  # for random weights, as in training
            classes = len(cache.class_names)
            backbone = build_backbone(training.arch, classes=classes, size=size, weights=training.weights)
        yield variant, cache, _load_features(cache, backbone, settings, callback, control)


def _load_features(
    cache: CropCache, backbone: Backbone, settings: AblationSettings, callback: AblationCallback, control: RunControl
) -> Features:
    def on_frames(done: int, total: int) -> None:
        callback.features(cache.path.stem, done, total)
        control.stop_while(f"features of {cache.path.stem} were computed")

    return load_features(cache, backbone, device=choose_device(settings.training.device), on_frames=on_frames)


def _cache(workspace: Workspace, variant: Variant, size: int) -> CropCache:
    return CropCache(workspace.choose_cache(variant.cache_name(size)))


def _cache_hash(folder: AblationFolder, cell: Cell) -> str:
    return str(describe_cache(_cache(folder.workspace, cell.variant, cell.train_size))["hash"])


def _trained_on(checkpoint: Path) -> str:
    return str(load_checkpoint(checkpoint).cache["hash"])
