r"""Names as text that can be shown: of clips, classes, folders, caches, runs and whatever a message quotes of them.

A file may be called almost anything: a line break, a sequence that clears the terminal, letters that the terminal has
no code for. Whatever mocrop prints, draws or writes for people goes through :func:`printable`; JSON, which escapes by
itself, holds names as they are.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable

_RUN_BY_SPREADSHEETS = "=+-@\uff1d\uff0b\uff0d\uff20"  # at the start of a cell; the last four are their wide forms
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?", re.ASCII | re.IGNORECASE)
_ESCAPE = re.compile(r"\\(?:x[0-9a-f]{2}|u[0-9a-f]{4}|U[0-9a-f]{8}|[tnr\\])")


def printable(text: object, *, encoding: str = "utf-8", shows: Callable[[str], bool] | None = None) -> str:
    r"""Escape what a reader could not see, or what would do something: the one line that is left only shows letters.

    That is everything that Python does not call printable: control characters, line breaks, characters that turn the
    direction of writing or have no width, spaces that are none of the keyboard's, and bytes that are not UTF-8. It
    does not change what it has returned, and leaves backslashes alone, of which Windows makes its paths.

    Args:
        encoding: of the place where the text goes; what it cannot hold is escaped too.
        shows: whether that place has a picture of a character; None: of all.

    >>> print(printable("caf\udce9\x1b[2J.avi"), printable("日本.avi"), printable("gpj\u202e.avi"))
    caf\udce9\x1b[2J.avi 日本.avi gpj\u202e.avi
    >>> print(printable("日本 café", encoding="latin-1"))
    \u65e5\u672c café
    """
    words = str(text)
    if words.isascii() and words.isprintable():
        return words
    return "".join(c if _can_stay(c, encoding, shows) else c.encode("unicode_escape").decode("ascii") for c in words)


def _can_stay(character: str, encoding: str, shows: Callable[[str], bool] | None) -> bool:
    if character.isascii():
        return character.isprintable()
    if not character.isprintable() or (shows is not None and not shows(character)):
        return False
    try:
        character.encode(encoding)
    except UnicodeEncodeError:
        return False
    return True


def shell_word(name: str) -> str:
    r"""A name as one word of a command, printable, for bash and other shells that know ``$'...'``.

    >>> print(shell_word("motion-192"), shell_word("a b; rm"), shell_word("a\x1b'b"))
    motion-192 'a b; rm' $'a\u001b\'b'
    """
    if name.isprintable():
        return shlex.quote(name)
    letters = (f"\\{c}" if c in "\\'" else c if c.isprintable() else _shell_code(c) for c in name)
    return f"$'{''.join(letters)}'"


def _shell_code(character: str) -> str:
    code = ord(character)
    return rf"\u{code:04x}" if code < 0x10000 else rf"\U{code:08x}"


def is_utf8(name: str) -> bool:
    """Whether a file has a name that can be written as UTF-8; other bytes have become lone surrogates in it.

    >>> is_utf8("日本.avi"), is_utf8("caf\\udce9.avi")
    (True, False)
    """
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def csv_cell(value: object) -> object:
    r"""What a CSV file has in the cell of a value: of a text what :func:`printable` makes of it, and never a formula.

    Backslashes are doubled, so that :func:`from_csv_cell` can tell them from escapes. What a spreadsheet would take
    for a formula gets an apostrophe in front, and so does what has one already. Numbers stay, as numbers or as text.

    >>> [csv_cell(value) for value in ("Archery", "=cmd()", "'tis", "a\tb", "-0.5", 3, None)]
    ['Archery', "'=cmd()", "''tis", 'a\\tb', '-0.5', 3, None]
    """
    if not isinstance(value, str):
        return value
    text = printable(value.replace("\\", "\\\\"))
    first = text.lstrip(" ")[:1]
    guarded = first and (first in _RUN_BY_SPREADSHEETS or text[0] == "'") and not _NUMBER.fullmatch(text)
    return f"'{text}" if guarded else text


def from_csv_cell(cell: str) -> str:
    r"""The text that :func:`csv_cell` has made a cell of; another cell is returned as it is.

    >>> [from_csv_cell(cell) for cell in ("Archery", "'=cmd()", "''tis", "'n", r"a\tb", "-0.5")]
    ['Archery', '=cmd()', "'tis", "'n", 'a\tb', '-0.5']
    """
    text = _ESCAPE.sub(lambda found: found[0].encode("ascii").decode("unicode_escape"), cell.removeprefix("'"))
    return text if csv_cell(text) == cell else cell
