"""Evict files from the page cache, so that they are read from the disk again."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

CAN_EVICT = hasattr(os, "posix_fadvise")  # Linux and some others; not macOS


def evict(files: Iterable[Path]) -> None:
    """Write files out to the disk and drop their pages from memory; does nothing where CAN_EVICT is false.

    Pages that a process has mapped stay, so close memory maps before.
    """
    if not CAN_EVICT:
        return
    for file in files:
        descriptor = os.open(file, os.O_RDONLY)
        try:
            os.fsync(descriptor)
            os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
        finally:
            os.close(descriptor)


def in_memory(file: Path) -> bool | None:
    """Whether the first byte of a file is in the page cache; None where that cannot be known."""
    if not hasattr(os, "RWF_NOWAIT"):
        return None
    descriptor = os.open(file, os.O_RDONLY)
    try:
        return os.preadv(descriptor, [bytearray(1)], 0, os.RWF_NOWAIT) == 1
    except BlockingIOError:
        return False
    except OSError:  # not supported by this file system
        return None
    finally:
        os.close(descriptor)
