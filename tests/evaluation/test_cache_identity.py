"""What was made from other pixels is not used: features, runs, predictions. What only looks different is."""

from __future__ import annotations

import io
import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from mocrop.evaluation.demo.sprites import SpriteSettings, make_sprites
from mocrop.evaluation.report.remarks import remarks
from mocrop.evaluation.scores.evaluate import EvalSettings, evaluate
from mocrop.pipeline.cache.crop_cache import CropCache
from mocrop.pipeline.cache.identity import cache_identity
from mocrop.pipeline.commands import preprocess
from mocrop.pipeline.errors import TrainingError
from mocrop.pipeline.run.session import RunOptions
from mocrop.pipeline.stages import caches
from mocrop.pipeline.stages.stored_settings import read_precrop_settings
from mocrop.pipeline.terminal import LineConsole
from mocrop.pipeline.workspace.paths import Workspace
from mocrop.training.data.features import load_features
from mocrop.training.loop.train import train
from mocrop.training.model.backbones import build_backbone
from mocrop.training.model.checkpoint import load_checkpoint
from mocrop.training.recipe import SAME_PIXELS, TrainSettings

RUN = RunOptions(workers=0, console=LineConsole(file=io.StringIO()))
CENTER: Any = {"size": 32, "frames": 2, "policy": "center", "ratio": 0.5}
CPU = torch.device("cpu")
HEAD_ONLY = TrainSettings(
    arch="timm/test_resnet",
    weights="none",
    epochs=2,
    batch_size=2,
    segments=1,
    validation_segments=1,
    validation_share=0,
    freeze_backbone=True,
    device="cpu",
    **SAME_PIXELS,
)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data set of sprites, a workspace with one cache, and a trained run."""
    root = tmp_path_factory.mktemp("identity")
    make_sprites(root / "data", SpriteSettings(classes=2, groups=3, clips_per_group=1, frames=24, width=64, height=48))
    workspace = Workspace(root / "work")
    preprocess.run_all(workspace, root / "data", run=RUN, **CENTER)
    train(workspace.cache("center-32"), workspace.run("head"), HEAD_ONLY)
    return root


@pytest.fixture
def place(made: Path, tmp_path: Path) -> Path:
    """A copy of it, with its times."""
    copy = Path(shutil.copytree(made, tmp_path / "copy"))
    settings = copy / "work/mocrop.toml"
    settings.write_text(settings.read_text().replace(os.fspath(made), os.fspath(copy)))
    return copy


def cache_of(place: Path) -> CropCache:
    return CropCache(place / "work/caches/center-32.zarr")


def replace_a_training_clip(place: Path) -> None:
    """Put another video of the same number of frames in the place of the first clip, and run all stages."""
    files = sorted((place / "data").rglob("*.avi"))
    shutil.copyfile(files[-1], files[0])
    os.utime(files[0], (0, 0))
    preprocess.run_all(Workspace(place / "work"), place / "data", run=RUN, **CENTER)


def test_a_replaced_video_of_equal_length_makes_another_cache_and_other_features(place: Path) -> None:
    backbone = build_backbone("timm/test_resnet", classes=2, size=32)
    before, first = cache_identity(cache_of(place)), load_features(cache_of(place), backbone, device=CPU)
    old = np.array(first.values)
    assert first.computed
    assert not load_features(cache_of(place), backbone, device=CPU).computed
    replace_a_training_clip(place)
    second = load_features(cache_of(place), backbone, device=CPU)
    assert cache_identity(cache_of(place)) != before
    assert second.computed
    changed = np.abs(np.array(second.values) - old).max(axis=1) > 0
    assert changed[second.first[0] : second.first[0] + second.used[0]].all()
    assert not changed[second.first[1] :].any()


def test_a_run_neither_resumes_on_other_pixels_nor_is_tested_on_them_without_a_word(place: Path) -> None:
    cache, run = cache_of(place).path, place / "work/runs/head"
    train(cache, run, HEAD_ONLY)  # the same: there is nothing to do
    assert not any("no longer" in line for line in remarks(evaluate(cache, run / "best.pt", EvalSettings(segments=1))))
    replace_a_training_clip(place)
    with pytest.raises(TrainingError, match="the content of center-32 has changed"):
        train(cache, run, HEAD_ONLY)
    result = evaluate(cache, run / "best.pt", EvalSettings(segments=1))
    assert any("center-32 is no longer what the network was trained on" in line for line in remarks(result))


def test_a_crop_with_other_settings_under_the_same_name_is_told(place: Path) -> None:
    preprocess.precrop(place / "work", overwrite=True, run=RUN, **{**CENTER, "ratio": 0.25})
    result = evaluate(cache_of(place).path, place / "work/runs/head/best.pt", EvalSettings(segments=1))
    assert any("cropped in another way (ratio: 0.5, here 0.25)" in line for line in remarks(result))


def test_an_upgrade_that_changes_no_byte_changes_no_identity(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = cache_identity(cache_of(place))
    monkeypatch.setattr(caches, "version", lambda _: "99.0")
    report = preprocess.precrop(place / "work", run=RUN, **CENTER)
    assert report.stages[0].summary.clips == 0
    assert cache_of(place).attributes["software"]["av"] == "99.0"
    assert cache_identity(cache_of(place)) == before


def test_a_copy_under_another_name_is_the_same_cache(place: Path) -> None:
    path = cache_of(place).path
    copy = Path(shutil.copytree(path, place / "elsewhere.zarr"))
    assert cache_identity(CropCache(copy)) == cache_identity(CropCache(path))


def test_a_checkpoint_says_how_its_clips_were_cropped(place: Path) -> None:
    described = load_checkpoint(place / "work/runs/head/best.pt").cache
    settings = read_precrop_settings(Workspace(place / "work"), "center-32")
    assert described["settings"] == cache_of(place).attributes["settings"]
    assert (settings.policy, settings.policy_settings.ratio) == ("center", 0.5)  # type: ignore[attr-defined]
    assert described["settings"]["policy_settings"]["ratio"] == 0.5
    assert {"size", "frames", "select", "source", "policy"} <= described["settings"].keys()
    assert described["stages"]["transcode"]["key_interval"] == 12


def test_boxes_that_move_count_and_columns_that_say_no_more_than_the_box_do_not(made: Path) -> None:
    cache, older, moved, padded = (cache_of(made) for _ in range(4))
    for name in ("slot_box", "picture"):
        del older._arrays[name]
    assert cache_identity(older) == cache_identity(cache)
    moved.slot_box[0, 1] = [0, 0, 0.5, 1]  # the columns are read once
    assert cache_identity(moved) != cache_identity(cache)
    padded.content[0, 0] = [0, 0.25, 1, 0.75]
    assert cache_identity(padded) != cache_identity(cache)
