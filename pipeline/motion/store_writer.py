"""Write groups of the motion store: each appears under its name when it is complete, and equal input gives equal bytes.

What a killed writer leaves behind has a name that begins with a dot.
"""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorstore as ts
import zarr
from zarr.codecs import Crc32cCodec, ZstdCodec

from mocrop.pipeline.arrays import kvstore, worker_context, write_names
from mocrop.pipeline.checksums import seal
from mocrop.pipeline.motion.clip_motion import ClipMotion
from mocrop.pipeline.motion.store import shard_folder
from mocrop.pipeline.motion.store_group import CLIP_ARRAYS, FRAME_ARRAYS, SCHEMA_VERSION, VECTOR_COLUMNS
from mocrop.pipeline.motion.store_values import NOT_KNOWN
from mocrop.pipeline.platform_calls import sync

ROWS_PER_CHUNK = 1 << 16  # of one column of vectors: about one UCF-101 clip
CHUNKS_PER_FILE = 16  # of each column; a writer holds the vectors of one file, 14 MiB, however long the clips are


@dataclass(frozen=True, kw_only=True, eq=False)
class MotionRow:
    """One clip of a group; ``motion`` is None if it has none."""

    position: int
    clip: str
    motion: ClipMotion | None


def write_shard(store: Path, index: int, rows: Iterable[MotionRow], *, attributes: Mapping[str, Any]) -> None:
    """Write one group, replacing one that exists. The store itself is made by :func:`.create_store`, once.

    Args:
        rows: in order of position; taken one by one, so that a generator need not hold the vectors of all clips.
        attributes: how the vectors were read; stored under ``mocrop`` beside the schema version.
    """
    final = shard_folder(store, index)
    partial = store / f".{final.name}.{uuid.uuid4().hex}"  # a worker thought lost may be writing the same group
    try:
        _write_group(partial, rows, {"schema": SCHEMA_VERSION, "vector_columns": list(VECTOR_COLUMNS), **attributes})
        _publish(partial, final)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _write_group(folder: Path, rows: Iterable[MotionRow], description: Mapping[str, Any]) -> None:
    group = zarr.create_group(folder, zarr_format=3)
    vectors = _VectorWriter(folder / "vectors")
    of_frames: dict[str, list[npt.NDArray[Any]]] = {name: [] for name in FRAME_ARRAYS}
    of_clips: dict[str, list[Any]] = {name: [] for name in CLIP_ARRAYS}
    names: list[str] = []
    for row in rows:
        for name, fact in _facts(row).items():
            of_clips[name].append(fact)
        names.append(row.clip)
        if row.motion is not None:
            vectors.add(row.motion)
            for name, parts in of_frames.items():
                values = getattr(row.motion, name)
                parts.append(np.full(row.motion.frames, np.nan) if values is None else values)  # seconds may be unknown
        del row  # before the next clip is read
    vectors.close()
    for name, (dtype, tail) in FRAME_ARRAYS.items():
        _write_array(group, name, np.concatenate([np.empty((0, *tail), dtype), *of_frames[name]]))
    for name, (dtype, tail) in CLIP_ARRAYS.items():
        _write_array(group, name, np.array(of_clips[name], dtype).reshape(-1, *tail))
    write_names(group, names, checked=True)
    sealed = seal(description, folder, ("vectors", *FRAME_ARRAYS, *CLIP_ARRAYS, "clip"))
    group.update_attributes({"mocrop": sealed})  # last, as it says what all arrays are


def _facts(row: MotionRow) -> dict[str, int | tuple[int, ...]]:
    """What CLIP_ARRAYS hold of a clip."""
    motion = row.motion
    size = (motion.width, motion.height) if motion else (0, 0)
    picture = (motion.picture if motion else None) or NOT_KNOWN
    return {
        "position": row.position,
        "frames": motion.frames if motion else 0,
        "picture_size": size,
        "picture": picture,
    }


def _write_array(group: zarr.Group, name: str, values: npt.NDArray[Any]) -> None:
    array = group.create_array(
        name,
        shape=values.shape,
        chunks=(max(1, len(values)), *values.shape[1:]),
        dtype=values.dtype,
        compressors=[ZstdCodec(level=1), Crc32cCodec()],
        config={"write_empty_chunks": True},
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
            {"name": "crc32c"},
        ],
        "index_codecs": [{"name": "bytes", "configuration": {"endian": "little"}}, {"name": "crc32c"}],
    }
    file_shape = [ROWS_PER_CHUNK * CHUNKS_PER_FILE, len(VECTOR_COLUMNS)]
    return {
        "driver": "zarr3",
        "kvstore": kvstore(path),
        "store_data_equal_to_fill_value": True,
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
