"""Whether what a file says it is, a checkpoint of mocrop, has parts of the right types: a file may hold anything."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, get_args

from torch import Tensor

from mocrop.pipeline.choices import Stream

MAX_SIZE = 1 << 16  # pixels; side of a frame


def wrong_part(content: Mapping[str, Any]) -> str:
    """Name the first part that is missing or cannot be what it must be; empty if all can.

    >>> wrong_part({"arch": ["resnet50"]})
    'arch must be the name of a backbone, not a list'
    """
    for name, (fits, what) in _PARTS.items():
        if name not in content:
            if name not in _OPTIONAL:
                return f"{name} is missing"
        elif not fits(content[name]):
            return f"{name} must be {what}, not {_shown(content[name])}"
    return ""


def _is_name(value: Any) -> bool:
    return isinstance(value, str) and bool(value)


def _is_count(value: Any) -> bool:
    return type(value) is int and value >= 0


def _are_names(value: Any) -> bool:
    return isinstance(value, list | tuple) and all(isinstance(each, str) for each in value)


def _are_numbers(value: Any) -> bool:
    return isinstance(value, list | tuple) and all(type(each) in (int, float) for each in value)


def _is_table(value: Any) -> bool:
    return isinstance(value, Mapping) and all(isinstance(key, str) for key in value)


def _are_weights(value: Any) -> bool:
    return _is_table(value) and all(isinstance(each, Tensor) for each in value.values())


_PARTS: dict[str, tuple[Callable[[Any], bool], str]] = {
    "arch": (_is_name, "the name of a backbone"),
    "class_names": (_are_names, "a list of names"),
    "size": (lambda value: _is_count(value) and 0 < value <= MAX_SIZE, f"a side from 1 to {MAX_SIZE} pixels"),
    "mean": (_are_numbers, "a list of numbers"),
    "std": (_are_numbers, "a list of numbers"),
    "settings": (_is_table, "a table of settings"),
    "cache": (lambda value: _is_table(value) and _is_name(value.get("name")), "a table with the name of a cache"),
    "epoch": (_is_count, "a number of epochs"),
    "metrics": (_is_table, "a table of scores"),
    "state_dict": (_are_weights, "a table of weights"),
    "resume": (_is_table, "a table of what a run needs to resume"),
    "input": (lambda value: value in get_args(Stream), " or ".join(get_args(Stream))),
}
_OPTIONAL = ("resume", "input")


def _shown(value: Any) -> str:
    plain = isinstance(value, str | int | float | bool) or value is None
    return repr(value)[:80] if plain else f"a {type(value).__name__}"
