"""What options mean for a cache that is there already."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mocrop.pipeline.cache.create import create_cache
from mocrop.pipeline.cache.layout import ClipTable
from mocrop.pipeline.errors import CacheError
from mocrop.pipeline.policies.controls import CenterSettings
from mocrop.pipeline.policies.motion_v1 import MotionSettings
from mocrop.pipeline.settings import plain_settings
from mocrop.pipeline.stages.cache_settings import resolve_precrop
from mocrop.pipeline.stages.precrop_settings import PrecropSettings
from mocrop.pipeline.stages.registry import Stages
from mocrop.pipeline.stages.stored_settings import read_precrop_settings
from mocrop.pipeline.workspace.paths import Workspace

TABLE = ClipTable(
    names=["A/a"],
    label=np.zeros(1, np.int32),
    group=np.zeros(1, np.int32),
    subset=np.ones((1, 1), np.uint8),
    class_names=["A"],
    split_names=["1"],
)


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    """A workspace with one cache, `mine`, whose settings are none of the defaults."""
    workspace = Workspace(tmp_path)
    workspace.caches.mkdir()
    settings = PrecropSettings(name="mine", size=200, frames=8, policy_settings=MotionSettings(samples=5, ratio=0.5))
    assert settings.clips_per_shard == 16
    attributes = {"settings": plain_settings(settings)}
    create_cache(workspace.cache("mine"), settings.layout, TABLE, attributes=attributes)
    return workspace


def resolved(workspace: Workspace, **options: Any) -> PrecropSettings:
    return resolve_precrop(workspace, Stages(workspace, {}), {"name": "mine", **options})


def test_what_is_not_given_is_as_the_cache_has_it(workspace: Workspace) -> None:
    settings = resolved(workspace, select="uniform", samples=None)
    assert (settings.size, settings.frames, settings.select) == (200, 8, "uniform")
    assert settings.policy_settings == MotionSettings(samples=5, ratio=0.5)


def test_another_policy_takes_nothing_over_from_the_one_before(workspace: Workspace) -> None:
    """Not what it does not know, nor what has the same name: 0.5 was meant for the other."""
    assert resolved(workspace, policy="center").policy_settings == CenterSettings()


@pytest.mark.parametrize(("change", "clips"), [({}, 16), ({"size": 200}, 16), ({"size": 448}, 13), ({"frames": 64}, 8)])
def test_clips_per_shard_follow_the_size_and_the_frames(
    workspace: Workspace, change: dict[str, int], clips: int
) -> None:
    """64 MiB hold 13 clips of 8 frames of 448x448, or 8 of 64 frames of 200x200."""
    assert resolved(workspace, **change).clips_per_shard == clips


def test_a_cache_that_does_not_say_how_it_was_made_is_none_of_the_workspace(workspace: Workspace) -> None:
    layout = PrecropSettings(name="bare", size=8).layout
    create_cache(workspace.cache("bare"), layout, TABLE, attributes={})
    with pytest.raises(CacheError, match="crop cache 'bare' does not say how it was made; move it out of"):
        read_precrop_settings(workspace, "bare")
