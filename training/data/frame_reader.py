"""Read frames or motion fields of any crop cache, compressed or not, into one contiguous array."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt
import tensorstore as ts

from mocrop.pipeline.cache.crop_cache import CropCache
from mocrop.pipeline.cache.layout import CHECKSUMS
from mocrop.pipeline.cache.mirror.ahead import Ahead
from mocrop.pipeline.cache.open_cache import replaced
from mocrop.pipeline.checksums import checksum
from mocrop.pipeline.choices import Stream
from mocrop.pipeline.errors import CacheError
from mocrop.pipeline.platform_calls import CAN_READ_AT
from mocrop.training.data.shard_files import CACHE_WAY_OUT, OTHER_FRAMES, ShardFiles

IntArray = npt.NDArray[np.int64]
Frames = npt.NDArray[np.uint8]
Fields = npt.NDArray[np.int8]
INDEX_CACHE_BYTES = 64 * 2**20  # without a cache TensorStore reads the index of a shard again for every frame


class FrameSource(Protocol):
    """Where frames or motion fields come from."""

    def read(self, clips: IntArray, slots: IntArray, out: Frames) -> None:
        """Read frame ``slots[i]`` of clip ``clips[i]`` into ``out[i]``; ``out`` is uint8 and C-contiguous."""
        ...


class FrameReader:
    """Reads frames or motion fields of one crop cache, from any thread; it pickles as the path of the cache.

    Uncompressed ones are read straight from their shard files; compressed ones, and all of them on a system that lacks
    the call for that, through TensorStore.

    Args:
        stream: frames or motion fields.
    Raises: CacheError if the cache has no motion fields.
    """

    def __init__(self, cache: CropCache, stream: Stream = "frames") -> None:
        self.cache = cache
        self.stream = stream
        self.item_shape = cache.item_shape(stream)
        self._all_there = False  # every shard, so that none need be fetched ahead
        self._limits = {"clip": len(cache), "slot": cache.frames_per_clip}
        self._source = self._opened()

    def _opened(self) -> FrameSource:
        source = ShardFiles if CAN_READ_AT and not self.cache.compressed else TensorStoreFrames
        return source(self.cache, self.stream)

    def __getstate__(self) -> tuple[Path, Stream, object]:
        return self.cache.path, self.stream, self._token()

    def _token(self) -> object:
        """Equal for a cache that is opened again, if it is the same one and no frame of it was written again."""
        return self.cache.token, checksum(self.cache.checksum) if self.cache.checked else None

    def __setstate__(self, state: tuple[Path, Stream, object]) -> None:
        """Raises: CacheError if there is another cache at the path by now."""
        path, stream, token = state
        self.__init__(CropCache(path), stream)  # type: ignore[misc]
        if self._token() != token:
            raise replaced(path)

    def ahead(self, batches: Sequence[IntArray]) -> Ahead | None:
        """Begin to fetch the shards of batches to come; None for a cache on this machine.

        Args:
            batches: for each, rows of the cache.
        Warns: UserWarning, once, if the mirror is smaller than the cache.
        """
        mirror = self.cache.mirror
        if mirror is None or self._all_there or not self.cache.missing_shards(self.stream):
            self._all_there = mirror is None or mirror.place.most_bytes is None  # then none is deleted, or hardly ever
            return None
        fits = mirror.warn_if_small(self.cache.stored_bytes(self.stream))
        most = None if fits else max(1, (mirror.place.most_bytes or 0) // 2 // self.cache.shard_bytes(self.stream))
        shards = [(rows // self.cache.clips_per_shard).tolist() for rows in batches]
        return Ahead(lambda shard: self.cache.fetch_shards([shard], self.stream), shards, most_shards=most)

    def read(self, clips: IntArray, slots: IntArray, *, out: Frames | None = None) -> Frames | Fields:
        """Read the chosen slots of some clips.

        Args:
            clips: int64, shape (n,), rows of the cache.
            slots: int64, shape (n, segments), or of more dimensions.
            out: uint8, shape (*slots.shape, *item_shape), C-contiguous, to be overwritten; None: a new array.
        Returns: ``out``, RGB; or, for motion fields, the same memory as int8.
        Raises: CacheError if a frame cannot be read; IndexError for clips or slots outside the cache; ValueError for an
            ``out`` of another shape.
        """
        shape = (*slots.shape, *self.item_shape)
        out = np.empty(shape, dtype=np.uint8) if out is None else out
        if out.shape != shape or not out.flags.c_contiguous:
            raise ValueError(f"out must be C-contiguous, of shape {shape}, not {out.shape}")
        flat_clips, flat_slots = np.repeat(clips, math.prod(slots.shape[1:])), slots.reshape(-1)
        for name, index in (("clip", flat_clips), ("slot", flat_slots)):
            if index.size and not 0 <= index.min() <= index.max() < self._limits[name]:
                raise IndexError(f"every {name} must be from 0 to {self._limits[name] - 1}")
        frames = out.reshape(-1, *self.item_shape)
        try:
            self._source.read(flat_clips, flat_slots, frames)
        except CacheError:
            if self.cache.mirror is None:
                raise
            self._source = self._opened()  # the damaged shard has left the mirror, and is fetched anew
            self._source.read(flat_clips, flat_slots, frames)
        return out if self.stream == "frames" else out.view(np.int8)


class TensorStoreFrames:
    """The frames or motion fields of one cache through TensorStore, whatever their codecs."""

    def __init__(self, cache: CropCache, stream: Stream = "frames") -> None:
        self._cache = cache
        self._stream = stream
        self._frames: ts.TensorStore | None = None
        self._process = os.getpid()

    def read(self, clips: IntArray, slots: IntArray, out: Frames) -> None:
        """Read one frame per pair into ``out``, uint8, shape (n, ...).

        Raises: CacheError if a shard file is missing or damaged.
        """
        shards = np.unique(clips // self._cache.clips_per_shard).tolist()
        try:
            opened = self._opened()
            with self._cache.held_shards(shards, self._stream):
                ts.array(out.view(opened.dtype.numpy_dtype)).write(opened.vindex[clips, slots]).result()
            self._cache.require_same_folder()
            self._require_content(clips, slots, out)
        except ValueError as error:  # what TensorStore raises for a damaged file, which it does not name
            for shard in shards:
                self._cache.forget_shard(shard, self._stream)
            raise CacheError(f"{self._cache.path}: {error}; {CACHE_WAY_OUT}") from error

    def _require_content(self, clips: IntArray, slots: IntArray, out: Frames) -> None:
        """Compare what was read with the cache's column of checksums: TensorStore opens the files again and again.

        Raises: CacheError.
        """
        if not self._cache.checked:
            return
        expected = getattr(self._cache, CHECKSUMS[self._stream])[clips, slots].tolist()
        for clip, frame, value in zip(clips.tolist(), out, expected, strict=True):
            if checksum(frame) != value and (value or frame.any()):  # an unused slot is zeros, and has 0
                shard = clip // self._cache.clips_per_shard
                self._cache.forget_shard(shard, self._stream)
                file = self._cache.shown_shard(shard, self._stream)
                raise CacheError(f"{file} {OTHER_FRAMES}: {self._cache.clip[clip]} cannot be read; {CACHE_WAY_OUT}")

    def _opened(self) -> ts.TensorStore:
        """The open array; opened at the first use, but never in a forked process, which TensorStore would abort."""
        if self._process != os.getpid():
            raise RuntimeError(
                "TensorStore, which reads compressed caches, does not survive a fork: give DataLoader "
                'multiprocessing_context="forkserver" or "spawn", or use CropLoader, which needs no processes'
            )
        if self._frames is None:
            require_shards(self._cache, self._stream)
            context = ts.Context({"cache_pool": {"total_bytes_limit": INDEX_CACHE_BYTES}})
            self._frames = self._cache.open_stream(self._stream, context=context)
        return self._frames


def require_shards(cache: CropCache, stream: Stream = "frames") -> None:
    """Check that every shard file that should hold frames or motion fields exists; at an address, that is seen later.

    Raises: CacheError that names the first that is missing.
    """
    # Zarr libraries read a missing shard as zeros
    if cache.mirror is None and (missing := cache.missing_shards(stream)):
        first = cache.shard_file(missing[0], stream)
        raise CacheError(f"{cache.path}: {len(missing)} shard files are missing, the first is {first}; {CACHE_WAY_OUT}")
