"""One group of the motion store, with the motion of up to 32 clips one after the other: its arrays, and reading it.

====================  =====================  =======================================================
array                 shape, dtype           meaning
====================  =====================  =======================================================
``vectors``           (n, 7) int16           x, y, dx, dy, w, h, ref of :class:`.ClipMotion`
``vectors_per_frame`` (frames,) int32        rows of ``vectors`` that belong to each frame
``zero_vectors``      (frames,) int32        vectors without displacement, counted and not kept
``frame_type``        (frames,) uint8        0 other, 1 I, 2 P, 3 B
``camera``            (frames, 6) float32    affine motion of the background
``camera_support``    (frames,) float32      share of the picture that follows it
``seconds``           (frames,) float64      when each frame is shown, the first of a clip at 0; NaN: not known
``position``          (clips,) int32         row of the clip in the manifest and in every crop cache
``frames``            (clips,) int32         frames of each clip; 0 where there is no motion
``picture_size``      (clips, 2) int32       width, height of the upright picture; 0, 0 where there is no motion
``picture``           (clips, 4) int32       left, top, right, bottom inside black bars; -1 four times: not known
``clip``              (clips,) string        names
====================  =====================  =======================================================

The attribute ``mocrop`` holds the schema, how the vectors were read, and a checksum of itself and of the metadata of
every array. Every chunk is stored, also one of zeros, and has a checksum behind its bytes, so that no byte that is read
goes unchecked. Groups of schema 2, without ``seconds`` and ``picture``, can be read too, and of schema 1, which also
have no checksums and no chunks of zeros.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import cached_property
from math import ceil, prod
from pathlib import Path
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import tensorstore as ts

from mocrop.pipeline.arrays import open_array, worker_context
from mocrop.pipeline.checksums import WHOLE, checksum, require_seal
from mocrop.pipeline.motion.clip_motion import ClipMotion
from mocrop.pipeline.motion.store_values import require_clips, starts, stored_picture, stored_seconds
from mocrop.pipeline.strict_json import parsed_json

SCHEMA_VERSION = TIMES_AND_BARS = 3  # the latter: the first with times of frames and bars
VECTOR_COLUMNS = ("x", "y", "dx", "dy", "w", "h", "ref")
FRAME_ARRAYS: Mapping[str, tuple[Any, tuple[int, ...]]] = {  # dtype and shape per frame
    "vectors_per_frame": (np.int32, ()),
    "zero_vectors": (np.int32, ()),
    "frame_type": (np.uint8, ()),
    "camera": (np.float32, (6,)),
    "camera_support": (np.float32, ()),
    "seconds": (np.float64, ()),
}
CLIP_ARRAYS: Mapping[str, tuple[Any, tuple[int, ...]]] = {
    "position": (np.int32, ()),
    "frames": (np.int32, ()),
    "picture_size": (np.int32, (2,)),
    "picture": (np.int32, (4,)),
}
SINCE_SCHEMA_3 = frozenset({"seconds", "picture"})
_COLUMN_TYPES: Mapping[str, Any] = {"w": np.uint8, "h": np.uint8, "ref": np.int8}  # the other columns are int16
_READ_CACHE_BYTES = 8 << 20  # clips share chunks with their neighbours, which are read next
_MOST_BYTES_A_BYTE = 1 << 15  # that zstd can make of one: 128 KiB of a block of four bytes
_MOST_UNSEEN_BYTES = 1 << 30  # of an array of schema 1 that holds only zeros, which are not stored


class NewerSchemaError(ValueError):
    """A newer mocrop wrote a group."""

    def __init__(self, schema: int) -> None:
        super().__init__(f"schema {schema}, of a newer mocrop")
        self.schema = schema


class MotionGroup:
    """One group opened for reading: its small arrays in memory, its vectors read clip by clip.

    What is wrong with it is raised by whatever reads it, mostly as ValueError.

    Args:
        folder: of the group.
        positions: those that its clips can have.
    """

    def __init__(self, folder: Path, positions: range) -> None:
        self.folder = folder
        self._positions = positions

    def motion(self, position: int) -> ClipMotion | None:
        """Motion of the clip at a position; None if it has none."""
        columns = self._columns
        found = np.flatnonzero(columns["position"] == position)
        if len(found) == 0 or columns["frames"][found[0]] == 0:
            return None
        row = int(found[0])
        frames = slice(self._first_frames[row], self._first_frames[row + 1])
        first, stop = self._first_vectors[frames.start], self._first_vectors[frames.stop]
        vectors = np.asarray(self._vectors[first:stop].read(order="F").result())
        width, height = columns["picture_size"][row].tolist()
        return ClipMotion(
            width=width,
            height=height,
            seconds=stored_seconds(columns["seconds"][frames]) if self._has_times_and_bars else None,
            picture=stored_picture(columns["picture"][row], width, height) if self._has_times_and_bars else None,
            **{name: columns[name][frames] for name in FRAME_ARRAYS if name not in SINCE_SCHEMA_3},
            **{
                name: vectors[:, number].astype(_COLUMN_TYPES.get(name, np.int16), copy=False)
                for number, name in enumerate(VECTOR_COLUMNS)
            },
        )

    @cached_property
    def _schema(self) -> tuple[int, bool]:
        """The schema, and whether the group has checksums, as from schema 2 on; checks those of its metadata."""
        attributes = parsed_json((self.folder / "zarr.json").read_bytes()).get("attributes", {}).get("mocrop") or {}
        schema = attributes.get("schema")
        if isinstance(schema, int) and schema > SCHEMA_VERSION:
            raise NewerSchemaError(schema)
        if not isinstance(schema, int) or schema < 1:
            raise ValueError(f"schema {schema}, this mocrop reads schema {SCHEMA_VERSION}")
        if schema == 1 and WHOLE not in attributes:
            return schema, False
        require_seal(attributes, self.folder)
        return schema, True

    @property
    def _sealed(self) -> bool:
        return self._schema[1]

    @property
    def _has_times_and_bars(self) -> bool:
        return self._schema[0] >= TIMES_AND_BARS

    def _there(self, arrays: Mapping[str, tuple[Any, tuple[int, ...]]]) -> dict[str, tuple[Any, tuple[int, ...]]]:
        """Those of some arrays that a group of this schema has."""
        return {name: of for name, of in arrays.items() if self._has_times_and_bars or name not in SINCE_SCHEMA_3}

    @cached_property
    def _columns(self) -> dict[str, npt.NDArray[Any]]:
        """The small arrays, those of clips and of frames, which fit each other."""
        context = worker_context()  # through TensorStore: zarr-python takes four times as long to open them
        of_clips, of_frames = self._there(CLIP_ARRAYS), self._there(FRAME_ARRAYS)
        arrays = {name: self._open(name, context) for name in (*of_clips, *of_frames)}
        clips = arrays["position"].shape[0]
        if clips > len(self._positions):
            raise ValueError(f"it has {clips} clips, and a group has at most {len(self._positions)}")
        _require_names(self.folder, clips, sealed=self._sealed)
        columns = {name: self._read(arrays[name], name, clips, *of) for name, of in of_clips.items()}
        require_clips(columns, self._positions)
        frames = int(columns["frames"].sum())
        columns |= {name: self._read(arrays[name], name, frames, *of) for name, of in of_frames.items()}
        if np.any(columns["vectors_per_frame"] < 0):
            raise ValueError("a frame has less than no vectors")
        return columns

    @cached_property
    def _first_frames(self) -> list[int]:
        """The first frame of each clip among those of all clips, and their number."""
        return starts(self._columns["frames"])

    @cached_property
    def _first_vectors(self) -> list[int]:
        """The first vector of each frame among those of all frames, and their number."""
        return starts(self._columns["vectors_per_frame"])

    @cached_property
    def _vectors(self) -> ts.TensorStore:
        """The vectors, as many as the frames have, and in files that can hold them."""
        array = self._open("vectors", worker_context(cache_bytes=_READ_CACHE_BYTES))
        rows = self._first_vectors[-1]
        _require_form(array, "vectors", (rows, len(VECTOR_COLUMNS)), np.int16)
        if rows:
            layout = array.chunk_layout
            in_file, in_chunk = (cast("tuple[int, ...]", of.shape) for of in (layout.write_chunk, layout.read_chunk))
            files = range(ceil(rows / in_file[0]))
            stored = sum(os.path.getsize(f"{self.folder}/vectors/c/{number}/0") for number in files)
            _require_room("vectors", max(prod(array.shape), prod(in_chunk)) * np.dtype(np.int16).itemsize, stored)
        return array

    def _open(self, name: str, context: ts.Context) -> ts.TensorStore:
        return open_array(self.folder, name, context=context, must_be_there=self._sealed)

    def _read(self, array: ts.TensorStore, name: str, rows: int, dtype: Any, tail: tuple[int, ...]) -> npt.NDArray[Any]:
        """Read an array of one chunk, which must have the form that is wanted, and a file that can hold so much."""
        shape = (rows, *tail)
        _require_form(array, name, shape, dtype)
        if rows:
            if array.chunk_layout.read_chunk.shape != shape:
                raise ValueError(f"{name} is not in one chunk")
            file = f"{self.folder}/{name}/c/{'/'.join('0' * len(shape))}"
            needed = prod(shape) * np.dtype(dtype).itemsize
            if self._sealed or os.path.exists(file):
                _require_room(name, needed, os.path.getsize(file))
            elif needed > _MOST_UNSEEN_BYTES:
                raise ValueError(f"{name} has {rows} rows and no file")
        return np.asarray(array.read().result())


def _require_form(array: ts.TensorStore, name: str, shape: tuple[int, ...], dtype: Any) -> None:
    if array.shape != shape or array.dtype.numpy_dtype != dtype:
        raise ValueError(f"{name} has shape {array.shape} and type {array.dtype.name} where {shape} is right")


def _require_room(name: str, needed: int, stored: int) -> None:
    """Refuse a shape before memory is taken for it: no file can hold so much."""
    if needed > stored * _MOST_BYTES_A_BYTE:
        raise ValueError(f"{name} claims to hold {needed} bytes in {stored}")


def _require_names(folder: Path, clips: int, *, sealed: bool) -> None:
    """Check the names of the clips, which only people read: their number, and the checksum behind their bytes."""
    metadata = parsed_json((folder / "clip/zarr.json").read_bytes())
    if metadata["shape"] != [clips]:
        raise ValueError(f"clip has shape {metadata['shape']} where {[clips]} is right")
    if sealed:
        content = (folder / "clip/c/0").read_bytes()
        if checksum(content[:-4]) != int.from_bytes(content[-4:], "little"):
            raise ValueError("clip: checksum differs")
