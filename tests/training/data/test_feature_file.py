"""The file of features: what is written is read, by numpy too, and no damage goes unseen."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from mocrop.pipeline.errors import CacheError
from mocrop.training.data.feature_file import TRAILER, read_features, write_features
from tests.reliability.feature_flips import flip_features

VALUES = np.arange(15, dtype=np.float32).reshape(5, 3) / 7


def written(file: Path, values: npt.NDArray[np.float32] = VALUES) -> Path:
    reported: list[tuple[int, int]] = []
    write_features(
        file, iter((values[:2], values[2:])), frames=len(values), on_frames=lambda *now: reported.append(now)
    )
    assert reported == [(2, len(values)), (len(values), len(values))]
    return file


def test_what_is_written_is_read_by_numpy_too(tmp_path: Path) -> None:
    file = written(tmp_path / "f.npy")
    read = read_features(file, frames=5)
    assert read is not None
    assert np.array_equal(read, VALUES)
    assert not read.flags.writeable
    for mode in (None, "r"):
        assert np.array_equal(np.load(file, mmap_mode=mode), VALUES)
    assert [path.name for path in tmp_path.iterdir()] == ["f.npy"]


def test_one_flipped_bit_anywhere_is_refused_with_the_file_named(tmp_path: Path) -> None:
    content = written(tmp_path / "f.npy").read_bytes()
    rng = np.random.default_rng(0)
    for at, bit in enumerate(rng.integers(0, 8, len(content)).tolist()):
        broken = bytearray(content)
        broken[at] ^= 1 << bit
        (tmp_path / "f.npy").write_bytes(broken)
        with pytest.raises(CacheError, match=r"f\.npy is (cut off or )?damaged(, or had another name.*)?;"):
            read_features(tmp_path / "f.npy", frames=5)


def test_the_storm_of_flips_finds_each(tmp_path: Path) -> None:
    assert flip_features(tmp_path, flips=50, seed=1).refused == 50


def test_a_file_that_is_cut_off_is_refused_and_one_without_a_checksum_does_not_count(tmp_path: Path) -> None:
    """Cut off exactly before its checksum it is a file of an earlier mocrop, which is not read either."""
    content = written(tmp_path / "f.npy").read_bytes()
    for size in range(len(content)):
        (tmp_path / "f.npy").write_bytes(content[:size])
        if size == len(content) - TRAILER.size:
            assert read_features(tmp_path / "f.npy", frames=5) is None
        else:
            with pytest.raises(CacheError, match=r"f\.npy is cut off or damaged"):
                read_features(tmp_path / "f.npy", frames=5)
    assert read_features(tmp_path / "gone.npy", frames=5) is None


@pytest.mark.parametrize(
    "other", [VALUES.astype(np.float64), np.asfortranarray(VALUES), VALUES.reshape(-1), VALUES.astype(">f4")]
)
def test_an_array_of_another_kind_is_refused(other: npt.NDArray[np.generic], tmp_path: Path) -> None:
    np.save(tmp_path / "f.npy", other)
    with pytest.raises(CacheError, match=r"f\.npy is cut off or damaged"):
        read_features(tmp_path / "f.npy", frames=5)


def test_a_file_under_the_name_of_another_is_refused(tmp_path: Path) -> None:
    """The name says of which cache and which weights the features are."""
    one, other = tmp_path / "resnet50-aaaa-1111.npy", tmp_path / "resnet50-aaaa-2222.npy"
    write_features(one, iter([np.ones((2, 3), np.float32)]), frames=2, on_frames=lambda done, total: None)
    assert read_features(one, frames=2) is not None
    one.rename(other)
    with pytest.raises(CacheError, match="had another name"):
        read_features(other, frames=2)
