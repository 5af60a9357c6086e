"""Reading a crop cache; its arrays are described in :mod:`~mocrop.pipeline.cache.layout`."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterable, Iterator
from functools import cached_property
from pathlib import Path
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import tensorstore as ts
import zarr

from mocrop.pipeline.cache.dense import DenseWindows, window_slots
from mocrop.pipeline.cache.description import DENSE, damaged
from mocrop.pipeline.cache.layout import (
    CHECKSUMS,
    OF_WINDOWS,
    USABLE,
    boxes_of_slots,
    missing_files,
    open_stream,
    shard_file,
    slot_checksums,
    whole_frames,
)
from mocrop.pipeline.cache.mirror.shard_check import CHECKSUM_BYTES, ENTRY_BYTES, ShardFacts
from mocrop.pipeline.cache.open_cache import OpenCache
from mocrop.pipeline.choices import Stream
from mocrop.pipeline.errors import CacheError
from mocrop.pipeline.platform_calls import open_by_number


class CropCache(OpenCache):
    """A crop cache opened for reading.

    Columns (``state``, ``box``, ``label``, ...) are read whole on first use and raise CacheError if they are damaged;
    their shapes and dtypes are listed in :mod:`~mocrop.pipeline.cache.layout`. Frames are read through TensorStore.

    Args:
        path: the ``.zarr`` folder, or an address such as ``s3://bucket/name.zarr``, whose columns are read at once and
            whose shards are copied into a mirror on this machine when they are first needed.
        mirror, mirror_bytes: of an address, the folder for that, and the most that it may hold.
    Raises: CacheError if it is not a crop cache of this schema; AddressError if an address cannot be reached.
    """

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
    def compressed(self) -> bool:
        """Whether frames and motion fields are compressed inside their shards."""
        sharding = self._arrays["frames"]["codecs"][0]["configuration"]
        return any(codec["name"] == "zstd" for codec in sharding["codecs"])

    @property
    def has_motion(self) -> bool:
        """Whether there is a motion field for every frame."""
        return "motion" in self._arrays

    def item_shape(self, stream: Stream) -> tuple[int, int, int]:
        """Shape of one frame, (3, size, size), or of one motion field, (2, side, side).

        Raises: CacheError if the cache has no motion fields.
        """
        if stream == "motion" and not self.has_motion:
            raise CacheError(
                f"{self.path} has no motion fields; write a cache that has them with `mocrop precrop --motion-fields`, "
                "under another --name or with --overwrite"
            )
        return cast(tuple[int, int, int], tuple(self._arrays[stream]["shape"][2:]))

    @property
    def class_names(self) -> list[str]:
        return cast(list[str], self.attributes["class_names"])

    @property
    def split_names(self) -> list[str]:
        return cast(list[str], self.attributes["split_names"])

    @cached_property
    def usable(self) -> npt.NDArray[np.bool_]:
        """bool, shape (clips,): True where frames may be read, states 1 and 2."""
        return np.isin(self.state, USABLE)

    @cached_property
    def frame_index(self) -> npt.NDArray[np.int32]:
        return self._column("frame_index")

    @cached_property
    def frame_counts(self) -> npt.NDArray[Any]:
        """int, shape (clips,): number of used slots, which are the first ones of each clip."""
        return np.asarray(np.count_nonzero(self.frame_index >= 0, axis=1))

    @cached_property
    def box(self) -> npt.NDArray[np.float32]:
        return self._column("box")

    @cached_property
    def slot_box(self) -> npt.NDArray[np.float32]:
        """float32, shape (clips, slots, 4): the box of each used slot; of a cache from before schema 3 its one box."""
        if self.has_column("slot_box"):
            return self._column("slot_box")
        return boxes_of_slots(self.box, self.frame_index >= 0)

    @cached_property
    def picture(self) -> npt.NDArray[np.float32]:
        """float32, shape (clips, 4): part of the frame that ``density`` spans."""
        return self._column("picture") if self.has_column("picture") else whole_frames(self.usable)

    @cached_property
    def content(self) -> npt.NDArray[np.float32]:
        """float32, shape (clips, slots, 4): what is not padding in the frame of each used slot."""
        return self._column("content") if self.has_column("content") else whole_frames(self.frame_index >= 0)

    @cached_property
    def dense(self) -> DenseWindows | None:
        """The windows that the slots are of; None for a cache without windows.

        Raises: CacheError if what the cache says of them cannot be right.
        """
        told: Any = self.attributes.get(DENSE)
        if told is None and not self.has_column(OF_WINDOWS):
            return None
        try:
            dense = DenseWindows(**told)
            if (shape := self._arrays[OF_WINDOWS]["shape"]) != [len(self), dense.windows]:
                raise ValueError(f"{OF_WINDOWS} has shape {shape} for {dense.windows} windows a clip")
            if dense.slots != self.frames_per_clip:
                raise ValueError(f"{self.frames_per_clip} slots for {dense.slots} frames of windows")
        except (TypeError, ValueError, KeyError) as error:
            raise damaged(self.path, f"its windows: {error}") from error
        return dense

    @cached_property
    def window(self) -> npt.NDArray[np.int32]:
        """int32, shape (clips, windows): source frame that each window begins with, ascending; -1 = unused.

        Raises: CacheError if the cache has no windows.
        """
        self._required_dense()
        return self._column(OF_WINDOWS)

    @cached_property
    def window_slots(self) -> npt.NDArray[np.int64]:
        """int64, shape (clips, windows, frames): the slot of each frame of each window, as :func:`.dense.window_slots`.

        Unused windows of a clip repeat the others in turn; a clip without frames has slot 0 everywhere.

        Raises: CacheError if the cache has no windows, or they are not those of its frames.
        """
        try:
            return window_slots(self.frame_index, self.window, self._required_dense())
        except ValueError as error:
            raise self._unreadable(OF_WINDOWS, error) from error

    def _required_dense(self) -> DenseWindows:
        if self.dense is None:
            raise CacheError(
                f"{self.path} has no windows of neighbouring frames; write a cache that has them with `mocrop precrop "
                "--select dense`, under another --name or with --overwrite"
            )
        return self.dense

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
    def labels(self) -> npt.NDArray[np.uint8] | None:
        """uint8, shape (clips, classes): 1 for each class of a clip; None where a clip has one at most."""
        return self._column("labels") if self.has_column("labels") else None

    @cached_property
    def checksum(self) -> npt.NDArray[np.uint32]:
        """uint32, shape (clips, slots): checksum of each frame; all frames of a cache of schema 1 are read for it."""
        return self._column("checksum") if self.checked else self._computed_checksums("frames")

    @cached_property
    def motion_checksum(self) -> npt.NDArray[np.uint32]:
        """uint32, shape (clips, slots): checksum of each motion field; see :attr:`checksum`."""
        return self._column("motion_checksum") if self.checked else self._computed_checksums("motion")

    def _computed_checksums(self, stream: Stream) -> npt.NDArray[np.uint32]:
        used = np.where(self.usable, self.frame_counts, 0)
        values = np.zeros(self.shape[:2], np.uint32)
        self.fetch_shards(self._shards_with_frames(), stream)
        array = self.open_stream(stream)
        try:
            for row in np.flatnonzero(used).tolist():
                values[row] = slot_checksums(array[row, : used[row]].read().result(), of=self.frames_per_clip)
        except ValueError as error:
            raise self._unreadable(stream, error) from error
        return values

    @cached_property
    def clip(self) -> list[str]:
        """Names of the clips."""

        def read() -> list[str]:
            if missing := missing_files(self.path, "clip", (len(self),), [0]):
                raise FileNotFoundError(f"{missing[0].relative_to(self.path)} is missing")
            array = zarr.open_array(self.path / "clip", mode="r", zarr_format=3)
            return [str(name) for name in np.asarray(array[...])]  # TensorStore has no string type

        return self._sound("clip", read, damage=Exception)  # zarr and its codecs raise many kinds of errors

    def open_frames(self, *, context: ts.Context | None = None) -> ts.TensorStore:
        """Open ``frames``: uint8, shape (clips, slots, 3, size, size)."""
        return self.open_stream("frames", context=context)

    def open_stream(self, stream: Stream, *, context: ts.Context | None = None) -> ts.TensorStore:
        """Open ``frames``, or ``motion``: int8, shape (clips, slots, 2, side, side)."""
        return open_stream(self.path, stream, context=context, must_be_there=self.mirror is not None)

    def shard_file(self, shard: int, stream: Stream = "frames") -> Path:
        """File with the frames or fields of the clips from ``shard * clips_per_shard`` on."""
        return shard_file(self.path, shard, stream)

    def missing_shards(self, stream: Stream = "frames") -> list[int]:
        """Shards that should hold frames by their states but whose file is missing; empty for an undamaged cache.

        Of a cache at an address those that have not been fetched.
        """
        return [shard for shard in self._shards_with_frames() if not self.shard_file(shard, stream).exists()]

    def _shards_with_frames(self) -> list[int]:
        with_frames = np.flatnonzero(self.usable & (self.frame_counts > 0))
        return [int(shard) for shard in np.unique(with_frames // self.clips_per_shard)]

    def shown_shard(self, shard: int, stream: Stream = "frames") -> str:
        """Name of a shard's file for people: its path, or its address."""
        file = self.shard_file(shard, stream)
        return str(file) if self.mirror is None else self.mirror.shown(file)

    def open_shard(self, shard: int, stream: Stream = "frames") -> int:
        """Open a shard's file for reading; one at an address is fetched first, and stays while it is open.

        Returns: its descriptor.
        Raises: OSError; AddressError, CacheError or DiskFullError if it cannot be fetched.
        """
        file = self.shard_file(shard, stream)
        return open_by_number(file) if self.mirror is None else self.mirror.open(file, self._facts(shard, stream))

    def fetch_shards(self, shards: Iterable[int], stream: Stream = "frames") -> None:
        """Have shards of a cache at an address in its mirror, several at once. Raises: as :meth:`open_shard`."""
        if self.mirror is not None:
            self.mirror.ensure_all([(self.shard_file(each, stream), self._facts(each, stream)) for each in shards])

    @contextlib.contextmanager
    def held_shards(self, shards: Iterable[int], stream: Stream = "frames") -> Iterator[None]:
        """Have shards in the mirror, and keep them there while the body runs. Raises: as :meth:`open_shard`."""
        if self.mirror is None:
            yield
            return
        with self.mirror.opened([(self.shard_file(each, stream), self._facts(each, stream)) for each in shards]):
            yield

    def forget_shard(self, shard: int, stream: Stream = "frames") -> None:
        """Delete a damaged shard from the mirror, so that it is fetched anew; without effect on a cache of its own."""
        if self.mirror is not None:
            self.mirror.forget(self.shard_file(shard, stream))

    def shard_bytes(self, stream: Stream = "frames") -> int:
        """Bytes of a full shard, uncompressed."""
        each = math.prod(self.item_shape(stream)) + CHECKSUM_BYTES + ENTRY_BYTES
        return self.clips_per_shard * self.frames_per_clip * each + CHECKSUM_BYTES

    def stored_bytes(self, stream: Stream = "frames") -> int:
        """Bytes of all shards, or of a compressed cache the most that they can have."""
        used = int(np.sum(self.frame_counts[self.usable])) * (math.prod(self.item_shape(stream)) + CHECKSUM_BYTES)
        index = self.clips_per_shard * self.frames_per_clip * ENTRY_BYTES + CHECKSUM_BYTES
        return used + len(self._shards_with_frames()) * index

    def _facts(self, shard: int, stream: Stream) -> Callable[[], ShardFacts]:
        rows = slice(shard * self.clips_per_shard, (shard + 1) * self.clips_per_shard)

        def facts() -> ShardFacts:
            checksums = getattr(self, CHECKSUMS[stream])[rows] if self.checked else None
            return ShardFacts(
                clips=self.clips_per_shard, slots=self.frames_per_clip, checksums=checksums, compressed=self.compressed
            )

        return facts
