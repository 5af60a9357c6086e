"""Shards of a cache at an address, fetched on first touch into the mirror of it, by any number of processes at once."""

from __future__ import annotations

import contextlib
import errno
import os
import warnings
import weakref
import zlib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from mocrop.pipeline.address import RemoteEntry, RemoteFiles
from mocrop.pipeline.cache.mirror.place import MirrorPlace, in_words
from mocrop.pipeline.cache.mirror.room import Room, column_bytes, waiting_lock
from mocrop.pipeline.cache.mirror.shard_check import BadShardError, ShardFacts, check_shard
from mocrop.pipeline.errors import AddressError, CacheError, DiskFullError, raise_if_disk_full
from mocrop.pipeline.platform_calls import mark_in_use, open_by_number

FETCHES_AT_ONCE = 16  # of one process
LOCKS = 1024  # files; shards that share one wait for each other
_ATTEMPTS = 2  # at a shard that arrives damaged
_TURNS = 20  # at opening a shard that is deleted in between

Facts = Callable[[], ShardFacts]


class Mirror:
    """The mirror of one cache. Any thread may use it, and so may any process that opens the same folder.

    Args:
        place: of the mirror, whose columns are there.
    """

    def __init__(self, place: MirrorPlace) -> None:
        self.place = place
        self._files: RemoteFiles | None = None
        self._room = Room(place.root, place.most_bytes)
        self._pool: tuple[int, ThreadPoolExecutor] | None = None
        self._idle: weakref.WeakSet[Any] = weakref.WeakSet()
        self._warned = self._grown = False

    def __getstate__(self) -> MirrorPlace:
        return self.place

    def __setstate__(self, place: MirrorPlace) -> None:
        self.__init__(place)  # type: ignore[misc]

    def shown(self, file: Path) -> str:
        """A file of the mirror as one at its address."""
        return str(self.place.address / file.relative_to(self.place.folder).as_posix())

    def holds_files(self, holder: Any) -> None:
        """Have the method `release_files` of an object called when room is short; it is not kept alive."""
        self._idle.add(holder)

    def ensure(self, file: Path, facts: Facts) -> None:
        """Have a shard in the mirror, fetched and checked.

        Args:
            file: its place in the mirror.
            facts: what the columns say of it.
        Raises: AddressError; CacheError if it is damaged at the address, or no mirror holds it; DiskFullError.
        """
        if file.exists():
            return
        name = file.relative_to(self.place.folder).as_posix()
        number = zlib.crc32(f"{self.place.key}/{name}".encode()) % LOCKS
        with waiting_lock(self.place.root / ".locks" / f"{number:04}", done=file.exists) as mine:
            if mine and not file.exists():
                self._bring(name, file, facts())

    def open(self, file: Path, facts: Facts) -> int:
        """Open a shard for reading, marked as in use until it is closed. Returns: the descriptor. Raises: as ensure."""
        for _ in range(_TURNS):
            self.ensure(file, facts)
            try:
                descriptor = open_by_number(file)
            except FileNotFoundError:
                continue
            mark_in_use(descriptor)
            if os.fstat(descriptor).st_nlink:
                with contextlib.suppress(OSError):
                    os.utime(file)
                return descriptor
            os.close(descriptor)
        raise CacheError(
            f"{self.shown(file)}: the mirror {self.place.root} is so small that it is deleted before it is read; give "
            "a larger --mirror-size"
        )

    @contextlib.contextmanager
    def opened(self, files: Sequence[tuple[Path, Facts]]) -> Iterator[None]:
        """Have shards in the mirror, none of which is deleted while the body runs. Raises: as ensure."""
        self.ensure_all(files)
        descriptors: list[int] = []
        try:
            descriptors += [self.open(file, facts) for file, facts in files]
            yield
        finally:
            for descriptor in descriptors:
                os.close(descriptor)

    def ensure_all(self, files: Sequence[tuple[Path, Facts]]) -> None:
        """As ensure, for several shards at once."""
        absent = [each for each in files if not each[0].exists()]
        if len(absent) < 2:
            for file, facts in absent:
                self.ensure(file, facts)
            return
        for _ in self.pool().map(lambda each: self.ensure(*each), absent):  # raises what a call has raised
            pass

    def pool(self) -> ThreadPoolExecutor:
        """Threads that fetch; a forked process has its own."""
        if self._pool is None or self._pool[0] != os.getpid():
            self._pool = os.getpid(), ThreadPoolExecutor(FETCHES_AT_ONCE, thread_name_prefix="mirror")
        return self._pool[1]

    def forget(self, file: Path) -> None:
        """Delete a shard of the mirror that is damaged, so that it is fetched anew."""
        with contextlib.suppress(OSError):
            file.unlink(missing_ok=True)

    def warn_if_small(self, needed: int) -> bool:
        """Say once that the cache does not fit into the mirror.

        Args:
            needed: bytes of all its shards.
        Returns: whether it fits.
        """
        most = self.place.most_bytes
        if most is None:
            return True
        needed += column_bytes(self.place.folder)
        if needed <= most:
            return True
        if not self._warned:
            self._warned = True
            warnings.warn(
                f"{self.place.address} has {in_words(needed)} bytes, and its mirror may have "
                f"{in_words(most)}: each epoch fetches again what does not fit; give --mirror-size "
                f"{in_words(needed + needed // 10)} where the disk allows it",
                stacklevel=3,
            )
        return False

    def _bring(self, name: str, file: Path, facts: ShardFacts) -> None:
        """Fetch a shard, check it, and give it its name."""
        if self._files is None:
            self._files = RemoteFiles(self.place.address)
        said = ""
        for _ in range(_ATTEMPTS):
            entry, arrived, shown = self._entry(name), file.with_name("arrived"), str(self.place.address / name)
            with self._room.kept(entry.size, release=self._release, name=shown, on_growth=self._warn_of_growth):
                self._fetched(name, arrived, entry)
                try:
                    check_shard(arrived, facts)
                except BadShardError as error:
                    arrived.unlink()
                    said = str(error)
                    continue
                os.utime(arrived)
                arrived.replace(file)
            return
        raise CacheError(
            f"{self.place.address / name} {said}; start again if the cache there has just been written again, else put "
            "it there anew"
        )

    def _entry(self, name: str) -> RemoteEntry:
        assert self._files is not None
        try:
            return self._files.entry(name)
        except AddressError as error:
            if not error.missing:
                raise
            raise AddressError(
                f"{self.place.address / name}: it is not there, and the cache says that it holds frames; put the cache "
                "there again, then run the same command again",
                missing=True,
            ) from error

    def _fetched(self, name: str, arrived: Path, entry: RemoteEntry) -> None:
        assert self._files is not None
        try:
            self._files.fetch(name, arrived, entry=entry)
        except OSError as error:
            if error.errno not in (errno.ENOSPC, errno.EDQUOT):
                raise
            self._room.empty(entry.size, release=self._release)
            try:
                self._files.fetch(name, arrived, entry=entry)
            except OSError as again:
                self._raise_if_full(again)
                raise

    def _raise_if_full(self, error: OSError) -> None:
        try:
            raise_if_disk_full(error)
        except DiskFullError as full:
            raise DiskFullError(
                f"no space is left on the disk of the mirror {self.place.root}, and all that is in it is in use; free "
                "some, or name another disk with --mirror, then run the same command again"
            ) from full

    def _warn_of_growth(self) -> None:
        if self.place.most_bytes is not None and not self._grown:
            self._grown = True
            warnings.warn(
                f"the mirror {self.place.root} grows beyond {in_words(self.place.most_bytes)}, as all that is in it is "
                "being read; give a larger --mirror-size",
                stacklevel=2,
            )

    def _release(self) -> None:
        for holder in list(self._idle):
            holder.release_files()
