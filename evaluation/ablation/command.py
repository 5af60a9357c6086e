"""`mocrop ablate`: make the caches, run the cells, compare the policies and write the report."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mocrop.evaluation.ablation.callback import AblationCallback
from mocrop.evaluation.ablation.cells import make_caches, run_cells
from mocrop.evaluation.ablation.checks import checked
from mocrop.evaluation.ablation.few_shot import FewShotSettings
from mocrop.evaluation.ablation.few_shot_results import (
    FewShot,
    few_shot_accuracies,
    few_shot_comparisons,
    few_shot_differences,
    pair_changes,
    pool_comparisons,
)
from mocrop.evaluation.ablation.few_shot_run import run_few_shot
from mocrop.evaluation.ablation.folder import AblationFolder, keep_plan
from mocrop.evaluation.ablation.operations import at_equal_accuracy, at_equal_operations, field_of
from mocrop.evaluation.ablation.outcomes import class_changes, comparisons, gather
from mocrop.evaluation.ablation.report import write_result
from mocrop.evaluation.ablation.result import AblationResult, Area, FewShotResult
from mocrop.evaluation.ablation.settings import AblationSettings, Lists, numbers, words
from mocrop.evaluation.ablation.streams import stream_comparisons
from mocrop.evaluation.ablation.variants import POLICIES
from mocrop.evaluation.flops import Cost, FlopsSettings, count_costs
from mocrop.pipeline.cache.crop_cache import CropCache
from mocrop.pipeline.cache.layout import ClipState
from mocrop.pipeline.errors import SettingsError
from mocrop.pipeline.run.session import RunOptions
from mocrop.pipeline.settings import settings_from
from mocrop.pipeline.workspace.paths import Workspace
from mocrop.training.loop.saver import RunControl
from mocrop.training.loop.signals import stop_on_signals
from mocrop.training.model.video import is_video
from mocrop.training.recipe import SAME_PIXELS, VIDEO_FRAMES, Recipe, TrainSettings, recipe_table


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
    costs = _costs(settings, classes=len(outcomes.clips.class_names))
    result = AblationResult(
        settings=settings,
        outcomes=outcomes,
        failed=failed,
        short=short_clips(workspace, settings),
        costs=costs,
        areas=list(_areas(workspace, settings)),
        full_data=comparisons(outcomes, settings),
        streams=stream_comparisons(folder, settings),
        classes=class_changes(outcomes, settings),
        few_shot=_few_shot_result(few_shot, settings, costs) if few_shot else None,
    )
    return result, write_result(result, folder.reports)


def _costs(settings: AblationSettings, *, classes: int) -> list[Cost]:
    """The backbone at every size; one of clips on every number of frames."""
    arch = settings.training.arch
    counts = settings.frames if is_video(arch) else settings.frames[:1]
    each = (FlopsSettings(archs=(arch,), sizes=settings.sizes, classes=classes, segments=count) for count in counts)
    return [cost for counted in each for cost in count_costs(counted)]


def _few_shot_result(few_shot: FewShot, settings: AblationSettings, costs: Sequence[Cost]) -> FewShotResult:
    field = field_of(few_shot, settings, costs)
    return FewShotResult(
        clips=len(few_shot.table.clips),
        groups=len(np.unique(few_shot.table.clusters)),
        tested=few_shot_comparisons(few_shot, settings),
        pools=pool_comparisons(few_shot, settings),
        accuracies=few_shot_accuracies(few_shot, settings),
        differences=list(few_shot_differences(few_shot, settings)),
        equal_operations=at_equal_operations(field, settings, costs),
        equal_accuracy=at_equal_accuracy(field, settings),
        pairs=pair_changes(few_shot, settings),
    )


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


def short_clips(workspace: Workspace, settings: AblationSettings) -> int:
    """Clips with fewer frames in use than the most that are tested, so that some of their frames count twice."""
    cache = CropCache(workspace.cache(settings.variants[0].cache_name(settings.sizes[0])))
    return int(np.count_nonzero(cache.frame_counts[cache.usable] < max(settings.frames)))


def require_no_segments(segments: str | None) -> None:
    """Refuse the option that --frames took the place of.

    Raises: SettingsError.
    """
    if segments is not None:
        raise SettingsError(
            f"--segments is now --frames, and the slots of the caches are --slots; pass --frames {segments}"
        )


def ablation_settings(
    *,
    policies: str | None,
    ratios: str,
    sizes: str,
    splits: str,
    seeds: str,
    frames: str | None,
    slots: int | None,
    pools: str,
    cross_sizes: bool,
    lists: Lists,
    recipe: Recipe,
    training: Mapping[str, Any],
    stream: Mapping[str, Any] | None,
    few_shot: str | None,
    draws: int,
) -> AblationSettings:
    """Settings from command-line options.

    Args:
        policies, ratios, sizes, splits, seeds, frames, pools, few_shot: values separated by commas; without frames, as
            many as suit the backbone.
        training: options of `mocrop train`; for one that is None the recipe's value holds.
        stream: options in which the networks on motion fields differ; they are trained end to end. None: no such
            networks.
    Raises: SettingsError naming the value that is not allowed.
    """
    default = str(VIDEO_FRAMES if is_video(str(training["arch"])) else AblationSettings.frames[0])
    tested = tuple(sorted(numbers(frames or default, option="--frames", kind=int)))
    try:
        return AblationSettings(
            policies=tuple(words(policies)) if policies else POLICIES,
            ratios=numbers(ratios, option="--ratio", kind=float),
            sizes=tuple(sorted(numbers(sizes, option="--sizes", kind=int))),
            splits=tuple(words(splits)),
            seeds=numbers(seeds, option="--seeds", kind=int),
            frames=tested,
            slots=slots,
            pools=tuple(words(pools)),  # type: ignore[arg-type]  # the settings check them
            cross_sizes=cross_sizes,
            lists=lists,
            training=_training(recipe, training, frames=tested[-1]),
            stream=None
            if stream is None
            else _training(
                recipe, {**training, **stream, "input": "motion", "freeze_backbone": False}, frames=tested[-1]
            ),
            few_shot=FewShotSettings(groups=numbers(few_shot, option="--few-shot", kind=int), draws=draws)
            if few_shot
            else None,
        )
    except ValueError as error:
        raise SettingsError(str(error)) from error


def _training(recipe: Recipe, options: Mapping[str, Any], *, frames: int) -> TrainSettings:
    """Training settings: the whole training list, and no augmentation where the backbone is frozen.

    Args:
        frames: of a clip in testing, the most; a video network is trained on as many.
    """
    if is_video(str(options["arch"])):
        options = {**options, "segments": frames}
    pixels = SAME_PIXELS if options.get("freeze_backbone") else {}
    table = {**recipe_table(recipe, options), "validation_share": 0.0, **pixels}
    return settings_from(TrainSettings, table, options, where="mocrop ablate")
