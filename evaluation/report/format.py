"""Scores, intervals and tables as text, for the terminal and for Markdown, and as JSON and CSV files."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from mocrop.evaluation.scores.statistics import Estimate
from mocrop.pipeline.files import write_whole
from mocrop.pipeline.names import printable
from mocrop.pipeline.strict_json import json_text

if TYPE_CHECKING:  # PyTorch takes seconds to import, and commands without a network need tables too
    from mocrop.evaluation.scores.metrics import Accuracy, ClassScore

MAX_CLASSES = 20  # in the table of a console; of more classes, the worst are shown
WORST_CLASSES = 10

_MARKUP = re.compile(
    r"""[`*~|$] | <(?=[a-z/!?])              # code, emphasis, cells, formulas; HTML
    | \\(?=[!-/:-@\[-`{-~]|$)                # a backslash that would take the next character's meaning
    | (?<![^\W_])_ | _(?![^\W_])             # emphasis; within a word an underscore is one
    | \](?=[(\[:])                          # links and pictures
    | &(?=\#?\w+;)                          # entities
    """,
    re.VERBOSE | re.IGNORECASE,
)


_BLOCK = re.compile(  # at the start of a line: headings, quotes, lists, rules and boxes to tick
    r"^(\s*\d{0,9})((?<!\d)(?:\#{1,6}(?=\s|$)|>|[-+](?=[\s-]|$)|\[[ xX]\](?=\s))|(?<=\d)[.)](?=\s|$))"
)


class Markdown(str):
    """Text that is Markdown already, and not to be escaped."""


def in_markdown(text: object) -> str:
    """Text for one line of Markdown, or the start of one: printable, and whatever a name holds is no markup.

    >>> print(in_markdown("v_Dig_g01"), in_markdown("[x](y) <b> a|b"), in_markdown(Markdown("**better**")))
    v_Dig_g01 [x\\](y) \\<b> a\\|b **better**
    """
    return text if isinstance(text, Markdown) else _BLOCK.sub(r"\1\\\2", _in_cell(text))


def _in_cell(text: object) -> str:
    return text if isinstance(text, Markdown) else _MARKUP.sub(r"\\\g<0>", printable(text))


def in_code(text: object) -> str:
    """Text as code in a line of Markdown.

    >>> in_code("imagenet")
    '`imagenet`'
    """
    return f"`{printable(text).replace('`', ' ')}`"


def in_link(text: object) -> str:
    r"""Text for the words of a link in Markdown.

    >>> print(in_link("a[1]"))
    a\[1\]
    """
    parts = re.split(r"([\[\]])", printable(text))
    return "".join(rf"\{part}" if part in ("[", "]") else _in_cell(part) for part in parts)


def picture(words: str, file_name: str) -> str:
    """A line of Markdown that shows a picture in the same folder.

    >>> picture("Calibration", "my run.png")
    '![Calibration](my%20run.png)'
    """
    return f"![{words}]({quote(file_name)})"


def table_lines(head: Sequence[object], rows: Iterable[Sequence[object]]) -> list[str]:
    """Lines of a Markdown table; a cell is text unless it says that it is Markdown.

    >>> table_lines(("class", "clips"), [("Dig|er", 3)])
    ['| class | clips |', '|---|---|', '| Dig\\\\|er | 3 |']
    """
    cells = ([_in_cell(cell) for cell in row] for row in (head, *rows))
    first, *rest = (f"| {' | '.join(row)} |" for row in cells)
    return [first, "|" + "---|" * len(head), *rest]


def score_cells(score: Accuracy) -> tuple[str, str, str]:
    """Share, counts and interval of an accuracy as text.

    >>> from mocrop.evaluation.scores.metrics import Accuracy
    >>> score_cells(Accuracy(correct=8, total=10, interval=(0.49, 0.943)))
    ('80.0 %', '8 / 10', '49.0 to 94.3 %')
    """
    low, high = score.interval
    return f"{100 * score.share:.1f} %", f"{score.correct} / {score.total}", _interval(low, high)


def interval_head(units: object) -> str:
    """Head of a column of intervals.

    >>> from mocrop.evaluation.scores.metrics import Units
    >>> interval_head(Units(kind="groups", count=42))
    '95 % interval by 42 groups'
    """
    return f"95 % interval by {units}"


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
    """A difference of shares in percentage points, with its interval if there is one.

    >>> points(Estimate(mean=0.021, low=-0.01, high=0.052)), points(Estimate(mean=0.5, low=-math.inf, high=math.inf))
    ('+2.1 [-1.0, +5.2]', '+50.0 [too few groups]')
    """
    mean, low, high = (100 * value for value in (difference.mean, difference.low, difference.high))
    if math.isinf(high):
        return f"{mean:+.1f} [too few groups]"
    return f"{mean:+.1f} [{low:+.1f}, {high:+.1f}]"


def markdown_table(head: Sequence[object], rows: Iterable[Sequence[object]]) -> str:
    """A Markdown table as text, with a line break at the end."""
    return "\n".join([*table_lines(head, rows), ""])


def write_json(values: Mapping[str, Any], file: Path, *, indent: int = 2) -> None:
    """Write plain values as JSON; what is no finite number becomes null.

    Args:
        indent: spaces a level.
    """
    write_whole(file, (json_text(values, indent=indent) + "\n").encode())
