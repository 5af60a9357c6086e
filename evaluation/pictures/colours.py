"""Colour, dashes and marker of each policy, the same in every picture: told apart in black and white, too.

The colours are Okabe and Ito's (https://jfly.uni-koeln.de/color/), with a grey, a brown and an indigo of about the same
distance to the others, as people with any of the three kinds of colour blindness see them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

import numpy as np
import numpy.typing as npt

Dashes = tuple[float, ...]  # lengths of a stroke, a gap, a stroke, ...


@dataclass(frozen=True, kw_only=True)
class Style:
    """How a policy is drawn."""

    colour: str  # such as "#0072b2"
    dashes: Dashes  # in widths of the line; empty: without gaps
    marker: str  # Matplotlib's letter; each has a face, which can be left white

    @property
    def linestyle(self) -> Literal["-"] | tuple[float, Dashes]:
        """The dashes as Matplotlib's ``linestyle``."""
        return (0, self.dashes) if self.dashes else "-"


STYLES: Mapping[str, Style] = MappingProxyType(
    {
        "full": Style(colour="#000000", dashes=(9, 2), marker="o"),
        "picture": Style(colour="#8a5a2b", dashes=(1, 2.5), marker="s"),
        "center": Style(colour="#0072b2", dashes=(2.5, 1), marker="D"),
        "center-frame": Style(colour="#56b4e9", dashes=(2.5, 1, 1, 1), marker="d"),
        "random": Style(colour="#b0b0b0", dashes=(1, 1), marker="X"),
        "motion": Style(colour="#d55e00", dashes=(6, 1, 1, 1), marker="^"),
        "motion-v2": Style(colour="#c0659c", dashes=(6, 1, 1, 1, 1, 1), marker="v"),
        "adaptive": Style(colour="#009e73", dashes=(5, 1.5), marker="P"),
        "follow": Style(colour="#e69f00", dashes=(), marker="*"),
        "maps": Style(colour="#332288", dashes=(2.5, 1, 2.5, 1, 1, 1), marker="h"),
    }
)
OTHER = Style(colour="#6b6b6b", dashes=(1, 1, 1, 3), marker="p")  # of what is no policy
ALIASES = {"center (frame's shape)": "center-frame"}  # as coverage calls it

COLOURS = {name: style.colour for name, style in STYLES.items()}


def style_of(name: str) -> Style:
    """The style of a policy, or of the variant of one: "motion (9x16)" looks like "motion".

    >>> style_of("center (frame's shape)") is STYLES["center-frame"]
    True
    """
    name = ALIASES.get(name, name)
    return STYLES.get(name) or STYLES.get(name.split(" ", 1)[0], OTHER)


def inked(length: int, dashes: Dashes, *, width: float) -> npt.NDArray[np.bool_]:
    """Which pixels along a line are drawn: bool, shape (length,).

    Args:
        width: of the line, pixels.

    >>> inked(8, (2, 1), width=1).astype(int).tolist()
    [1, 1, 0, 1, 1, 0, 1, 1]
    """
    if not dashes:
        return np.ones(length, bool)
    ends = np.cumsum(dashes) * width
    return np.asarray(np.searchsorted(ends, np.arange(length) % ends[-1], side="right") % 2 == 0)
