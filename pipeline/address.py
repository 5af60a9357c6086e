"""Files at an address, such as ``s3://bucket/name.zarr``: listed, read, fetched whole, put and deleted.

Any scheme that fsspec knows will do: ``s3``, ``gs``, ``http`` and ``https`` (which cannot list), ``memory``, ``file``.
Credentials come from the environment of the process alone, as the clients of each scheme look for them; an address that
carries some is refused, so that none can be printed, logged or stored. Every request has a time limit, and one that
fails for a reason that may pass is made again.
"""

from __future__ import annotations

import os
import random
import re
import time
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from mocrop.pipeline.address_errors import as_address_error, is_missing_bucket, may_pass
from mocrop.pipeline.errors import AddressError
from mocrop.pipeline.file_systems import Patience, open_file_system

BLOCK_BYTES = 16 << 20  # of a file that is fetched, in one request
_SCHEME = re.compile(r"([a-z][a-z0-9+.-]+)://", re.IGNORECASE)
_AS_PATH = re.compile(r"[a-z][a-z0-9+.-]+:/+[^/]", re.IGNORECASE)  # paths have one slash where there were two
_HOST = re.compile(r"(?:arn:[^@]*|\[[^]@]*\](?::\d*)?|[^:@]*(?::\d*)?)")  # with a port, or the number of a bucket
_MD5 = re.compile(r'"?([0-9a-f]{32})"?')  # the tag of an object that was put to S3 in one piece
_NO_LISTING = ("http", "https")
_ON_THIS_DISK = ("file", "local")

Result = TypeVar("Result")
OnBytes = Callable[[int], object]


def is_address(text: object) -> bool:
    """Whether a text begins as an address does; a path never does.

    >>> is_address("s3://bucket/name.zarr"), is_address("data/s3"), is_address("C:/videos"), is_address(Path("a"))
    (True, False, False, False)
    >>> is_address("S3://bucket/name.zarr")
    True
    """
    return isinstance(text, str) and _SCHEME.match(text) is not None


def require_no_address(path: Path | str, what: str) -> None:
    """Check that something that is made on this disk is not named as an address, which would be made a path here.

    Args:
        path: as it was given; not yet absolute.
        what: for the error, such as "a workspace".
    Raises: AddressError, which does not repeat the address.
    """
    if _AS_PATH.match(os.fspath(path)) and not os.path.lexists(path):
        raise AddressError(
            f"{what} is a folder on this disk, and an address was named; name a folder (caches and videos alone may be "
            "at addresses: docs/cloud-writing.md)"
        )


@dataclass(frozen=True)
class Address:
    """Where files are, without credentials: safe to print, to log and to store.

    >>> Address.parse("s3://bucket/caches/") / "name.zarr"
    s3://bucket/caches/name.zarr
    """

    text: str

    @classmethod
    def parse(cls, text: str) -> Address:
        """Check an address.

        Raises: AddressError for one that has no scheme or no place, or carries credentials: a name before ``@``, a
            password behind ``:``, which may have slashes in it, or a query, as signed addresses have. The message does
            not repeat them.
        """
        found = _SCHEME.match(text)
        if found is None:
            named = re.sub(".*:.*@", "***@", text, flags=re.DOTALL)
            raise AddressError(f"{named}: this is no address; one looks like s3://bucket/folder")
        scheme, place = found[1].lower(), text[found.end() :]
        shown = f"{scheme}://{_shown(place)}"
        if not _HOST.fullmatch(place.split("/")[0]):
            raise AddressError(
                f"{shown}: an address with a name or password in it is refused, as it would be shown and stored; give "
                "credentials in the environment (docs/cloud.md)"
            )
        if "?" in place or (scheme in _NO_LISTING and "#" in place):
            raise AddressError(
                f"{shown}: an address with a query is refused, as it would be shown and stored with what it signs; "
                "give credentials in the environment (docs/cloud.md)"
            )
        if scheme in _ON_THIS_DISK and not re.match("/|[A-Za-z]:", place):  # it would change with the current folder
            raise AddressError(f"{shown}: the path of a folder here begins at the root; one looks like file:///folder")
        if not place.strip("/"):
            raise AddressError(f"{shown}: the address names no place; one looks like s3://bucket/folder")
        return cls(f"{scheme}://{place.rstrip('/')}")

    @property
    def scheme(self) -> str:
        """Such as ``s3``."""
        return self.text.split("://")[0]

    @property
    def name(self) -> str:
        """What stands behind the last slash."""
        return self.text.rsplit("/", 1)[-1]

    def __truediv__(self, name: str) -> Address:
        return Address(f"{self.text}/{name}")

    def __str__(self) -> str:
        return self.text

    __repr__ = __str__


def _shown(place: str) -> str:
    """The place of an address without what may be secret."""
    place = re.split(r"[?#]", place)[0]
    if _HOST.fullmatch(place.split("/")[0]):
        return place
    return f"***@{place.rsplit('@', 1)[1]}" if "@" in place else "***"


@dataclass(frozen=True)
class RemoteEntry:
    """A file at an address, as its server describes it."""

    size: int  # bytes
    version: str  # differs when the content does; empty: the server does not say
    md5: str = ""  # of the content, in hex digits, where the server has a tag of that form; empty: it does not say


class RemoteFiles:
    """The files under an address. Any thread may use one; a process that is forked or sent one connects by itself.

    Names are relative to the address, with forward slashes.

    Args:
        address: of the folder.
        patience: how long to wait and how often to try again.
    Raises: AddressError if the scheme is not known, or the package for it is not installed; its methods raise it with
        one line that names the address, the fact and the way out.
    """

    def __init__(self, address: Address, *, patience: Patience | None = None) -> None:
        self.address = address
        self.patience = Patience() if patience is None else patience
        self._opened = open_file_system(address.text, self.patience)

    def __repr__(self) -> str:
        return f"RemoteFiles({self.address})"

    def __reduce__(self) -> tuple[Callable[..., RemoteFiles], tuple[Address, Patience]]:
        return _remote_files, (self.address, self.patience)

    @property
    def can_list(self) -> bool:
        """Whether servers of this kind say which files there are."""
        return self.address.scheme not in _NO_LISTING

    def list(self) -> dict[str, int]:
        """The bytes of every file under the address, by name; empty if there is none."""
        return {name: entry.size for name, entry in self.entries().items()}

    def entries(self) -> dict[str, RemoteEntry]:
        """What the server says of every file under the address, by name; empty if there is none."""
        if not self.can_list:
            raise AddressError(f"{self.address}: {self.address.scheme} lists no files; name an address of another kind")

        def listed() -> dict[str, RemoteEntry]:
            root = self._path("").rstrip("/")
            found: dict[str, Any] = self._opened.get().find(root, detail=True)
            below = {path: each for path, each in found.items() if path.startswith(f"{root}/")}
            return {path[len(root) + 1 :]: _entry(each) for path, each in below.items()}

        try:
            return self._patiently(listed, "")
        except AddressError as error:
            if error.missing and not is_missing_bucket(error):
                return {}
            raise

    def entry(self, name: str) -> RemoteEntry:
        """What the server says of one file. Raises: AddressError, of kind "missing" if it is not there."""

        def asked() -> RemoteEntry:
            said: dict[str, Any] = self._opened.get().info(self._path(name))
            if said.get("type") == "directory":
                raise FileNotFoundError(name)
            if said.get("size") is None:
                raise AddressError(
                    f"{self.address / name}: the server does not say how large it is; use another server"
                )
            return _entry(said)

        return self._patiently(asked, name)

    def exists(self, name: str) -> bool:
        """Whether there is a file of that name."""
        try:
            self.entry(name)
        except AddressError as error:
            if error.missing:
                return False
            raise
        return True

    def read(self, name: str) -> bytes:
        """The content of one file."""
        return self._patiently(lambda: bytes(self._opened.get().cat_file(self._path(name))), name)

    def fetch(
        self, name: str, target: Path, *, on_bytes: OnBytes | None = None, entry: RemoteEntry | None = None
    ) -> RemoteEntry:
        """Copy one file here, whole or not at all; a copy that was broken off goes on where it stopped.

        Only one process at a time may fetch to one target. What has arrived lies beside it, in a hidden file whose name
        ends in ``.partial``, and is thrown away if the file at the address has changed since.

        Args:
            target: its file here; the folder of it is made.
            on_bytes: called with the number of bytes whenever some have arrived.
            entry: of the file, if the caller has just asked for it.
        Raises: AddressError; OSError of the disk here.
        """
        entry = entry or self.entry(name)
        target.parent.mkdir(parents=True, exist_ok=True)
        part = target.with_name(f".{target.name}.{entry.version}.partial")
        for other in target.parent.iterdir():
            of_this = other.name.startswith(f".{target.name}.") and other.suffix == ".partial"
            if of_this and (other != part or not entry.version):
                other.unlink(missing_ok=True)
        with part.open("ab") as stream:
            if stream.tell() > entry.size:
                stream.truncate(0)
            at_once = stream.tell() == 0 and entry.size <= BLOCK_BYTES
            while (start := stream.tell()) < entry.size:
                block = self._block(name, start, min(start + BLOCK_BYTES, entry.size), entry.size)
                stream.write(block)
                if on_bytes is not None:
                    on_bytes(len(block))
        if not at_once and self.entry(name) != entry:
            part.unlink()
            raise AddressError(f"{self.address / name}: it was changed while it was copied; run the same command again")
        part.replace(target)
        return entry

    def put(self, source: Path, name: str) -> None:
        """Copy a file there, whole or not at all."""
        self._patiently(lambda: self._opened.put(source, self._path(name)), name)

    def write(self, name: str, content: bytes) -> None:
        """Write a small file there, whole or not at all."""
        self._patiently(lambda: self._opened.write(self._path(name), content), name)

    def delete(self, name: str) -> None:
        """Delete one file, if it is there."""
        try:
            self._patiently(lambda: self._opened.get().rm_file(self._path(name)), name)
        except AddressError as error:
            if not error.missing:
                raise

    def _block(self, name: str, start: int, end: int, size: int) -> bytes:
        def asked() -> bytes:
            block = bytes(self._opened.get().cat_file(self._path(name), start=start, end=end))
            if len(block) == size and end - start < size:  # a server that knows no ranges sends all of it
                block = block[start:end]
            if len(block) != end - start:
                raise ConnectionError(f"{len(block)} of {end - start} bytes have come")
            return block

        return self._patiently(asked, name)

    def _path(self, name: str) -> str:
        return self._opened.path((self.address / name).text if name else self.address.text)

    def _patiently(self, action: Callable[[], Result], name: str) -> Result:
        """Do something, again and again after longer and longer pauses if it fails for a reason that may pass."""
        for attempt in range(1, self.patience.attempts + 1):
            try:
                return action()
            except AddressError:
                raise
            except Exception as error:
                if attempt < self.patience.attempts and may_pass(error):
                    time.sleep(self.patience.pause_seconds * 2 ** (attempt - 1) * random.uniform(0.5, 1))
                    continue
                where = str(self.address / name if name else self.address)
                raise as_address_error(error, where, attempts=attempt) from error
        raise AssertionError("patience allows no attempt")


def _entry(said: Mapping[str, Any]) -> RemoteEntry:
    keys = ("ETag", "etag", "Content-MD5", "Digest", "mtime", "created")
    marks = [str(said[key]) for key in keys if said.get(key)] or [str(said.get("Last-Modified", ""))]
    version = f"{zlib.crc32(repr((said['size'], marks)).encode()):08x}" if any(marks) else ""
    tag = _MD5.fullmatch(str(said.get("ETag") or said.get("etag") or ""))
    return RemoteEntry(int(said["size"]), version, tag[1] if tag else "")


def _remote_files(address: Address, patience: Patience) -> RemoteFiles:
    return RemoteFiles(address, patience=patience)
