"""The console that mocrop prints on: every name is shown and does nothing, and a terminal breaks no word."""

from __future__ import annotations

import re
import traceback
from collections.abc import Iterator
from types import TracebackType
from typing import Any

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment
from rich.table import Table
from rich.text import Text

from mocrop.pipeline.names import printable
from mocrop.pipeline.narrow_tables import fitted

Part = str | tuple[str, str]  # words, or words and their style, such as "bold red"


def count(number: int, noun: str, *, plural: str = "") -> str:
    """Write a number with its noun, in the plural where needed.

    >>> count(1, "clip"), count(13320, "clip"), count(2, "class", plural="classes")
    ('1 clip', '13,320 clips', '2 classes')
    """
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"


class LineConsole(Console):
    """A rich console for sentences, paths and names.

    Text is printed as it is: ``[red]`` in a name is no markup, ``:name:`` no emoji, numbers are not highlighted; styles
    are given beside the words, see :meth:`say`. One text is one line: what a name holds that is no letter is escaped by
    :func:`~mocrop.pipeline.names.printable`, and so is what the encoding of the output lacks.

    On a terminal a line is broken between words, so that a path stays in one piece however long it is. In a file or a
    pipe, where programs and people search, a line is never broken. Tables are fitted to the width; where it is too
    narrow for their columns, they are printed row by row, see :mod:`~mocrop.pipeline.narrow_tables`.
    """

    def __init__(self, *, stderr: bool = False, quiet: bool = False, **options: Any) -> None:
        super().__init__(stderr=stderr, quiet=quiet, highlight=False, emoji=False, markup=False, **options)

    def print(self, *objects: Any, **options: Any) -> None:
        """Print one text as a line, see :meth:`say`, a table as wide as fits, and anything else as rich does."""
        if len(objects) == 1 and isinstance(objects[0], str):
            self.say(objects[0], **options)
        elif len(objects) == 1 and isinstance(objects[0], Table):
            super().print(fitted(objects[0], self), **options)
        else:
            super().print(*objects, **options)

    def say(self, *parts: Part, whole: bool = False, **options: Any) -> None:
        """Print one line, made of words and of words with a style.

        Args:
            whole: do not break the line, on a terminal either.
            options: as rich's ``print`` takes them.
        """
        line = Text()
        for part in parts:
            words, style = (part, "") if isinstance(part, str) else part
            line.append(printable(words, encoding=self.encoding), style)
        if self.is_terminal and not whole:
            line = _between_words(line, self.width)
        super().print(line, soft_wrap=True, **options)

    def render_str(self, text: str, **options: Any) -> Text:
        """Every text that rich renders for a table, a title or a rule."""
        return super().render_str(printable(text, encoding=self.encoding), **{**options, "markup": False})

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterator[Segment]:
        """All that is written: what has come another way than by the methods above, or from rich, is escaped here."""
        for segment in super().render(renderable, options):
            yield segment if segment.control else segment._replace(text=self._lines(segment.text))

    def _lines(self, text: str) -> str:
        return "\n".join(printable(line, encoding=self.encoding) for line in text.split("\n"))


def print_traceback(_: type[BaseException], error: BaseException, __: TracebackType | None) -> None:
    """As Python prints an error that nobody has caught, on standard error, but with the names in it printable.

    For ``sys.excepthook``. The message of an error is one line, whatever it quotes.
    """
    console = LineConsole(stderr=True)
    for line in traceback_lines(error):
        console.say(line, whole=True)


def traceback_lines(error: BaseException) -> Iterator[str]:
    """The lines that Python prints of an error; its message, and that of each that it comes from, is one of them."""
    for part in traceback.TracebackException.from_exception(error).format():
        if part.lstrip(" |+-").startswith("File "):  # with the line of the program, which holds no name
            yield from part.rstrip("\n").split("\n")
        else:
            words = part.strip("\n")
            yield from [""] * (len(part) - len(part.lstrip("\n")))
            yield words
            yield from [""] * (len(part) - len(part.rstrip("\n")) - 1)


def _between_words(text: Text, width: int) -> Text:
    """Break one line into several."""
    indent = " " * hanging_indent(text.plain)
    lines = []
    for number, part in enumerate(text.divide(line_starts(text.plain, width))):
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
