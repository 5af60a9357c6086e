"""The examples train: on clips whose class is their colour, the loss falls and the answers become right."""

from __future__ import annotations

import runpy
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from mocrop.pipeline.csv_file import write_csv
from tests.conftest import MakeCache, MakeVideo, mocrop
from tests.interop.libraries import library
from tests.interop.lightning_runs import Seen, fit
from tests.training.rank_processes import in_ranks

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
    scores = example("lightning_module")(cache, arch="test_resnet", epochs=8, batch_size=4)
    assert scores["accuracy"] == 1.0
    assert scores["loss"] < 0.3
    assert "epoch 8: " in capsys.readouterr().out
    (checkpoint,) = Path("lightning").rglob("*.ckpt")
    example("lightning_module")(cache, arch="test_resnet", epochs=9, batch_size=4, resume=str(checkpoint))
    said = capsys.readouterr().out
    assert "epoch 9: " in said
    assert "epoch 8: " not in said


TRAINED, VALIDATED = list(range(12)), list(range(12, 17))  # an odd number: one rank has more of them, in more batches


@pytest.fixture
def odd_cache(tmp_path: Path, make_cache: MakeCache) -> str:
    labels, subsets = [row % 2 for row in range(17)], [1] * len(TRAINED) + [2] * len(VALIDATED)
    return str(make_cache(tmp_path / "odd.zarr", label=labels, subset=subsets, size=SIZE, slots=SLOTS))


def of_epoch(ranks: Sequence[Seen], epoch: int) -> tuple[list[int], list[int], int]:
    """Rows that all ranks together have trained on in an epoch and validated on, and how many of these were right."""
    train = [row for seen in ranks for when, _, rows in seen.train if when == epoch for row in rows]
    checked = [(rows, right) for seen in ranks for when, rows, right in seen.validate if when == epoch]
    return train, sorted(row for rows, _ in checked for row in rows), sum(right for _, right in checked)


@pytest.mark.parametrize(("ranks", "save_each"), [(2, 2), (1, 0)])
def test_lightning_has_each_clip_once_an_epoch_and_goes_on_where_it_was(
    odd_cache: str, tmp_path: Path, ranks: int, save_each: int
) -> None:
    library("lightning")
    run = partial(fit, epochs=3, save_each=save_each)
    whole: list[Seen] = in_ranks(run, odd_cache, str(tmp_path / "a"), ranks=ranks, join=False)
    epochs = [of_epoch(whole, epoch) for epoch in range(3)]
    assert [(sorted(train), validated) for train, validated, _ in epochs] == [(TRAINED, VALIDATED)] * 3
    assert len({tuple(train) for train, _, _ in epochs}) == 3  # another order each time
    for seen in whole:
        assert seen.accuracy == pytest.approx([right / len(VALIDATED) for _, _, right in epochs])
    steps = 3 * len(TRAINED) // (2 * ranks)
    saved = sorted((tmp_path / "a").glob("*.ckpt"), key=lambda file: int(file.stem.partition("=")[2]))
    assert len(saved) == (steps // save_each if save_each else 3)
    for checkpoint in saved[1:3]:  # in the middle of an epoch and after one, where they come so often
        done = int(checkpoint.stem.partition("=")[2])
        rest = in_ranks(partial(run, resume=str(checkpoint)), odd_cache, str(tmp_path / "b"), ranks=ranks, join=False)
        assert [seen.train for seen in rest] == [seen.train[done:] for seen in whole]


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
    tested = Path(__file__).read_text() + Path(__file__).with_name("test_clusters.py").read_text()
    names = [file.stem for file in EXAMPLES.glob("*.py")]
    assert len(names) == 6
    assert not [name for name in names if f'"{name}' not in tested]
