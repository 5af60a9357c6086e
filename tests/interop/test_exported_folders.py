"""Folders of `mocrop export --to huggingface`, read by the library `datasets`; of `--to frames`, by torchvision."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import mocrop
from tests.interop.libraries import library
from tests.interop.test_exported_shards import load_dataset
from tests.pipeline.export.odd_data_set import CLASSES, CLIPS, KEY_FRAMES, UNLISTED, export_workspace, workspace

__all__ = ["export_workspace", "load_dataset", "workspace"]  # fixtures

TRAIN = [clip for number, clip in enumerate(CLIPS) if number % 4 and clip != UNLISTED]
TEST = CLIPS[::4]


@pytest.fixture
def folder(workspace: Path, tmp_path: Path) -> Path:
    command = ["export", tmp_path / "out", "--to", "huggingface", "--cache", "c", "--workers", "0"]
    assert mocrop(*command, "--licence", "cc-by-4.0") == 3  # a clip of the data set is broken
    return tmp_path / "out"


def clip_of(path: str) -> str:
    """The clip that a file is of."""
    return "/".join(Path(path).with_suffix("").parts[-2:])


def test_datasets_reads_the_folder_by_its_form(folder: Path, load_dataset: Any) -> None:
    """Each row has its own video's label and box: the path of the video says which clip it is."""
    datasets = library("datasets")
    loaded = load_dataset("videofolder", data_dir=str(folder))
    for subset, clips in (("train", TRAIN), ("test", TEST)):
        rows = list(loaded[subset].cast_column("video", datasets.Video(decode=False)))
        assert sorted(clip_of(row["video"]["path"]) for row in rows) == sorted(clips)
        for row in rows:
            label = int(clip_of(row["video"]["path"]).startswith("two"))
            assert (row["label"], row["class"]) == (label, CLASSES[label])
            assert [row[edge] for edge in ("left", "top", "right", "bottom")] == [0, 0, 64, 48]
            assert row["moves"] is False
    assert loaded["train"].features["label"].dtype == "int64"


def test_datasets_reads_the_folder_by_its_card_with_the_clips_that_are_in_no_list_apart(
    folder: Path, load_dataset: Any
) -> None:
    loaded = load_dataset(str(folder))
    assert {name: split.num_rows for name, split in loaded.items()} == {"train": 5, "test": 2, "unlisted": 1}


def test_datasets_decodes_the_videos(folder: Path, load_dataset: Any) -> None:
    library("torchcodec.decoders")
    for row in load_dataset("videofolder", data_dir=str(folder))["train"]:
        video = row["video"]
        assert video.metadata.num_frames in {12 * count for count in KEY_FRAMES.values()}
        assert tuple(video[0].shape) == (3, 32, 32)


def test_the_card_says_what_the_hub_asks_for(folder: Path) -> None:
    card = library("huggingface_hub").DatasetCard.load(folder / "README.md")
    assert card.data.license == "cc-by-4.0"
    assert card.data.task_categories == ["video-classification"]
    assert card.data.size_categories == ["n<1K"]


def test_torchvision_reads_frames_by_the_folders_of_the_classes(workspace: Path, tmp_path: Path) -> None:
    torchvision = library("torchvision.datasets")
    assert mocrop("export", tmp_path / "out", "--to", "frames", "--cache", "c", "--workers", "0") == 3
    found = torchvision.ImageFolder(str(tmp_path / "out"))
    assert len(found) == sum(KEY_FRAMES.values())
    assert len(found.classes) == len(CLASSES)
    for path, label in found.samples:
        assert label == int(f"{os.sep}two{os.sep}" in path)
