"""The cache that a command names: one of the workspace, or one at an address."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from rich.progress import Progress

from mocrop.pipeline.address import is_address
from mocrop.pipeline.cache.mirror.open_mirror import OnFile, open_mirror
from mocrop.pipeline.terminal import LineConsole
from mocrop.pipeline.workspace.paths import Workspace

SECONDS_BETWEEN_LINES = 5.0


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
    if name is None or not is_address(name):
        return workspace.choose_cache(name)
    with _columns_shown() as on_file:
        return open_mirror(name, mirror=mirror.folder, most_bytes=mirror.most_bytes, on_file=on_file)


@contextlib.contextmanager
def _columns_shown() -> Iterator[OnFile]:
    """Show on standard error how many files of columns are up to date: those of a large cache take minutes."""
    console = LineConsole(stderr=True)
    if console.is_terminal:
        with Progress(*Progress.get_default_columns(), console=console, transient=True) as progress:
            task = progress.add_task("columns of the cache", total=None)
            yield lambda done, total: progress.update(task, completed=done, total=total)
        return
    said = [time.monotonic()]

    def say(done: int, total: int) -> None:
        if time.monotonic() - said[0] >= SECONDS_BETWEEN_LINES:
            said[0] = time.monotonic()
            console.print(f"columns of the cache: {done:,} of {total:,} files")

    yield say
