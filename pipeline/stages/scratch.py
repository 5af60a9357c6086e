"""A workspace that lives as long as one unit: what a worker needs on its own disk, and nobody else ever reads."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path

from mocrop.pipeline.files import HeldError, held, names_in
from mocrop.pipeline.workspace.paths import Workspace

PREFIX = "mocrop-scratch-"
_LOCK = "in-use"


@contextlib.contextmanager
def scratch_workspace(scratch: str) -> Iterator[Workspace]:
    """A new workspace in a folder, which is removed after the body; so are those that killed workers have left there.

    Args:
        scratch: the folder, created where missing; "": where the system keeps temporary files.
    Raises: OSError.
    """
    place = Path(scratch or tempfile.gettempdir()).absolute()
    place.mkdir(parents=True, exist_ok=True)
    _sweep(place)
    folder = place / f"{PREFIX}{uuid.uuid4().hex}"
    try:
        with held(folder / _LOCK):
            yield Workspace(folder / "workspace")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _sweep(place: Path) -> None:
    """Remove what killed workers have left; what nobody can tell of, as on a disk without locks, stays."""
    for name in names_in(place):
        lock = place / name / _LOCK
        with contextlib.suppress(HeldError, OSError):
            # Whoever has just made the file has not locked it yet, and writes into it once that is done.
            if name.startswith(PREFIX) and lock.read_bytes():
                with held(lock) as cut_short:
                    if cut_short:
                        shutil.rmtree(place / name, ignore_errors=True)
