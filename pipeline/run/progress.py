"""Progress of a stage: a bar on a terminal, a plain line every few seconds elsewhere."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from mocrop.pipeline.names import printable

SECONDS_BETWEEN_LINES = 5.0


class TerminalProgress:
    """A rich progress bar."""

    def __init__(self, progress: Progress, task: TaskID) -> None:
        self._progress = progress
        self._task = task
        self._failed = 0
        self._clips = 0
        self._start = time.monotonic()

    def advance(self, *, clips: int, failed: int) -> None:
        self._clips += clips
        self._failed += failed
        rate = self._clips / max(time.monotonic() - self._start, 1e-9)
        facts = f"{rate:.1f} clips/s" + (f", [red]{self._failed} failed[/red]" if self._failed else "")
        self._progress.update(self._task, advance=clips, facts=facts)


class LineProgress:
    """Plain lines, for logs."""

    def __init__(self, console: Console, stage: str, total: int) -> None:
        self._console = console
        self._stage = stage
        self._total = total
        self._clips = self._failed = 0
        self._start = self._last = time.monotonic()

    def advance(self, *, clips: int, failed: int) -> None:
        self._clips += clips
        self._failed += failed
        now = time.monotonic()
        if now - self._last >= SECONDS_BETWEEN_LINES:
            self._last = now
            rate = self._clips / (now - self._start)
            left = (self._total - self._clips) / max(rate, 1e-9)
            self._console.print(
                f"{self._stage}: {self._clips}/{self._total} clips, {self._failed} failed, "
                f"{rate:.1f} clips/s, {left:.0f} s left"
            )


@contextmanager
def stage_progress(
    console: Console, stage: str, *, total: int, dashboard: str = ""
) -> Iterator[TerminalProgress | LineProgress]:
    """Show the progress of one stage over ``total`` clips on ``console`` while the body runs."""
    if not console.is_terminal:
        yield LineProgress(console, stage, total)
        return
    if dashboard:
        console.print(f"{stage}: watch the workers at {dashboard}", style="dim")
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=None),
        TextColumn("{task.completed:.0f}/{task.total:.0f}"),
        TextColumn("{task.fields[facts]}"),
        TimeRemainingColumn(compact=True),
    )
    with Progress(*columns, console=console, transient=True) as progress:
        yield TerminalProgress(progress, progress.add_task(printable(stage), total=total, facts=""))
