"""Checkpoints load as they were saved, or are refused with a message."""

from __future__ import annotations

import errno
import io
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import zarr

from mocrop.pipeline.cache.crop_cache import CropCache
from mocrop.pipeline.errors import CheckpointError, DiskFullError
from mocrop.pipeline.settings import plain_settings
from mocrop.training.model.backbones import build_backbone
from mocrop.training.model.checkpoint import (
    Checkpoint,
    describe_cache,
    is_described_by,
    load_checkpoint,
    restore_backbone,
    save_checkpoint,
)
from mocrop.training.recipe import TrainSettings


def checkpoint() -> Checkpoint:
    model = build_backbone("timm/test_resnet", classes=2, size=32).model
    return Checkpoint(
        arch="timm/test_resnet",
        class_names=["Dig", "Run"],
        size=32,
        mean=(0.1, 0.2, 0.3),
        std=(0.5, 0.5, 0.5),
        settings=plain_settings(TrainSettings(), keep_none=True),
        cache={"name": "full-32"},
        epoch=3,
        metrics={"validation_top1": {"correct": 3, "total": 4}},
        state_dict=model.state_dict(),
    )


def test_a_checkpoint_comes_back_as_it_was(tmp_path: Path) -> None:
    saved = checkpoint()
    save_checkpoint(tmp_path / "last.pt", saved)
    loaded = load_checkpoint(tmp_path / "last.pt")
    for name, value in vars(saved).items():
        if name != "state_dict":
            assert getattr(loaded, name) == value
    backbone = restore_backbone(loaded, size=32, source=tmp_path / "last.pt")
    assert backbone.mean == (0.1, 0.2, 0.3)
    for name, tensor in backbone.model.state_dict().items():
        assert torch.equal(tensor, saved.state_dict[name])


def test_only_whole_files_appear(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save_checkpoint(tmp_path / "last.pt", checkpoint())
    before = (tmp_path / "last.pt").read_bytes()

    def full(_: object, stream: io.BufferedWriter) -> None:
        stream.write(b"half")
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("torch.save", full)
    with pytest.raises(DiskFullError):
        save_checkpoint(tmp_path / "last.pt", checkpoint())
    assert [file.name for file in tmp_path.iterdir()] == ["last.pt"]
    assert (tmp_path / "last.pt").read_bytes() == before


def test_keys_that_do_not_fit_are_listed(tmp_path: Path) -> None:
    saved = checkpoint()
    state = dict(saved.state_dict)
    state["base_model.fc.bias"] = state.pop("fc.bias")
    with pytest.raises(
        CheckpointError, match=r"x\.pt, trained at 32 px, does not fit .*missing \(fc\.bias\).*unexpected \(base_model"
    ):
        restore_backbone(replace(saved, state_dict=state), size=32, source=Path("x.pt"))


def test_a_head_for_other_classes_is_refused() -> None:
    with pytest.raises(CheckpointError, match=r"with 3 classes.*fc\.weight: 2x96 instead of 3x96"):
        restore_backbone(replace(checkpoint(), class_names=["a", "b", "c"]), size=32, source=Path("x.pt"))


def test_a_bare_state_dict_is_no_checkpoint(tmp_path: Path) -> None:
    torch.save(checkpoint().state_dict, tmp_path / "bare.pth")
    with pytest.raises(CheckpointError, match=r"bare\.pth is no checkpoint of mocrop"):
        load_checkpoint(tmp_path / "bare.pth")


def test_another_format_is_refused(tmp_path: Path) -> None:
    save_checkpoint(tmp_path / "new.pt", replace(checkpoint(), format=99))
    with pytest.raises(
        CheckpointError, match=r"new\.pt has checkpoint format 99, this mocrop reads 1: a newer mocrop wrote it"
    ):
        load_checkpoint(tmp_path / "new.pt")


def test_code_in_a_checkpoint_is_not_run(tmp_path: Path) -> None:
    torch.save({"format": 1, "arch": Path("anything")}, tmp_path / "evil.pt")
    with pytest.raises(CheckpointError, match=r"evil\.pt holds pathlib\S*Path, as no checkpoint of mocrop does"):
        load_checkpoint(tmp_path / "evil.pt")


def test_missing_and_cut_off_files_are_errors(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"there is no checkpoint .*mocrop train"):
        load_checkpoint(tmp_path / "none.pt")
    save_checkpoint(tmp_path / "cut.pt", checkpoint())
    (tmp_path / "cut.pt").write_bytes((tmp_path / "cut.pt").read_bytes()[:1000])
    with pytest.raises(CheckpointError, match=r"cut\.pt is cut off"):
        load_checkpoint(tmp_path / "cut.pt")


def test_settings_survive_json_unchanged() -> None:
    plain = plain_settings(TrainSettings(), keep_none=True)
    assert json.loads(json.dumps(plain)) == plain


def test_cache_hash_tells_tables_apart_but_not_copies(tmp_path: Path, make_cache: Callable[..., Path]) -> None:
    first = describe_cache(CropCache(make_cache(tmp_path / "a" / "full-8.zarr", label=[0, 1])))
    copy = describe_cache(CropCache(make_cache(tmp_path / "b" / "full-8.zarr", label=[0, 1])))
    other = describe_cache(CropCache(make_cache(tmp_path / "c" / "full-8.zarr", label=[0, 1], subset=[1, 2])))
    assert first == copy
    assert first["policy"] == "full"
    assert first["hash"] != other["hash"]


@pytest.mark.parametrize("column", ["label", "group", "subset", "state", "box", "frame_index", "density", "checksum"])
def test_the_hash_of_a_cache_changes_with_each_column(
    column: str, make_cache: Callable[..., Path], tmp_path: Path
) -> None:
    path = make_cache(tmp_path / "c.zarr", label=[0, 1], group=[3, 3], subset=[1, 1], used=[4, 3])
    before = describe_cache(CropCache(path))["hash"]
    array = zarr.open_group(path, mode="r+")[column]
    assert describe_cache(CropCache(path))["hash"] == before
    array[1] = array[1] * 0 + (0.5 if column in ("box", "density") else 2)
    assert describe_cache(CropCache(path))["hash"] != before


def test_the_hash_of_a_cache_changes_with_its_pixels_and_settings_and_not_with_its_name_or_its_software(
    make_cache: Callable[..., Path], tmp_path: Path
) -> None:
    def hashed(name: str, *, ratio: float = 0.5, av: str = "18.0.0", pixel: int = 0) -> str:
        pixels = np.full((2, 4, 3, 8, 8), 7, np.uint8)
        pixels[1, 3, 2, 7, 7] += pixel
        attributes = {"settings": {"name": name, "policy": "full", "ratio": ratio}, "software": {"av": av}}
        path = make_cache(tmp_path / f"{name}.zarr", label=[0, 1], pixels=pixels, attributes=attributes)
        return str(describe_cache(CropCache(path))["hash"])

    assert hashed("one") == hashed("two") == hashed("three", av="19.0.0")
    assert len({hashed("four"), hashed("five", ratio=0.75), hashed("six", pixel=1)}) == 3


def test_a_description_of_an_earlier_mocrop_is_told_by_its_own_hash() -> None:
    here = {"hash": "new", "earlier_hash": "old"}
    assert [is_described_by({"hash": there}, here) for there in ("new", "old", "other")] == [True, True, False]
    assert not is_described_by({"hash": "old"}, {"hash": "new"})
