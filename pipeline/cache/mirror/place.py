"""Where the mirror of a cache lies on this machine, and what it is a mirror of.

A mirror has a folder of its own below the root that all mirrors share, named by a hash of the address and of the
sealed attributes of the cache, so that a cache of other settings at the same address never meets the old one::

    <root>/<hash>/mirror.json     the address, and how large all mirrors below the root may become together
    <root>/<hash>/<name>.zarr/    looks like the cache; shards are there once they have been needed
    <root>/.locks/                one process fetches a shard, others wait for it
    <root>/.used                  bytes below the root, or more
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from dataclasses import dataclass
from pathlib import Path

from mocrop.pipeline.address import Address
from mocrop.pipeline.errors import CacheError, SettingsError
from mocrop.pipeline.files import file_stem, write_whole
from mocrop.pipeline.strict_json import parsed_json

MARKER = "mirror.json"
_BYTES = re.compile(r"(\d+(?:\.\d+)?)\s*([KMGT]?)i?B?", re.IGNORECASE)
_KEY = re.compile(r"[0-9a-f]{16}")
_POWERS = {"": 0, "K": 1, "M": 2, "G": 3, "T": 4}


@dataclass(frozen=True, kw_only=True)
class MirrorPlace:
    """One mirror."""

    address: Address
    folder: Path  # looks like the cache
    most_bytes: int | None  # of all mirrors below the root; None: what the disk has

    @property
    def root(self) -> Path:
        """The folder that mirrors share."""
        return self.folder.parent.parent

    @property
    def key(self) -> str:
        """The hash that the mirror is kept under."""
        return self.folder.parent.name

    def save(self) -> None:
        """Mark the folder as a mirror that is complete but for shards."""
        stored = {"address": self.address.text, "most_bytes": self.most_bytes}
        write_whole(self.folder.parent / MARKER, json.dumps(stored).encode())


def default_root() -> Path:
    """Where mirrors are kept unless somebody says otherwise: in the user's folder of caches, for all workspaces."""
    base = os.environ.get("XDG_CACHE_HOME", "")
    return (Path(base) if os.path.isabs(base) else Path.home() / ".cache") / "mocrop/mirror"


def place_of(address: Address, seal: object, root: Path, most_bytes: int | None) -> MirrorPlace:
    """Where a cache is mirrored.

    Args:
        seal: the checksum of its attributes.
    """
    key = hashlib.sha256(json.dumps([address.text, seal]).encode()).hexdigest()[:16]
    name = file_stem(address.name.removesuffix(".zarr"), suffix=".zarr")
    return MirrorPlace(address=address, folder=root.absolute() / key / f"{name}.zarr", most_bytes=most_bytes)


def mirror_at(folder: Path) -> MirrorPlace | None:
    """What a folder is a mirror of; None for a cache of its own. Raises: CacheError if that cannot be told."""
    marker = folder.parent / MARKER
    if not _KEY.fullmatch(folder.absolute().parent.name):  # a workspace of others never sends us to an address
        return None
    try:
        stored = parsed_json(marker.read_bytes())
        most = stored["most_bytes"]
        address = Address.parse(stored["address"])
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (ValueError, KeyError, TypeError) as error:
        raise CacheError(f"{marker} is damaged; delete {folder.parent} and name the address again") from error
    return MirrorPlace(address=address, folder=folder.absolute(), most_bytes=None if most is None else int(most))


def parse_bytes(text: str) -> int:
    """A number of bytes, with K, M, G or T for powers of 1024.

    Raises: SettingsError.

    >>> parse_bytes("200G"), parse_bytes("1.5k"), parse_bytes("7")
    (214748364800, 1536, 7)
    """
    found = _BYTES.fullmatch(text.strip())
    value = int(float(found[1]) * 1024 ** _POWERS[found[2].upper()]) if found else 0
    if value < 1:
        raise SettingsError(f"{text!r} is no size of a mirror; give bytes, such as 200G")
    return value


def in_words(size: int) -> str:
    """A number of bytes for people, as `parse_bytes` takes it.

    >>> in_words(1536), in_words(200 * 1024**3), in_words(7)
    ('1.5K', '200G', '7')
    """
    for unit in ("T", "G", "M", "K"):
        if size >= 1024 ** _POWERS[unit]:
            return f"{size / 1024 ** _POWERS[unit]:.3g}{unit}" if size < 1000 * 1024 ** _POWERS[unit] else f"{size}"
    return str(size)
