"""Hashes of settings are the same in all versions, and a setting that comes later changes none of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import pytest

from mocrop.pipeline.export.resolve import resolve_export
from mocrop.pipeline.export.stage import export_stage
from mocrop.pipeline.motion.fields import MotionFieldSettings
from mocrop.pipeline.settings import added, plain_settings, settings_hash, unknown_settings, with_defaults
from mocrop.pipeline.stages.cache_settings import resolve_precrop
from mocrop.pipeline.stages.registry import Stages
from mocrop.pipeline.workspace.paths import Workspace


@dataclass(frozen=True, kw_only=True)
class Inner:
    side: int = 56


@dataclass(frozen=True, kw_only=True)
class Outer:
    crf: int = 23
    grid: tuple[int, int] = (6, 8)
    limit: int | None = None
    inner: Inner = field(default_factory=Inner)


@dataclass(frozen=True, kw_only=True)
class LaterInner(Inner):
    smooth: float = added(0.0)


@dataclass(frozen=True, kw_only=True)
class LaterOuter(Outer):
    denoise: bool = added(False)
    inner: Inner = field(default_factory=LaterInner)


@pytest.mark.parametrize(
    ("stage", "options", "pinned"),
    [
        ("transcode", {}, "2c730997fa3a0cbc"),
        ("extract-mv", {"source": "h264"}, "4935587705702587"),
        ("extract-mv", {"source": "original"}, "aba4f65210e7d1be"),
        ("extract-mv", {"source": "auto"}, "c4e90372189d8de1"),
        ("precrop", {"policy": "full"}, "0ff96d494eb013bf"),
        ("precrop", {"policy": "center"}, "24aa30dc355dcb6a"),
        ("precrop", {"policy": "random"}, "3574e510dd45389a"),
        ("precrop", {"policy": "motion"}, "9dd5cc045720628c"),
        ("precrop", {"policy": "motion-v2"}, "7616aa3e9640b652"),
        ("precrop", {"policy": "adaptive"}, "7c3b5b6936bb34e5"),
        ("precrop", {"motion_fields": True, "source": "auto", "compression": "zstd"}, "3544bca0523a4c3e"),
        ("export", {"to": "mp4", "policy": "center", "crf": 20}, "9a8025f808d2dfea"),
        ("export", {"to": "mp4", "policy": "motion", "fps": 12.5}, "ba1d7b82ee95a41d"),
    ],
)
def test_outputs_of_the_first_version_are_current(stage: str, options: dict[str, object], pinned: str) -> None:
    """A hash that differs here makes what people have stale; it may only come with a raised version of a stage."""
    workspace = Workspace(Path("/nowhere"))
    stages = Stages(workspace, {})
    if stage == "precrop":
        made = stages.precrop(resolve_precrop(workspace, stages, {"size": 192, **options}))
    elif stage == "export":
        made = export_stage(stages, resolve_export(workspace, stages, Path("/crops"), options, known=None))
    else:
        made = stages.transcode() if stage == "transcode" else stages.extract(options)
    assert made.settings_hash == pinned


def test_a_setting_added_counts_unless_it_has_its_default() -> None:
    assert settings_hash(LaterOuter()) == settings_hash(Outer())
    assert settings_hash(LaterOuter(denoise=True)) != settings_hash(Outer())
    assert settings_hash(LaterOuter(inner=LaterInner(smooth=0.5))) != settings_hash(Outer())
    assert settings_hash(Outer(crf=24)) != settings_hash(Outer())


def test_a_setting_added_is_written_unless_it_has_its_default() -> None:
    plain = {"crf": 23, "grid": [6, 8], "inner": {"side": 56}}
    assert plain_settings(LaterOuter()) == plain_settings(Outer()) == plain
    assert plain_settings(LaterOuter(), keep_none=True) == {**plain, "limit": None}
    assert plain_settings(LaterOuter(denoise=True)) == {**plain, "denoise": True}
    whole = {**plain, "denoise": False, "inner": {"side": 56, "smooth": 0.0}}
    assert plain_settings(LaterOuter(), keep_added=True) == whole


def test_what_was_stored_before_a_setting_came_has_its_default() -> None:
    stored = plain_settings(Outer(crf=30), keep_none=True)
    assert with_defaults(LaterOuter, stored) == {**stored, "denoise": False}
    assert with_defaults(LaterOuter, {**stored, "denoise": True})["denoise"] is True
    assert with_defaults(Outer, {}) == plain_settings(Outer(), keep_none=True)


def test_what_a_newer_version_has_stored_is_not_known() -> None:
    assert unknown_settings(Outer, {"crf": 23, "denoise": True, "after": 1}) == ["after", "denoise"]
    assert unknown_settings(MotionFieldSettings, {}) == []
