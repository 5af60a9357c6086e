"""The cache that a command names: one of the workspace, or one at an address."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from mocrop.pipeline.address import is_address
from mocrop.pipeline.cache.mirror.open_mirror import open_mirror
from mocrop.pipeline.workspace.paths import Workspace


@dataclass(frozen=True, kw_only=True)
class MirrorChoice:
    """Where what is read of a cache at an address is kept."""

    folder: Path | None = None  # None: that of the user
    most_bytes: int | None = None  # None: what the disk has, but for a reserve


def named_cache(workspace: Workspace, name: str | None, mirror: MirrorChoice) -> Path:
    """The folder of a cache; of one at an address that of its mirror, whose columns are brought up to date.

    Args:
        name: of a cache of the workspace, or an address; None: the only cache there is.
    Raises: CacheError if the choice is not clear, or there is no cache at the address; AddressError.
    """
    if name is not None and is_address(name):
        return open_mirror(name, mirror=mirror.folder, most_bytes=mirror.most_bytes)
    return workspace.choose_cache(name)
