"""Progress of a transfer in bytes: a bar on a terminal, a plain line every few seconds elsewhere."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

from mocrop.pipeline.names import printable
from mocrop.pipeline.run.progress import SECONDS_BETWEEN_LINES

Advance = Callable[[int], None]  # bytes that have gone through; any thread may call it


@contextmanager
def byte_progress(console: Console, what: str, *, total: int) -> Iterator[Advance]:
    """Show on ``console`` how many of ``total`` bytes have gone through, while the body runs."""
    if not console.is_terminal:
        yield _Lines(console, what, total).advance
        return
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=None),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task(printable(what), total=total)
        yield lambda count: progress.update(task, advance=count)


class _Lines:
    """Plain lines, for logs."""

    def __init__(self, console: Console, what: str, total: int) -> None:
        self._console, self._what, self._total = console, what, total
        self._done = 0
        self._start = self._last = time.monotonic()
        self._lock = threading.Lock()

    def advance(self, count: int) -> None:
        with self._lock:
            self._done += count
            now = time.monotonic()
            if now - self._last < SECONDS_BETWEEN_LINES:
                return
            self._last = now
        rate = self._done / (now - self._start)
        self._console.print(f"{self._what}: {megabytes(self._done)} of {megabytes(self._total)}, {megabytes(rate)}/s")


def megabytes(count: float) -> str:
    """Bytes as people read them.

    >>> megabytes(1_234_567), megabytes(999)
    ('1.2 MB', '0.0 MB')
    """
    return f"{count / 1e6:,.1f} MB"
