"""Copy a crop cache from an address; it gets its name once every byte has been checked."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from rich.console import Console

from mocrop.pipeline.address import BLOCK_BYTES, RemoteEntry
from mocrop.pipeline.cache.at_address import MARK, CacheAtAddress, Found
from mocrop.pipeline.cache.crop_cache import CropCache
from mocrop.pipeline.cache.description import GROUP_FILE, read_attributes
from mocrop.pipeline.cache.layout import SHARD_COLUMNS, STREAMS, TABLE_COLUMNS
from mocrop.pipeline.checks.crop_cache import verify_cache
from mocrop.pipeline.errors import AddressError, CacheError, full_disk_as_error
from mocrop.pipeline.files import HeldError, held, is_there, write_whole
from mocrop.pipeline.platform_calls import sync, sync_all
from mocrop.pipeline.run.progress import stage_progress
from mocrop.pipeline.stages.registry import precrop_name
from mocrop.pipeline.transfer.at_once import at_once
from mocrop.pipeline.transfer.contents import Comparison, belonging, local_names
from mocrop.pipeline.transfer.progress import Advance, byte_progress
from mocrop.pipeline.transfer.push import Transferred
from mocrop.pipeline.workspace.lock import PULLING, exclusive
from mocrop.pipeline.workspace.manifest import Manifest
from mocrop.pipeline.workspace.paths import Workspace

_ARRAYS = (*STREAMS, *SHARD_COLUMNS, *TABLE_COLUMNS, "clip")  # that a cache may have


def pull_cache(
    workspace: Workspace, address: str, *, name: str | None = None, overwrite: bool = False, console: Console
) -> Transferred:
    """Copy a cache into a workspace; what a stopped copy has fetched already, and is still the same there, stays.

    Args:
        workspace: need not be there yet.
        address: of the cache, which ends with its name and ``.zarr``.
        name: of the cache here; None: as there.
        overwrite: replace a cache of that name.
        console: for progress.
    Raises: CacheError if there is no finished cache at the address, if it is damaged or was changed meanwhile, or if
        there is one of that name here; AddressError; DiskFullError; WorkspaceError if another process is writing there.
    """
    remote = CacheAtAddress(address)
    final = workspace.cache(name or remote.name)
    if is_there(final) and not overwrite:
        raise CacheError(f"{final} is there already; pass another --name, or replace it with --overwrite")
    with _alone(final), full_disk_as_error():
        return _Pull(remote, workspace, final).run(console)


@contextlib.contextmanager
def _alone(final: Path) -> Iterator[None]:
    """Keep other processes from copying to the same place."""
    lock = final.with_name(f".{final.name}{PULLING}.lock")
    try:
        with held(lock):
            yield
            lock.unlink(missing_ok=True)
    except HeldError as error:
        raise CacheError(f"{final}: {error.holder} is copying it just now; wait for it{error.way_out}") from error


@contextlib.contextmanager
def _no_longer_its_own(workspace: Workspace, name: str) -> Iterator[None]:
    """Let a workspace forget that it has made a cache, while the body puts another one in its place.

    Its outcomes are those of the clips as they were made here; what was fetched may be of other ones.

    Raises: WorkspaceError if another process is writing there, or the workspace is of a newer mocrop.
    """
    if not workspace.manifest_file.exists():
        yield
        return
    with exclusive(workspace), Manifest(workspace.manifest_file) as manifest:
        manifest.forget(precrop_name(name))
        manifest.forget_cache(name)
        yield


class _Pull:
    """One cache on its way from one address."""

    def __init__(self, remote: CacheAtAddress, workspace: Workspace, final: Path) -> None:
        self._remote, self._workspace, self._final = remote, workspace, final
        self._partial = final.with_name(f".{final.name}{PULLING}")
        self._comparison = Comparison(self._partial, remote.files)

    def run(self, console: Console) -> Transferred:
        """Fetch, check, and give it its name."""
        found, there = self._remote.look(), self._remote.files.entries()
        group = _require_finished(self._remote, found)
        write_whole(self._partial / GROUP_FILE, group)
        described = read_attributes(self._partial)[0]
        names = belonging(there, _arrays(described))
        self._sweep(names)
        checked = STREAMS if described["schema"] >= 2 else ()
        missing = [name for name in names[:-1] if not self._is_fetched(name, there[name], checked=checked)]
        with byte_progress(console, f"pull {self._remote.name}", total=sum(there[name].size for name in missing)) as on:
            try:
                at_once(lambda name: self._fetch(name, there[name], on), missing)
            except AddressError:
                self._require_unchanged(group, there)  # an object that is shorter by now does not come whole
                raise
        self._require_unchanged(group, there)
        self._require_sound(names, there, console)
        with _no_longer_its_own(self._workspace, self._final.stem):
            self._publish(names)
        return Transferred(
            cache=self._final,
            address=str(self._remote.address),
            clips=len(CropCache(self._final)),
            files=len(names),
            size_bytes=sum(there[name].size for name in names),
            copied=len(missing) + 1,
            copied_bytes=sum(there[name].size for name in missing) + len(group),
        )

    def _fetch(self, name: str, listed: RemoteEntry, on_bytes: Advance) -> None:
        """Fetch a file; the server is asked once more of one that comes in blocks, which must be of one version."""
        entry = listed if listed.size <= BLOCK_BYTES else None
        self._remote.files.fetch(name, self._partial / name, on_bytes=on_bytes, entry=entry)

    def _sweep(self, names: Iterable[str]) -> None:
        """Remove what a stopped copy has fetched and is not there any more; not what it was fetching."""
        for name in set(local_names(self._partial)) - set(names):
            if not PurePosixPath(name).name.startswith("."):
                (self._partial / name).unlink()

    def _is_fetched(self, name: str, entry: RemoteEntry, *, checked: Sequence[str]) -> bool:
        """Whether a stopped copy has fetched a file, and the server has no other one by now.

        Where it tells no MD5, what has the size stays if the check will compare it with checksums in columns, as it
        does frames. Columns are compared with nothing, so they are fetched again.

        Args:
            checked: arrays that have checksums in columns.
        """
        try:
            size = (self._partial / name).stat().st_size
        except (FileNotFoundError, NotADirectoryError):
            return False
        if entry.md5:
            return self._comparison.same_md5(name, entry)
        return size == entry.size and name.split("/")[0] in checked

    def _require_unchanged(self, group: bytes, there: Mapping[str, RemoteEntry]) -> None:
        now = self._remote.look()
        if now.group != group or self._remote.files.entries() != there:
            raise CacheError(
                f"{self._remote.address} was changed while it was copied; run the same command again, which fetches "
                "what has changed"
            )

    def _require_sound(self, names: list[str], there: Mapping[str, RemoteEntry], console: Console) -> None:
        """Check every byte. Raises: CacheError; files that are not as they are there are then fetched anew."""
        with stage_progress(console, f"check {self._remote.name}", total=_clips(self._partial)) as progress:
            damage = verify_cache(self._partial, on_clips=lambda count: progress.advance(clips=count, failed=0))
        if not damage:
            return
        fact = f"{damage[0].clip}: {damage[0].fact}" if damage[0].clip else damage[0].fact
        told = all(there[name].md5 for name in names[:-1])
        torn = [name for name in names[:-1] if not (there[name].md5 and self._comparison.same_md5(name, there[name]))]
        for name in torn:
            (self._partial / name).unlink()
        if told and not torn:
            shutil.rmtree(self._partial)
            raise CacheError(f"{self._remote.address} is damaged there ({fact}); push it again with --overwrite")
        raise CacheError(
            f"{self._remote.address}: what was fetched is damaged ({fact}); run the same command again, which fetches "
            "it anew; if it says so again, the cache is damaged there, and must be pushed again"
        )

    def _publish(self, names: Iterable[str]) -> None:
        """Give the cache its name, once it is on the disk."""
        files = [self._partial / name for name in names]
        sync_all(files)
        for folder in {file.parent for file in files}:
            sync(folder)
        old = self._final.with_name(f".{self._final.name}.overwritten")
        shutil.rmtree(old, ignore_errors=True)
        if is_there(self._final):
            self._final.rename(old)
        self._partial.rename(self._final)
        sync(self._final.parent)
        shutil.rmtree(old, ignore_errors=True)


def _require_finished(remote: CacheAtAddress, found: Found) -> bytes:
    if found.group is not None:
        return found.group
    if MARK in found.sizes:
        raise CacheError(
            f"{remote.address} is no cache yet: it is being written, or whoever wrote it was stopped; the same "
            "`mocrop push` or `mocrop precrop --to` completes it"
        )
    what = "holds no crop cache" if found.sizes else "holds nothing"
    raise CacheError(f"{remote.address} {what}; see that the address is right, or push a cache there: `mocrop push`")


def _arrays(described: Mapping[str, Any]) -> Iterable[str]:
    """Names of the arrays of a cache by its description."""
    return described["metadata"] if described["schema"] >= 2 else _ARRAYS


def _clips(path: Path) -> int:
    """Number of clips of a cache, for a progress bar; 1 if it cannot be read, which the check then says."""
    try:
        return len(CropCache(path))
    except CacheError:
        return 1
