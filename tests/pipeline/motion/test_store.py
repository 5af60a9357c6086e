from __future__ import annotations

import dataclasses
import hashlib
import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import zarr
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mocrop.pipeline.arrays import write_names
from mocrop.pipeline.checksums import seal
from mocrop.pipeline.errors import MotionStoreError
from mocrop.pipeline.motion import store_writer
from mocrop.pipeline.motion.clip_motion import ClipMotion
from mocrop.pipeline.motion.store import CLIPS_PER_SHARD, MotionReader, create_store, shard_folder
from mocrop.pipeline.motion.store_group import FRAME_ARRAYS, SINCE_SCHEMA_3
from mocrop.pipeline.motion.store_writer import MotionRow, write_shard

SCHEMA_1_FRAME_ARRAYS = tuple(name for name in FRAME_ARRAYS if name not in SINCE_SCHEMA_3)
COLUMNS = ("x", "y", "dx", "dy", "w", "h", "ref", *SCHEMA_1_FRAME_ARRAYS)


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
        seconds=np.arange(frames) / 25,
        picture=(0, seed % 20, 64, 40),
    )


def without_times_and_bars(one: ClipMotion | None) -> ClipMotion | None:
    return None if one is None else dataclasses.replace(one, seconds=None, picture=None)


def write(store: Path, motions: list[ClipMotion | None], *, index: int = 0) -> None:
    first = index * CLIPS_PER_SHARD
    create_store(store)
    rows = [MotionRow(position=first + n, clip=f"A/{first + n}", motion=one) for n, one in enumerate(motions)]
    write_shard(store, index, rows, attributes={"settings": {"source": "h264"}})


def assert_same(one: ClipMotion | None, other: ClipMotion | None) -> None:
    assert (one is None) == (other is None)
    if one is not None and other is not None:
        assert (one.width, one.height) == (other.width, other.height)
        for name in COLUMNS:
            assert getattr(one, name).dtype == getattr(other, name).dtype, name
            assert np.array_equal(getattr(one, name), getattr(other, name)), name
        assert one.picture == other.picture
        assert (one.seconds is None) == (other.seconds is None)
        if one.seconds is not None and other.seconds is not None:
            assert one.seconds.dtype == other.seconds.dtype == np.float64
            assert np.array_equal(one.seconds, other.seconds)


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.lists(st.none() | st.lists(st.integers(0, 5), min_size=1, max_size=6), min_size=1, max_size=5))
def test_what_is_written_comes_back(tmp_path: Path, clips: list[list[int] | None]) -> None:
    motions = [None if counts is None else motion(counts, seed=n) for n, counts in enumerate(clips)]
    write(tmp_path, motions)
    reader = MotionReader(tmp_path)
    for position, one in reversed(list(enumerate(motions))):
        assert_same(reader.read(position), one)


def test_clips_longer_than_a_file_come_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_writer, "ROWS_PER_CHUNK", 8)
    monkeypatch.setattr(store_writer, "CHUNKS_PER_FILE", 2)
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
from mocrop.pipeline.motion import store_writer
from mocrop.pipeline.motion.store import MotionReader

store, moment = Path(sys.argv[1]), sys.argv[2]
motion = MotionReader(store).read(0)
setattr(store_writer, moment, lambda *_: os._exit(9))
store_writer.write_shard(store, 0, [store_writer.MotionRow(position=0, clip="A/new", motion=motion)], attributes={})
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
    assert list(tmp_path.iterdir()) == []


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


@pytest.mark.parametrize("found", [None, b"", b"{", b"[" * 100_000, b'{"attributes": {}, "zarr_format": 2}'])
def test_the_metadata_of_the_store_are_made_where_missing_and_put_right(tmp_path: Path, found: bytes | None) -> None:
    """Its groups stay; and those who write groups do not touch it."""
    write(tmp_path, [motion([2])])
    good = (tmp_path / "zarr.json").read_bytes()
    (tmp_path / "zarr.json").unlink()
    if found is not None:
        (tmp_path / "zarr.json").write_bytes(found)
    write_shard(tmp_path, 1, [], attributes={})
    assert (tmp_path / "zarr.json").exists() == (found is not None)
    create_store(tmp_path)
    assert (tmp_path / "zarr.json").read_bytes() == good
    assert sorted(zarr.open_group(tmp_path, mode="r").group_keys()) == ["shard-00000", "shard-00001"]


def test_a_store_that_is_there_is_left_alone(tmp_path: Path) -> None:
    create_store(tmp_path)
    before = (tmp_path / "zarr.json").stat()
    create_store(tmp_path)
    assert (tmp_path / "zarr.json").stat().st_mtime_ns == before.st_mtime_ns
    assert (tmp_path / "zarr.json").stat().st_ino == before.st_ino


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


def write_schema_1(folder: Path, motions: list[ClipMotion | None]) -> None:
    """A group as mocrop wrote it before it had checksums: chunks of zeros are not stored."""
    group = zarr.create_group(folder, attributes={"mocrop": {"schema": 1, "settings": {"source": "h264"}}})
    there = [one for one in motions if one is not None]
    columns = [np.concatenate([getattr(one, name) for one in there]) for name in COLUMNS[:7]]
    arrays = {
        "vectors": np.stack(columns, axis=1).astype(np.int16),
        **{name: np.concatenate([getattr(one, name) for one in there]) for name in SCHEMA_1_FRAME_ARRAYS},
        "position": np.arange(len(motions), dtype=np.int32),
        "frames": np.array([one.frames if one else 0 for one in motions], np.int32),
        "picture_size": np.array([(one.width, one.height) if one else (0, 0) for one in motions], np.int32),
    }
    for name, values in arrays.items():
        group.create_array(name, data=values, chunks=values.shape)
    write_names(group, [f"A/{n}" for n in range(len(motions))])


def test_groups_without_checksums_are_read_as_they_are(tmp_path: Path) -> None:
    still = dataclasses.replace(motion([3, 1]), zero_vectors=np.zeros(2, np.int32))
    motions = [still, None, dataclasses.replace(motion([2]), zero_vectors=np.zeros(1, np.int32))]
    write_schema_1(shard_folder(tmp_path, 0), motions)
    assert not (shard_folder(tmp_path, 0) / "zero_vectors/c").exists()
    reader = MotionReader(tmp_path)
    for position, one in enumerate(motions):
        assert_same(reader.read(position), without_times_and_bars(one))


def make_schema_2(folder: Path) -> None:
    """Make of a group what mocrop wrote before it stored times of frames and the picture inside bars."""
    for name in SINCE_SCHEMA_3:
        shutil.rmtree(folder / name)
    group = zarr.open_group(folder, mode="r+")
    attributes = dict(group.attrs["mocrop"])  # type: ignore[arg-type]
    arrays = [name for name in attributes["metadata"] if name not in SINCE_SCHEMA_3]
    group.update_attributes({"mocrop": seal({**attributes, "schema": 2}, folder, arrays)})


def test_groups_without_times_and_bars_are_read_and_say_so(tmp_path: Path) -> None:
    """Groups of both schemas may stand side by side, as where clips were added to a workspace of an older mocrop."""
    motions = [motion([3, 1], seed=4), None, motion([2], seed=5)]
    write(tmp_path, motions)
    make_schema_2(shard_folder(tmp_path, 0))
    write(tmp_path, motions, index=1)
    reader = MotionReader(tmp_path)
    for position, one in enumerate(motions):
        assert_same(reader.read(position), without_times_and_bars(one))
        assert_same(reader.read(CLIPS_PER_SHARD + position), one)


def test_a_group_that_lost_its_times_does_not_pass_for_an_old_one(tmp_path: Path) -> None:
    write(tmp_path, [motion([2])])
    shutil.rmtree(shard_folder(tmp_path, 0) / "seconds")
    with pytest.raises(MotionStoreError, match="seconds"):
        MotionReader(tmp_path).read(0)
    write(tmp_path, [motion([2])])
    group = zarr.open_group(shard_folder(tmp_path, 0), mode="r+")
    group.update_attributes({"mocrop": {**group.attrs["mocrop"], "schema": 2}})  # type: ignore[dict-item]
    with pytest.raises(MotionStoreError, match="checksum differs"):
        MotionReader(tmp_path).read(0)


def test_times_and_bars_that_are_not_known_stay_so_clip_by_clip(tmp_path: Path) -> None:
    known = motion([2, 0, 3])
    motions = [
        known,
        dataclasses.replace(known, seconds=None),
        None,
        dataclasses.replace(known, picture=None),
        without_times_and_bars(known),
    ]
    write(tmp_path, motions)
    reader = MotionReader(tmp_path)
    for position, one in enumerate(motions):
        assert_same(reader.read(position), one)


@pytest.mark.parametrize("seconds", [[0, 0.1, 0.1], [0, 0.2, 0.1], [0.1, 0.2, 0.3], [0, np.nan, 1], [0, 1, np.inf]])
def test_times_that_do_not_ascend_from_0_are_damage(tmp_path: Path, seconds: list[float]) -> None:
    write(tmp_path, [dataclasses.replace(motion([1, 1, 1]), seconds=np.array(seconds))])
    with pytest.raises(MotionStoreError, match="do not ascend from 0"):
        MotionReader(tmp_path).read(0)


@pytest.mark.parametrize("picture", [(-1, 0, 64, 48), (0, 0, 65, 48), (9, 0, 9, 48), (0, 0, 64, 49), (0, 30, 64, 20)])
def test_a_picture_that_is_no_part_of_the_frame_is_damage(tmp_path: Path, picture: tuple[int, int, int, int]) -> None:
    write(tmp_path, [dataclasses.replace(motion([1]), picture=picture)])
    with pytest.raises(MotionStoreError, match="is no part of 64 x 48 pixels"):
        MotionReader(tmp_path).read(0)


def change(store: Path, name: str, *, sealed: bool, **values: object) -> None:
    """Change the metadata of an array of group 0, and then make the group's checksums anew."""
    folder = shard_folder(store, 0)
    metadata = json.loads((folder / name / "zarr.json").read_text())
    (folder / name / "zarr.json").write_text(json.dumps({**metadata, **values}))
    if sealed:
        group = zarr.open_group(folder, mode="r+")
        attributes = dict(group.attrs["mocrop"])  # type: ignore[arg-type]
        group.update_attributes({"mocrop": seal(attributes, folder, attributes["metadata"])})


def grid(*shape: int) -> dict[str, object]:
    return {"name": "regular", "configuration": {"chunk_shape": list(shape)}}


HOSTILE = {
    "more vectors": ("vectors", {"shape": [1 << 40, 7]}, "vectors has shape"),
    "more clips": ("position", {"shape": [1 << 40]}, "has 1099511627776 clips"),
    "more names": ("clip", {"shape": [2]}, "clip has shape"),
    "more frames": ("camera", {"shape": [1 << 40, 6]}, "camera has shape"),
    "larger chunks": ("camera", {"chunk_grid": grid(1 << 40, 6)}, "not in one chunk"),
    "smaller chunks": ("frame_type", {"chunk_grid": grid(1)}, "not in one chunk"),
    "another type": ("zero_vectors", {"data_type": "uint32"}, "zero_vectors has shape .* type uint32"),
}


@pytest.mark.parametrize("sealed", [True, False])
@pytest.mark.parametrize(("name", "values", "fact"), HOSTILE.values(), ids=HOSTILE)
def test_metadata_that_do_not_fit_are_refused_before_memory_is_taken(
    tmp_path: Path, name: str, values: dict[str, object], fact: str, sealed: bool
) -> None:
    """Whether their checksums are right, or they have none."""
    if sealed:
        write(tmp_path, [motion([2, 3])])
    else:
        write_schema_1(shard_folder(tmp_path, 0), [motion([2, 3])])
    change(tmp_path, name, sealed=sealed, **values)
    with pytest.raises(MotionStoreError, match=f"shard-00000 is damaged \\(.*{fact}"):
        MotionReader(tmp_path).read(0)


@pytest.mark.parametrize("sealed", [True, False])
def test_columns_that_claim_more_than_their_files_can_hold_are_refused(tmp_path: Path, sealed: bool) -> None:
    """2^31 - 1 frames fit the one clip's count, and 34 TB of vectors those frames."""
    frames = np.full(1, 2**31 - 1, np.int32)
    if sealed:
        write(tmp_path, [motion([1])])
        group = zarr.open_group(shard_folder(tmp_path, 0), mode="r+")
        group["frames"][...] = frames  # type: ignore[index]
    else:
        write_schema_1(shard_folder(tmp_path, 0), [motion([1])])
        zarr.open_group(shard_folder(tmp_path, 0), mode="r+")["frames"][...] = frames  # type: ignore[index]
    for name in FRAME_ARRAYS if sealed else SCHEMA_1_FRAME_ARRAYS:
        shape = (2**31 - 1, *FRAME_ARRAYS[name][1])
        change(tmp_path, name, sealed=sealed, shape=list(shape), chunk_grid=grid(*shape))
    with pytest.raises(MotionStoreError, match=r"vectors_per_frame claims to hold 8589934588 bytes in \d+"):
        MotionReader(tmp_path).read(0)


@pytest.mark.parametrize(
    ("positions", "fits"),
    [((0, 1), True), ((30, 31), True), ((1, 0), False), ((1, 1), False), ((31, 32), False), ((-1, 0), False)],
)
def test_the_clips_of_a_group_are_in_order_and_of_its_span(
    tmp_path: Path, positions: tuple[int, int], fits: bool
) -> None:
    rows = [MotionRow(position=n, clip=f"A/{n}", motion=motion([1])) for n in positions]
    write_shard(tmp_path, 0, rows, attributes={})
    if fits:
        assert MotionReader(tmp_path).read(positions[0]) is not None
    else:
        with pytest.raises(MotionStoreError, match=r"its clips are \["):
            MotionReader(tmp_path).read(0)


def test_counts_below_nothing_are_refused(tmp_path: Path) -> None:
    """Two clips of 3 and -1 frames would else be read as two frames."""
    write(tmp_path, [motion([1, 1]), motion([1])])
    group = zarr.open_group(shard_folder(tmp_path, 0), mode="r+")
    group["frames"][...] = np.array([4, -1], np.int32)  # type: ignore[index]
    with pytest.raises(MotionStoreError, match="less than no frames"):
        MotionReader(tmp_path).read(0)
    write(tmp_path, [motion([1, 1]), motion([1])])
    zarr.open_group(shard_folder(tmp_path, 0), mode="r+")["vectors_per_frame"][...] = np.array([3, -1, 1], np.int32)  # type: ignore[index]
    with pytest.raises(MotionStoreError, match="less than no vectors"):
        MotionReader(tmp_path).read(0)


def test_a_group_that_lost_its_checksums_does_not_pass_for_an_old_one(tmp_path: Path) -> None:
    write(tmp_path, [motion([2])])
    group = zarr.open_group(shard_folder(tmp_path, 0), mode="r+")
    group.update_attributes({"mocrop": {**group.attrs["mocrop"], "schema": 1}})  # type: ignore[dict-item]
    with pytest.raises(MotionStoreError, match="checksum differs"):
        MotionReader(tmp_path).read(0)


@pytest.mark.parametrize("stored", [True, False])
def test_a_chunk_that_is_not_in_its_file_is_damage_and_not_zeros(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stored: bool
) -> None:
    """The file is there, and its index, whose checksum is right, says that it lacks the chunk of x."""
    spec = store_writer._vectors_spec
    monkeypatch.setattr(
        store_writer, "_vectors_spec", lambda path: {**spec(path), "store_data_equal_to_fill_value": stored}
    )
    one = motion([2])
    write(tmp_path, [dataclasses.replace(one, x=np.zeros_like(one.x))])
    if stored:
        assert MotionReader(tmp_path).read(0) is not None
    else:
        with pytest.raises(MotionStoreError, match="shard-00000 is damaged"):
            MotionReader(tmp_path).read(0)
