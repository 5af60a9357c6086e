"""The lock of a workspace: one process writes at a time, and removes what a killed one left unfinished."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from mocrop.pipeline.errors import WorkspaceError, raise_if_disk_full
from mocrop.pipeline.files import HeldError, held
from mocrop.pipeline.platform_calls import locked
from mocrop.pipeline.system_errors import file_error
from mocrop.pipeline.workspace.paths import Workspace

LOCK_FILE = ".lock"
PULLING = ".pulling"  # ends the name of what is fetched from an address, under a lock of its own; a stopped one goes on


@contextlib.contextmanager
def exclusive(workspace: Workspace) -> Iterator[None]:
    """Lock the workspace while the body runs; first remove what a killed run left unfinished.

    The folder is created where missing.
    Raises: WorkspaceError if another run has locked it, or nothing can be written into its folder.
    """
    with contextlib.ExitStack() as stack:
        try:
            cut_short = stack.enter_context(held(workspace.root / LOCK_FILE))
        except HeldError as error:
            raise WorkspaceError(
                f"another mocrop ({error.holder}) is writing {workspace.root}; wait for it or stop it{error.way_out}"
            ) from error
        except OSError as error:
            raise_if_disk_full(error)
            raise WorkspaceError(f"nothing can be written into {workspace.root}: {file_error(error)}") from error
        if cut_short:
            sweep(workspace)
        yield


@contextlib.contextmanager
def exclusive_if_writable(workspace: Workspace) -> Iterator[None]:
    """Lock the workspace as :func:`exclusive` does, for a body that only reads it.

    Where nothing can be written, the body runs as long as nobody is known to write.
    Raises: WorkspaceError if another run has locked it.
    """
    file = workspace.root / LOCK_FILE
    with contextlib.ExitStack() as stack:
        if _writable(workspace.root) and (_writable(file) or not file.exists()):
            stack.enter_context(exclusive(workspace))
        else:
            with contextlib.suppress(OSError):  # there is no lock file, or it cannot be opened or locked
                _lock_to_read(stack, file)
        yield


def _writable(path: Path) -> bool:
    return os.access(path, os.W_OK, effective_ids=os.access in os.supports_effective_ids)


def _lock_to_read(stack: contextlib.ExitStack, file: Path) -> None:
    stream = stack.enter_context(file.open("rb"))
    try:
        stack.enter_context(locked(stream.fileno()))
    except BlockingIOError as error:
        raise WorkspaceError(f"another mocrop is writing {file.parent}; wait for it or stop it") from error


def sweep(workspace: Workspace) -> None:
    """Remove every unfinished file that a killed stage can have left in the workspace.

    Files of training, in runs and in the features beside a cache, stay: a training may be writing them. So does what a
    pull has fetched.
    """
    shutil.rmtree(workspace.partial, ignore_errors=True)
    for cache in workspace.caches.glob(".*"):
        if cache.suffix != PULLING:
            shutil.rmtree(cache, ignore_errors=True)
    for group in workspace.motion.glob(".*"):
        shutil.rmtree(group, ignore_errors=True)
    for litter in workspace.motion.glob("*.partial"):
        litter.unlink(missing_ok=True)
    for name in workspace.cache_names():
        cache = workspace.cache(name)
        for litter in (*cache.rglob("*.partial"), *cache.rglob("*.__lock")):
            litter.unlink(missing_ok=True)
