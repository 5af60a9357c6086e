"""Allowed values of settings that the command line offers as choices. This module must stay cheap to import."""

from __future__ import annotations

from typing import Any, Literal, get_args

Source = Literal["h264", "original", "auto"]  # which files are read: transcoded, the data set's own, or clip by clip
Spread = Literal["keyframes", "uniform"]  # which frames stand for a clip
Select = Literal["keyframes", "uniform", "dense"]  # which frames a cache stores; dense: windows of neighbouring ones
At = Literal["even", "motion"]  # where the windows of a clip are: evenly spread, or where the most moves
Camera = Literal["ignore", "compensate"]  # the camera's motion: left in the vectors, or subtracted
Shape = Literal["frame", "square"]  # of a box: the frame's own, or a square in pixels as far as the frame allows
Bars = Literal["keep", "cut"]  # black bars: part of the frame, or what lies outside of the picture
Fit = Literal["squash", "pad"]  # crops in square frames: stretched to fill them, or with bars beside them
Compression = Literal["none", "zstd"]  # of the stored frames
Scene = Literal["sprites", "crossing", "order"]  # of the clips that the demo makes
Picture = Literal["jpg", "png"]  # files of single frames
Sample = Literal["frames", "mp4"]  # what a clip is in a tar shard: pictures of its slots, or a video
Audio = Literal["keep", "drop"]  # the sound of clips
Stream = Literal["frames", "motion"]  # arrays of a crop cache that have slots


def require_choice(name: str, value: str, words: Any) -> None:  # Any: a Literal
    """Check that a setting has one of its allowed values.

    Raises: ValueError listing them.

    >>> require_choice("source", "mp4", Source)
    Traceback (most recent call last):
    ValueError: source must be h264 or original or auto, not 'mp4'
    """
    if value not in get_args(words):
        raise ValueError(f"{name} must be {' or '.join(get_args(words))}, not {value!r}")
