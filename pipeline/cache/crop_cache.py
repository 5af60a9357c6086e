"""The crop cache: a self-contained Zarr v3 group of cropped frames, one row a clip.

===============  ==================================  ======================================================
array            shape, dtype                        meaning
===============  ==================================  ======================================================
``frames``       (clips, frames, 3, size, size) u1   RGB; chunk = one frame, shard = ``clips_per_shard`` clips
``frame_index``  (clips, frames) int32               source frame of each slot, ascending; -1 = unused slot
``box``          (clips, 4) float32                  left, top, right, bottom, fractions of the frame
``density``      (clips, rows, cols) float32         what the box was found on; zeros without one
``label``        (clips,) int32                      class index
``group``        (clips,) int32                      UCF group, -1 where there is none
``subset``       (clips, splits) uint8               0 in neither list, 1 train, 2 test
``clip``         (clips,) string                     path under the data set, without suffix
``state``        (clips,) uint8                      see :class:`ClipState`
``motion``       (clips, frames, 2, side, side) i1   optional: a motion field for each frame, x and y, laid out like
                                                     ``frames``; see :mod:`~mocrop.pipeline.motion.fields`
===============  ==================================  ======================================================

Group attributes lie under ``mocrop``. zarr-python creates and describes; TensorStore moves the data, each file under a
temporary name until it is whole and on the disk. A shard's ``state`` is written after everything else of that shard,
so a killed writer leaves state 0. Every frame and field is stored, black and still ones too; an unused slot is not, and
reads as zeros. A shard whose whole file is missing would read as zeros too, so readers ask
:meth:`CropCache.missing_shards` first.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from functools import cached_property
from pathlib import Path
from typing import Any, cast, get_args

import numpy as np
import numpy.typing as npt
import tensorstore as ts
import zarr
from zarr.codecs import Crc32cCodec, ZstdCodec

from mocrop.pipeline.arrays import open_array, write_names
from mocrop.pipeline.choices import Compression, Stream
from mocrop.pipeline.errors import CacheError

SCHEMA_VERSION = 1
STEPS_PER_PIXEL = 16  # of motion fields, whose pixels are those of the cropped frames
STREAMS: tuple[Stream, ...] = get_args(Stream)


class ClipState(IntEnum):
    """What a cache says about one clip; readers use CROPPED and WHOLE_FRAME only."""

    NOT_WRITTEN = 0
    CROPPED = 1  # cropped by the policy
    WHOLE_FRAME = 2  # there was no usable motion
    FAILED = 3


USABLE = (ClipState.CROPPED, ClipState.WHOLE_FRAME)  # states of clips that have frames


@dataclass(frozen=True, kw_only=True)
class CacheLayout:
    """Shapes and codecs of a crop cache; enough to create it."""

    frames: int  # slots per clip
    size: int  # pixels, both sides
    grid: tuple[int, int]  # rows, cols of the density maps
    clips_per_shard: int
    compression: Compression = "none"
    motion_side: int = 0  # of the motion fields, cells; 0: the cache has none

    def __post_init__(self) -> None:
        for name in ("frames", "size", "clips_per_shard"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, not {getattr(self, name)}")


@dataclass(frozen=True, kw_only=True)
class ClipTable:
    """What a cache knows of its clips before any frame is cropped; rows are clips."""

    names: Sequence[str]
    label: npt.NDArray[np.int32]  # (clips,)
    group: npt.NDArray[np.int32]  # (clips,), -1 = none
    subset: npt.NDArray[np.uint8]  # (clips, splits): 0 neither, 1 train, 2 test
    class_names: Sequence[str]
    split_names: Sequence[str]


def create_cache(path: Path, layout: CacheLayout, table: ClipTable, *, attributes: Mapping[str, Any]) -> None:
    """Create an empty cache (every state 0) at ``path``, whole or not at all.

    ``attributes`` join schema version, size, class names and split names under the group attribute ``mocrop``.
    Raises: FileExistsError if something is there already; ValueError if the table has no clips.
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
    """The arrays that a CacheWriter fills, one file a shard."""
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
    """An array with one chunk for each slot of each clip."""
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
    """Open ``frames`` or ``motion`` of a cache with TensorStore; shapes and dtypes as in the table above."""
    return open_array(path, stream, context=context, store_data_equal_to_fill_value=True)


def has_motion(path: Path) -> bool:
    """Whether a cache has motion fields."""
    return (path / "motion").is_dir()


def shard_file(path: Path, shard: int, stream: Stream = "frames") -> Path:
    """Where Zarr's default chunk keys put one shard of ``frames`` or ``motion``."""
    return Path(path, f"{stream}/c/{shard}/0/0/0/0")


def column_file(path: Path, name: str, shard: int, dimensions: int) -> Path:
    """The same for a column that is written with the frames."""
    return path.joinpath(name, "c", str(shard), *["0"] * (dimensions - 1))


class CropCache:
    """A crop cache opened for reading: its table in memory, its frames through TensorStore.

    Args:
        path: the ``.zarr`` folder.
    Raises: CacheError if it is not a crop cache of this schema.
    """

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)
        try:
            self._group = zarr.open_group(self.path, mode="r", zarr_format=3)
        except (FileNotFoundError, ValueError, KeyError) as error:
            raise CacheError(f"{self.path} is not a crop cache; make one with `mocrop precrop --size 192`") from error
        self.attributes = cast(dict[str, Any], self._group.attrs.asdict().get("mocrop") or {})
        if self.attributes.get("schema") != SCHEMA_VERSION:
            raise CacheError(
                f"{self.path}: crop cache of schema {self.attributes.get('schema')}, this mocrop reads schema "
                f"{SCHEMA_VERSION}; write it anew with `mocrop precrop --overwrite`"
            )
        self.shape = cast(tuple[int, int, int, int, int], self._array("frames").shape)

    def _array(self, name: str) -> zarr.Array[Any]:
        return cast("zarr.Array[Any]", self._group[name])

    def _column(self, name: str) -> npt.NDArray[Any]:
        """Read a whole array of numbers; with TensorStore, which opens the thousands of files of a large cache at once.

        Raises: CacheError if it is damaged.
        """
        try:
            return open_array(self.path, name).read().result()
        except ValueError as error:
            raise self._unreadable(name, error) from error

    def _unreadable(self, name: str, error: Exception) -> CacheError:
        way_out = "`mocrop verify` says what is damaged and what mends it"
        return CacheError(f"{self.path / name} cannot be read ({error}); {way_out}")

    def __len__(self) -> int:
        """Number of clips, whatever their state."""
        return self.shape[0]

    @property
    def size(self) -> int:
        """Side of a frame in pixels."""
        return self.shape[-1]

    @property
    def frames_per_clip(self) -> int:
        """Frame slots per clip."""
        return self.shape[1]

    @property
    def clips_per_shard(self) -> int:
        return cast(tuple[int, ...], self._array("frames").shards)[0]

    @property
    def compressed(self) -> bool:
        """Whether frames and motion fields are compressed inside their shards."""
        return any(isinstance(codec, ZstdCodec) for codec in self._array("frames").compressors)

    @property
    def has_motion(self) -> bool:
        """Whether there is a motion field for every frame."""
        return "motion" in self._group

    def item_shape(self, stream: Stream) -> tuple[int, int, int]:
        """Shape of one frame, (3, size, size), or of one motion field, (2, side, side).

        Raises: CacheError if the cache has no motion fields.
        """
        if stream == "motion" and not self.has_motion:
            raise CacheError(
                f"{self.path} has no motion fields; write a cache that has them with `mocrop precrop --motion-fields`, "
                "under another --name or with --overwrite"
            )
        return cast(tuple[int, int, int], self._array(stream).shape[2:])

    @property
    def class_names(self) -> list[str]:
        return cast(list[str], self.attributes["class_names"])

    @property
    def split_names(self) -> list[str]:
        return cast(list[str], self.attributes["split_names"])

    @cached_property
    def state(self) -> npt.NDArray[np.uint8]:
        return self._column("state")

    @cached_property
    def usable(self) -> npt.NDArray[np.bool_]:
        """(clips,) True where frames may be read: states 1 and 2."""
        return np.isin(self.state, USABLE)

    @cached_property
    def frame_index(self) -> npt.NDArray[np.int32]:
        return self._column("frame_index")

    @cached_property
    def frame_counts(self) -> npt.NDArray[Any]:
        """(clips,) number of used slots; they are the first ones of each clip."""
        return np.asarray(np.count_nonzero(self.frame_index >= 0, axis=1))

    @cached_property
    def box(self) -> npt.NDArray[np.float32]:
        return self._column("box")

    @cached_property
    def density(self) -> npt.NDArray[np.float32]:
        return self._column("density")

    @cached_property
    def label(self) -> npt.NDArray[np.int32]:
        return self._column("label")

    @cached_property
    def group(self) -> npt.NDArray[np.int32]:
        return self._column("group")

    @cached_property
    def subset(self) -> npt.NDArray[np.uint8]:
        return self._column("subset")

    @cached_property
    def clip(self) -> list[str]:
        """Names of the clips. Raises: CacheError if they are damaged."""
        try:
            return [str(name) for name in np.asarray(self._array("clip")[...])]  # TensorStore knows no strings
        except Exception as error:  # zarr and its codecs have many words for a damaged file
            raise self._unreadable("clip", error) from error

    def open_frames(self, *, context: ts.Context | None = None) -> ts.TensorStore:
        """TensorStore of ``frames``, uint8, shape (clips, slots, 3, size, size)."""
        return self.open_stream("frames", context=context)

    def open_stream(self, stream: Stream, *, context: ts.Context | None = None) -> ts.TensorStore:
        """TensorStore of ``frames`` or of ``motion``, int8, shape (clips, slots, 2, side, side)."""
        return open_stream(self.path, stream, context=context)

    def shard_file(self, shard: int, stream: Stream = "frames") -> Path:
        """The file that holds the frames or fields of clips ``shard * clips_per_shard`` and following."""
        return shard_file(self.path, shard, stream)

    def missing_shards(self, stream: Stream = "frames") -> list[int]:
        """Shards whose states say that there are frames while their file is gone; empty for a sound cache."""
        with_frames = np.flatnonzero(self.usable & (self.frame_counts > 0))
        shards = np.unique(with_frames // self.clips_per_shard)
        return [int(shard) for shard in shards if not self.shard_file(int(shard), stream).exists()]
