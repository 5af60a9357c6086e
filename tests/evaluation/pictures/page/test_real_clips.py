"""The page of a few real clips has of each what PyAV and its name say."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from tests.conftest import mocrop
from tests.evaluation.pictures.page.conftest import data_of, detail_of

CLIPS = [f"{name}/v_{name}_g{group}_c01" for name in ("Archery", "Surfing") for group in ("01", "08")]
TRAIN, TEST = 1, 2


def frames_of(file: Path) -> list[bool]:
    """Whether each frame is a key frame."""
    with av.open(str(file)) as container:
        return [frame.key_frame for frame in container.decode(video=0)]


@pytest.mark.real
def test_facts_of_real_clips_are_on_their_cards(real_clips: Path, tmp_path: Path) -> None:
    for clip in CLIPS:
        file = tmp_path / f"data/{clip}.avi"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.symlink_to(real_clips / f"videos/{clip}.avi")
    place = ["-w", tmp_path / "work"]
    assert mocrop("init", tmp_path / "data", "--splits", real_clips / "ucfTrainTestlist", *place) == 0
    assert mocrop("extract-mv", "--source", "original", "--workers", "0", *place) == 0
    page = ["--html", "--policy", "motion", "--ratio", "0.5", "-o", tmp_path / "page"]
    assert mocrop("gallery", *page, *place) == 0
    data = data_of(tmp_path / "page/index.html")
    assert [clip["name"] for clip in data["list"]] == CLIPS
    for number, clip in enumerate(data["list"]):
        name, group = clip["name"].split("/")
        assert [data["classes"][label] for label in clip["labels"]] == [name]
        assert clip["subsets"][0] == (TEST if "_g01_" in group else TRAIN)  # groups 1 to 7 are for the test
        assert (clip["size"], clip["words"]) == ([320, 240], "")
        keys = frames_of(tmp_path / f"data/{clip['name']}.avi")
        assert clip["length"] == len(keys)
        assert len(clip["frames"]) == 6
        assert {number for number, is_key in enumerate(keys) if is_key} <= set(clip["frames"])  # there are one or two
        (crops,) = clip["crops"]
        assert crops["state"] == "cropped"
        assert crops["area"] == pytest.approx(0.5, rel=0.1)
        sheet = Image.open(tmp_path / f"page/page/pictures/{number}.jpg")
        assert np.asarray(sheet).std() > 10  # something is to be seen
        assert detail_of(tmp_path / "page/index.html", number)["noMotion"] == ""
