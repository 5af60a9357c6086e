"""The console that mocrop prints on: lines break between words on a terminal, and not at all in a file or pipe."""

from __future__ import annotations

import re
from typing import Any

from rich.cells import cell_len
from rich.console import Console
from rich.text import Text


class LineConsole(Console):
    """A rich console for sentences and paths.

    On a terminal a line is broken between words, so that a path stays in one piece however long it is. In a file or a
    pipe, where programs and people search, a line is never broken. Tables are fitted to the width, as by rich.
    Numbers and paths are not highlighted, and ``:name:`` in a path is not turned into an emoji.
    """

    def __init__(self, *, stderr: bool = False, quiet: bool = False, **options: Any) -> None:
        super().__init__(stderr=stderr, quiet=quiet, highlight=False, emoji=False, **options)

    def print(self, *objects: Any, markup: bool | None = None, **options: Any) -> None:
        """Print as rich does, but never break a word."""
        if len(objects) == 1 and isinstance(objects[0], str):
            text = self.render_str(objects[0], markup=markup)
            if self.is_terminal:
                text = _between_words(text, self.width)
            super().print(text, soft_wrap=True, **options)
        else:
            super().print(*objects, markup=markup, **options)


def _between_words(text: Text, width: int) -> Text:
    lines = []
    for line in text.split("\n", allow_blank=True):
        indent = " " * hanging_indent(line.plain)
        for number, part in enumerate(line.divide(line_starts(line.plain, width))):
            part.rstrip()
            lines.append(Text(indent) + part if number else part)
    return Text("\n").join(lines)


def hanging_indent(line: str) -> int:
    """Columns by which the rest of a broken line is indented: two more than its start, or 0 if that is not indented.

    >>> hanging_indent("  note 3 clips"), hanging_indent("3 clips")
    (4, 0)
    """
    indent = len(line) - len(line.lstrip())
    return indent + 2 if indent else 0


def line_starts(line: str, width: int) -> list[int]:
    """Find where to break a line so that each part is at most ``width`` columns wide, hanging indent included.

    A single word may be wider.

    >>> line_starts("to /a/long/path it goes", 10)
    [3, 16]
    """
    starts = []
    column = 0
    for word in re.finditer(r"\s*\S+\s*", line):
        if column and column + cell_len(word[0].rstrip()) > width:
            starts.append(word.start())
            column = hanging_indent(line)
        column += cell_len(word[0])
    return starts
