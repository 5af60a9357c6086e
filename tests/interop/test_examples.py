"""The examples train: on clips whose class is their colour, the loss falls and the answers become right."""

from __future__ import annotations

import runpy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from mocrop.pipeline.csv_file import write_csv
from tests.conftest import MakeCache, MakeVideo, mocrop
from tests.interop.libraries import library

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
CLIPS, SLOTS, SIZE = 16, 4, 32
LABELS = [row % 2 for row in range(CLIPS)]
SUBSETS = [1] * 12 + [2] * 4  # to train on, to test on


def example(name: str) -> Callable[..., Any]:
    """The function of an example that its command line calls."""
    return runpy.run_path(str(EXAMPLES / f"{name}.py"), run_name=name)["main"]  # type: ignore[no-any-return]


def coloured() -> npt.NDArray[np.uint8]:
    """Clips of class 0 are red and those of class 1 blue, with noise: (clips, slots, 3, size, size)."""
    pixels = np.random.default_rng(0).integers(0, 100, (CLIPS, SLOTS, 3, SIZE, SIZE), dtype=np.uint8)
    for row, label in enumerate(LABELS):
        pixels[row, :, 2 * label] += 120
    return pixels


@pytest.fixture
def cache(tmp_path: Path, make_cache: MakeCache) -> str:
    return str(make_cache(tmp_path / "a.zarr", label=LABELS, subset=SUBSETS, pixels=coloured()))


@pytest.mark.parametrize("workers", [0, 2])
def test_plain_pytorch(cache: str, capsys: pytest.CaptureFixture[str], workers: int) -> None:
    losses = example("plain_pytorch")(cache, epochs=8, batch_size=4, workers=workers)
    assert len(losses) == 8
    assert losses[-1] < min(0.2, losses[0] / 2)
    assert capsys.readouterr().out.rstrip().endswith("test accuracy 1.00")


def test_lightning(cache: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    library("lightning")
    monkeypatch.chdir(Path(cache).parent)
    scores = example("lightning_module")(cache, arch="test_resnet", epochs=8, batch_size=4, workers=0)
    assert scores["accuracy"] == 1.0
    assert scores["loss"] < 0.3
    assert "epoch 8: " in capsys.readouterr().out


def test_hugging_face_trainer(cache: str, tmp_path: Path) -> None:
    library("transformers")
    library("accelerate")
    history = example("hf_trainer")(cache, folder=str(tmp_path / "out"), epochs=8, batch_size=4, width=32)
    losses = [each["loss"] for each in history if "loss" in each]
    assert len(losses) == 8
    assert losses[-1] < 0.3 < losses[0]
    assert [each["eval_accuracy"] for each in history if "eval_accuracy" in each][-1] == 1.0


@pytest.fixture
def shards(tmp_path: Path, make_video: MakeVideo) -> Path:
    """What `mocrop export --to webdataset` writes of such clips, several shards of which are to train on."""
    library("webdataset")
    rows = []
    for row, (label, frames) in enumerate(zip(LABELS, coloured(), strict=True)):
        file = make_video(tmp_path / f"data/{row}.avi", frames=list(frames.transpose(0, 2, 3, 1)), key_interval=1)
        rows.append((file.name, ("red", "blue")[label], "train" if SUBSETS[row] == 1 else "test"))
    write_csv(("path", "label", "subset"), rows, tmp_path / "lists.csv")
    work = ["-w", tmp_path / "work"]
    assert mocrop("init", tmp_path / "data", "--splits", tmp_path / "lists.csv", *work) == 0
    crop = ["--policy", "full", "--size", str(SIZE), "--frames", str(SLOTS), "--select", "uniform"]
    command = ["export", tmp_path / "shards", "--to", "webdataset", "--shard-mb", "0.03", *crop]
    assert mocrop("transcode", *work, "--workers", "0") == 0
    assert mocrop(*command, *work, "--workers", "0") == 0
    assert len(list((tmp_path / "shards").glob("train-*.tar"))) > 1
    return tmp_path / "shards"


@pytest.mark.parametrize("workers", [0, 2])
def test_webdataset(shards: Path, capsys: pytest.CaptureFixture[str], workers: int) -> None:
    losses = example("webdataset_train")(str(shards), classes=2, epochs=8, batch_size=4, workers=workers)
    assert losses[-1] < min(0.2, losses[0] / 2)
    assert capsys.readouterr().out.rstrip().endswith("on 12 clips, test accuracy 1.00")


def test_every_example_has_its_test() -> None:
    tested = Path(__file__).read_text()
    names = [file.stem for file in EXAMPLES.glob("*.py")]
    assert len(names) == 4
    assert not [name for name in names if f'example("{name}")' not in tested]
