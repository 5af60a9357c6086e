"""Limits of the numbers in settings: all are finite, and none is larger than makes sense."""

from __future__ import annotations

from collections.abc import Iterable
from numbers import Integral, Real
from typing import Any

from mocrop.pipeline.errors import SettingsError

MAX_COUNT = 1_000_000  # of clips, epochs, key frames and the like; more is a slip, and may not fit into memory
MAX_SIDE_PX = 16_384  # of a picture
MAX_WORKERS = 4096
MAX_SEED = 2**64 - 1  # the largest that PyTorch takes


class NumberError(SettingsError, ValueError):
    """A number that a setting cannot have: a mistake for programs, and one line for people."""


def require_number(
    name: str,
    value: object,
    *,
    least: float | None = None,
    most: float | None = None,
    above: float | None = None,
    below: float | None = None,
) -> None:
    """Check that a setting is a finite number within its limits; all that are given must hold.

    Raises: NumberError that names the setting and its limits.

    >>> require_number("mixup", float("inf"), least=0, most=1000)  # doctest: +IGNORE_EXCEPTION_DETAIL
    Traceback (most recent call last):
    mocrop.pipeline.limits.NumberError: mixup must be at least 0 and at most 1000, not inf
    """
    if isinstance(value, bool) or not isinstance(value, Real):
        raise NumberError(f"{name} must be a number, {_words(least, most, above, below)}, not {value!r}")
    number: Any = value
    inside = (
        (least is None or number >= least)
        and (most is None or number <= most)
        and (above is None or number > above)
        and (below is None or number < below)
        and abs(number) < float("inf")  # false for NaN too
    )
    if not inside:
        raise NumberError(f"{name} must be {_words(least, most, above, below)}, not {value}")


def require_whole(name: str, value: object, *, least: int = 0, most: int = MAX_COUNT) -> None:
    """Check that a setting is a whole number within its limits.

    Raises: NumberError that names the setting and its limits.

    >>> require_whole("epochs", 0, least=1)  # doctest: +IGNORE_EXCEPTION_DETAIL
    Traceback (most recent call last):
    mocrop.pipeline.limits.NumberError: epochs must be at least 1 and at most 1000000, not 0
    """
    if isinstance(value, Real) and not isinstance(value, Integral):
        raise NumberError(f"{name} must be a whole number, not {value}")
    require_number(name, value, least=least, most=most)


def require_numbers(name: str, values: Iterable[object], **limits: float) -> None:
    """Check every value of a setting that holds several, as :func:`require_number` does.

    Raises: NumberError.
    """
    for value in values:
        require_number(name, value, **limits)


def _words(least: float | None, most: float | None, above: float | None, below: float | None) -> str:
    limits = {"at least": least, "above": above, "at most": most, "below": below}
    return " and ".join(f"{word} {_plain(limit)}" for word, limit in limits.items() if limit is not None)


def _plain(limit: float) -> str:
    return str(int(limit)) if limit == int(limit) else f"{limit:g}"
