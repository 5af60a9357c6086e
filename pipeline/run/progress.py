"""Progress of a stage: a bar on a terminal, a plain line every few seconds elsewhere."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TaskID, TextColumn
from rich.table import Column
from rich.text import Text

from mocrop.pipeline.names import printable
from mocrop.pipeline.run.time_left import Clock, TimeLeft

SECONDS_BETWEEN_LINES = 5.0
SECONDS_OF_SILENCE = 30.0  # after which a line says that nothing comes back


class TerminalProgress:
    """A rich progress bar."""

    def __init__(self, progress: Progress, task: TaskID, left: TimeLeft) -> None:
        self._progress = progress
        self._task = task
        self._left = left
        self._failed = 0
        self._clips = 0
        self._start = time.monotonic()

    def advance(self, *, clips: int, failed: int, size_bytes: int | None = None) -> None:
        self._clips += clips
        self._failed += failed
        self._left.done(clips if size_bytes is None else size_bytes)
        rate = self._clips / max(time.monotonic() - self._start, 1e-9)
        facts = f"{rate:.1f} clips/s" + (f", [red]{self._failed} failed[/red]" if self._failed else "")
        self._progress.update(self._task, advance=clips, facts=facts)


class _LeftColumn(ProgressColumn):
    """The time left, counting down; once it has run out, how long nothing has come back."""

    def __init__(self, left: TimeLeft) -> None:
        super().__init__(table_column=Column(no_wrap=True))  # the bar gives way, and the line stays one
        self._left = left

    def render(self, task: Task) -> Text:
        if task.finished:
            return Text("")
        return Text(words(self._left), style="progress.remaining")


class LineProgress:
    """Plain lines, for logs."""

    def __init__(
        self, console: Console, stage: str, total: int, left: TimeLeft, *, clock: Clock = time.monotonic
    ) -> None:
        self._console = console
        self._stage = stage
        self._total = total
        self._left = left
        self._clock = clock
        self._clips = self._failed = 0
        self._start = self._last = clock()

    def advance(self, *, clips: int, failed: int, size_bytes: int | None = None) -> None:
        self._clips += clips
        self._failed += failed
        self._left.done(clips if size_bytes is None else size_bytes)
        self._say_after(SECONDS_BETWEEN_LINES)

    def say_if_silent(self) -> None:
        """Print a line if there was none for long, as while a long clip is in work."""
        self._say_after(SECONDS_OF_SILENCE)

    def _say_after(self, seconds: float) -> None:
        now = self._clock()
        if now - self._last < seconds:
            return
        self._last = now
        rate = self._clips / (now - self._start)
        self._console.print(
            f"{self._stage}: {self._clips}/{self._total} clips, {self._failed} failed, {rate:.1f} clips/s, "
            f"{words(self._left)}"
        )


def words(left: TimeLeft) -> str:
    """How much time is left; where that cannot be told, how long nothing has come back."""
    seconds = left.seconds()
    return f"none back for {_clock_time(left.seconds_waited())}" if seconds is None else f"{_clock_time(seconds)} left"


def _clock_time(seconds: float) -> str:
    """Hours, minutes and seconds.

    >>> _clock_time(3.9), _clock_time(151), _clock_time(3600)
    ('0:03', '2:31', '1:00:00')
    """
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


@contextmanager
def stage_progress(
    console: Console, stage: str, *, total: int, size_bytes: int | None = None, dashboard: str = ""
) -> Iterator[TerminalProgress | LineProgress]:
    """Show the progress of one stage on ``console`` while the body runs.

    Args:
        total: clips.
        size_bytes: of the files of these clips, by which the time left is estimated; None: by their number, and
            ``advance`` is called without.
    """
    left = TimeLeft(total if size_bytes is None else size_bytes)
    if not console.is_terminal:
        lines = LineProgress(console, stage, total, left)
        with _called_meanwhile(lines.say_if_silent):
            yield lines
        return
    if dashboard:
        console.print(f"{stage}: watch the workers at {dashboard}", style="dim")
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=None),
        TextColumn("{task.completed:.0f}/{task.total:.0f}"),
        TextColumn("{task.fields[facts]}"),
        _LeftColumn(left),
    )
    with Progress(*columns, console=console, transient=True) as progress:
        yield TerminalProgress(progress, progress.add_task(printable(stage), total=total, facts=""), left)


@contextmanager
def _called_meanwhile(call: Callable[[], None]) -> Iterator[None]:
    """Call something every few seconds, in a thread, while the body runs: it may wait for minutes for one clip."""
    ended = threading.Event()

    def calls() -> None:
        while not ended.wait(SECONDS_BETWEEN_LINES):
            call()

    thread = threading.Thread(target=calls, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
