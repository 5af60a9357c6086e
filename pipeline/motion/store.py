"""The motion store, motion.zarr: the motion of every clip, one Zarr v3 group for each run of 32 clips.

A group such as ``shard-00012`` holds the clips of 32 consecutive positions one after the other:

====================  =====================  =======================================================
array                 shape, dtype           meaning
====================  =====================  =======================================================
``vectors``           (n, 7) int16           x, y, dx, dy, w, h, ref of :class:`.ClipMotion`
``vectors_per_frame`` (frames,) int32        rows of ``vectors`` that belong to each frame
``zero_vectors``      (frames,) int32        vectors without displacement, counted and not kept
``frame_type``        (frames,) uint8        0 other, 1 I, 2 P, 3 B
``camera``            (frames, 6) float32    affine motion of the background
``camera_support``    (frames,) float32      share of the picture that follows it
``position``          (clips,) int32         row of the clip in the manifest and in every crop cache
``frames``            (clips,) int32         frames of each clip; 0 where there is no motion
``picture_size``      (clips, 2) int32       width, height of the upright picture; 0, 0 where there is no motion
``clip``              (clips,) string        names
====================  =====================  =======================================================

A group appears under its name only when it is complete, and equal input gives equal bytes. What a killed writer leaves
behind has a name that begins with a dot.
"""

from __future__ import annotations

import contextlib
import json
import shutil
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorstore as ts
import zarr
from zarr.codecs import ZstdCodec
from zarr.errors import ContainsGroupError

from mocrop.pipeline.arrays import open_array, worker_context, write_names
from mocrop.pipeline.errors import MotionStoreError
from mocrop.pipeline.motion.clip_motion import ClipMotion
from mocrop.pipeline.platform_calls import sync

CLIPS_PER_SHARD = 32
SCHEMA_VERSION = 1
VECTOR_COLUMNS = ("x", "y", "dx", "dy", "w", "h", "ref")
ROWS_PER_CHUNK = 1 << 16  # of one column of vectors: about one UCF-101 clip
CHUNKS_PER_FILE = 16  # of each column; a writer holds the vectors of one file, 14 MiB, however long the clips are
READ_CACHE_BYTES = 8 << 20  # clips share chunks with their neighbours, which are read next
_COLUMN_TYPES: Mapping[str, Any] = {"w": np.uint8, "h": np.uint8, "ref": np.int8}  # the others are int16
_FRAME_ARRAYS: Mapping[str, tuple[Any, tuple[int, ...]]] = {  # dtype and shape per frame
    "vectors_per_frame": (np.int32, ()),
    "zero_vectors": (np.int32, ()),
    "frame_type": (np.uint8, ()),
    "camera": (np.float32, (6,)),
    "camera_support": (np.float32, ()),
}
_CLIP_ARRAYS = ("position", "frames", "picture_size")


@dataclass(frozen=True, kw_only=True, eq=False)
class MotionRow:
    """One clip of a group; ``motion`` is None if it has none."""

    position: int
    clip: str
    motion: ClipMotion | None


def shard_folder(store: Path, index: int) -> Path:
    """Folder of the group with the clips from position ``index * CLIPS_PER_SHARD`` on."""
    return store / f"shard-{index:05d}"


def write_shard(store: Path, index: int, rows: Iterable[MotionRow], *, attributes: Mapping[str, Any]) -> None:
    """Write one group, replacing one that exists.

    Args:
        rows: in order of position; taken one by one, so that a generator need not hold the vectors of all clips.
        attributes: how the vectors were read; stored under ``mocrop`` beside the schema version.
    """
    with contextlib.suppress(ContainsGroupError):  # another worker has just made it
        zarr.open_group(store, mode="a", zarr_format=3)
    final = shard_folder(store, index)
    partial = store / f".{final.name}.{uuid.uuid4().hex}"  # a worker thought lost may be writing the same group
    try:
        _write_group(partial, rows, {"schema": SCHEMA_VERSION, "vector_columns": list(VECTOR_COLUMNS), **attributes})
        _publish(partial, final)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _write_group(folder: Path, rows: Iterable[MotionRow], description: Mapping[str, Any]) -> None:
    group = zarr.create_group(folder, zarr_format=3, attributes={"mocrop": dict(description)})
    vectors = _VectorWriter(folder / "vectors")
    of_frames: dict[str, list[npt.NDArray[Any]]] = {name: [] for name in _FRAME_ARRAYS}
    of_clips: list[tuple[int, int, int, int]] = []  # position, frames, width, height
    names: list[str] = []
    for row in rows:
        frames, width, height = (row.motion.frames, row.motion.width, row.motion.height) if row.motion else (0, 0, 0)
        of_clips.append((row.position, frames, width, height))
        names.append(row.clip)
        if row.motion is not None:
            vectors.add(row.motion)
            for name, parts in of_frames.items():
                parts.append(getattr(row.motion, name))
        del row  # before the next clip is read
    vectors.close()
    for name, (dtype, tail) in _FRAME_ARRAYS.items():
        _write_array(group, name, np.concatenate([np.empty((0, *tail), dtype), *of_frames[name]]))
    clips = np.array(of_clips, np.int32).reshape(-1, 4)
    for name, values in zip(_CLIP_ARRAYS, (clips[:, 0], clips[:, 1], clips[:, 2:]), strict=True):
        _write_array(group, name, values)
    write_names(group, names)


def _write_array(group: zarr.Group, name: str, values: npt.NDArray[Any]) -> None:
    chunks = (max(1, len(values)), *values.shape[1:])
    array = group.create_array(
        name, shape=values.shape, chunks=chunks, dtype=values.dtype, compressors=[ZstdCodec(level=1)]
    )
    if values.size:
        array[...] = values


class _VectorWriter:
    """Writes ``vectors`` file by file, with TensorStore, as these are nearly all of the bytes."""

    def __init__(self, path: Path) -> None:
        self._rows = np.empty((ROWS_PER_CHUNK * CHUNKS_PER_FILE, len(VECTOR_COLUMNS)), np.int16, order="F")
        self._waiting = self._written = 0  # rows in memory, rows on disk
        self._array = ts.open(_vectors_spec(path), context=worker_context(), create=True).result()

    def add(self, motion: ClipMotion) -> None:
        columns = [getattr(motion, name) for name in VECTOR_COLUMNS]
        taken = 0
        while taken < len(motion.x):
            count = min(len(motion.x) - taken, len(self._rows) - self._waiting)
            for number, values in enumerate(columns):
                self._rows[self._waiting : self._waiting + count, number] = values[taken : taken + count]
            taken += count
            self._waiting += count
            if self._waiting == len(self._rows):
                self._flush()

    def _flush(self) -> None:
        stop = self._written + self._waiting
        self._array[self._written : stop].write(self._rows[: self._waiting]).result()
        self._written, self._waiting = stop, 0

    def close(self) -> None:
        """Write the last rows and set the array's final length."""
        if self._waiting:
            self._flush()
        self._array.resize(exclusive_max=[self._written, len(VECTOR_COLUMNS)], resize_metadata_only=True).result()


def _vectors_spec(path: Path) -> dict[str, Any]:
    """TensorStore spec of ``vectors``: one column per inner chunk, and room for any number of rows until resized."""
    inner = {
        "chunk_shape": [ROWS_PER_CHUNK, 1],
        "codecs": [
            {"name": "bytes", "configuration": {"endian": "little"}},
            {"name": "zstd", "configuration": {"level": 1, "checksum": False}},
        ],
        "index_codecs": [{"name": "bytes", "configuration": {"endian": "little"}}, {"name": "crc32c"}],
    }
    file_shape = [ROWS_PER_CHUNK * CHUNKS_PER_FILE, len(VECTOR_COLUMNS)]
    return {
        "driver": "zarr3",
        "kvstore": {"driver": "file", "path": path.as_posix()},
        "metadata": {
            "shape": [1 << 40, len(VECTOR_COLUMNS)],
            "data_type": "int16",
            "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": file_shape}},
            "codecs": [{"name": "sharding_indexed", "configuration": inner}],
            "fill_value": 0,
        },
    }


def _publish(partial: Path, final: Path) -> None:
    """Rename a complete group once it is on disk; an old one is moved away first, as folders cannot be replaced."""
    for path in (*partial.rglob("*"), partial):
        sync(path)
    old = partial.with_name(f"{partial.name}.old")
    if final.exists():
        final.rename(old)
    partial.rename(final)
    sync(final.parent)
    shutil.rmtree(old, ignore_errors=True)


class MotionReader:
    """Reads clips of a motion store; keeps the last group open, as clips are mostly read in order of position."""

    def __init__(self, store: Path) -> None:
        self._store = store
        self._shard: _Shard | None = None

    def read(self, position: int) -> ClipMotion | None:
        """Read the motion of the clip at a position; None if the store has none.

        Raises: MotionStoreError if the group is damaged or of another schema.
        """
        index = position // CLIPS_PER_SHARD
        folder = shard_folder(self._store, index)
        if self._shard is None or self._shard.folder != folder:
            if not folder.is_dir():
                return None
            self._shard = _Shard(folder)
        try:
            return self._shard.motion(position)
        except (KeyError, ValueError, IndexError, RuntimeError, FileNotFoundError) as error:  # from zarr and its codecs
            raise MotionStoreError(
                f"{folder} is damaged ({error}); remove the folder and run `mocrop extract-mv` again"
            ) from error


def _require_schema(folder: Path) -> None:
    """Raises: ValueError if a group is of another schema, FileNotFoundError if there is none."""
    description = json.loads((folder / "zarr.json").read_bytes()).get("attributes", {}).get("mocrop") or {}
    if description.get("schema") != SCHEMA_VERSION:
        raise ValueError(f"schema {description.get('schema')}, this mocrop reads schema {SCHEMA_VERSION}")


class _Shard:
    """One group opened for reading: its small arrays in memory, its vectors read clip by clip."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @cached_property
    def _columns(self) -> dict[str, npt.NDArray[Any]]:
        """The small arrays, those of frames and of clips."""
        _require_schema(self.folder)
        context = worker_context()  # through TensorStore: zarr-python takes four times as long to open them
        arrays = {name: open_array(self.folder, name, context=context) for name in (*_FRAME_ARRAYS, *_CLIP_ARRAYS)}
        return {name: np.asarray(array.read().result()) for name, array in arrays.items()}

    @cached_property
    def _vectors(self) -> ts.TensorStore:
        return open_array(self.folder, "vectors", context=worker_context(cache_bytes=READ_CACHE_BYTES))

    def motion(self, position: int) -> ClipMotion | None:
        """Motion of the clip at a position; None if it has none."""
        columns = self._columns
        found = np.flatnonzero(columns["position"] == position)
        if len(found) == 0 or columns["frames"][found[0]] == 0:
            return None
        row = int(found[0])
        stop = int(columns["frames"][: row + 1].sum())
        frames = slice(stop - int(columns["frames"][row]), stop)
        before = int(columns["vectors_per_frame"][: frames.start].sum())
        count = int(columns["vectors_per_frame"][frames].sum())
        vectors = np.asarray(self._vectors[before : before + count].read(order="F").result())
        width, height = columns["picture_size"][row].tolist()
        return ClipMotion(
            width=width,
            height=height,
            **{name: columns[name][frames] for name in _FRAME_ARRAYS},
            **{
                name: vectors[:, number].astype(_COLUMN_TYPES.get(name, np.int16), copy=False)
                for number, name in enumerate(VECTOR_COLUMNS)
            },
        )
