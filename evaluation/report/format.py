"""Scores, intervals and tables as text, for the terminal and for Markdown, and as JSON and CSV files."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mocrop.evaluation.scores.statistics import Estimate
from mocrop.pipeline.files import write_whole

if TYPE_CHECKING:  # PyTorch takes seconds to import, and commands without a network need tables too
    from mocrop.evaluation.scores.metrics import ClassScore
    from mocrop.training.scores import Score


def table_lines(head: Sequence[str], rows: Iterable[Sequence[object]]) -> list[str]:
    """Lines of a Markdown table.

    >>> table_lines(("class", "clips"), [("Dig|er", 3)])
    ['| class | clips |', '|---|---|', '| Dig\\\\|er | 3 |']
    """
    cells = ([str(cell).replace("|", "\\|") for cell in row] for row in (head, *rows))
    first, *rest = (f"| {' | '.join(row)} |" for row in cells)
    return [first, "|" + "---|" * len(head), *rest]


def score_cells(score: Score) -> tuple[str, str, str]:
    """Share, counts and interval of a score as text.

    >>> from mocrop.training.scores import Score
    >>> score_cells(Score(correct=8, total=10))
    ('80.0 %', '8 / 10', '49.0 to 94.3 %')
    """
    low, high = score.interval
    return f"{100 * score.share:.1f} %", f"{score.correct} / {score.total}", _interval(low, high)


def interval_cell(estimate: Estimate) -> str:
    """The interval of an estimate as text."""
    return _interval(estimate.low, estimate.high)


def _interval(low: float, high: float) -> str:
    return f"{100 * low:.1f} to {100 * high:.1f} %"


def class_cells(row: ClassScore) -> tuple[str, str, str, str]:
    """Name, share, counts and most frequent wrong answer of a class as text."""
    share = "-" if row.share is None else f"{100 * row.share:.1f} %"
    taken_for = f"{row.taken_for} ({row.taken_for_clips})" if row.taken_for else ""
    return row.name, share, f"{row.correct} / {row.clips}", taken_for


def points(difference: Estimate) -> str:
    """A difference of shares in percentage points, with its interval.

    >>> points(Estimate(mean=0.021, low=-0.01, high=0.052))
    '+2.1 [-1.0, +5.2]'
    """
    mean, low, high = (100 * value for value in (difference.mean, difference.low, difference.high))
    return f"{mean:+.1f} [{low:+.1f}, {high:+.1f}]"


def markdown_table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A Markdown table as text, with a line break at the end."""
    return "\n".join([*table_lines(head, rows), ""])


def write_json(values: Mapping[str, Any], file: Path, *, indent: int = 2) -> None:
    """Write plain values as JSON.

    Args:
        indent: spaces a level.
    """
    write_whole(file, (json.dumps(values, indent=indent) + "\n").encode())


def write_csv(head: Sequence[str], rows: Iterable[Sequence[object]], file: Path) -> None:
    """Write a table; None becomes an empty cell."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(head)
    writer.writerows(rows)
    write_whole(file, text.getvalue().encode())
