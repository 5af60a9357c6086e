from __future__ import annotations

import hashlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import zarr
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mocrop.pipeline.errors import MotionStoreError
from mocrop.pipeline.motion import store as motion_store
from mocrop.pipeline.motion.clip_motion import ClipMotion
from mocrop.pipeline.motion.store import MotionReader, MotionRow, shard_folder, write_shard

COLUMNS = ("x", "y", "dx", "dy", "w", "h", "ref", *motion_store._FRAME_ARRAYS)


def motion(vectors_per_frame: list[int], *, seed: int = 0) -> ClipMotion:
    rng = np.random.default_rng(seed)
    count, frames = sum(vectors_per_frame), len(vectors_per_frame)

    def column(low: int, high: int, dtype: type) -> np.ndarray:
        return rng.integers(low, high, count).astype(dtype)

    return ClipMotion(
        width=64,
        height=48,
        vectors_per_frame=np.array(vectors_per_frame, np.int32),
        x=column(-32768, 32768, np.int16),
        y=column(-32768, 32768, np.int16),
        dx=column(-32768, 32768, np.int16),
        dy=column(1, 32768, np.int16),
        w=column(1, 256, np.uint8),
        h=column(1, 256, np.uint8),
        ref=column(-1, 2, np.int8),
        zero_vectors=rng.integers(0, 99, frames).astype(np.int32),
        frame_type=rng.integers(0, 4, frames).astype(np.uint8),
        camera=rng.normal(size=(frames, 6)).astype(np.float32),
        camera_support=rng.random(frames).astype(np.float32),
    )


def write(store: Path, motions: list[ClipMotion | None], *, index: int = 0) -> None:
    first = index * motion_store.CLIPS_PER_SHARD
    rows = [MotionRow(position=first + n, clip=f"A/{first + n}", motion=one) for n, one in enumerate(motions)]
    write_shard(store, index, rows, attributes={"settings": {"source": "h264"}})


def assert_same(one: ClipMotion | None, other: ClipMotion | None) -> None:
    assert (one is None) == (other is None)
    if one is not None and other is not None:
        assert (one.width, one.height) == (other.width, other.height)
        for name in COLUMNS:
            assert getattr(one, name).dtype == getattr(other, name).dtype, name
            assert np.array_equal(getattr(one, name), getattr(other, name)), name


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.lists(st.none() | st.lists(st.integers(0, 5), min_size=1, max_size=6), min_size=1, max_size=5))
def test_what_is_written_comes_back(tmp_path: Path, clips: list[list[int] | None]) -> None:
    motions = [None if counts is None else motion(counts, seed=n) for n, counts in enumerate(clips)]
    write(tmp_path, motions)
    reader = MotionReader(tmp_path)
    for position, one in reversed(list(enumerate(motions))):
        assert_same(reader.read(position), one)


def test_clips_longer_than_a_file_come_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(motion_store, "ROWS_PER_CHUNK", 8)
    monkeypatch.setattr(motion_store, "CHUNKS_PER_FILE", 2)
    motions = [motion([7, 0, 9]), motion([40]), None, motion([3] * 11)]
    write(tmp_path, motions)
    reader = MotionReader(tmp_path)
    for position, one in enumerate(motions):
        assert_same(reader.read(position), one)


def test_clips_that_are_not_there_have_no_motion(tmp_path: Path) -> None:
    write(tmp_path, [motion([1]), None], index=1)
    reader = MotionReader(tmp_path)
    assert reader.read(32) is not None
    assert [reader.read(position) for position in (0, 33, 34, 99)] == [None] * 4


def test_plain_zarr_reads_it(tmp_path: Path) -> None:
    first, second = motion([2, 3]), motion([4], seed=1)
    write(tmp_path, [first, second])
    group = zarr.open_group(tmp_path, mode="r")["shard-00000"]
    assert group.attrs["mocrop"]["vector_columns"] == ["x", "y", "dx", "dy", "w", "h", "ref"]
    assert np.array_equal(group["vectors"][:, 2], np.concatenate([first.dx, second.dx]))
    assert group["frames"][...].tolist() == [2, 1]
    assert [str(name) for name in group["clip"][...]] == ["A/0", "A/1"]


def test_a_vector_takes_fourteen_bytes_before_compression(tmp_path: Path) -> None:
    write(tmp_path, [motion([5])])
    vectors = zarr.open_group(shard_folder(tmp_path, 0), mode="r")["vectors"]
    assert vectors.shape[1] * vectors.dtype.itemsize == 14


def digests(folder: Path) -> dict[str, str]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(p.relative_to(folder)): hashlib.sha256(p.read_bytes()).hexdigest() for p in files}


def test_equal_input_gives_equal_bytes_whatever_was_there(tmp_path: Path) -> None:
    motions = [motion([2, 3]), None]
    write(tmp_path / "one", motions)
    write(tmp_path / "two", [motion([9, 9, 9], seed=5), motion([1])])
    write(tmp_path / "two", motions)
    assert digests(tmp_path / "one") == digests(tmp_path / "two")
    assert sorted(path.name for path in (tmp_path / "two").iterdir()) == ["shard-00000", "zarr.json"]


KILLED_WRITER = """
import os, sys
from pathlib import Path
from mocrop.pipeline.motion import store as motion_store
from mocrop.pipeline.motion.store import MotionReader, MotionRow

store, moment = Path(sys.argv[1]), sys.argv[2]
motion = MotionReader(store).read(0)
setattr(motion_store, moment, lambda *_: os._exit(9))
motion_store.write_shard(store, 0, [MotionRow(position=0, clip="A/new", motion=motion)], attributes={})
"""


@pytest.mark.parametrize("moment", ["_write_array", "sync"])
def test_a_killed_writer_leaves_the_old_group_and_leftovers_with_a_dot(tmp_path: Path, moment: str) -> None:
    write(tmp_path, [motion([2])])
    before = digests(shard_folder(tmp_path, 0))
    done = subprocess.run([sys.executable, "-c", KILLED_WRITER, str(tmp_path), moment], check=False)
    assert done.returncode == 9
    assert digests(shard_folder(tmp_path, 0)) == before
    others = [path.name for path in tmp_path.iterdir() if path.name not in ("shard-00000", "zarr.json")]
    assert len(others) == 1
    assert others[0].startswith(".shard-00000.")


def test_an_error_while_writing_leaves_nothing_behind(tmp_path: Path) -> None:
    def rows() -> Iterator[MotionRow]:
        yield MotionRow(position=0, clip="A/0", motion=motion([2]))
        raise OSError("no space left on device")

    with pytest.raises(OSError, match="no space"):
        write_shard(tmp_path, 0, rows(), attributes={})
    assert [path.name for path in tmp_path.iterdir()] == ["zarr.json"]


def test_damage_is_an_error_with_the_way_out(tmp_path: Path) -> None:
    write(tmp_path, [motion([2])])
    (shard_folder(tmp_path, 0) / "camera/zarr.json").unlink()
    with pytest.raises(MotionStoreError, match=r"shard-00000 is damaged .*mocrop extract-mv"):
        MotionReader(tmp_path).read(0)


def test_another_schema_is_refused(tmp_path: Path) -> None:
    write(tmp_path, [motion([2])])
    zarr.open_group(shard_folder(tmp_path, 0), mode="r+").update_attributes({"mocrop": {"schema": 99}})
    with pytest.raises(MotionStoreError, match="schema 99"):
        MotionReader(tmp_path).read(0)


def test_two_workers_that_begin_a_store_at_once_both_write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each finds no group; the other's is there when this one comes to make its own."""
    found = zarr.core.group.AsyncGroup.open

    async def nothing_yet(*args: object, **kwargs: object) -> object:
        monkeypatch.setattr(zarr.core.group.AsyncGroup, "open", found)
        raise FileNotFoundError

    write(tmp_path, [motion([2])])
    monkeypatch.setattr(zarr.core.group.AsyncGroup, "open", nothing_yet)
    write(tmp_path, [motion([3])], index=1)
    monkeypatch.setattr(zarr.core.group.AsyncGroup, "open", found)
    assert sorted(zarr.open_group(tmp_path, mode="r").group_keys()) == ["shard-00000", "shard-00001"]


def test_a_clip_is_found_by_its_position_whichever_row_it_has(tmp_path: Path) -> None:
    """Of 32 positions a group need not have all, nor begin with the first."""
    positions = (3, 4, 31)
    motions = [motion([2, n], seed=n) for n in positions]
    rows = [MotionRow(position=n, clip=f"A/{n}", motion=one) for n, one in zip(positions, motions, strict=True)]
    write_shard(tmp_path, 0, rows, attributes={})
    reader = MotionReader(tmp_path)
    for place, one in zip(positions, motions, strict=True):
        assert_same(reader.read(place), one)
    assert [reader.read(n) for n in (0, 1, 2, 30)] == [None] * 4
