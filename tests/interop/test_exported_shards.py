"""Shards of `mocrop export --to webdataset`, read by the library `webdataset`, and by `datasets`."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mocrop.pipeline.cache.crop_cache import CropCache
from tests.conftest import mocrop
from tests.interop.libraries import library
from tests.pipeline.export.odd_data_set import CLASSES, CLIPS, KEY_FRAMES, UNLISTED, export_workspace, workspace

__all__ = ["export_workspace", "workspace"]  # fixtures

LISTED = [clip for clip in CLIPS if clip != UNLISTED]


def export(folder: Path, *options: str) -> None:
    command = ["export", folder, "--to", "webdataset", "--cache", "c", "--workers", "0"]
    assert mocrop(*command, *options) == 3  # a clip of the data set is broken


def shards(folder: Path, subset: str) -> list[str]:
    return sorted(str(path) for path in folder.glob(f"{subset}-*.tar"))


def frames_of(sample: dict[str, Any]) -> list[Any]:
    """The pictures of a sample in order of time, whatever the order of its keys."""
    return [sample[name] for name in sorted(sample) if name[0].isdigit()]


def test_webdataset_reads_every_sample_once_with_its_label_its_frames_in_order_and_their_pixels(
    workspace: Path, tmp_path: Path
) -> None:
    webdataset = library("webdataset")
    export(tmp_path / "out", "--shard-mb", "0.02", "--image", "png")
    cache = CropCache(workspace / "caches/c.zarr")
    stored = cache.open_frames().read().result()
    seen: Counter[str] = Counter()
    for subset in ("train", "test"):
        files = shards(tmp_path / "out", subset)
        for sample in webdataset.WebDataset(files, shardshuffle=False).decode("rgb8"):
            told, frames = sample["json"], frames_of(sample)
            seen[told["clip"]] += 1
            assert sample["cls"] == int(told["clip"].startswith("two")) == CLASSES.index(told["class"])
            row = cache.clip.index(told["clip"])
            assert len(frames) == KEY_FRAMES[told["clip"]] == len(told["boxes"])
            assert np.array_equal(np.stack(frames).transpose(0, 3, 1, 2), stored[row, : len(frames)])
    assert seen == Counter(LISTED)
    assert len(shards(tmp_path / "out", "train")) > 1


def test_webdataset_gives_all_workers_their_shards(workspace: Path, tmp_path: Path) -> None:
    """Two processes of a data loader together read every clip once."""
    webdataset = library("webdataset")
    export(tmp_path / "out", "--shard-mb", "0.012")
    files = shards(tmp_path / "out", "train")
    assert len(files) > 1
    data = webdataset.WebDataset(files, shardshuffle=False).map(_clip_of)
    loader = webdataset.WebLoader(data, batch_size=None, num_workers=2)
    train = [clip for number, clip in enumerate(CLIPS) if number % 4 and clip != UNLISTED]
    assert sorted(loader) == sorted(train)


def _clip_of(sample: dict[str, Any]) -> str:
    return str(json.loads(sample["json"])["clip"])


@pytest.fixture
def load_dataset(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Its function, which asks nothing of any network."""
    datasets = library("datasets")
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    datasets.disable_progress_bars()
    return lambda *how, **options: datasets.load_dataset(*how, cache_dir=str(tmp_path / "cache"), **options)


def test_datasets_reads_shards_of_videos_by_its_form_or_by_the_card(
    workspace: Path, tmp_path: Path, load_dataset: Any
) -> None:
    export(tmp_path / "out", "--sample", "mp4")
    for loaded in (
        load_dataset("webdataset", data_dir=str(tmp_path / "out")),
        load_dataset(str(tmp_path / "out")),
    ):
        train = loaded["train"].to_list() if "mp4" not in loaded["train"].features else _rows(loaded["train"])
        clips = {row["json"]["clip"]: row for row in train}
        assert sorted(clips) == sorted(clip for number, clip in enumerate(CLIPS) if number % 4 and clip != UNLISTED)
        assert len(train) == len(clips)
        for clip, row in clips.items():
            assert row["cls"] == int(clip.startswith("two"))
            assert row["json"]["frames"] == list(range(12 * KEY_FRAMES[clip]))


def _rows(split: Any) -> list[dict[str, Any]]:
    """Rows without their videos, which need a decoder."""
    return list(split.remove_columns("mp4"))


def test_datasets_reads_shards_of_frames_where_all_clips_have_as_many(
    workspace: Path, tmp_path: Path, load_dataset: Any
) -> None:
    """Evenly spaced frames: four of each clip."""
    command = ["export", tmp_path / "out", "--to", "webdataset", "--policy", "full", "--size", "32", "--frames", "4"]
    assert mocrop(*command, "--select", "uniform", "--image", "png", "--workers", "0") == 3
    train = load_dataset(str(tmp_path / "out"))["train"]
    assert train.num_rows == 5
    for row in train:
        pictures = [np.asarray(row[f"{slot:05d}.png"]) for slot in range(4)]
        assert {picture.shape for picture in pictures} == {(32, 32, 3)}
        assert row["cls"] == int(row["json"]["clip"].startswith("two"))
