"""Answers for video files on a console and as a CSV file."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.table import Table

from mocrop.evaluation.answers.answers import Answers, FileAnswer
from mocrop.evaluation.views import look_from
from mocrop.pipeline.csv_file import write_csv
from mocrop.pipeline.errors import Reason
from mocrop.pipeline.terminal import LineConsole, count


def print_answers(console: LineConsole, answers: Answers, *, top: int) -> None:
    """Print the most probable classes of each file, what is notable about it, and why others have no answer."""
    answered = [each for each in answers.files if not each.failed]
    if answered:
        about = answers.about  # no title of the table: that wraps where the table is narrow
        console.print(f"{about['arch']} of {about['network']}, {frames_words(about, 'a file')}")
        console.print(_table(answers, answered, top=top))
    for each in answers.files:
        if each.failed:
            console.say((f"{each.path}: {each.reasons[0].value}: ", "red"), each.message.removeprefix(f"{each.name}: "))
    for line in notes(answers):
        console.print(line)


def frames_words(about: Mapping[str, Any], of_each: str) -> str:
    """What the network got of each file or window, in words."""
    return look_from(about["look"]).words(of_each=f"frames {of_each}")


def _table(answers: Answers, files: list[FileAnswer], *, top: int) -> Table:
    table = Table()
    table.add_column("file", overflow="fold")
    table.add_column("class", overflow="fold")
    table.add_column(answers.activation, justify="right")
    for file in files:
        classes = [(answers.class_names[number], f"{100 * probability:.1f} %") for number, probability in file.top(top)]
        beside = [file.path, *(f"  {word}" for word in _words(file))]
        height = max(len(beside), len(classes))
        beside += [""] * (height - len(beside))
        classes += [("", "")] * (height - len(classes))
        for left, (name, share) in zip(beside, classes, strict=True):
            table.add_row(left, name, share)
        table.add_section()
    return table


def _words(file: FileAnswer) -> Iterator[str]:
    """What a reader should know of an answer."""
    if file.seen:
        yield file.seen
    yield from (reason.value for reason in file.reasons)


def notes(answers: Answers) -> Iterator[str]:
    """What is to be said of all answers together, a line each."""
    yield from answers.remarks
    for how in ("trained on", "validated on"):
        if seen := sum(each.seen == how for each in answers.files):
            files = f"{count(seen, 'file')} {'has' if seen == 1 else 'have'}"
            yield f"{how}: {files} the name of a clip that the network has seen"
    if answers.activation == "sigmoid":
        yield "each class is judged by itself (sigmoid): a clip may be of several, or of none"
    if answers.failed:
        failed = f"{count(answers.failed, 'file')} of {len(answers.files):,}"
        yield f"{failed} could not be read; docs/reasons.md explains the codes"


def write_answers(answers: Answers, file: Path, *, top: int) -> None:
    """Write a row for each file, with its most probable classes beside each other. Raises: DiskFullError."""
    ranked = ranked_columns(answers.class_names, top)
    rows = [
        (
            *(each.path, each.name, each.state, codes(each.reasons), each.message, each.seen),
            *ranked_cells(each, answers.class_names, top),
        )
        for each in answers.files
    ]
    write_csv(("path", "name", "state", "reasons", "message", "seen", *ranked), rows, file)


def codes(reasons: Iterable[Reason]) -> str:
    """Reason codes in one cell."""
    return " ".join(reason.value for reason in reasons)


def ranked_columns(class_names: Sequence[str], top: int) -> list[str]:
    """Names of the columns for the most probable classes and their probabilities, of as many as there are."""
    return [f"{what}_{rank}" for rank in range(1, min(top, len(class_names)) + 1) for what in ("class", "probability")]


def ranked_cells(answer: FileAnswer | None, class_names: Sequence[str], top: int) -> list[object]:
    """What an answer has in these columns; nothing where there is none."""
    ranked = [] if answer is None else answer.top(top)
    cells = [cell for number, share in ranked for cell in (class_names[number], share)]
    return cells + [None] * (len(ranked_columns(class_names, top)) - len(cells))
