"""Words that a setting may be, where the command line must know them too: this module is cheap to import."""

from __future__ import annotations

from typing import Any, Literal, get_args

Source = Literal["h264", "original"]  # files: the transcoded ones, or the data set's own
Select = Literal["keyframes", "uniform"]  # frames that are decoded
Camera = Literal["ignore", "compensate"]  # its motion: left in the vectors, or taken out
Compression = Literal["none", "zstd"]  # of frames
Stream = Literal["frames", "motion"]  # arrays of a crop cache with something in every slot


def require_choice(name: str, value: str, words: Any) -> None:  # Any: a Literal
    """Check that a setting is one of its words.

    Raises: ValueError naming them.

    >>> require_choice("source", "mp4", Source)
    Traceback (most recent call last):
    ValueError: source must be h264 or original, not 'mp4'
    """
    if value not in get_args(words):
        raise ValueError(f"{name} must be {' or '.join(get_args(words))}, not {value!r}")
