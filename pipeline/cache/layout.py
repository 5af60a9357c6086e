"""Arrays of a crop cache, and the files that they are in.

A crop cache is a self-contained Zarr v3 group of cropped frames, one row per clip:

===================  ==================================  ======================================================
array                shape, dtype                        meaning
===================  ==================================  ======================================================
``frames``           (clips, frames, 3, size, size) u1   RGB; chunk = one frame, shard = ``clips_per_shard`` clips
``frame_index``      (clips, frames) int32               source frame of each slot, ascending; -1 = unused slot
``box``              (clips, 4) float32                  left, top, right, bottom, fractions of the frame; of a moving
                                                         box the mean of its slots
``slot_box``         (clips, frames, 4) float32          the box of each used slot, 0 of the others
``picture``          (clips, 4) float32                  part of the frame that ``density`` spans: the whole frame, or
                                                         the picture inside black bars that were cut off
``density``          (clips, rows, cols) float32         map that the box was found on; zeros without one
``label``            (clips,) int32                      class index; of several the first; -1: none
``group``            (clips,) int32                      see pipeline.groups; -1 where there is none
``subset``           (clips, splits) uint8               0 in no list, 1 train, 2 test, 3 validation
``labels``           (clips, classes) uint8              optional: 1 for each class of a clip that may have several
``clip``             (clips,) string                     path under the data set, without suffix
``state``            (clips,) uint8                      see :class:`ClipState`
``checksum``         (clips, frames) uint32              CRC-32C of each frame; 0 for an unused slot
``motion``           (clips, frames, 2, side, side) i1   optional: a motion field for each frame, x and y, laid out like
                                                         ``frames``; see :mod:`~mocrop.pipeline.motion.fields`
``motion_checksum``  as ``checksum``                     optional: CRC-32C of each motion field
``window``           (clips, windows) int32              optional, of caches of windows, see :mod:`.dense`: source frame
                                                         that each window begins with, ascending; -1 = unused window
``content``          (clips, frames, 4) float32          optional: left, top, right, bottom of what is not padding in
                                                         each used slot's frame, fractions of the frame; 0 of the others
===================  ==================================  ======================================================

Group attributes are stored under ``mocrop``. zarr-python creates the arrays and writes the table of clips (``label``,
``group``, ``subset``, ``labels``, ``clip``); TensorStore writes the rest, each file under a temporary name until it is
complete and on disk. A shard's ``state`` is written after everything else of that shard, so a killed writer leaves
state 0. Every chunk is stored, also one that is all zeros, with a CRC-32C; an unused slot is not stored and reads as
zeros. A file that is missing would read as zeros too, so readers look for it first, see
:meth:`~mocrop.pipeline.cache.crop_cache.CropCache.missing_shards`.

Caches of schema 1 and 2 have no columns ``slot_box`` and ``picture``: their boxes do not move, and they cut no bars.
Those of schema 1 have no columns of checksums, no checksums behind columns and metadata, and may lack columns of zeros.
Those of schema 3 and before know no ``labels`` and no validation lists; where a cache of schema 3 gets either, it
becomes one of schema 4, which an older mocrop refuses. All are read, and grow, as they are.

A cache of windows has its slots as any other, which is what an older mocrop finds in it. What is more, ``window`` and
the attribute ``dense``, that one neither reads nor writes: it does not know the settings, so that it writes no row.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from typing import Any, get_args

import numpy as np
import numpy.typing as npt
import tensorstore as ts

from mocrop.pipeline.arrays import open_array
from mocrop.pipeline.cache.dense import DenseWindows
from mocrop.pipeline.checksums import checksum
from mocrop.pipeline.choices import Compression, Stream
from mocrop.pipeline.limits import require_whole

STEPS_PER_PIXEL = 16  # of motion fields, whose pixels are those of the cropped frames
STREAMS: tuple[Stream, ...] = get_args(Stream)
VALIDATION = 3  # in `subset`; caches before schema 4 have none
CHECKSUMS: Mapping[Stream, str] = {"frames": "checksum", "motion": "motion_checksum"}  # column of each stream's
OF_BOXES = ("slot_box", "picture", "content")  # columns of schema 3; the last one only where crops are padded
OF_WINDOWS = "window"  # column of caches of dense windows only
SHARD_COLUMNS = ("state", "frame_index", "box", "density", *OF_BOXES, OF_WINDOWS, *CHECKSUMS.values())  # a file a shard
TABLE_COLUMNS = (
    "label",
    "group",
    "subset",
    "labels",
)  # the last one is optional; kept in step with the manifest, one file


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
    padded: bool = False  # whether frames may have padding, so that `content` tells where
    dense: DenseWindows | None = None  # the windows that the slots are of; None: there are none

    def __post_init__(self) -> None:
        for name in ("frames", "size", "clips_per_shard"):
            require_whole(name, getattr(self, name), least=1)
        if self.dense is not None and self.dense.slots != self.frames:
            raise ValueError(f"frames must be {self.dense.slots}, the slots of the windows, not {self.frames}")


@dataclass(frozen=True, kw_only=True)
class ClipTable:
    """Names, labels and splits of a cache's clips, known before any frame is cropped; one row per clip."""

    names: Sequence[str]
    label: npt.NDArray[np.int32]  # (clips,)
    group: npt.NDArray[np.int32]  # (clips,), -1 = none
    subset: npt.NDArray[np.uint8]  # (clips, splits): 0 in no list, 1 train, 2 test, 3 validation
    class_names: Sequence[str]
    split_names: Sequence[str]
    labels: npt.NDArray[np.uint8] | None = None  # (clips, classes): 1 for each class of a clip; None: one at most

    @property
    def schema_needed(self) -> int:
        """The first schema whose readers understand the table; an older one would take it for something else."""
        return 4 if self.labels is not None or bool(np.any(self.subset >= VALIDATION)) else 1


def open_stream(
    path: Path, stream: Stream, *, context: ts.Context | None = None, must_be_there: bool = False
) -> ts.TensorStore:
    """Open ``frames`` or ``motion`` of a cache with TensorStore; shapes and dtypes as in the table above.

    Args:
        must_be_there: reading what is not there, such as an unused slot, is an error rather than zeros.
    Raises: ValueError if it cannot be opened.
    """
    return open_array(  # black frames are stored
        path, stream, context=context, store_data_equal_to_fill_value=True, must_be_there=must_be_there
    )


def has_motion(path: Path) -> bool:
    """Whether a cache has motion fields."""
    return (path / "motion").is_dir()


def shard_file(path: Path, shard: int, stream: Stream = "frames") -> Path:
    """File of one shard of ``frames`` or ``motion``, as Zarr's default chunk keys name it."""
    return Path(path, f"{stream}/c/{shard}/0/0/0/0")


def has_column(path: Path, name: str) -> bool:
    """Whether a cache has a column; those of checksums are there from schema 2 on."""
    return (path / name).is_dir()


def column_file(path: Path, name: str, shard: int, dimensions: int) -> Path:
    """File of one shard of a column that is written with the frames and has this many dimensions."""
    return path.joinpath(name, "c", str(shard), *["0"] * (dimensions - 1))


def missing_files(path: Path, name: str, shape: Sequence[int], shards: Iterable[int]) -> list[Path]:
    """Files of a column that must be there and are not.

    Args:
        name: of the column.
        shape: of the column.
        shards: numbers of the shards that are written; of a column of the table, which has one file, 0.
    """
    files = (column_file(path, name, shard, len(shape)) for shard in shards) if 0 not in shape else ()
    return [file for file in files if not file.exists()]


def written_shards(path: Path) -> list[int]:
    """Numbers of the shards of a cache that precrop has begun to write, by what is there of any array."""
    return sorted(set().union(*(_shards_of(path, name) for name in ("frames", *SHARD_COLUMNS))))


def _shards_of(path: Path, name: str) -> set[int]:
    """Numbers of the shards of an array of which there is a file."""
    try:
        return {int(entry) for entry in os.listdir(path / name / "c") if entry.isdecimal()}
    except FileNotFoundError:
        return set()


def boxes_of_slots(box: npt.NDArray[np.float32], used: npt.NDArray[np.bool_]) -> npt.NDArray[np.float32]:
    """The box of every used slot, where that of the clip holds for all: float32, (clips, slots, 4); 0 for the others.

    Args:
        box: float32, shape (clips, 4).
        used: bool, shape (clips, slots).
    """
    return np.where(used[..., np.newaxis], box[:, np.newaxis], np.float32(0))


def whole_frames(used: npt.NDArray[np.bool_]) -> npt.NDArray[np.float32]:
    """The whole frame, (0, 0, 1, 1), wherever ``used`` is true, else zeros: float32, shape (*used.shape, 4)."""
    return np.where(used[..., np.newaxis], np.array([0, 0, 1, 1], np.float32), np.float32(0))


def slot_checksums(slots: npt.NDArray[Any], *, of: int) -> npt.NDArray[np.uint32]:
    """CRC-32C of each frame, or motion field, of a clip.

    Args:
        slots: the used ones, shape (n, ...).
        of: number of slots in the cache.
    Returns: uint32, shape (of,); 0 for unused slots.
    """
    values = np.zeros(of, np.uint32)
    values[: len(slots)] = [checksum(np.ascontiguousarray(slot)) for slot in slots]
    return values
