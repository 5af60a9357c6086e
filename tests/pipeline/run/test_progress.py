"""What progress says of the time left, and what it does not claim to know."""

from __future__ import annotations

import io
import re
import threading

import pytest
from rich.progress import Progress, Task, TaskID

from mocrop.pipeline.run import progress as progress_module
from mocrop.pipeline.run.progress import LineProgress, stage_progress, words
from mocrop.pipeline.run.time_left import TimeLeft
from mocrop.pipeline.terminal import LineConsole


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_long_clip_counts_by_the_size_of_its_file() -> None:
    clock = Clock()
    left = TimeLeft(99 + 900, clock=clock)
    clock.now = 10.0
    left.done(99)  # 99 of 100 clips, and yet only a tenth of the work: 10 s for 99 bytes
    assert round(left.seconds() or 0) == 91


def test_an_estimate_counts_down_and_ends_when_its_time_has_passed() -> None:
    clock = Clock()
    left = TimeLeft(100, clock=clock)
    assert words(left) == "none back for 0:00"
    clock.now = 36.0
    left.done(90)
    said = []
    for clock.now in (36.0, 39.0, 40.0, 187.0):
        said.append(words(left))
    assert said == ["0:04 left", "0:01 left", "none back for 0:04", "none back for 2:31"]
    left.done(5)  # the long one is back: 95 bytes in 187 s
    assert words(left) == "0:09 left"


def lines_of(file: io.StringIO) -> list[str]:
    return file.getvalue().splitlines()


def test_plain_lines_say_when_nothing_comes_back() -> None:
    clock, file = Clock(), io.StringIO()
    line = LineProgress(LineConsole(file=file), "transcode", 3, TimeLeft(30, clock=clock), clock=clock)
    clock.now = 4.0
    line.advance(clips=1, failed=0, size_bytes=10)  # too soon for a line
    clock.now = 8.0
    line.advance(clips=1, failed=1, size_bytes=10)
    clock.now = 37.0
    line.say_if_silent()
    clock.now = 38.0
    line.say_if_silent()
    clock.now = 39.0
    line.say_if_silent()
    assert lines_of(file) == [
        "transcode: 2/3 clips, 1 failed, 0.2 clips/s, 0:04 left",
        "transcode: 2/3 clips, 1 failed, 0.1 clips/s, none back for 0:30",
    ]


def test_a_log_hears_of_a_clip_that_takes_long(monkeypatch: pytest.MonkeyPatch) -> None:
    heard = threading.Event()
    monkeypatch.setattr(progress_module, "SECONDS_BETWEEN_LINES", 0.01)
    monkeypatch.setattr(LineProgress, "say_if_silent", lambda _: heard.set())
    with stage_progress(LineConsole(file=io.StringIO()), "transcode", total=1, size_bytes=1):
        assert heard.wait(60)


def test_a_bar_has_no_time_left_when_it_is_done() -> None:
    left = TimeLeft(1)
    column = progress_module._LeftColumn(left)
    bar = Progress()
    task: TaskID = bar.add_task("x", total=1)
    shown: Task = bar.tasks[0]
    assert "none back for" in column.render(shown).plain
    bar.update(task, advance=1)
    assert column.render(shown).plain == ""


def test_the_line_of_a_bar_stays_one_line_of_80_columns() -> None:
    file = io.StringIO()
    console = LineConsole(file=file, force_terminal=True, width=80, color_system=None)
    with stage_progress(console, "precrop:motion-192", total=13_000, size_bytes=1000) as bar:
        bar.advance(clips=12_999, failed=3, size_bytes=1000)  # nothing to estimate by any more
        bar._progress.refresh()  # type: ignore[union-attr]  # it is the one of a terminal
    lines = [line for line in re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", file.getvalue()).splitlines() if line.strip()]
    assert lines
    assert all(line.strip().startswith("precrop:motion-192") for line in lines)
    assert max(map(len, lines)) <= 80
