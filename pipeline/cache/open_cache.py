"""A crop cache that is open: its folder, which must stay the same one, and its columns, read whole and checked."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar, cast

import numpy as np
import numpy.typing as npt

from mocrop.pipeline.address import is_address
from mocrop.pipeline.arrays import open_array
from mocrop.pipeline.cache.description import group_file, read_attributes, require_sound
from mocrop.pipeline.cache.layout import SHARD_COLUMNS, missing_files, written_shards
from mocrop.pipeline.cache.mirror.mirror import Mirror
from mocrop.pipeline.cache.mirror.open_mirror import columns_record, open_mirror, renew_columns
from mocrop.pipeline.cache.mirror.place import mirror_at
from mocrop.pipeline.errors import CacheError
from mocrop.pipeline.names import is_utf8
from mocrop.pipeline.platform_calls import HeldFolder

Result = TypeVar("Result")


def replaced(path: Path) -> CacheError:
    """The error for a cache whose place another one has taken since it was opened."""
    return CacheError(f"{path} was replaced or removed while it was read; start again")


class OpenCache:
    """The folder of a crop cache, opened for reading, and what its columns are read by.

    Args:
        path: the ``.zarr`` folder, or an address such as ``s3://bucket/name.zarr``.
        mirror: of an address, the folder that keeps what is read of it; None: that of the user, see docs/cloud.md.
        mirror_bytes: the most that this folder may hold; None: what the disk has, but for a reserve.
    Attributes:
        path: the folder; of a cache at an address, its mirror.
        mirror: brings shards there; None for a cache of its own.
    Raises: CacheError if it is not a crop cache of this schema; AddressError if it cannot be reached.
    """

    def __init__(self, path: Path | str, *, mirror: Path | str | None = None, mirror_bytes: int | None = None) -> None:
        if is_address(path):
            path = open_mirror(str(path), mirror=mirror, most_bytes=mirror_bytes)
        place = mirror_at(Path(path))
        self.path = Path(path) if place is None else place.folder  # absolute, as the mirror names its files
        self.mirror = None if place is None else Mirror(place)
        self._columns_record = b"" if place is None else columns_record(place)
        if not is_utf8(os.fspath(self.path)):
            raise CacheError(f"the path of the cache {self.path} is not UTF-8; rename the folder")
        self._folder = HeldFolder(self.path)
        self.attributes, self._group_bytes = read_attributes(self.path)
        self._arrays = require_sound(self.path, self.attributes)
        self.shape = cast(tuple[int, int, int, int, int], tuple(self._arrays["frames"]["shape"]))

    def require_same_folder(self) -> None:
        """Check that the cache is the one that was opened; to be called after a file was opened or read.

        Raises: CacheError if another cache is in its place, or none.
        """
        if not self._folder.is_still_there():
            raise replaced(self.path)

    @property
    def token(self) -> object:
        """Equal for a cache that is opened again at the same path, also in another process, if it is the same one."""
        return self._folder.identity, self.attributes.get("checksum")

    def _require_unchanged(self) -> None:
        """Raises: CacheError if another cache is in its place, or its table was changed since it was opened."""
        self.require_same_folder()
        if self.mirror is not None and columns_record(self.mirror.place) != self._columns_record:
            raise CacheError(f"{self.mirror.place.address} was written again while it was read; start again")
        try:
            same = group_file(self.path).read_bytes() == self._group_bytes
        except FileNotFoundError:
            same = False
        if not same:
            raise CacheError(f"{self.path} was changed by `mocrop precrop` while it was read; start again")

    @property
    def checked(self) -> bool:
        """Whether there is a checksum behind every byte, as from schema 2 on."""
        return bool(self.attributes["schema"] >= 2)

    @property
    def clips_per_shard(self) -> int:
        """Clips per shard; the last shard may have fewer."""
        return cast(int, self._arrays["frames"]["chunk_grid"]["configuration"]["chunk_shape"][0])

    @property
    def array_names(self) -> list[str]:
        """Names of all its arrays, sorted."""
        return sorted(self._arrays)

    def has_column(self, name: str) -> bool:
        """Whether there is such a column; those of checksums are optional."""
        return name in self._arrays

    def _column(self, name: str) -> npt.NDArray[Any]:
        """Read a whole column of numbers. Raises: CacheError if it is damaged."""

        def read() -> npt.NDArray[Any]:
            values = open_array(self.path, name).read().result()  # TensorStore opens thousands of files at once
            if missing := self.missing_files(name, values):
                raise ValueError(f"{missing[0].relative_to(self.path)} is missing")
            return values

        return self._sound(name, read)

    def _sound(self, name: str, read: Callable[[], Result], *, damage: type[Exception] = ValueError) -> Result:
        """What ``read`` makes of a column; if it is damaged in a mirror, it is fetched anew.

        Args:
            damage: what ``read`` raises for a damaged file.
        Raises: CacheError.
        """
        try:
            values = read()
        except damage as error:
            if self.mirror is None:
                raise self._unreadable(name, error) from error
            renew_columns(self.mirror.place)
            try:
                values = read()
            except damage as again:
                raise self._unreadable(name, again) from again
        self._require_unchanged()
        return values

    def missing_files(self, name: str, values: npt.NDArray[Any]) -> list[Path]:
        """Files of a column that must be there and are not; ``values`` are those that were read.

        A missing file reads as the fill value. Always empty for a cache of schema 1, which does not store all zeros.
        """
        if not self.checked:
            return []
        if name not in SHARD_COLUMNS:
            return missing_files(self.path, name, values.shape, [0])
        if name == "state":  # written before and after everything else of a shard
            return missing_files(self.path, name, values.shape, written_shards(self.path))
        shards = np.unique(np.flatnonzero(self.state) // self.clips_per_shard)
        return missing_files(self.path, name, values.shape, shards.tolist())

    def _unreadable(self, name: str, error: Exception) -> CacheError:
        if self.mirror is None:
            way_out = "`mocrop verify` says what is damaged and how to repair it"
            return CacheError(f"{self.path / name} cannot be read ({error}); {way_out}")
        return CacheError(f"{self.mirror.shown(self.path / name)} cannot be read ({error}); put the cache there anew")

    @cached_property
    def state(self) -> npt.NDArray[np.uint8]:
        return self._column("state")
