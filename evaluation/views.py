"""What a network gets of each clip that it is tested on, and how that is written on the command line.

Either single frames, from the middles of equal segments, or windows of neighbouring frames; of each frame all, or a
square in the middle, or three squares.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mocrop.pipeline.limits import require_whole
from mocrop.training.recipe import Clip, clip_words

CROPS = (1, 3)  # of a view: the middle one; or left, middle and right
Views = tuple[int, int]  # windows of a clip, and crops of each


@dataclass(frozen=True, kw_only=True)
class Look:
    """What a network gets of a clip.

    Attributes:
        frames: that it gets at once: single ones, one a segment; or those of a window.
        clip: how far the frames of a window are apart, beside their number; None: single frames.
        windows: of a clip; 1 for single frames.
        crop: side of what it sees of each frame, pixels; None: all of it.
        crops: of each window, or of all single frames: 1 or 3.
    """

    frames: int
    clip: Clip | None = None
    windows: int = 1
    crop: int | None = None
    crops: int = 1

    @property
    def stored_frames(self) -> int:
        """Frames of a clip that are read."""
        return self.frames * self.windows

    @property
    def seen_frames(self) -> int:
        """Frames that go through the network for a clip."""
        return self.stored_frames * self.crops

    def words(self, *, of_each: str) -> str:
        """It in words.

        >>> Look(frames=8).words(of_each="per clip")
        '8 per clip'
        >>> Look(frames=16, clip=(16, 2), windows=4, crop=112, crops=3).words(of_each="per clip")
        '64 per clip (4 clips of 16 frames, 2 apart), 3 crops of 112 px of each'
        >>> Look(frames=16, clip=(16, 2), crop=112).words(of_each="per clip")
        '16 per clip (1 clip of 16 frames, 2 apart), the middle 112 px of each'
        """
        windows = crop = ""
        if self.clip is not None:
            plural = "clip" if self.windows == 1 else "clips"
            windows = f" ({self.windows} {clip_words(self.clip).replace('clips', plural)})"
        if self.crop is not None:
            many = "the middle" if self.crops == 1 else f"{self.crops} crops of"
            crop = f", {many} {self.crop} px of each"
        return f"{self.stored_frames} {of_each}{windows}{crop}"


def look_from(plain: Mapping[str, Any]) -> Look:
    """The look that was written as plain values. Raises: TypeError for others."""
    clip = plain.get("clip")
    return Look(**{**plain, "clip": None if clip is None else (int(clip[0]), int(clip[1]))})


def require_views(views: Views) -> Views:
    """Check numbers of windows and crops.

    Raises: ValueError.
    """
    windows, crops = views
    require_whole("the windows of --views", windows, least=1)
    if crops not in CROPS:
        raise ValueError(f"the crops of --views must be {' or '.join(map(str, CROPS))}, not {crops!r}")
    return windows, crops


def parse_views(text: str) -> Views:
    """Read how many windows, and how many crops of each.

    Raises: ValueError if these are no numbers from 1 on, or for other numbers of crops than 1 and 3.

    >>> parse_views("4x3"), parse_views("4")
    ((4, 3), (4, 1))
    """
    windows, cross, crops = text.strip().lower().partition("x")
    if not windows.isdecimal() or (cross and not crops.isdecimal()):
        raise ValueError(f"{text!r} is not WINDOWS or WINDOWSxCROPS, e.g. 4x3")
    return require_views((int(windows), int(crops or "1")))
