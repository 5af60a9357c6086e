"""Arrays and codecs of a crop cache, and creating an empty one.

A crop cache is a self-contained Zarr v3 group of cropped frames, one row per clip:

===============  ==================================  ======================================================
array            shape, dtype                        meaning
===============  ==================================  ======================================================
``frames``       (clips, frames, 3, size, size) u1   RGB; chunk = one frame, shard = ``clips_per_shard`` clips
``frame_index``  (clips, frames) int32               source frame of each slot, ascending; -1 = unused slot
``box``          (clips, 4) float32                  left, top, right, bottom, fractions of the frame
``density``      (clips, rows, cols) float32         map that the box was found on; zeros without one
``label``        (clips,) int32                      class index
``group``        (clips,) int32                      UCF group, -1 where there is none
``subset``       (clips, splits) uint8               0 in neither list, 1 train, 2 test
``clip``         (clips,) string                     path under the data set, without suffix
``state``        (clips,) uint8                      see :class:`ClipState`
``motion``       (clips, frames, 2, side, side) i1   optional: a motion field for each frame, x and y, laid out like
                                                     ``frames``; see :mod:`~mocrop.pipeline.motion.fields`
===============  ==================================  ======================================================

Group attributes are stored under ``mocrop``. zarr-python creates the arrays and writes the table of clips (``label``,
``group``, ``subset``, ``clip``); TensorStore writes the rest, each file under a temporary name until it is complete and
on disk. A shard's ``state`` is written after everything else of that shard, so a killed writer leaves state 0. Every
frame and field is stored, also one that is all zeros; an unused slot is not stored and reads as zeros. A shard whose
whole file is missing would read as zeros too, so readers call
:meth:`~mocrop.pipeline.cache.crop_cache.CropCache.missing_shards` first.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from typing import Any, get_args

import numpy as np
import numpy.typing as npt
import tensorstore as ts
import zarr
from zarr.codecs import Crc32cCodec, ZstdCodec

from mocrop.pipeline.arrays import open_array, write_names
from mocrop.pipeline.choices import Compression, Stream

SCHEMA_VERSION = 1
STEPS_PER_PIXEL = 16  # of motion fields, whose pixels are those of the cropped frames
STREAMS: tuple[Stream, ...] = get_args(Stream)


class ClipState(IntEnum):
    """State of one clip in a cache; readers use CROPPED and WHOLE_FRAME only."""

    NOT_WRITTEN = 0
    CROPPED = 1  # cropped by the policy
    WHOLE_FRAME = 2  # not cropped: no usable motion
    FAILED = 3


USABLE = (ClipState.CROPPED, ClipState.WHOLE_FRAME)  # states of clips that have frames


@dataclass(frozen=True, kw_only=True)
class CacheLayout:
    """Shapes and codecs of a crop cache."""

    frames: int  # slots per clip
    size: int  # pixels, both sides
    grid: tuple[int, int]  # rows, cols of the density maps
    clips_per_shard: int
    compression: Compression = "none"
    motion_side: int = 0  # cells, both sides of a motion field; 0: the cache has no motion fields

    def __post_init__(self) -> None:
        for name in ("frames", "size", "clips_per_shard"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, not {getattr(self, name)}")


@dataclass(frozen=True, kw_only=True)
class ClipTable:
    """Names, labels and splits of a cache's clips, known before any frame is cropped; one row per clip."""

    names: Sequence[str]
    label: npt.NDArray[np.int32]  # (clips,)
    group: npt.NDArray[np.int32]  # (clips,), -1 = none
    subset: npt.NDArray[np.uint8]  # (clips, splits): 0 neither, 1 train, 2 test
    class_names: Sequence[str]
    split_names: Sequence[str]


def create_cache(path: Path, layout: CacheLayout, table: ClipTable, *, attributes: Mapping[str, Any]) -> None:
    """Create an empty cache (every state 0) at ``path``, whole or not at all.

    Args:
        path: the ``.zarr`` folder to create.
        attributes: stored under ``mocrop`` beside schema version, size, class names and split names.
    Raises: FileExistsError if ``path`` exists; ValueError if the table has no clips.
    """
    if path.exists():
        raise FileExistsError(path)
    if not table.names:
        raise ValueError("a crop cache needs at least one clip")
    partial = path.with_name(f".{path.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    description = {
        "schema": SCHEMA_VERSION,
        "size": layout.size,
        "class_names": list(table.class_names),
        "split_names": list(table.split_names),
        **attributes,
    }
    group = zarr.open_group(partial, mode="w", zarr_format=3, attributes={"mocrop": description})
    _create_shard_arrays(group, layout, clips=len(table.names))
    for name, values in (("label", table.label), ("group", table.group), ("subset", table.subset)):
        group.create_array(name, data=np.ascontiguousarray(values), chunks=tuple(max(1, side) for side in values.shape))
    write_names(group, table.names)
    os.replace(partial, path)


def _create_shard_arrays(group: zarr.Group, layout: CacheLayout, *, clips: int) -> None:
    """Create the arrays that a CacheWriter fills, one file per shard."""
    _create_stream(group, "frames", layout, shape=(clips, layout.frames, 3, layout.size, layout.size))
    if layout.motion_side:
        _create_stream(group, "motion", layout, shape=(clips, layout.frames, 2, layout.motion_side, layout.motion_side))
    for name, tail, dtype, fill in (
        ("frame_index", (layout.frames,), "int32", -1),
        ("box", (4,), "float32", 0.0),
        ("density", layout.grid, "float32", 0.0),
        ("state", (), "uint8", int(ClipState.NOT_WRITTEN)),
    ):
        chunks = (layout.clips_per_shard, *tail)
        group.create_array(name, shape=(clips, *tail), chunks=chunks, dtype=dtype, fill_value=fill)


def _create_stream(group: zarr.Group, name: Stream, layout: CacheLayout, *, shape: tuple[int, ...]) -> None:
    """Create an array with one chunk per slot of each clip."""
    checksum = Crc32cCodec()
    group.create_array(
        name,
        shape=shape,
        dtype="uint8" if name == "frames" else "int8",
        chunks=(1, 1, *shape[2:]),
        shards=(layout.clips_per_shard, *shape[1:]),
        compressors=[ZstdCodec(level=1), checksum] if layout.compression == "zstd" else [checksum],
        dimension_names=("clip", "frame", "channel", "y", "x"),
        attributes={} if name == "frames" else {"steps_per_pixel": STEPS_PER_PIXEL},
    )


def open_stream(path: Path, stream: Stream, *, context: ts.Context | None = None) -> ts.TensorStore:
    """Open ``frames`` or ``motion`` of a cache with TensorStore; shapes and dtypes as in the table above.

    Raises: ValueError if it cannot be opened.
    """
    return open_array(path, stream, context=context, store_data_equal_to_fill_value=True)  # black frames are stored


def has_motion(path: Path) -> bool:
    """Whether a cache has motion fields."""
    return (path / "motion").is_dir()


def shard_file(path: Path, shard: int, stream: Stream = "frames") -> Path:
    """File of one shard of ``frames`` or ``motion``, as Zarr's default chunk keys name it."""
    return Path(path, f"{stream}/c/{shard}/0/0/0/0")


def column_file(path: Path, name: str, shard: int, dimensions: int) -> Path:
    """File of one shard of a column that is written with the frames and has this many dimensions."""
    return path.joinpath(name, "c", str(shard), *["0"] * (dimensions - 1))
