"""Whether values that a person has typed are of the types of a settings dataclass, and what a wrong name may mean."""

from __future__ import annotations

import difflib
import types
import typing
from collections.abc import Iterable, Mapping
from typing import Any, Literal, Union

_WORDS = {int: "a whole number", float: "a number", str: "text in quotes", bool: "true or false"}


def require_types(kind: type, values: Mapping[str, Any]) -> None:
    """Check values against the annotations of a dataclass; fields of types that no TOML file holds are left to it.

    Args:
        kind: the dataclass.
        values: by name of its fields; a list may stand for a tuple, a whole number for a number.
    Raises: ValueError naming the field, what it must be and the value.

    >>> import dataclasses
    >>> tiny = dataclasses.make_dataclass("Tiny", [("crf", int), ("grid", tuple[int, int] | None)])
    >>> require_types(tiny, {"crf": 3, "grid": [6, 8]})
    >>> require_types(tiny, {"crf": "3"})
    Traceback (most recent call last):
    ValueError: crf must be a whole number, not '3'
    >>> require_types(tiny, {"grid": [6]})
    Traceback (most recent call last):
    ValueError: grid must be a list of 2 such as [6, 8], not [6]
    """
    hints = typing.get_type_hints(kind)
    for name, value in values.items():
        if name in hints and (wanted := _shortcoming(value, hints[name])):
            raise ValueError(f"{name} must be {wanted}, not {_shown(value)}")


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """The rest of a sentence that names the nearest right name, if one is near.

    >>> did_you_mean("trancode", ["transcode", "extract-mv"]), did_you_mean("xyz", ["transcode"])
    ("; perhaps 'transcode' is meant", '')
    """
    plain = {each.replace("_", "-").lower(): each for each in known}
    near = difflib.get_close_matches(name.replace("_", "-").lower(), plain, n=1)
    return f"; perhaps {plain[near[0]]!r} is meant" if near else ""


def _shortcoming(value: Any, hint: Any) -> str:
    """What a value would have to be; empty if it is that, or if the type is none of those known here."""
    origin, inner = typing.get_origin(hint), typing.get_args(hint)
    if origin in (Union, types.UnionType):
        wanted = [_shortcoming(value, each) for each in inner if each is not type(None)]
        return "" if value is None or not all(wanted) else wanted[0]
    if origin is Literal:
        return "" if value in inner and isinstance(value, str) else " or ".join(map(repr, inner))
    if origin is tuple and Ellipsis not in inner:
        fits = isinstance(value, list | tuple) and len(value) == len(inner)
        if fits and not any(_shortcoming(*each) for each in zip(value, inner, strict=True)):
            return ""
        return f"a list of {len(inner)} such as {[6, 8, 1, 1][: len(inner)]}"
    if hint in _WORDS:
        return "" if _is(value, hint) else _WORDS[hint]
    return ""


def _is(value: Any, kind: type) -> bool:
    if kind is float:
        return isinstance(value, int | float) and not isinstance(value, bool)
    return type(value) is kind


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return "a table" if isinstance(value, dict) else repr(value)
