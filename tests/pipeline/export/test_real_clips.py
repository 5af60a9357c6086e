"""The forms of pictures, shards and folders for `datasets`, on a few real clips with the lists of UCF-101."""

from __future__ import annotations

import csv
import io
import json
import tarfile
from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from mocrop.pipeline.cache.crop_cache import CropCache
from tests.conftest import mocrop

pytestmark = pytest.mark.real
CLIPS = [f"{name}/v_{name}_g{group}_c01" for name in ("Archery", "Surfing") for group in ("01", "08")]
NUMBERS = {"Archery": b"2", "Surfing": b"87"}  # lines 3 and 88 of classInd.txt
FOUR = ("--select", "uniform", "--frames", "4")


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory, real_clips: Path) -> Path:
    """The clips and a cache `c` of the boxes of policy motion, four frames of 96 pixels a clip."""
    folder = tmp_path_factory.mktemp("real")
    for clip in CLIPS:
        file = folder / f"data/{clip}.avi"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.symlink_to(real_clips / f"videos/{clip}.avi")
    place = ["-w", folder / "work", "--workers", "0"]
    assert mocrop("init", folder / "data", "--splits", real_clips / "ucfTrainTestlist", *place[:2]) == 0
    assert mocrop("extract-mv", "--source", "original", *place) == 0
    assert mocrop("precrop", "--policy", "motion", "--ratio", "0.5", "--size", "96", "--name", "c", *FOUR, *place) == 0
    return folder / "work"


def export(work: Path, form: str, *options: str) -> Path:
    folder = work.parent / form
    assert mocrop("export", folder, "--to", form, "--cache", "c", *options, "-w", work, "--workers", "0") == 0
    assert mocrop("verify", folder, "-w", work) == 0
    return folder


def stored(work: Path) -> dict[str, npt.NDArray[np.uint8]]:
    """The frames of each clip in the cache, (frames, height, width, 3)."""
    cache = CropCache(work / "caches/c.zarr")
    frames = cache.open_frames().read().result().transpose(0, 1, 3, 4, 2)
    return {clip: frames[row, : cache.frame_counts[row]] for row, clip in enumerate(cache.clip)}


def subset_of(clip: str) -> str:
    """In the first split of UCF-101, groups 1 to 7 are for the test."""
    return "test" if "_g01_" in clip else "train"


def pixels(content: bytes) -> npt.NDArray[np.uint8]:
    return np.asarray(Image.open(io.BytesIO(content)))


def test_png_files_of_real_clips_are_the_pixels_of_the_cache(work: Path) -> None:
    folder = export(work, "frames", "--image", "png")
    for clip, frames in stored(work).items():
        files = sorted((folder / clip).iterdir())
        assert len(files) == len(frames) == 4
        assert np.array_equal(np.stack([pixels(file.read_bytes()) for file in files]), frames)
    for subset in ("train", "test"):
        lines = (folder / f"{subset}list01.txt").read_text().splitlines()
        assert [line.split()[0] for line in lines] == [clip for clip in CLIPS if subset_of(clip) == subset]


def test_samples_of_real_clips_have_their_pixels_labels_and_subsets(work: Path) -> None:
    folder = export(work, "webdataset", "--image", "png")
    seen = []
    for subset, clip, sample in samples(folder):
        frames = stored(work)[clip]
        made = [pixels(sample[f"{slot:05d}.png"]) for slot in range(len(frames))]
        assert np.array_equal(np.stack(made), frames)
        assert sample["cls"] == NUMBERS[clip.partition("/")[0]]
        assert json.loads(sample["json"])["source"] == [320, 240]
        seen.append((clip, subset))
    assert sorted(seen) == [(clip, subset_of(clip)) for clip in CLIPS]


def samples(folder: Path) -> Iterator[tuple[str, str, dict[str, bytes]]]:
    """Subset, clip and files of each sample."""
    for shard in folder.glob("*.tar"):
        found: dict[str, dict[str, bytes]] = {}
        with tarfile.open(shard) as tar:
            for member in tar:
                key, _, name = member.name.partition(".")
                content = tar.extractfile(member)
                assert content is not None
                found.setdefault(key, {})[name] = content.read()
        for sample in found.values():
            yield shard.name.partition("-")[0], json.loads(sample["json"])["clip"], sample


def test_videos_of_real_clips_have_all_frames_and_their_labels_and_subsets(work: Path) -> None:
    folder = export(work, "huggingface")
    seen = []
    for subset in ("train", "test"):
        with (folder / subset / "metadata.csv").open(newline="") as table:
            for row in csv.DictReader(table):
                clip = row["file_name"].removesuffix(".mp4")
                assert row["class"] == clip.partition("/")[0]
                assert frames_of(folder / subset / row["file_name"]) == frames_of(work.parent / f"data/{clip}.avi")
                box = [int(row[edge]) for edge in ("left", "top", "right", "bottom")]
                assert (box[2] - box[0]) * (box[3] - box[1]) / (320 * 240) == pytest.approx(0.5, rel=0.1)
                seen.append((clip, subset))
    assert sorted(seen) == [(clip, subset_of(clip)) for clip in CLIPS]


def frames_of(file: Path) -> int:
    with av.open(str(file)) as container:
        return sum(1 for _ in container.decode(video=0))
