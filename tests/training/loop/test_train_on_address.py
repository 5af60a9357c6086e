"""Training and testing on a cache at an address, also when it vanishes in the middle of an epoch."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from mocrop.pipeline.cache.crop_cache import CropCache
from mocrop.pipeline.cache.mirror import room as room_module
from mocrop.pipeline.cache.mirror.open_mirror import open_mirror
from mocrop.pipeline.errors import AddressError
from mocrop.training.loop.callbacks import TrainCallback
from mocrop.training.loop.meter import Meter
from mocrop.training.loop.train import train
from mocrop.training.model.checkpoint import load_checkpoint
from mocrop.training.recipe import TrainSettings
from tests.cloud import SECRET, FaultyLine, upload
from tests.conftest import MakeCache, mocrop

SETTINGS = TrainSettings(
    arch="timm/test_efficientnet", weights="none", epochs=2, batch_size=4, validation_share=0.25, device="cpu"
)


@pytest.fixture(autouse=True)
def short_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    """A full mirror is not waited for long."""
    monkeypatch.setattr(room_module, "WAIT_SECONDS", 0.2)


@pytest.fixture
def workspace(make_cache: MakeCache, tmp_path: Path) -> Path:
    (tmp_path / "mocrop.toml").write_text('dataset = "nowhere"\n')
    groups = [row // 2 // 4 for row in range(32)]
    subset = [1] * 24 + [2] * 8
    make_cache(
        tmp_path / "caches/noise.zarr",
        label=[0, 1] * 16,
        group=groups,
        subset=subset,
        slots=6,
        size=32,
        clips_per_shard=2,
    )
    return tmp_path


class Vanish(TrainCallback):
    """Cuts the line after some batches."""

    def __init__(self, line: FaultyLine, *, after: int) -> None:
        self._line = line
        self._after = after

    def step(self, epoch: int, meter: Meter) -> None:
        if (epoch, meter.batches_done) == (1, self._after):
            self._line.refuse()


@pytest.mark.filterwarnings("ignore:.*each epoch fetches again", "ignore:.*grows beyond")
def test_a_bucket_that_vanishes_in_mid_epoch_ends_a_run_that_is_saved(
    workspace: Path, bucket: str, faulty_line: FaultyLine
) -> None:
    own = workspace / "caches/noise.zarr"
    address, root = upload(own, bucket), workspace / "mirror"
    CropCache(address, mirror=root)
    columns = sum(file.stat().st_size for file in root.rglob("*") if file.is_file())
    shard = CropCache(own).shard_file(0).stat().st_size
    folder = open_mirror(address, mirror=root, most_bytes=columns + 4 * shard + 5000)
    with pytest.raises(AddressError, match=rf"{address}/frames/.*is saved") as told:
        train(folder, workspace / "runs/a", SETTINGS, callback=Vanish(faulty_line, after=1))
    assert SECRET not in str(told.value)
    saved = load_checkpoint(workspace / "runs/a/last.pt").resume["meter"]["batches_done"]
    assert saved >= 1
    assert f"batch {saved} of " in str(told.value)
    faulty_line.restore()
    train(folder, workspace / "runs/a", SETTINGS)
    train(own, workspace / "runs/b", SETTINGS)
    one, other = (load_checkpoint(workspace / f"runs/{name}/last.pt").state_dict for name in "ab")
    assert all(torch.equal(one[key], other[key]) for key in one)


def test_train_and_eval_take_an_address(
    workspace: Path, bucket: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    address = upload(workspace / "caches/noise.zarr", bucket)
    monkeypatch.chdir(workspace)
    options = ["--arch", SETTINGS.arch, "--weights", "none", "--epochs", "1", "--device", "cpu", "--segments", "2"]
    there = ["--mirror", "kept", "--mirror-size", "1G"]
    assert mocrop("train", "-w", ".", "--cache", address, *there, *options, "--name", "r") == 0
    assert json.loads(Path("runs/r/config.json").read_text())["address"] == address
    assert len(list(Path("kept").rglob("frames/c/*/0/0/0/0"))) > 8
    capsys.readouterr()
    assert mocrop("eval", "-w", ".", "--run", "r", "--cache", address, *there, "--segments", "2", "--json") == 0
    at_address = json.loads(capsys.readouterr().out)
    assert mocrop("eval", "-w", ".", "--run", "r", "--cache", "noise", "--segments", "2", "--json") == 0
    assert json.loads(capsys.readouterr().out)["top1"] == at_address["top1"]
    assert mocrop("train", "-w", ".", "--name", "r", "--epochs", "2", *there) == 0  # where it was begun
    Path("caches/noise.zarr").rename("caches/renamed.zarr")  # the only one here is not the one trained on
    for split in ("1", "all"):
        capsys.readouterr()
        assert mocrop("eval", "-w", ".", "--run", "r", *there, "--segments", "2", "--split", split, "--json") == 0
        said = capsys.readouterr().out
        assert "noise" in said
        assert "renamed" not in said
    capsys.readouterr()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["train", "--cache", "s3://me:pw1234@b/c.zarr"], "is refused"),
        (["train", "--cache", "nosuch://b/c.zarr"], "no kind of address"),
        (["train", "--cache", "s3://b/c.zarr", "--mirror-size", "lots"], "no size of a mirror"),
        (["train", "--cache", "memory://nothing/c.zarr"], "is not a crop cache"),
        (["eval", "--checkpoint", "x.pt", "--cache", "memory://nothing/c.zarr"], "is not a crop cache"),
        (["bench", "--cache", "s3://b/c.zarr"], "fetch the cache with `mocrop pull`"),
        (["gallery", "--cache", "s3://b/c.zarr"], "fetch the cache with `mocrop pull`"),
        (["verify", "s3://b/c.zarr"], "`mocrop pull` checks a cache at an address as it copies it"),
    ],
)
def test_an_address_that_will_not_do_is_refused_in_one_line(
    arguments: list[str], said: str, workspace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert mocrop(arguments[0], "-w", workspace, *arguments[1:]) == 1
    (line,) = capsys.readouterr().err.splitlines()[-1:]
    assert said in line
    assert "pw1234" not in line
