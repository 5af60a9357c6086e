"""Answers for windows on a console and as a CSV file: a line a window."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

from rich.table import Table

from mocrop.evaluation.answers.report import codes, frames_words, ranked_cells, ranked_columns
from mocrop.evaluation.answers.windows import FileWindows, WindowAnswers
from mocrop.pipeline.csv_file import write_csv
from mocrop.pipeline.errors import Reason
from mocrop.pipeline.terminal import LineConsole, count

USUAL = (Reason.FEW_KEY_FRAMES, Reason.FEW_FRAMES, Reason.FEW_WINDOWS)  # windows are short


def print_window_answers(console: LineConsole, answers: WindowAnswers) -> None:
    """Print the most probable class of each window, what is notable about it, and why others have no answer."""
    for file in answers.files:
        if file.windows:
            about = answers.about
            console.print(f"{file.path}: {about['arch']} of {about['network']}, {frames_words(about, 'a window')}")
            console.print(_table(answers, file))
        for line in _notes(file):
            console.print(line)
        if file.broken:
            after = f", after {time_of(file.windows[-1].end)} of the video" if file.windows else ""
            message = file.message.removeprefix(f"{file.name}: ")
            console.say((f"{file.path}: {file.reasons[0].value}{after}: ", "red"), message)
    for line in _remarks(answers):
        console.print(line)


def _table(answers: WindowAnswers, file: FileWindows) -> Table:
    table = Table()
    table.add_column("from", justify="right", no_wrap=True)
    table.add_column("to", justify="right", no_wrap=True)
    table.add_column("class", overflow="fold")
    table.add_column(answers.activation, justify="right", no_wrap=True)
    table.add_column("notes", overflow="fold")
    for window in file.windows:
        answer = window.answer
        notes = codes(reason for reason in answer.reasons if reason not in USUAL)
        top = [(answers.class_names[number], f"{100 * share:.1f} %") for number, share in answer.top(1)]
        table.add_row(time_of(window.start), time_of(window.end), *(top[0] if top else ("no answer", "")), notes)
    return table


def _notes(file: FileWindows) -> Iterator[str]:
    """What is to be said of a file and of its windows together, a line each."""
    counts = Counter(reason for window in file.windows for reason in window.answer.reasons)
    for reason, windows in counts.items():
        message = next(each.answer.message for each in file.windows if reason in each.answer.reasons)
        first = f", such as: {message}" if reason not in USUAL else ""
        yield f"{reason.value}: {count(windows, 'window')} of {len(file.windows):,}{first}"
    if file.left_out:
        are = "is" if file.left_out == 1 else "are"
        yield f"{count(file.left_out, 'window')} in which no frame begins {are} left out"
    if not file.broken and file.message:
        yield f"{file.path}: {file.message}"


def _remarks(answers: WindowAnswers) -> Iterator[str]:
    """What is to be said of all answers together, a line each."""
    yield from answers.remarks
    windows = answers.windows
    if windows.gap:
        yield (
            f"{float(windows.gap):g} of every {float(windows.stride):g} seconds are in no window; "
            f"pass a --stride of at most {windows.seconds:g} to miss nothing"
        )
    if answers.activation == "sigmoid":
        yield "each class is judged by itself (sigmoid): a window may be of several, or of none"
    if answers.failed:
        failed = f"{count(answers.failed, 'file')} of {len(answers.files):,}"
        yield f"{failed} could not be read in part or at all; docs/reasons.md explains the codes"


def write_window_answers(answers: WindowAnswers, file: Path, *, top: int) -> None:
    """Write a row for each window, with its most probable classes beside each other, and one for what ended a file.

    Raises: DiskFullError.
    """
    names = answers.class_names
    rows: list[tuple[object, ...]] = []
    for each in answers.files:
        for window in each.windows:
            answer = window.answer
            when = (each.path, each.name, window.start, window.end)
            told = (answer.state, codes(answer.reasons), answer.message)
            rows.append((*when, *told, *ranked_cells(answer, names, top)))
        if each.broken:
            end = each.windows[-1].end if each.windows else 0.0
            told = ("failed", codes(each.reasons), each.message)
            rows.append((each.path, each.name, end, None, *told, *ranked_cells(None, names, top)))
    head = ("path", "name", "start", "end", "state", "reasons", "message")
    write_csv((*head, *ranked_columns(names, top)), rows, file)


def time_of(seconds: float) -> str:
    """A time in a video, to the hundredth of a second.

    >>> time_of(3.5), time_of(63.25), time_of(3600)
    ('0:03.5', '1:03.25', '1:00:00')
    """
    whole = Fraction(round(seconds * 100), 100)
    minutes, rest = divmod(whole, 60)
    hours, minutes = divmod(minutes, 60)
    tail = f"{float(rest):05.2f}".rstrip("0").rstrip(".")
    return f"{hours}:{minutes:02d}:{tail}" if hours else f"{minutes}:{tail}"
