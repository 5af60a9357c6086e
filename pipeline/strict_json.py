"""Strict JSON: NaN and infinity, which the standard does not have, become null."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

MAX_KEY = 100  # characters of a key in a message


def json_text(value: Any, *, indent: int | None = None, default: Callable[[Any], Any] | None = None) -> str:
    """Turn plain values into JSON, in letters of ASCII.

    Args:
        indent: spaces a level; None: all on one line.
        default: makes a plain value of any other.

    >>> json_text({"mean": float("nan"), "share": 0.5})
    '{"mean": null, "share": 0.5}'
    """
    return json.dumps(_finite(value, default), indent=indent, allow_nan=False)


def _finite(value: Any, default: Callable[[Any], Any] | None) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {key: _finite(item, default) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item, default) for item in value]
    if default is None or value is None or isinstance(value, str | int):
        return value
    return _finite(default(value), default)


def parsed_json(text: str | bytes, *, distinct_keys: bool = False) -> Any:
    """The value of a text in JSON, which may come from anywhere.

    Args:
        distinct_keys: refuse an object that has a key twice, of which Python would keep the last value.
    Raises: ValueError if it is no JSON, or if its lists and objects are nested deeper than Python follows.
    """
    try:
        return json.loads(text, object_pairs_hook=_with_distinct_keys if distinct_keys else None)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error


def _with_distinct_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError(f"the key {Counter(key for key, _ in pairs).most_common(1)[0][0][:MAX_KEY]!r} is there twice")
    return found
