"""Read frames or motion fields straight from the shard files of an uncompressed crop cache.

An uncompressed frame is in its shard file byte for byte, followed by its CRC-32C, so one system call copies it from the
page cache into the caller's memory; a Zarr library in between takes several times as long. A memory map would take a
quarter less time, but every page it has touched would count as memory of this process, and a read error of the disk
would kill it.

A first pass reads the frames that are in the page cache; all others are requested before the first is waited for, so
that the disk has a whole batch to work on. On an NVMe disk that reads a batch about three times as fast as frame after
frame, and leaves larger pages behind, from which later epochs copy faster.

The layout is the ``sharding_indexed`` codec of Zarr v3 with its index at the end: (offset, size) of every frame, then a
CRC-32C.
"""

from __future__ import annotations

import math
import os
from functools import lru_cache
from typing import Any

import google_crc32c
import numpy as np
import numpy.typing as npt

from mocrop.pipeline.cache.crop_cache import CropCache
from mocrop.pipeline.cache.layout import CHECKSUMS
from mocrop.pipeline.choices import Stream
from mocrop.pipeline.errors import CacheError
from mocrop.pipeline.platform_calls import CAN_READ_AT, IF_IN_MEMORY, WILL_NEED, advise, most_open_files, read_at

Bytes = npt.NDArray[np.uint8]
IntArray = npt.NDArray[np.int64]
MISSING = 2**64 - 1  # offset and size, in the index, of an all-zero frame, which is not stored
CHECKSUM_BYTES = 4
CHECKED, IN_FILE = -1, -2  # instead of a frame's checksum: it was compared already; it stands behind the frame
MAX_OPEN_FILES = 1024
OTHER_FRAMES = "is damaged, of another cache, or was written again since the cache was opened"
CACHE_WAY_OUT = "copy the cache again, or write it again with `mocrop precrop --overwrite`"


class ShardFiles:
    """The shard files of one cache, open for reading from any number of threads and forked processes.

    When a frame is first read from an open file, its checksum is compared with that behind it and with that in the
    cache's column, so that a frame of another cache, or one written since, is noticed too; a truncated frame is noticed
    at every read. The same holds for motion fields. Caches of schema 1 have no such column.

    Raises: ValueError if the cache is compressed.
    """

    def __init__(self, cache: CropCache, stream: Stream = "frames") -> None:
        if cache.compressed:
            raise ValueError(f"{cache.path} is compressed; only uncompressed frames can be read from shard files")
        if not CAN_READ_AT:
            raise NotImplementedError("this system has no call that reads into memory from a place in a file")
        self._cache = cache
        self._index_shape = (cache.clips_per_shard, cache.frames_per_clip)  # also of a short last shard
        self._stream = stream
        self._frame_bytes = math.prod(cache.item_shape(stream))
        self._checked = np.zeros(cache.shape[:2], dtype=np.bool_)
        # read now: a forked process cannot open columns
        self._checksums = getattr(cache, CHECKSUMS[stream]) if cache.checked else None
        # what it drops is closed once no thread reads it
        self._file = lru_cache(maxsize=_open_files(cache, stream))(self._open)
        self._fetched: set[int] = set()  # shards that were in the mirror once
        self._may_lack = cache.mirror is not None
        self._bounded = cache.mirror is not None and cache.mirror.place.most_bytes is not None
        if cache.mirror is not None:
            cache.mirror.holds_files(self)

    def read(self, clips: IntArray, slots: IntArray, out: npt.NDArray[np.uint8]) -> None:
        """Read frame ``slots[i]`` of clip ``clips[i]`` into ``out[i]``.

        Args:
            clips, slots: int64, shape (n,), within the cache.
            out: uint8, shape (n, ...), C-contiguous, each row as large as a frame; overwritten.
        Raises: CacheError if a shard file is missing, cut off or damaged.
        """
        shards, rows = np.divmod(clips, self._index_shape[0])
        if self._may_lack:
            self._fetch(set(shards.tolist()))
        files = [self._file(shard) for shard in shards.tolist()]
        places = (rows * self._index_shape[1] + slots).tolist()
        expected = self._expected(clips, slots)
        reads = list(zip(files, places, out.reshape(-1, self._frame_bytes), expected, strict=True))
        try:
            on_disk = _unread(reads, IF_IN_MEMORY)
            for file, place, *_ in on_disk:
                file.prefetch(place)
            if cut_off := _unread(on_disk):
                raise self._error(cut_off[0][0].shard, "is cut off or cannot be read")
        except _DamagedFrameError as error:
            raise self._error(error.shard, f"{OTHER_FRAMES} (checksum of {self._frame_name(error)})") from error
        self._checked[clips, slots] = True

    def _fetch(self, shards: set[int]) -> None:
        """Have shards in the mirror, several at once; where it never loses any, each is asked for once."""
        if self._bounded:
            self._cache.fetch_shards(shards, self._stream)
        elif new := shards - self._fetched:
            self._cache.fetch_shards(new, self._stream)
            self._fetched |= new
            self._may_lack = len(self._fetched) * self._index_shape[0] < len(self._cache)

    def release_files(self) -> None:
        """Close all files that no thread reads just now."""
        self._file.cache_clear()

    def _expected(self, clips: IntArray, slots: IntArray) -> list[int]:
        """Checksum to compare each frame with; IN_FILE: the one behind it, CHECKED: none."""
        of_new = IN_FILE if self._checksums is None else self._checksums[clips, slots].astype(np.int64)
        expected: list[int] = np.where(self._checked[clips, slots], CHECKED, of_new).tolist()
        return expected

    def _open(self, shard: int) -> _ShardFile:
        try:
            rows = self._index_shape[0]
            self._checked[shard * rows : (shard + 1) * rows] = False  # it may have been written again
            descriptor = self._cache.open_shard(shard, self._stream)
            file = _ShardFile(descriptor, shard, self._index_shape, self._frame_bytes)
            self._cache.require_same_folder()
            return file
        except FileNotFoundError as error:
            self._cache.require_same_folder()
            raise self._error(shard, "is missing") from error
        except _DamagedIndexError as error:
            raise self._error(shard, str(error)) from error
        except OSError as error:
            raise self._error(shard, f"cannot be opened ({error.strerror})") from error

    def _frame_name(self, damaged: _DamagedFrameError) -> str:
        row, slot = divmod(damaged.place, self._index_shape[1])
        return f"slot {slot} of {self._cache.clip[damaged.shard * self._index_shape[0] + row]}"

    def _error(self, shard: int, fact: str) -> CacheError:
        rows = self._index_shape[0]
        names = self._cache.clip[shard * rows : (shard + 1) * rows]
        self._cache.forget_shard(shard, self._stream)
        file = self._cache.shown_shard(shard, self._stream)
        return CacheError(f"{file} {fact}: clips {names[0]} to {names[-1]} cannot be read; {CACHE_WAY_OUT}")


class _DamagedIndexError(Exception):
    """The index of a shard file is damaged."""


class _DamagedFrameError(Exception):
    """A frame does not have the checksum that is stored behind it."""

    def __init__(self, shard: int, place: int) -> None:
        super().__init__(shard, place)
        self.shard, self.place = shard, place


class _ShardFile:
    """A shard file open for reading, and its index; ``place`` is a frame's position in the index.

    Args:
        descriptor: of the file, which is closed with this.

    Attributes:
        shard: its number.
        offsets: of each frame, in bytes from the start of the file; -1 for a frame that is not stored.
    """

    def __init__(self, descriptor: int, shard: int, shape: tuple[int, int], frame_bytes: int) -> None:
        self._descriptor = descriptor
        self.shard = shard
        self._frame_bytes = frame_bytes
        self.offsets: list[int] = _read_index(self._descriptor, shape, frame_bytes).reshape(-1).tolist()

    def __del__(self) -> None:
        os.close(self._descriptor)

    def read(self, place: int, out: Bytes, expected: int, flags: int) -> bool:
        """Read a frame into ``out``, which is as large; return whether all of it could be read.

        Args:
            expected: its checksum, besides the one behind it; IN_FILE: that alone; CHECKED: it need not be compared.
        Raises: _DamagedFrameError if the checksum differs.
        """
        offset = self.offsets[place]
        if offset < 0:
            if expected > 0:
                raise _DamagedFrameError(self.shard, place)
            out[:] = 0  # an unused slot
            return True
        if expected == CHECKED:
            return self._read_at(offset, [out], flags) == len(out)
        stored = bytearray(CHECKSUM_BYTES)
        if self._read_at(offset, [out, stored], flags) != len(out) + CHECKSUM_BYTES:
            return False
        checksum = google_crc32c.value(out)  # now, while the frame is in the CPU's cache
        if checksum != int.from_bytes(stored, "little") or (expected != IN_FILE and checksum != expected):
            raise _DamagedFrameError(self.shard, place)
        return True

    def _read_at(self, offset: int, buffers: list[Any], flags: int) -> int:
        """Fill ``buffers`` one after the other from ``offset`` on; return the number of bytes read."""
        try:
            return read_at(self._descriptor, buffers, offset, flags)
        except OSError:  # a failing disk, a lost network drive, or, with IF_IN_MEMORY, not in memory
            return 0

    def prefetch(self, place: int) -> None:
        """Ask the system to load a frame and its checksum, without waiting for them."""
        advise(self._descriptor, self.offsets[place], self._frame_bytes + CHECKSUM_BYTES, WILL_NEED)


_Read = tuple[_ShardFile, int, Bytes, int]  # file, place in its index, destination, checksum to compare with


def _unread(reads: list[_Read], flags: int = 0) -> list[_Read]:
    """Do all reads that can be done; return the others."""
    return [read for read in reads if not read[0].read(*read[1:], flags)]  # terse for speed: 100,000 frames a second


def _read_index(descriptor: int, shape: tuple[int, int], frame_bytes: int) -> IntArray:
    """Offsets of all frames, int64, of ``shape``; -1 for frames that are not stored."""
    entries_bytes = 16 * shape[0] * shape[1]
    start = os.fstat(descriptor).st_size - entries_bytes - CHECKSUM_BYTES
    if start < 0:
        raise _DamagedIndexError("is cut off")
    buffer = bytearray(entries_bytes + CHECKSUM_BYTES)
    index = bytes(buffer[: read_at(descriptor, [buffer], start, 0)])
    entries, checksum = index[:entries_bytes], index[entries_bytes:]
    if google_crc32c.value(entries) != int.from_bytes(checksum, "little"):
        raise _DamagedIndexError("is cut off or damaged (checksum of its index)")
    offset, size = np.moveaxis(np.frombuffer(entries, dtype="<u8").reshape(*shape, 2), -1, 0)
    stored = offset != MISSING
    if np.any(size[stored] != frame_bytes + CHECKSUM_BYTES):
        raise _DamagedIndexError("holds frames of another size than the cache declares")
    return np.where(stored, offset, MISSING).astype(np.int64)  # MISSING becomes -1


def _open_files(cache: CropCache, stream: Stream) -> int:
    """How many shard files to keep open: a quarter of what the process may, at most ``MAX_OPEN_FILES``.

    Of a bounded mirror an eighth, as no file that is open is deleted to make room for others.
    """
    most = max(1, min(MAX_OPEN_FILES, most_open_files() // 4))
    if cache.mirror is None or cache.mirror.place.most_bytes is None:
        return most
    return max(1, min(most, cache.mirror.place.most_bytes // 8 // cache.shard_bytes(stream)))
