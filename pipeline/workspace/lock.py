"""The lock of a workspace: one process writes at a time, and removes what a killed one left unfinished."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator

from mocrop.pipeline.errors import WorkspaceError
from mocrop.pipeline.files import HeldError, held
from mocrop.pipeline.workspace.paths import Workspace


@contextlib.contextmanager
def exclusive(workspace: Workspace) -> Iterator[None]:
    """Lock the workspace while the body runs; first remove what a killed run left unfinished.

    The folder is created where missing.
    Raises: WorkspaceError if another run has locked it.
    """
    with contextlib.ExitStack() as stack:
        try:
            cut_short = stack.enter_context(held(workspace.root / ".lock"))
        except HeldError as error:
            raise WorkspaceError(
                f"another mocrop ({error.holder}) is writing {workspace.root}; wait for it or stop it{error.way_out}"
            ) from error
        if cut_short:
            sweep(workspace)
        yield


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
