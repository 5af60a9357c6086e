"""Write crop caches shard by shard, each file whole and the states last."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import tensorstore as ts

from mocrop.pipeline.arrays import open_array, worker_context
from mocrop.pipeline.cache.layout import (
    OF_WINDOWS,
    SHARD_COLUMNS,
    STREAMS,
    USABLE,
    ClipState,
    boxes_of_slots,
    column_file,
    has_column,
    has_motion,
    open_stream,
    shard_file,
    slot_checksums,
    whole_frames,
)
from mocrop.pipeline.errors import CacheError


@dataclass(frozen=True, kw_only=True)
class Shard:
    """Everything one precrop unit writes; rows are the ``n = len(state)`` clips from ``first`` on."""

    first: int
    frames: Sequence[npt.NDArray[np.uint8]]  # per clip (used slots, 3, size, size); may have no slots
    frame_index: npt.NDArray[np.int32]  # (n, frames)
    box: npt.NDArray[np.float32]  # (n, 4)
    density: npt.NDArray[np.float32]  # (n, rows, cols)
    state: npt.NDArray[np.uint8]  # (n,)
    motion: Sequence[npt.NDArray[np.int8]] = ()  # per clip (used slots, 2, side, side); empty: no fields
    slot_box: npt.NDArray[np.float32] | None = None  # (n, frames, 4); None: `box` for every used slot
    picture: npt.NDArray[np.float32] | None = None  # (n, 4); None: the whole frame of every usable clip
    content: npt.NDArray[np.float32] | None = None  # (n, frames, 4); None: there is no padding
    window: npt.NDArray[np.int32] | None = None  # (n, windows); None: the cache has no windows

    def column(self, name: str) -> npt.NDArray[Any]:
        """The rows of one column."""
        values: npt.NDArray[Any] | None = getattr(self, name)
        if values is not None:
            return values
        if name == "picture":
            return whole_frames(np.isin(self.state, USABLE))
        used = self.frame_index >= 0
        return boxes_of_slots(self.box, used) if name == "slot_box" else whole_frames(used)

    @property
    def checksum(self) -> npt.NDArray[np.uint32]:
        """Checksum of each frame, shape (n, frames)."""
        return self._checksums(self.frames)

    @property
    def motion_checksum(self) -> npt.NDArray[np.uint32]:
        """Checksum of each motion field, shape (n, frames)."""
        return self._checksums(self.motion)

    def _checksums(self, clips: Sequence[npt.NDArray[Any]]) -> npt.NDArray[np.uint32]:
        return np.stack([slot_checksums(clip, of=self.frame_index.shape[1]) for clip in clips])


class CacheWriter:
    """Writes whole shards of one cache; writers of different shards never touch the same file.

    Args:
        path: the ``.zarr`` folder.
    Raises: CacheError if there is no cache.
    """

    def __init__(self, path: Path) -> None:
        context = worker_context()
        self._path = path
        try:
            self._frames = open_stream(path, "frames", context=context)
            self._motion = open_stream(path, "motion", context=context) if has_motion(path) else None
            there = (name for name in SHARD_COLUMNS if has_column(path, name))
            self._columns = {name: self._open_column(name, context) for name in there if name != "state"}
            self._state = self._open_column("state", context)
        except ValueError as error:
            raise CacheError(f"{path} is not a crop cache that can be written to ({error})") from error
        self._clips = self._frames.shape[0]
        self._clips_per_shard = cast("tuple[int, ...]", self._frames.chunk_layout.write_chunk.shape)[0]

    def _open_column(self, name: str, context: ts.Context) -> ts.TensorStore:
        return open_array(self._path, name, context=context, store_data_equal_to_fill_value=True)

    def write(self, shard: Shard) -> None:
        """Write one shard, its states last. Equal shards give equal bytes, whatever was there before.

        Raises: ValueError if the rows are not exactly those of one shard, or if motion fields or windows are missing or
            too many.
        """
        index, offset = divmod(shard.first, self._clips_per_shard)
        rows = slice(shard.first, min(shard.first + self._clips_per_shard, self._clips))
        if offset or len(shard.frames) != rows.stop - rows.start:
            raise ValueError(f"{len(shard.frames)} clips from {shard.first} on are not one shard of {self._path}")
        if len(shard.motion) != (len(shard.frames) if self._motion is not None else 0):
            raise ValueError(f"motion fields of {len(shard.motion)} clips do not fit {self._path}")
        if (shard.window is not None) != (OF_WINDOWS in self._columns):
            raise ValueError(f"windows are missing, or {self._path} has none")
        not_written = np.full(rows.stop - rows.start, ClipState.NOT_WRITTEN, np.uint8)
        self._write_column("state", self._state, rows, index, not_written)
        for stream in STREAMS:
            shard_file(self._path, index, stream).unlink(missing_ok=True)
        self._write_frames(shard)
        for name, array in self._columns.items():
            self._write_column(name, array, rows, index, shard.column(name))
        self._write_column("state", self._state, rows, index, shard.state)

    def _write_column(
        self, name: str, array: ts.TensorStore, rows: slice, index: int, values: npt.NDArray[Any]
    ) -> None:
        """Write the rows of one shard."""
        try:
            array[rows].write(values).result()
        except ValueError:  # TensorStore reads a shorter last shard before it writes it, and what is there is damaged
            column_file(self._path, name, index, array.ndim).unlink(missing_ok=True)
            array[rows].write(values).result()

    def _write_frames(self, shard: Shard) -> None:
        """Write motion fields, then frames, whose file later shows that the shard is there."""
        if self._motion is not None:
            _write_slots(self._motion, shard.motion, first=shard.first)
        _write_slots(self._frames, shard.frames, first=shard.first)


def _write_slots(stream: ts.TensorStore, clips: Sequence[npt.NDArray[Any]], *, first: int) -> None:
    """Write the used slots of all clips in one transaction, so that the shard is encoded and written once."""
    with ts.Transaction() as transaction:
        shard = stream.with_transaction(transaction)
        used = [(row, clip) for row, clip in enumerate(clips, start=first) if len(clip)]
        writes = [shard[row, : len(clip)].write(clip) for row, clip in used]
        for write in writes:  # all are kept until here: TensorStore drops a write whose future is gone
            write.copy.result()
