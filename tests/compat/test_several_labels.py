"""Workspaces of clips with several labels and a validation list are opened by later versions as what they are."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mocrop.pipeline.cache.crop_cache import CropCache
from mocrop.pipeline.workspace.manifest import Manifest
from tests.compat.conftest import KEPT, Kept, unpack
from tests.compat.make_workspace import LISTS, PREPROCESS_SEVERAL, SEVERAL, TWO_LABELS, checksum
from tests.conftest import mocrop, needs_torch

FIRST = 4  # schema of caches that keep several labels
STREAMS = ("frames", "motion")
WITH = [file for file in KEPT if int(file.name.removesuffix(".tar.xz").rpartition("schema")[2]) >= FIRST]


@pytest.fixture(params=WITH, ids=lambda file: file.name.removesuffix(".tar.xz"))
def several(request: pytest.FixtureRequest, here: Path) -> Kept:
    kept = unpack(request.param, here)
    return Kept(here / SEVERAL, kept.facts["several"])


@pytest.fixture
def cache(several: Kept) -> CropCache:
    return CropCache(several.root / "caches/center.zarr")


def run(command: str) -> int:
    return mocrop(*shlex.split(command))


def printed(capsys: pytest.CaptureFixture[str], command: str) -> Any:
    assert run(f"{command} -w {SEVERAL} --json") == 0
    return json.loads(capsys.readouterr().out)


def test_there_is_one() -> None:
    assert "0.1-schema4.tar.xz" in {file.name for file in WITH}


def test_the_cache_holds_the_labels_and_subsets_that_were_written(several: Kept, cache: CropCache) -> None:
    names = [Path(name).name for name in cache.clip]
    marks = [[1, 1] if name in TWO_LABELS else [1, 0] if "Donut" in name else [0, 1] for name in names]
    assert cache.labels is not None
    assert cache.labels.tolist() == marks
    number = {group: 1 + ("train", "test", "val").index(subset) for subset, groups in LISTS.items() for group in groups}
    assert cache.subset[:, 0].tolist() == [number[int(name.split("_g")[1][:2])] for name in names]
    assert {"frames", "labels", "subset"} <= set(several.facts["cache"])
    for array, written in several.facts["cache"].items():
        values = cache.open_stream(array).read().result() if array in STREAMS else getattr(cache, array)
        assert checksum(values) == written, array


def test_all_is_current_and_sound(several: Kept, capsys: pytest.CaptureFixture[str]) -> None:
    with Manifest(several.root / "manifest.sqlite", read_only=True) as manifest:
        assert manifest.label_kind() == "several"
    stages = printed(capsys, "status")["stages"]
    assert [(stage["done"], stage["to_do"], stage["stale"]) for stage in stages] == [(8, 0, 0)] * 3
    assert {part["damaged"] for part in printed(capsys, "verify --deep")["parts"]} == {0}
    for command in PREPROCESS_SEVERAL:
        assert run(f"{command} -w {SEVERAL} --dry-run") == 0
        assert capsys.readouterr().out.strip().endswith(": 0 clips would run")


def test_what_needs_no_labels_takes_the_clips_as_they_are(several: Kept) -> None:
    assert run(f"show v_Fish_g01_c01 --output clip.png -w {SEVERAL}") == 0
    assert run(f"gallery --clips 2 --cache center --output crops.png -w {SEVERAL}") == 0
    assert run(f"export-npy maps -w {SEVERAL}") == 0
    assert run(f"advise -w {SEVERAL}") == 0
    assert Path("clip.png").stat().st_size > 0 < Path("crops.png").stat().st_size
    assert len(list(Path("maps").rglob("*.npy"))) == 8


@needs_torch
def test_coverage_has_rows_of_all_clips_and_none_of_a_class(several: Kept, capsys: pytest.CaptureFixture[str]) -> None:
    clips = ["Donut/v_Donut_g01_c01", "Fish/v_Fish_g01_c01"]
    tube = {"start": 0, "stop": 1, "boxes": [[8, 8, 16, 16]]}
    Path("boxes.json").write_text(json.dumps({clip: [tube] for clip in clips}))
    measured = printed(capsys, "coverage --boxes boxes.json --policy center")
    assert measured["clips"] == clips
    assert not [row for row in measured["rows"] if row["clips_of"].startswith("class")]


@needs_torch
def test_the_cache_is_read_for_speed(several: Kept, capsys: pytest.CaptureFixture[str]) -> None:
    assert printed(capsys, "bench --cache center --no-videos")


@needs_torch
def test_the_finished_run_is_finished_and_gives_the_numbers_of_then(
    several: Kept, capsys: pytest.CaptureFixture[str]
) -> None:
    from mocrop.evaluation.scores.predictions import read_predictions

    then = read_predictions(several.root / f"reports/{several.facts['report']}.npz")
    assert then.marks is not None
    assert (list(then.clips), then.marks.tolist()) == (several.facts["clip"], several.facts["labels"])
    assert np.allclose(then.logits, several.facts["logits"], rtol=1e-6)
    assert run(several.facts["train"]) == 0
    out = capsys.readouterr().out
    assert "all 2 epochs are done already" in out
    assert "4 clips to train on, 2 of the validation list to validate on" in out
    assert run(f"{several.facts['eval']} --json") == 0
    scores = json.loads(capsys.readouterr().out)
    assert scores["mean_average_precision"]["share"] == pytest.approx(several.facts["mean_average_precision"])
    assert (scores["trained_on_clips"], scores["validated_on_clips"]) == (0, 0)
    now = read_predictions(several.root / f"reports/{several.facts['report']}.npz")
    assert np.allclose(now.logits, then.logits, rtol=1e-3, atol=1e-3)


@needs_torch
@pytest.mark.parametrize(
    ("command", "fact"),
    [
        ("ablate --arch resnet18", "a clip of this data set may have several labels"),
        ("ablate --arch resnet18 --few-shot 1", "a clip of this data set may have several labels"),
        ("eval --run several --fuse several", "a clip may have several labels, and --fuse compares right answers"),
        ("eval --run several --split all", "a clip may have several labels, and --split all averages right answers"),
        ("train --cache center --loss ce --name other", "a clip may have several labels, and --loss ce takes one"),
        ("train --cache center --validation-share 0.3 --name other", "has a validation list of 2 clips"),
    ],
)
def test_what_cannot_count_them_says_so_in_one_line(
    several: Kept, capsys: pytest.CaptureFixture[str], command: str, fact: str
) -> None:
    assert run(f"{command} -w {SEVERAL}") == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert fact in line
    assert not (several.root / "runs/other").exists()
