"""What pictures of clips are drawn with: frames on axes, boxes, paths, bars, arrows, and their legends."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from mocrop.evaluation.pictures.box_path import draw_path
from mocrop.evaluation.pictures.clip_boxes import edge_widths
from mocrop.evaluation.pictures.clip_view import ClipView, Picture
from mocrop.evaluation.pictures.colours import style_of
from mocrop.evaluation.pictures.motion_arrows import ArrowMaker, Arrows
from mocrop.pipeline.crop_box import WHOLE_FRAME, CropBox
from mocrop.pipeline.policies.base import PictureSize, PolicyResult

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.lines import Line2D
    from matplotlib.patches import Rectangle

OWN_COLOUR, CAMERA_COLOUR = "#ffd400", "#35c4ff"  # of arrows: blocks that move by themselves, and with the camera
BAR_COLOUR = "#8a8a8a"  # of the hatching of black bars
WARNING_COLOUR = "#a02020"
MARGIN = 1 / 80  # around a picture, so that outlines at its border show in full, as a share of its width
LINE_POINTS = 2.2  # width of the outline of a box; dashes are as long on the wider ones below other outlines


def show_picture(axis: Axes, picture: Picture, size: PictureSize, *, margin: float = MARGIN) -> None:
    """Show a picture on axes in pixels of the clip, with a margin around it, a share of its width."""
    axis.imshow(picture, extent=(0, size[0], size[1], 0))
    set_limits(axis, size, margin=margin)


def set_limits(axis: Axes, size: PictureSize, *, margin: float = MARGIN) -> None:
    """Set the limits of axes that show a picture."""
    width, height = size
    margin *= width
    axis.set_xlim(-margin, width + margin)
    axis.set_ylim(height + margin, -margin)


def draw_boxes(axis: Axes, boxes: Mapping[str, CropBox], size: PictureSize) -> None:
    """Outline every box in the style of its policy; coinciding edges show as stripes."""
    from matplotlib.collections import LineCollection

    for name, widths in edge_widths(boxes).items():
        left, top, right, bottom = np.array(boxes[name].edges) * (*size, *size)
        lines = [
            [(left, top), (left, bottom)],
            [(left, top), (right, top)],
            [(right, top), (right, bottom)],
            [(left, bottom), (right, bottom)],
        ]
        style = style_of(name)
        points = [LINE_POINTS + 2 * (width - 1) for width in widths]
        dashes = [(0, [part * LINE_POINTS / width for part in style.dashes] or None) for width in points]
        caps = "butt" if style.dashes else "projecting"
        axis.add_collection(
            LineCollection(lines, colors=style.colour, linewidths=points, linestyles=dashes, capstyle=caps, zorder=3)
        )


def draw_paths(axis: Axes, view: ClipView, *, of: Sequence[str] | None = None, now: int | None = None) -> None:
    """Draw the way of each moving box through the clip, with dots at the frames shown, a larger one at this frame.

    Args:
        of: policies; None: all.
    """
    for name, path in view.boxes.paths.items():
        if of is not None and name not in of:
            continue
        draw_path(axis, path, view.picture, colour=style_of(name).colour, shown=view.shown, now=now)


def draw_bars(axis: Axes, inside: CropBox, size: PictureSize) -> None:
    """Hatch what lies outside of the picture inside black bars."""
    for bar in around(inside):
        axis.add_patch(_part(bar, size, facecolor="none", edgecolor=BAR_COLOUR, hatch="////", linewidth=0))


def shade_outside(axis: Axes, box: CropBox, size: PictureSize, *, opacity: float) -> None:
    """Darken what a box leaves out."""
    for part in around(box):
        axis.add_patch(_part(part, size, facecolor="black", alpha=opacity, linewidth=0))


def around(box: CropBox) -> list[CropBox]:
    """The parts of the frame outside of a box: above and below it, then left and right of it.

    >>> [part.edges for part in around(CropBox(left=0, top=0.25, right=0.5, bottom=1))]
    [(0.0, 0.0, 1.0, 0.25), (0.5, 0.25, 1.0, 1.0)]
    """
    left, top, right, bottom = (float(edge) for edge in box.edges)
    parts = ((0.0, 0.0, 1.0, top), (0.0, bottom, 1.0, 1.0), (0.0, top, left, bottom), (right, top, 1.0, bottom))
    return [CropBox(left=x0, top=y0, right=x1, bottom=y1) for x0, y0, x1, y1 in parts if x0 < x1 and y0 < y1]


def _part(part: CropBox, size: PictureSize, **how: Any) -> Rectangle:
    from matplotlib.patches import Rectangle

    left, top, right, bottom = np.array(part.edges) * (*size, *size)
    return Rectangle((left, top), right - left, bottom - top, **how)


def draw_arrows(axis: Axes, arrows: Arrows) -> None:
    """Draw vectors: first those that follow the camera; over them, in another colour, those that do not."""
    for own, colour in ((False, CAMERA_COLOUR), (True, OWN_COLOUR)):
        start, end = (points[arrows.own == own] for points in (arrows.start, arrows.end))
        axis.quiver(
            *start.T,
            *(end - start).T,
            angles="xy",
            scale_units="xy",
            scale=1,
            color=colour,
            width=0.007,
            headwidth=3.6,
            headlength=4,
            headaxislength=3.6,
        )


def sign_handles(view: ClipView) -> list[Artist]:
    """Legend entries for the ways of moving boxes and for black bars, if there are any."""
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    handles: list[Artist] = []
    for name in view.boxes.paths:
        path = Line2D([], [], color=style_of(name).colour, marker="o", label=f"way of {name}, from the black dot")
        path.set(markerfacecolor="white", markeredgecolor="black")
        handles.append(path)
    if view.inside_bars != WHOLE_FRAME:
        bars = Patch(facecolor="black", edgecolor=BAR_COLOUR, hatch="////", linewidth=0, label="black bars")
        handles.append(bars)
    return handles


def policy_handles(results: Mapping[str, PolicyResult]) -> list[Line2D]:
    """Legend entries: every policy with the area of its box."""
    handles = []
    for name, result in results.items():
        what = f"{result.box.area:.0%} of the frame" if result.usable else "not cropped"
        what += ", moves" if result.slot_boxes else ""
        handles.append(policy_handle(name, f"{name}, {what}"))
    return handles


def policy_handle(name: str, label: str) -> Line2D:
    """Legend entry of a policy."""
    from matplotlib.lines import Line2D

    style = style_of(name)
    return Line2D([], [], color=style.colour, linestyle=style.linestyle, linewidth=2.5, label=label)


def arrow_handles(maker: ArrowMaker | None) -> list[Line2D]:
    """Legend entries: the two kinds of motion vectors, and by how much they are stretched; none without motion."""
    from matplotlib.lines import Line2D

    if maker is None:
        return []
    kinds = {"moves by itself": OWN_COLOUR, "moves with the camera": CAMERA_COLOUR}
    handles = [Line2D([], [], color=colour, marker=">", label=label) for label, colour in kinds.items()]
    return [*handles, Line2D([], [], linestyle="none", label=f"arrows x{maker.stretch}")]
