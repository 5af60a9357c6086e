"""Pause Python's collector of circular garbage while many objects are made at once."""

from __future__ import annotations

import contextlib
import gc
from collections.abc import Iterator


@contextlib.contextmanager
def collector_paused() -> Iterator[None]:
    """Look for no circular garbage in this block, or in a function that is decorated by it.

    The collector walks over all objects again and again while their number grows, for nothing where none of them is
    garbage: a third of the time that a scan of 240,000 clips takes. Objects that nothing refers to still go at once.
    """
    if not gc.isenabled():
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
