"""`mocrop ablate`: make the caches, run the cells, compare the policies and write the report."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mocrop.evaluation.ablation.cells import (
    AblationCallback,
    AblationFolder,
    keep_plan,
    make_caches,
    mean_features,
    run_cells,
    variant_features,
)
from mocrop.evaluation.ablation.checks import checked
from mocrop.evaluation.ablation.few_shot import (
    FewShotClips,
    FewShotSettings,
    all_draws,
    few_shot_clips,
    few_shot_curves,
)
from mocrop.evaluation.ablation.few_shot_results import FewShot, few_shot_comparisons, pair_changes
from mocrop.evaluation.ablation.outcomes import class_changes, comparisons, gather
from mocrop.evaluation.ablation.report import write_result
from mocrop.evaluation.ablation.result import AblationResult, Area
from mocrop.evaluation.ablation.settings import POLICIES, AblationSettings, Cell, numbers, words
from mocrop.evaluation.ablation.streams import stream_comparisons
from mocrop.evaluation.flops import FlopsSettings, count_costs
from mocrop.pipeline.cache.crop_cache import CropCache
from mocrop.pipeline.cache.layout import ClipState
from mocrop.pipeline.errors import SettingsError
from mocrop.pipeline.run.session import RunOptions
from mocrop.pipeline.settings import settings_from
from mocrop.pipeline.terminal import LineConsole
from mocrop.pipeline.workspace.paths import Workspace
from mocrop.training.loop.callbacks import TrainCallback
from mocrop.training.loop.saver import RunControl
from mocrop.training.loop.signals import stop_on_signals
from mocrop.training.model.device import one_thread
from mocrop.training.recipe import SAME_PIXELS, Recipe, TrainSettings, recipe_table
from mocrop.training.report.console import ConsoleCallback


def ablate_in_workspace(
    workspace: Workspace,
    settings: AblationSettings,
    *,
    name: str,
    run: RunOptions,
    callback: AblationCallback | None = None,
) -> tuple[AblationResult, dict[str, Path]]:
    """Run what is left of an ablation, and write its report to ``reports/<name>/``.

    Args:
        name: of the ablation; its runs lie in ``runs/<name>/``.
        run: how caches are made.
    Raises: StoppedError after a signal that arrives once the caches are made; SettingsError, CacheError,
        WorkspaceError, TrainingError, WeightsError for what settings and files cause.
    """
    callback = callback or AblationCallback()
    folder = AblationFolder(workspace.require(), name)
    settings = checked(workspace, settings)
    keep_plan(folder, settings)
    failed = make_caches(workspace, settings, run, callback)
    with stop_on_signals() as stop:
        control = RunControl(stop=stop)
        run_cells(folder, settings, callback, control)
        few_shot = run_few_shot(workspace, settings, callback, control) if settings.few_shot else None
    outcomes = gather(folder, settings)
    cost = FlopsSettings(
        archs=(settings.training.arch,),
        sizes=settings.sizes,
        classes=len(outcomes.clips.class_names),
        segments=settings.segments,
    )
    result = AblationResult(
        settings=settings,
        outcomes=outcomes,
        failed=failed,
        costs=count_costs(cost),
        areas=list(_areas(workspace, settings)),
        full_data=comparisons(outcomes, settings),
        streams=stream_comparisons(folder, settings),
        classes=class_changes(outcomes, settings),
        few_shot=few_shot_comparisons(few_shot, settings) if few_shot else [],
        pairs=pair_changes(few_shot, settings) if few_shot else [],
    )
    return result, write_result(result, folder.reports)


def run_few_shot(
    workspace: Workspace, settings: AblationSettings, callback: AblationCallback, control: RunControl
) -> FewShot:
    """Few-shot curves of every size, on the clips that every variant has at every size.

    Raises: StoppedError if it was asked to stop; what :func:`variant_features` raises.
    """
    assert settings.few_shot is not None
    features: dict[int, dict[str, tuple[list[str], np.ndarray[Any, Any]]]] = {}
    cache: CropCache | None = None
    for size in settings.sizes:
        features[size] = {}
        for variant, cache, found in variant_features(workspace, settings, size, callback, control):
            rows = np.flatnonzero(found.used > 0)
            names = [cache.clip[row] for row in rows.tolist()]
            features[size][variant.name] = (names, mean_features(found, rows, segments=settings.segments).numpy())
    assert cache is not None
    shared = set.intersection(*(set(names) for each in features.values() for names, _ in each.values()))
    table = _shared_table(cache, shared)
    curves, draws = {}, all_draws(table, settings.few_shot)
    for size, each in features.items():
        same = {name: _rows_of(table, names, values) for name, (names, values) in each.items()}

        def on_fits(done: int, total: int, size: int = size) -> None:
            callback.fits(size, done, total)
            control.stop_while("few-shot heads were fitted")

        with one_thread():  # many small fits
            curves[size] = few_shot_curves(same, table, draws, on_fits=on_fits)
    return FewShot(table=table, curves=curves)


def _shared_table(cache: CropCache, shared: set[str]) -> FewShotClips:
    rows = [row for row, name in enumerate(cache.clip) if name in shared]
    labels, groups = cache.label[rows].astype(np.int64), cache.group[rows].astype(np.int64)
    return few_shot_clips([cache.clip[row] for row in rows], labels, groups, cache.class_names)


def _rows_of(table: FewShotClips, names: Sequence[str], values: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    place = {name: number for number, name in enumerate(names)}
    return values[[place[name] for name in table.clips]]


def _areas(workspace: Workspace, settings: AblationSettings) -> Iterator[Area]:
    for variant in settings.variants:
        cache = CropCache(workspace.cache(variant.cache_name(settings.sizes[0])))
        box, whole = cache.box[cache.usable].astype(np.float64), cache.state == ClipState.WHOLE_FRAME
        yield Area(
            variant=variant.name,
            area=float(((box[:, 2] - box[:, 0]) * (box[:, 3] - box[:, 1])).mean()),
            whole_frames=int(np.count_nonzero(whole)),
            clips=len(box),
        )


def ablation_settings(
    *,
    policies: str | None,
    ratios: str,
    sizes: str,
    splits: str,
    seeds: str,
    frames: int,
    segments: int,
    recipe: Recipe,
    training: Mapping[str, Any],
    stream: Mapping[str, Any] | None,
    few_shot: str | None,
    draws: int,
) -> AblationSettings:
    """Settings from command-line options.

    Args:
        policies, ratios, sizes, splits, seeds, few_shot: values separated by commas.
        training: options of `mocrop train`; for one that is None the recipe's value holds.
        stream: options in which the networks on motion fields differ; they are trained end to end. None: no such
            networks.
    Raises: SettingsError naming the value that is not allowed.
    """
    try:
        return AblationSettings(
            policies=tuple(words(policies)) if policies else POLICIES,
            ratios=numbers(ratios, option="--ratio", kind=float),
            sizes=tuple(sorted(numbers(sizes, option="--sizes", kind=int))),
            splits=tuple(words(splits)),
            seeds=numbers(seeds, option="--seeds", kind=int),
            frames=frames,
            segments=segments,
            training=_training(recipe, training),
            stream=None
            if stream is None
            else _training(recipe, {**training, **stream, "input": "motion", "freeze_backbone": False}),
            few_shot=FewShotSettings(groups=numbers(few_shot, option="--few-shot", kind=int), draws=draws)
            if few_shot
            else None,
        )
    except ValueError as error:
        raise SettingsError(str(error)) from error


def _training(recipe: Recipe, options: Mapping[str, Any]) -> TrainSettings:
    """Training settings: the whole training list, and no augmentation where the backbone is frozen."""
    pixels = SAME_PIXELS if options.get("freeze_backbone") else {}
    table = {**recipe_table(recipe, options), "validation_share": 0.0, **pixels}
    return settings_from(TrainSettings, table, options, where="mocrop ablate")


class ConsoleAblationCallback(AblationCallback):
    """Prints a line for each cache and cell, and the progress of what takes long in between."""

    def __init__(self, console: LineConsole) -> None:
        self._console = console
        self._shown = ""

    def cache(self, name: str, done: int, total: int) -> None:
        self._say(f"cache {done}/{total}: {name}")

    def cell(self, cell: Cell, done: int, total: int, *, ran: bool) -> None:
        if ran or done == total:
            self._say(f"cell {done}/{total}: {cell.name}" + ("" if ran else ", done before"))

    def training(self, cell: Cell) -> TrainCallback:
        self._say(f"training {cell.name}")
        return ConsoleCallback(self._console)

    def features(self, cache: str, done: int, total: int) -> None:
        quarter = 4 * done // max(total, 1)
        self._once(f"features of {cache}: {25 * quarter} % of {total:,} frames")

    def fits(self, size: int, done: int, total: int) -> None:
        if done == total:
            self._say(f"few-shot at {size}: {total:,} heads")

    def _once(self, line: str) -> None:
        if line != self._shown:
            self._shown = line
            self._say(line)

    def _say(self, line: str) -> None:
        self._console.print(line)
