"""`mocrop push` and `mocrop pull`: copy a crop cache of a workspace to an address, and back."""

from __future__ import annotations

import os
from pathlib import Path

from rich.console import Console

from mocrop.pipeline.terminal import LineConsole, count
from mocrop.pipeline.transfer.progress import megabytes
from mocrop.pipeline.transfer.pull import pull_cache
from mocrop.pipeline.transfer.push import Transferred, push_cache
from mocrop.pipeline.workspace.paths import Workspace
from mocrop.pipeline.workspace.settings_file import write_place

AnyWorkspace = Workspace | Path | str


def push(
    workspace: AnyWorkspace,
    cache: str,
    address: str,
    *,
    overwrite: bool = False,
    unfinished: bool = False,
    console: Console | None = None,
) -> Transferred:
    """Copy a crop cache to an address, see :func:`~mocrop.pipeline.transfer.push.push_cache`.

    Args:
        cache: its name in the workspace, or its folder anywhere.
        console: for progress; None: standard error.
    Raises: CacheError, AddressError, SettingsError.
    """
    where = Path(cache) if os.sep in cache and os.path.isdir(cache) else Workspace.at(workspace).choose_cache(cache)
    return push_cache(
        where, address, overwrite=overwrite, unfinished=unfinished, console=console or LineConsole(stderr=True)
    )


def pull(
    workspace: AnyWorkspace,
    address: str,
    *,
    name: str | None = None,
    overwrite: bool = False,
    console: Console | None = None,
) -> Transferred:
    """Copy a crop cache from an address, see :func:`~mocrop.pipeline.transfer.pull.pull_cache`.

    Where there is no workspace yet, there is one afterwards that trains and evaluates, without a data set.

    Args:
        console: for progress; None: standard error.
    Raises: CacheError, AddressError, DiskFullError, SettingsError, WorkspaceError.
    """
    place = Workspace.at(workspace)
    place.require_utf8()
    done = pull_cache(place, address, name=name, overwrite=overwrite, console=console or LineConsole(stderr=True))
    write_place(place)
    return done


def print_pushed(console: LineConsole, done: Transferred) -> None:
    """Say what is at the address now."""
    console.print(f"{done.address}: {_facts(done)}")


def print_pulled(console: LineConsole, done: Transferred) -> None:
    """Say what is here now."""
    console.print(f"{done.cache}: {_facts(done)}")


def _facts(done: Transferred) -> str:
    whole = f"{count(done.clips, 'clip')}, {count(done.files, 'file')}, {megabytes(done.size_bytes)}"
    if not done.copied:
        return f"{whole}; all of it was there already, and is the same"
    return f"{whole}; {count(done.copied, 'file')} copied, {megabytes(done.copied_bytes)}"
