"""The demo's data sets: each scene by its settings, and the files of a made one."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from mocrop.evaluation.demo.crossing import CrossingSettings, make_crossing
from mocrop.evaluation.demo.data_set import Box, DataSet, write_lists
from mocrop.evaluation.demo.order import OrderSettings, make_order
from mocrop.evaluation.demo.sprites import SpriteSettings, make_sprites
from mocrop.pipeline.choices import Scene

SceneSettings: TypeAlias = SpriteSettings | CrossingSettings | OrderSettings

SCENES: dict[Scene, SceneSettings] = {
    "sprites": SpriteSettings(),
    "crossing": CrossingSettings(),
    "order": OrderSettings(),
}


@dataclass(frozen=True, kw_only=True, eq=False)
class MadeScene:
    """A data set on disk, and what is true of its clips."""

    files: DataSet
    size: tuple[int, int]  # width and height, pixels
    boxes: dict[str, list[Box]]  # by clip, one per frame
    panning: dict[str, bool]  # by clip, whether the camera pans


def scene_settings(scene: Scene, *, groups: int | None = None) -> SceneSettings:
    """The settings of a scene.

    Args:
        groups: per class; None: as many as the scene has.
    """
    settings = SCENES[scene]
    return settings if groups is None else dataclasses.replace(settings, groups=groups)


def make_scene(folder: Path, settings: SceneSettings) -> MadeScene:
    """Write the clips, split lists and boxes of a scene; the same settings give the same bytes."""
    files = DataSet.within(folder)
    if isinstance(settings, SpriteSettings):
        truth = make_sprites(files.videos, settings)
        boxes, panning = truth.boxes, truth.panning
    else:
        boxes = _moving(files.videos, settings)
        panning = dict.fromkeys(boxes, False)
    write_lists(files, boxes)
    return MadeScene(files=files, size=(settings.width, settings.height), boxes=boxes, panning=panning)


def _moving(videos: Path, settings: CrossingSettings | OrderSettings) -> dict[str, list[Box]]:
    """Write the clips of a scene before a camera that stands still."""
    if isinstance(settings, OrderSettings):
        return make_order(videos, settings)
    return make_crossing(videos, settings)
