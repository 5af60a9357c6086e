"""The lock of a workspace: one process writes at a time, and removes what a killed one left unfinished."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
from collections.abc import Iterator

from mocrop.pipeline.errors import WorkspaceError
from mocrop.pipeline.workspace.paths import Workspace


@contextlib.contextmanager
def exclusive(workspace: Workspace) -> Iterator[None]:
    """Lock the workspace while the body runs; first remove what a killed run left unfinished.

    The folder is created where missing.
    Raises: WorkspaceError if another run has locked it.
    """
    workspace.root.mkdir(parents=True, exist_ok=True)
    with (workspace.root / ".lock").open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            lock.seek(0)
            holder = lock.read().strip() or "unknown"
            raise WorkspaceError(
                f"another mocrop (process {holder}) is writing {workspace.root}; wait for it or stop it"
            ) from error
        lock.seek(0)
        if lock.read():  # a holder that ends normally empties it
            sweep(workspace)
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        yield  # after an error the process number stays, so that the next run sweeps
        lock.truncate(0)


def sweep(workspace: Workspace) -> None:
    """Remove every unfinished file that a killed stage can have left in the workspace.

    Files of training, in runs and in the features beside a cache, stay: a training may be writing them.
    """
    shutil.rmtree(workspace.partial, ignore_errors=True)
    for cache in workspace.caches.glob(".*"):
        shutil.rmtree(cache, ignore_errors=True)
    for group in workspace.motion.glob(".*"):
        shutil.rmtree(group, ignore_errors=True)
    for litter in workspace.motion.glob("*.partial"):
        litter.unlink(missing_ok=True)
    for name in workspace.cache_names():
        cache = workspace.cache(name)
        for litter in (*cache.rglob("*.partial"), *cache.rglob("*.__lock")):
            litter.unlink(missing_ok=True)
