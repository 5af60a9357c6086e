"""Run an ablation: a workspace and settings go in, one checkpoint a cell and the logits of every tested clip come out.

What is done is done: a cell whose predictions are there, of the caches as they are now, is not run again, so a killed
ablation loses the cell that it was at. Policies, areas, sizes, splits and seeds may be added later; how a cell is
trained may not change under one name.
"""

from __future__ import annotations

import collections
import json
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from mocrop.evaluation.ablation_settings import AblationSettings, Cell, Variant
from mocrop.evaluation.evaluate import EvalSettings, evaluate, predictions_of, require_same_classes
from mocrop.evaluation.predict import Outputs
from mocrop.evaluation.predictions import Predictions, read_predictions, write_predictions
from mocrop.pipeline.commands import precrop
from mocrop.pipeline.crop_cache import CropCache
from mocrop.pipeline.errors import PredictionsError, SettingsError
from mocrop.pipeline.session import RunOptions
from mocrop.pipeline.workspace import Workspace, write_whole
from mocrop.training.backbones import Backbone, build_backbone
from mocrop.training.checkpoint import describe_cache, load_checkpoint, plain_settings, restore_backbone
from mocrop.training.device import choose_device, one_thread
from mocrop.training.features import Features, head_layer, load_features
from mocrop.training.saver import RunControl
from mocrop.training.segments import middle_slots
from mocrop.training.selection import Subset, select_clips
from mocrop.training.stop import stop_on_signals
from mocrop.training.train import train
from mocrop.training.watch import TrainWatch

FREE = ("split", "seed", "device")  # training settings that may differ under one name


class AblationWatch:
    """Hears of the progress; override what is of interest."""

    def cache(self, name: str, done: int, total: int) -> None:
        """The crop cache ``name`` is there; ``done`` of ``total`` are."""

    def cell(self, cell: Cell, done: int, total: int, *, ran: bool) -> None:
        """A cell is finished, now or (``ran`` is False) earlier."""

    def training(self, cell: Cell) -> TrainWatch:
        """Who hears of the epochs of a cell that is trained throughout, which takes long."""
        return TrainWatch()

    def features(self, cache: str, done: int, total: int) -> None:
        """The frozen backbone has seen ``done`` of ``total`` frames of a cache."""

    def draw(self, size: int, done: int, total: int) -> None:
        """A few-shot draw at one size is finished."""


@dataclass(frozen=True)
class AblationFolder:
    """Names of everything that one ablation writes; touches no file."""

    workspace: Workspace
    name: str

    @property
    def reports(self) -> Path:
        return self.workspace.reports / self.name

    @property
    def plan(self) -> Path:
        return self.reports / "plan.json"

    def run(self, cell: Cell) -> Path:
        """Folder of the run that trains a cell; deeper than runs that `mocrop eval` chooses from."""
        return self.workspace.runs / self.name / cell.name

    def predictions(self, cell: Cell, test_size: int) -> Path:
        return self.reports / "predictions" / f"{cell.tested_name(test_size)}.npz"


def make_caches(workspace: Workspace, settings: AblationSettings, run: RunOptions, watch: AblationWatch) -> None:
    """Crop what is missing or stale; clips that fail are left out of every comparison.

    Raises: CacheError if a cache of one of the names has other settings; WorkspaceError if an earlier stage has not
        run.
    """
    wanted = list(settings.caches())
    for number, (variant, size) in enumerate(wanted, start=1):
        precrop(workspace, run, options=variant.precrop_options(size=size, frames=settings.frames))
        watch.cache(variant.cache_name(size), number, len(wanted))


def run_cells(folder: AblationFolder, settings: AblationSettings, watch: AblationWatch) -> None:
    """Train and test every cell that is not done.

    Raises: SettingsError if cells of this name were trained otherwise; what training and evaluation raise.
    """
    keep_plan(folder, settings)
    cells = settings.cells
    frozen = settings.training.freeze_backbone
    if frozen:  # on all threads; what is left is little work
        for size in settings.sizes:
            collections.deque(variant_features(folder.workspace, settings, size, watch), maxlen=0)
    with one_thread() if frozen else nullcontext():
        for number, cell in enumerate(cells, start=1):
            missing = [size for size in settings.sizes if not is_done(folder, cell, size, settings)]
            if missing:
                _run_cell(folder, settings, cell, missing, watch)
            watch.cell(cell, number, len(cells), ran=bool(missing))


def keep_plan(folder: AblationFolder, settings: AblationSettings) -> None:
    """Write down how cells are trained and tested, and refuse to mix two ways.

    Raises: SettingsError naming what differs.
    """
    training = {key: value for key, value in plain_settings(settings.training).items() if key not in FREE}
    plan = {"segments": settings.segments, "training": training}
    if folder.plan.exists():
        there: dict[str, Any] = json.loads(folder.plan.read_text())
        before, now = there["training"] | {"segments": there["segments"]}, training | {"segments": settings.segments}
        if differing := [name for name in now if before.get(name) != now[name]]:
            shown = "; ".join(f"{name}: {before.get(name)} there, {now[name]} now" for name in differing)
            raise SettingsError(
                f"{folder.reports} holds an ablation whose cells are trained otherwise ({shown}); pass another --name"
            )
    write_whole(folder.plan, (json.dumps(plan, indent=2) + "\n").encode())


def is_done(folder: AblationFolder, cell: Cell, test_size: int, settings: AblationSettings) -> bool:
    """Whether a cell's predictions are there, of the caches as they are now."""
    try:
        origin = read_predictions(folder.predictions(cell, test_size)).origin
    except PredictionsError:
        return False
    trained, tested = (_cache(folder.workspace, cell.variant, size) for size in (cell.train_size, test_size))
    hashes = (describe_cache(trained)["hash"], describe_cache(tested)["hash"])
    return (origin.trained_on["hash"], origin.cache["hash"]) == hashes and origin.segments == settings.segments


def _run_cell(
    folder: AblationFolder, settings: AblationSettings, cell: Cell, test_sizes: list[int], watch: AblationWatch
) -> None:
    """Train a cell, or go on with it, and keep what it makes of the test clips."""
    run = folder.run(cell)
    best = run / "best.pt"
    if not best.exists() or (run / "last.pt").exists() or _trained_on(best) != _cache_hash(folder, cell):
        trained = _cache(folder.workspace, cell.variant, cell.train_size)
        listener = TrainWatch() if settings.training.freeze_backbone else watch.training(cell)
        with stop_on_signals() as stop:
            control = RunControl(stop=stop)
            best = train(trained.path, run, settings.training_of(cell), watch=listener, control=control).checkpoint
        (run / "last.pt").unlink(missing_ok=True)  # only of use to go on with
    for size in test_sizes:
        cache = _cache(folder.workspace, cell.variant, size)
        if settings.training.freeze_backbone:
            predictions = predict_from_features(cache, best, cell, settings, watch)
        else:
            predictions = evaluate(cache.path, best, testing_of(cell, settings)).predictions
        write_predictions(predictions, folder.predictions(cell, size))


def testing_of(cell: Cell, settings: AblationSettings) -> EvalSettings:
    """How one cell is tested."""
    return EvalSettings(split=cell.split, segments=settings.segments, device=settings.training.device)


def predict_from_features(
    cache: CropCache, checkpoint_file: Path, cell: Cell, settings: AblationSettings, watch: AblationWatch
) -> Predictions:
    """What `mocrop eval` would find, but for rounding, from the features that cells share."""
    checkpoint = load_checkpoint(checkpoint_file)
    require_same_classes(checkpoint, cache, source=checkpoint_file)
    device = choose_device(settings.training.device)
    backbone = restore_backbone(checkpoint, size=cache.size, source=checkpoint_file)
    features = load_features(
        cache, backbone, device=device, on_frames=lambda done, total: watch.features(cache.path.stem, done, total)
    )
    rows = select_clips(cache, split=cell.split, subset=Subset.TEST).rows
    with torch.inference_mode():
        head = head_layer(backbone).cpu()
        logits = head(mean_features(features, rows, segments=settings.segments))
    labels = torch.from_numpy(cache.label[rows].astype(np.int64))
    outputs = Outputs(rows=rows, labels=labels, logits=logits, seconds=0.0, times=())
    return predictions_of(cache, checkpoint, checkpoint_file, testing_of(cell, settings), outputs)


def mean_features(features: Features, rows: np.ndarray[Any, Any], *, segments: int) -> torch.Tensor:
    """Mean over the middle frames of each clip: float32, (clips, width). A linear head makes mean logits of it."""
    return features.of(rows, middle_slots(features.used[rows], segments=segments)).mean(dim=1)


def variant_features(
    workspace: Workspace, settings: AblationSettings, size: int, watch: AblationWatch
) -> Iterator[tuple[Variant, CropCache, Features]]:
    """The frozen backbone's features of every variant at one size.

    Raises: what :func:`~mocrop.training.features.load_features` raises.
    """
    training = settings.training
    backbone: Backbone | None = None
    for variant in settings.variants:
        cache = _cache(workspace, variant, size)
        if backbone is None:
            torch.manual_seed(training.seed)  # of random weights, as in training
            classes = len(cache.class_names)
            backbone = build_backbone(training.arch, classes=classes, size=size, weights=training.weights)

        def heard(done: int, total: int, name: str = cache.path.stem) -> None:
            watch.features(name, done, total)

        yield variant, cache, load_features(cache, backbone, device=choose_device(training.device), on_frames=heard)


def _cache(workspace: Workspace, variant: Variant, size: int) -> CropCache:
    return CropCache(workspace.choose_cache(variant.cache_name(size)))


def _cache_hash(folder: AblationFolder, cell: Cell) -> str:
    return str(describe_cache(_cache(folder.workspace, cell.variant, cell.train_size))["hash"])


def _trained_on(checkpoint: Path) -> str:
    return str(load_checkpoint(checkpoint).cache["hash"])


def with_names(settings: AblationSettings, names: Sequence[str]) -> AblationSettings:
    """Settings whose splits go by their names; they may be given by name, by number from 1, or as "all".

    Args:
        names: of the splits that there are.
    Raises: SettingsError for a split that there is not, or one that is given twice.
    """
    chosen = []
    for split in names if settings.splits == ("all",) else settings.splits:
        if split in names:
            chosen.append(split)
        elif split.isdecimal() and 1 <= int(split) <= len(names):
            chosen.append(names[int(split) - 1])
        else:
            raise SettingsError(f"there is no split {split!r}; pass --splits all, or some of: {', '.join(names)}")
    try:
        return replace(settings, splits=tuple(chosen))
    except ValueError as error:
        raise SettingsError(str(error)) from error
