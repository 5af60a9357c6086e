"""Evict files from the page cache, so that they are read from the disk again."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from mocrop.pipeline import platform_calls
from mocrop.pipeline.platform_calls import CAN_EVICT as CAN_EVICT
from mocrop.pipeline.platform_calls import in_memory as in_memory


def evict(files: Iterable[Path]) -> None:
    """Write files out to the disk and drop their pages from memory; does nothing where CAN_EVICT is false.

    Pages that a process has mapped stay, so close memory maps before.
    """
    if CAN_EVICT:
        for file in files:
            platform_calls.evict(file)
