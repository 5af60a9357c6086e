"""Files given as weights: what is read, what else a file is said to be, and no damage that goes unseen."""

from __future__ import annotations

import argparse
import gzip
import io
import os
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save as safetensors
from torch import Tensor, nn

from mocrop.pipeline.errors import CheckpointError, MocropError, WeightsError
from mocrop.training.model.checkpoint import load_checkpoint, read_content, save_checkpoint
from mocrop.training.model.torch_file import has_named_hash
from mocrop.training.model.weights import read_state_dict
from tests.reliability.checkpoint_flips import flip_checkpoint, small_checkpoint

STATE = {"fc.weight": torch.arange(6.0).reshape(2, 3), "fc.bias": torch.ones(2)}
READERS: tuple[Callable[[Path], object], ...] = (read_state_dict, read_content)
BOTH = pytest.mark.parametrize("read", READERS, ids=["weights", "checkpoint"])


def torch_bytes(content: object, *, new: bool = True) -> bytes:
    stream = io.BytesIO()
    torch.save(content, stream, _use_new_zipfile_serialization=new)
    return stream.getvalue()


def zipped(**parts: bytes) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, content in parts.items():
            archive.writestr(f"archive/{name}", content)
    return stream.getvalue()


def again(content: bytes, *, compression: int) -> bytes:
    """The same archive, made by another program."""
    stream = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(stream, "w", compression) as new:
        for name in old.namelist():
            new.writestr(name, old.read(name))
    return stream.getvalue()


def refusal(read: Callable[[Path], object], file: Path) -> str:
    with pytest.raises((WeightsError, CheckpointError)) as caught:
        read(file)
    told = str(caught.value)
    assert str(file) in told
    assert "\n" not in told
    assert "weights_only" not in told  # the advice of PyTorch to run the code of a file
    return told


NEW, OLD, SAFE = torch_bytes(STATE), torch_bytes(STATE, new=False), safetensors(STATE)
KINDS = {
    "empty": (b"", "is empty; fetch or copy it again"),
    "pointer": (
        b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7\nsize 12345\n",
        "LFS pointer.*lfs pull",
    ),
    "page": (
        b"\n<!DOCTYPE html><html><title>Sign in</title>",
        "is a web page, and holds no weights",
    ),
    "text": ("Größe\n".encode() * 100, "is text, and holds no weights"),
    "zeros": (bytes(5000), "begins with zeros: writing or copying it has been cut off"),
    "gzip": (gzip.compress(NEW), "is compressed by gzip; unpack it"),
    "zip of files": (
        zipped(**{"net.pth": NEW}),
        r"is a zip archive that .* not written \(archive/net\.pth\)",
    ),
    "compressed": (again(NEW, compression=zipfile.ZIP_DEFLATED), "is compressed, which torch.save never does; unpack"),
    "program": (zipped(**{"data.pkl": b"", "constants.pkl": b""}), "is a program of TorchScript; save torch.jit.load"),
    "new, cut off": (NEW[: len(NEW) // 2], "is cut off: the end of its archive is missing"),
    "new, cut off early": (NEW[:40], "is cut off: the end of its archive is missing"),
    "old, cut off": (OLD[: len(OLD) // 2], r"is cut off, or damaged: it ends too early, after \d+ bytes; fetch"),
    "old, last byte": (OLD[:-1], "is cut off, or damaged: it ends too early"),
    "safetensors, cut off": (SAFE[:-1], "is cut off, or damaged: it ends too early"),
    "safetensors, header": (SAFE[:40], "is cut off, or damaged: it ends too early"),
    "plain pickle": (pickle.dumps({"a": 1}), "it is damaged, or no file of weights"),
    "noise": (bytes(range(255, 0, -1)), "it is damaged, or no file of weights"),
}


@BOTH
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_a_file_that_holds_no_weights_is_said_to_be_what_it_is(
    kind: str, suffix: str, read: Callable[[Path], object], tmp_path: Path
) -> None:
    content, words = KINDS[kind]
    (file := tmp_path / f"net{suffix}").write_bytes(content)
    told = refusal(read, file)
    with pytest.raises(MocropError, match=words):
        raise MocropError(told)


@BOTH
def test_a_folder_a_pipe_and_a_file_that_may_not_be_read_are_said_to_be_that(
    read: Callable[[Path], object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "is a folder; name a file in it" in refusal(read, tmp_path)
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "pipe")
        assert "is no regular file" in refusal(read, tmp_path / "pipe")

    def forbidden(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    (tmp_path / "net.pth").write_bytes(NEW)
    monkeypatch.setattr("pathlib.Path.open", forbidden)
    assert "cannot be opened (Permission denied)" in refusal(read, tmp_path / "net.pth")


@pytest.mark.parametrize("content", [NEW, OLD, SAFE, again(NEW, compression=zipfile.ZIP_STORED)])
@pytest.mark.parametrize("name", ["net.pth", "net.safetensors", "net"])
def test_files_are_read_by_what_they_hold_not_by_their_names(content: bytes, name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(content)
    read = read_state_dict(tmp_path / name)
    assert all(torch.equal(read[key], value) for key, value in STATE.items())


BESIDE = {
    "numbers": {"best": np.float64(71.3), "epoch": np.int64(3), "half": np.float32(0.5), "sure": np.bool_(True)},
    "arrays": {"losses": np.arange(3.0), "names": np.array(["a", "b"])},
    "options": {"args": argparse.Namespace(lr=0.1, out=Path("runs"), seeds=[1, 2])},
}


@pytest.mark.parametrize("beside", BESIDE)
@pytest.mark.parametrize("new", [True, False])
def test_numbers_of_numpy_options_and_paths_beside_the_weights_are_passed_over(
    beside: str, new: bool, tmp_path: Path
) -> None:
    (file := tmp_path / "net.pth").write_bytes(torch_bytes({"model": STATE, **BESIDE[beside]}, new=new))
    assert read_state_dict(file).keys() == STATE.keys()


class Program:
    """A class that only its own program has."""


@BOTH
@pytest.mark.parametrize(
    ("content", "name"),
    [
        ({"model": STATE, "hooks": Program()}, rf"{__name__}.Program"),
        (nn.Linear(2, 3), "torch.nn.modules.linear.Linear"),
        ({"model": STATE, "open": os.path.join}, f"{os.path.__name__}.join"),
    ],
)
def test_other_objects_are_named_with_the_way_out(
    content: object, name: str, read: Callable[[Path], object], tmp_path: Path
) -> None:
    (file := tmp_path / "net.pth").write_bytes(torch_bytes(content))
    told = refusal(read, file)
    assert f"cannot be read: it holds {name}, which would be run as code; save its weights alone" in told


def test_a_checkpoint_of_mocrop_holds_nothing_that_is_passed_over(tmp_path: Path) -> None:
    torch.save({**vars(small_checkpoint()), "metrics": {"top1": np.float64(0.5)}}, tmp_path / "best.pt")
    with pytest.raises(CheckpointError, match=r"best\.pt holds numpy\.\S*scalar, as no checkpoint of mocrop does"):
        load_checkpoint(tmp_path / "best.pt")


def test_of_200_flipped_bits_none_gives_other_content(tmp_path: Path) -> None:
    found = flip_checkpoint(tmp_path, flips=200)
    assert (found.silent, found.tried) == ((), 200)
    assert found.refused > 100


@BOTH
def test_a_flipped_bit_in_a_file_of_another_program_is_found(read: Callable[[Path], object], tmp_path: Path) -> None:
    at = NEW.index(STATE["fc.weight"].numpy().tobytes())
    broken = bytearray(NEW)
    broken[at + 4] ^= 1
    (file := tmp_path / "net.pth").write_bytes(broken)
    assert "is damaged: the checksum of archive/data/0 in it differs; fetch or copy it again" in refusal(read, file)


def test_a_part_that_is_marked_as_a_folder_is_not_read(tmp_path: Path) -> None:
    """PyTorch takes whatever lies in memory for its values."""
    entry = NEW.index(b"archive/data/0", NEW.index(b"PK\x01\x02"))
    broken = bytearray(NEW)
    broken[entry - 46 + 38] |= 0x10
    (tmp_path / "net.pth").write_bytes(broken)
    assert "archive/data/0 in it is marked as a folder" in refusal(read_state_dict, tmp_path / "net.pth")


def test_files_without_checksums_are_read_and_ours_always_have_some(tmp_path: Path) -> None:
    before = torch.serialization.get_crc32_options()
    torch.serialization.set_crc32_options(False)
    try:
        torch.save(STATE, tmp_path / "net.pth")
        save_checkpoint(tmp_path / "best.pt", small_checkpoint())
        assert not torch.serialization.get_crc32_options()
    finally:
        torch.serialization.set_crc32_options(before)
    with zipfile.ZipFile(tmp_path / "net.pth") as archive:
        assert not any(part.CRC for part in archive.infolist())
    assert read_state_dict(tmp_path / "net.pth").keys() == STATE.keys()
    with zipfile.ZipFile(tmp_path / "best.pt") as archive:
        assert all(part.CRC for part in archive.infolist())


def test_a_file_is_held_to_the_hash_in_its_name(tmp_path: Path) -> None:
    """The SHA-256 of no bytes begins with e3b0c442."""
    for name, right in (("net-e3b0c442.pth", True), ("net-e3b0c443.pth", False), ("net.pth", True)):
        (tmp_path / name).touch()
        assert has_named_hash(tmp_path / name) == right


def test_an_old_file_without_counters_of_batches_fits() -> None:
    from mocrop.training.model.weights import mismatches

    norm = nn.BatchNorm2d(3)
    state: dict[str, Tensor] = {k: v for k, v in norm.state_dict().items() if k != "num_batches_tracked"}
    net = nn.Sequential(norm)
    assert mismatches(net, {f"0.{key}": value for key, value in state.items()}) == ""
    state.pop("bias")
    assert mismatches(net, {f"0.{key}": value for key, value in state.items()}) == "1 missing (0.bias)"
