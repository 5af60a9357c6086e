"""Copy a crop cache to an address, so that readers see all of it or nothing."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from rich.console import Console

from mocrop.pipeline.address import RemoteEntry
from mocrop.pipeline.cache.at_address import MARK, CacheAtAddress, Found
from mocrop.pipeline.cache.crop_cache import CropCache
from mocrop.pipeline.cache.description import GROUP_FILE
from mocrop.pipeline.cache.layout import STREAMS, ClipState
from mocrop.pipeline.checks.crop_cache import verify_cache
from mocrop.pipeline.checksums import json_checksum
from mocrop.pipeline.errors import CacheError
from mocrop.pipeline.names import shell_word
from mocrop.pipeline.run.progress import stage_progress
from mocrop.pipeline.transfer.at_once import at_once
from mocrop.pipeline.transfer.contents import Comparison, belonging, local_names
from mocrop.pipeline.transfer.progress import byte_progress


@dataclass(frozen=True, kw_only=True)
class Transferred:
    """What a command has copied."""

    cache: Path
    address: str
    clips: int
    files: int  # of the cache
    size_bytes: int
    copied: int  # files; the others were there already
    copied_bytes: int


def push_cache(
    path: Path, address: str, *, overwrite: bool = False, unfinished: bool = False, console: Console
) -> Transferred:
    """Copy a cache to an address; what is there already, byte for byte, stays.

    Before it ends, everything that is there is compared with what is here. Only then comes the object without which no
    reader takes it for a cache.

    Args:
        path: the ``.zarr`` folder.
        address: of the cache there, which ends with its name and ``.zarr``.
        overwrite: replace another cache, or what was left of one, that is there.
        unfinished: copy it even if there are clips that are not written yet.
        console: for progress.
    Raises: CacheError if the cache is damaged, unfinished or changed meanwhile, or another one is there; AddressError.
    """
    remote = CacheAtAddress(address)
    cache = CropCache(path)
    _require_sound(cache, console)
    if not unfinished:
        _require_finished(cache)
    push = _Push(cache, remote)
    found, there = remote.look(), remote.files.entries()
    if found.sizes and not overwrite:
        push.require_own(found, there)
    if found.group is not None and push.difference(there) is None:
        if MARK in found.sizes:  # of a push that was killed when it had done everything
            remote.discard(MARK)
        return push.report([])
    return push.run(there, console)


def _require_sound(cache: CropCache, console: Console) -> None:
    with stage_progress(console, f"check {cache.path.stem}", total=len(cache)) as progress:
        damage = verify_cache(cache.path, on_clips=lambda count: progress.advance(clips=count, failed=0))
    if damage:
        clip = f"{damage[0].clip}: " if damage[0].clip else ""
        raise CacheError(
            f"{cache.path} is damaged ({clip}{damage[0].fact}); `mocrop verify {shell_word(cache.path.stem)}` says how "
            "to repair it"
        )


def _require_finished(cache: CropCache) -> None:
    missing = int(np.count_nonzero(cache.state == ClipState.NOT_WRITTEN))
    if missing:
        raise CacheError(
            f"{cache.path} is not finished: {missing:,} of {len(cache):,} clips are not written; run "
            f"`mocrop precrop --name {shell_word(cache.path.stem)}`, or pass --unfinished"
        )


class _Push:
    """One cache on its way to one address."""

    def __init__(self, cache: CropCache, remote: CacheAtAddress) -> None:
        self._cache, self._remote = cache, remote
        self._names = belonging(local_names(cache.path), cache.array_names)
        self._before = self._state()
        self._comparison = Comparison(cache.path, remote.files)
        settings = cache.attributes.get("settings", {})
        self._token = f"push-{json_checksum([settings, cache.clip]):08x}"

    def _state(self) -> list[tuple[int, int]]:
        """Size and time of every file."""
        status = [(self._cache.path / name).stat() for name in self._names]
        return [(each.st_size, each.st_mtime_ns) for each in status]

    def require_own(self, found: Found, there: dict[str, RemoteEntry]) -> None:
        """Raises: CacheError if what is there is neither this cache nor what a push of it has begun."""
        where = self._remote.address
        if found.group is None and found.token != self._token:
            raise CacheError(
                f"{where} holds other objects, or what is left of another cache; name another address, or replace it "
                "with --overwrite"
            )
        if found.group is not None and (differing := self.difference(there)) is not None:
            raise CacheError(
                f"{where} holds another cache, or this one as it was ({differing} differs); name another address, or "
                "replace it with --overwrite"
            )

    def difference(self, there: Mapping[str, RemoteEntry]) -> str | None:
        """Name of an object that is not there as it is here, or not here; None if there is none."""
        differing = (name for name in reversed(self._names) if not self._comparison.same(name, there.get(name)))
        extra = sorted(set(there) - {*self._names, MARK})
        return next(itertools.chain(differing, extra), None)

    def run(self, there: dict[str, RemoteEntry], console: Console) -> Transferred:
        """Put what differs, frames first, and compare all of it."""
        remote, path = self._remote, self._cache.path
        group = (path / GROUP_FILE).read_bytes()
        remote.begin(self._token)
        there.pop(GROUP_FILE, None)
        to_put = [name for name in self._names[:-1] if self._comparison.to_put(name, there.get(name))]
        with byte_progress(console, f"push {path.stem}", total=self._bytes(to_put)) as advance:

            def put(name: str) -> None:
                remote.files.put(path / name, name)
                advance((path / name).stat().st_size)

            at_once(put, [name for name in to_put if name.split("/")[0] in STREAMS])
            at_once(put, [name for name in to_put if name.split("/")[0] not in STREAMS])
        for name in set(there) - {*self._names, MARK}:
            remote.discard(name)
        self._require_all_there(set(to_put))
        remote.require_token(self._token)
        remote.finish(group)
        return self.report([*to_put, GROUP_FILE])

    def _require_all_there(self, put: set[str]) -> None:
        """Raises: CacheError if anything is not there as it is here, or has changed here."""
        there = self._remote.files.entries()
        for name in self._names[:-1]:
            compare = self._comparison.arrived if name in put else self._comparison.same
            if not compare(name, there.get(name)):
                where = self._remote.address / name
                raise CacheError(f"{where} is not what was put there; run the same command again, which puts it anew")
        if self._state() != self._before:
            raise CacheError(f"{self._cache.path} was changed while it was copied; run the same command again")

    def _bytes(self, names: list[str]) -> int:
        return sum((self._cache.path / name).stat().st_size for name in names)

    def report(self, copied: list[str]) -> Transferred:
        """What to say of the cache once it is there.

        Args:
            copied: names of what this command has put.
        """
        return Transferred(
            cache=self._cache.path,
            address=str(self._remote.address),
            clips=len(self._cache),
            files=len(self._names),
            size_bytes=self._bytes(self._names),
            copied=len(copied),
            copied_bytes=self._bytes(copied),
        )
