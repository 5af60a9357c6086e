"""What a cache consists of, on a disk or at an address, and whether two files of it are the same."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from pathlib import Path

from mocrop.pipeline.address import RemoteEntry, RemoteFiles
from mocrop.pipeline.cache.description import GROUP_FILE

_OF_ARRAY = re.compile(r"([a-z_]+)/(?:zarr\.json|c(?:/[0-9]+)+)")


def belonging(names: Iterable[str], arrays: Iterable[str]) -> list[str]:
    """The names that are those of files of a cache with these arrays, sorted, its description last.

    >>> belonging(["zarr.json", "box/c/0/0", "box/zarr.json", ".DS_Store", "box/../x", "old/zarr.json"], ["box"])
    ['box/c/0/0', 'box/zarr.json', 'zarr.json']
    """
    known = set(arrays)
    found = (name for name in names if (match := _OF_ARRAY.fullmatch(name)) and match[1] in known)
    return [*sorted(found), GROUP_FILE]


def local_names(folder: Path) -> list[str]:
    """Names of all files under a folder, with forward slashes."""
    return [file.relative_to(folder).as_posix() for file in folder.rglob("*") if file.is_file()]


def file_md5(file: Path) -> str:
    """MD5 of a file, which servers tell of what they hold, in hex digits. Raises: OSError."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()


class Comparison:
    """Compares files here with objects there, by their content.

    A server that tells the MD5 of an object is believed. One that does not, as S3 of objects put in several parts, or
    that seems to tell another, as of encrypted ones, is asked for the object itself.

    Args:
        folder: the cache here.
        files: the place there.
    """

    def __init__(self, folder: Path, files: RemoteFiles) -> None:
        self._folder, self._files = folder, files
        self._md5: dict[str, str] = {}

    def same(self, name: str, entry: RemoteEntry | None) -> bool:
        """Whether an object is there as the file is here; it is read where its server does not tell."""
        if entry is None or not self._same_size(name, entry):
            return False
        return self.same_md5(name, entry) or self._files.read(name) == (self._folder / name).read_bytes()

    def to_put(self, name: str, entry: RemoteEntry | None) -> bool:
        """Whether an object is to be put there; it is not read if its server tells that it is another one."""
        return not (self.same_md5(name, entry) if entry is not None and entry.md5 else self.same(name, entry))

    def arrived(self, name: str, entry: RemoteEntry | None) -> bool:
        """Whether an object that this process has put is there; what its server has confirmed it need not tell."""
        if entry is not None and not entry.md5:
            return self._same_size(name, entry)
        return self.same(name, entry)

    def same_md5(self, name: str, entry: RemoteEntry) -> bool:
        """Whether the server tells that an object is as the file is here."""
        if not entry.md5 or not self._same_size(name, entry):
            return False
        if name not in self._md5:
            self._md5[name] = file_md5(self._folder / name)
        return entry.md5 == self._md5[name]

    def _same_size(self, name: str, entry: RemoteEntry) -> bool:
        return entry.size == (self._folder / name).stat().st_size
