"""Reading a crop cache; its arrays are described in :mod:`~mocrop.pipeline.cache.layout`."""

from __future__ import annotations

import os
from functools import cached_property
from pathlib import Path
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import tensorstore as ts
import zarr
from zarr.codecs import ZstdCodec

from mocrop.pipeline.arrays import open_array
from mocrop.pipeline.cache.layout import SCHEMA_VERSION, USABLE, open_stream, shard_file
from mocrop.pipeline.choices import Stream
from mocrop.pipeline.errors import CacheError
from mocrop.pipeline.names import is_utf8


class CropCache:
    """A crop cache opened for reading.

    Columns (``state``, ``box``, ``label``, ...) are read whole on first use and raise CacheError if they are damaged;
    their shapes and dtypes are listed in :mod:`~mocrop.pipeline.cache.layout`. Frames are read through TensorStore.

    Args:
        path: the ``.zarr`` folder.
    Raises: CacheError if it is not a crop cache of this schema.
    """

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)
        if not is_utf8(os.fspath(self.path)):
            raise CacheError(f"the path of the cache {self.path} is not UTF-8; rename the folder")
        try:
            self._group = zarr.open_group(self.path, mode="r", zarr_format=3)
        except (FileNotFoundError, ValueError, KeyError) as error:
            raise CacheError(f"{self.path} is not a crop cache; make one with `mocrop precrop --size 192`") from error
        self.attributes = cast(dict[str, Any], self._group.attrs.asdict().get("mocrop") or {})
        if self.attributes.get("schema") != SCHEMA_VERSION:
            raise CacheError(
                f"{self.path}: crop cache of schema {self.attributes.get('schema')}, this mocrop reads schema "
                f"{SCHEMA_VERSION}; write it again with `mocrop precrop --overwrite`"
            )
        self.shape = cast(tuple[int, int, int, int, int], self._array("frames").shape)

    def _array(self, name: str) -> zarr.Array[Any]:
        return cast("zarr.Array[Any]", self._group[name])

    def _column(self, name: str) -> npt.NDArray[Any]:
        """Read a whole column of numbers. Raises: CacheError if it is damaged."""
        try:
            return open_array(self.path, name).read().result()  # TensorStore opens thousands of files at once
        except ValueError as error:
            raise self._unreadable(name, error) from error

    def _unreadable(self, name: str, error: Exception) -> CacheError:
        way_out = "`mocrop verify` says what is damaged and how to repair it"
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
        """Clips per shard; the last shard may have fewer."""
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
        """Names of the clips."""
        try:
            return [str(name) for name in np.asarray(self._array("clip")[...])]  # TensorStore has no string type
        except Exception as error:  # zarr and its codecs raise many kinds of errors for a damaged file
            raise self._unreadable("clip", error) from error

    def open_frames(self, *, context: ts.Context | None = None) -> ts.TensorStore:
        """Open ``frames``: uint8, shape (clips, slots, 3, size, size)."""
        return self.open_stream("frames", context=context)

    def open_stream(self, stream: Stream, *, context: ts.Context | None = None) -> ts.TensorStore:
        """Open ``frames``, or ``motion``: int8, shape (clips, slots, 2, side, side)."""
        return open_stream(self.path, stream, context=context)

    def shard_file(self, shard: int, stream: Stream = "frames") -> Path:
        """File with the frames or fields of the clips from ``shard * clips_per_shard`` on."""
        return shard_file(self.path, shard, stream)

    def missing_shards(self, stream: Stream = "frames") -> list[int]:
        """Shards that should hold frames by their states but whose file is missing; empty for an undamaged cache."""
        with_frames = np.flatnonzero(self.usable & (self.frame_counts > 0))
        shards = np.unique(with_frames // self.clips_per_shard)
        return [int(shard) for shard in shards if not self.shard_file(int(shard), stream).exists()]
