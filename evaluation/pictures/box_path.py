"""The way of a moving box through a clip: a line through its centres, with dots at the frames that are shown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from mocrop.pipeline.crop_box import CropBox
from mocrop.pipeline.policies.base import PictureSize

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Points = npt.NDArray[np.float64]  # (n, 2): x, y

LINE_POINTS, RIM_POINTS = 1.6, 3.6  # widths of the line and of the black one below it
DOT_POINTS, NOW_POINTS = 4.5, 8.0  # diameters of the dots


@dataclass(frozen=True, kw_only=True, eq=False)
class BoxPath:
    """Where the centre of a box is in frames of a clip.

    Attributes:
        numbers: of the frames, ascending.
        centres: float64, shape (frames, 2): x, y in fractions of the frame.
    """

    numbers: tuple[int, ...]
    centres: Points

    @classmethod
    def of(cls, numbers: Sequence[int], boxes: Sequence[CropBox]) -> BoxPath:
        """The path of the boxes of some frames. Raises: ValueError unless there is one box a frame."""
        edges = np.array([box.edges for box in boxes], np.float64).reshape(-1, 2, 2)
        if len(edges) != len(numbers):
            raise ValueError(f"{len(edges)} boxes for {len(numbers)} frames")
        return cls(numbers=tuple(numbers), centres=edges.mean(axis=1))

    def until(self, number: int) -> BoxPath:
        """The part of the path up to a frame."""
        count = int(np.searchsorted(self.numbers, number, side="right"))
        return BoxPath(numbers=self.numbers[:count], centres=self.centres[:count])

    def at(self, numbers: Sequence[int]) -> Points:
        """Centres in those of some frames that the path has."""
        return self.centres[np.isin(self.numbers, numbers)]


def draw_path(
    axis: Axes, path: BoxPath, size: PictureSize, *, colour: str, shown: Sequence[int], now: int | None = None
) -> None:
    """Draw a path on axes in pixels of the clip: a ring where it starts, a triangle where it ends.

    Black below a colour and white dots are seen on any picture, and in black and white.

    Args:
        shown: numbers of the frames to mark with a dot.
        now: the frame on which the path is drawn, to be marked with a larger dot; None: none.
    """
    points = path.centres * size
    rim: dict[str, Any] = {
        "color": "black",
        "linewidth": RIM_POINTS,
        "solid_capstyle": "round",
        "solid_joinstyle": "round",
    }
    axis.plot(*points.T, **rim)
    axis.plot(*points.T, **{**rim, "color": colour, "linewidth": LINE_POINTS})
    dot: dict[str, Any] = {
        "linestyle": "none",
        "markeredgecolor": "black",
        "markeredgewidth": 0.8,
        "markerfacecolor": "white",
    }
    axis.plot(*(path.at(shown) * size).T, marker="o", markersize=DOT_POINTS, **dot)
    axis.plot(*points[:1].T, marker="o", markersize=DOT_POINTS + 2, **{**dot, "markerfacecolor": "black"})
    if now is not None:
        here = {**dot, "markerfacecolor": colour, "markeredgecolor": "white", "markeredgewidth": 1.5}
        axis.plot(*(path.at([now]) * size).T, marker="o", markersize=NOW_POINTS, **here)
