"""A crop cache that is being written at an address, object by object.

Its ``zarr.json``, which says what all other objects are, comes last: without it no reader takes what is there for a
cache. Until then the object ``unfinished.json`` names who writes, so that nobody else does.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from mocrop.pipeline.address import Address, RemoteFiles
from mocrop.pipeline.cache.description import GROUP_FILE
from mocrop.pipeline.errors import AddressError, CacheError
from mocrop.pipeline.strict_json import json_text, parsed_json

MARK = "unfinished.json"
SUFFIX = ".zarr"
_TOKEN = "written_by"


@dataclass(frozen=True, kw_only=True)
class Found:
    """What is at the address of a cache.

    Attributes:
        sizes: bytes of each object, by its name.
        token: of whoever has begun to write there; None: nobody, or it is finished.
        group: content of ``zarr.json``; None: it is not finished.
    """

    sizes: Mapping[str, int]
    token: str | None
    group: bytes | None


class CacheAtAddress:
    """The place of a crop cache at an address.

    Args:
        address: of the cache itself, which ends with its name and ``.zarr``.
    Raises: AddressError if it does not, or cannot be used.
    """

    def __init__(self, address: str) -> None:
        self.address = Address.parse(address)
        if not self.address.name.endswith(SUFFIX) or self.address.name == SUFFIX:
            raise AddressError(
                f"{self.address}: the address of a cache ends with its name and {SUFFIX}; name one such as "
                f"{self.address}/motion-192{SUFFIX}"
            )
        self.files = RemoteFiles(self.address)

    @property
    def name(self) -> str:
        """The name of the cache."""
        return self.address.name.removesuffix(SUFFIX)

    def look(self) -> Found:
        """What is there. Raises: AddressError."""
        sizes = self.files.list()
        group = self.files.read(GROUP_FILE) if GROUP_FILE in sizes else None
        return Found(sizes=sizes, token=self._token() if MARK in sizes else None, group=group)

    def begin(self, token: str) -> None:
        """Say who writes; from here on no reader takes what is there for a cache. Raises: AddressError."""
        self.files.write(MARK, json_text({_TOKEN: token}).encode())
        self.discard(GROUP_FILE)

    def finish(self, group: bytes) -> None:
        """Let readers take it for a cache: everything else is there. Raises: AddressError."""
        self.files.write(GROUP_FILE, group)
        self.discard(MARK)

    def require_token(self, token: str) -> None:
        """Check that it is still written by who has this token.

        A worker that was cut off from its client may come back after another one has begun a new cache there; or two
        commands have begun at once.

        Raises: CacheError if it is not; AddressError.
        """
        try:
            found = self._token()
        except AddressError as error:
            if not error.missing:
                raise
            found = None
        if found != token:
            raise CacheError(f"{self.address} is no longer written by this run, but by another; nothing was put there")

    def discard(self, name: str) -> None:
        """Delete an object, if it is there. Raises: AddressError."""
        try:
            self.files.delete(name)
        except AddressError as error:
            if not error.missing:
                raise

    def clear(self, found: Found) -> None:
        """Delete everything that was found there but the mark. Raises: AddressError."""
        for name in sorted(found.sizes, key=lambda name: (name != GROUP_FILE, name)):
            if name != MARK:
                self.discard(name)

    def _token(self) -> str | None:
        """Who writes; None where the mark is damaged. Raises: AddressError, also if there is no mark."""
        try:
            mark = parsed_json(self.files.read(MARK))
        except ValueError:
            return None
        return str(mark.get(_TOKEN)) if isinstance(mark, dict) else None
