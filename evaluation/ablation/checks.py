"""Checks of an ablation's settings, before hours of work: splits, clips, networks and their weights."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from mocrop.evaluation.ablation.few_shot import draw_groups, few_shot_clips
from mocrop.evaluation.ablation.settings import AblationSettings
from mocrop.evaluation.scores.few_shot_test import require_groups
from mocrop.pipeline.errors import SettingsError
from mocrop.pipeline.motion.fields import MotionFieldSettings
from mocrop.pipeline.workspace.manifest import ClipRow, LabelKind, Manifest
from mocrop.pipeline.workspace.paths import Workspace
from mocrop.training.data.selection import Subset, find_split
from mocrop.training.model.backbones import build_backbone
from mocrop.training.model.pooling import head_layer
from mocrop.training.model.video import is_video, require_clips


def checked(workspace: Workspace, settings: AblationSettings) -> AblationSettings:
    """Check that clips, networks and weights are there; return the settings with every split under its name.

    Raises: SettingsError or WeightsError naming what is missing, or the class with too few groups for a few-shot test.
    """
    with Manifest(workspace.manifest_file, read_only=True) as manifest:
        require_one_label_each(manifest.label_kind())
        splits, classes = manifest.names("split_names"), manifest.names("class_names")
        clips = list(manifest.clips())
    settings = with_names(settings, splits)
    for split in settings.splits:
        require_both_lists(clips, split, place=splits.index(split))
    if settings.few_shot:
        labels, groups = (np.array([getattr(clip, name) for clip in clips], np.int64) for name in ("label", "group"))
        table = few_shot_clips([clip.name for clip in clips], labels, groups, classes)
        require_groups(clusters=table.clusters, classes=table.labels, class_names=table.class_names)
        draw_groups(table, groups=max(settings.few_shot.groups), draw=0, seed=settings.few_shot.seed)
    require_networks(settings)
    return settings


def require_one_label_each(kind: LabelKind) -> None:
    """Check that clips have one label each, which is what right answers are counted by.

    Raises: SettingsError.
    """
    if kind == "several":
        raise SettingsError(
            "mocrop ablate counts right answers, and a clip of this data set may have several labels; compare mean "
            "average precisions of `mocrop train` and `mocrop eval` on each cache"
        )
    if kind == "none":
        raise SettingsError(
            "mocrop ablate compares right answers, and the clips of this data set have no labels; run `mocrop init` "
            "again without --unlabelled, with the lists as --splits"
        )


def with_names(settings: AblationSettings, names: Sequence[str]) -> AblationSettings:
    """Settings with every split under its name; it may be given by name, by number from 1, or as "all".

    Args:
        names: of the splits of the data set.
    Raises: SettingsError for an unknown split, or one that is given twice.
    """
    chosen = []
    for split in names if settings.splits == ("all",) else settings.splits:
        place = find_split(names, split)
        if place is None:
            raise SettingsError(f"there is no split {split!r}; pass --splits all, or some of: {', '.join(names)}")
        chosen.append(names[place])
    try:
        return replace(settings, splits=tuple(chosen))
    except ValueError as error:
        raise SettingsError(str(error)) from error


def require_both_lists(clips: Sequence[ClipRow], split: str, *, place: int) -> None:
    """Check that a split has clips to train on and clips to test on.

    Raises: SettingsError naming the side that has none.
    """
    for subset in (Subset.TRAIN, Subset.TEST):
        if not any(clip.subset[place] == subset for clip in clips):
            raise SettingsError(f"split {split} has no {subset.name.lower()} clip; pass --splits without it")


def require_networks(settings: AblationSettings) -> None:
    """Build every network once, with its initial weights.

    Raises: SettingsError if one cannot be built or frozen; WeightsError if its weights are not available.
    """
    for training in settings.trainings:
        fields = training.input == "motion"
        for size in [MotionFieldSettings().side] if fields else settings.sizes:
            if is_video(training.arch):  # of every number of frames that is tested
                for count in {training.segments, *settings.frames}:
                    require_clips(training.arch, size=size, frames=count, input=training.input)
            backbone = build_backbone(
                training.arch,
                classes=2,
                size=size,
                weights=training.weights,
                input=training.input,
                frames=training.segments,
            )
            if settings.needs_features and not fields:
                head_layer(backbone)
