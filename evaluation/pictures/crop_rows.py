"""The boxes of policies beside each other: for each policy a row of frames with its box, and the crops below it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from mocrop.evaluation.pictures.clip_view import ClipView, Picture
from mocrop.evaluation.pictures.colours import style_of
from mocrop.evaluation.pictures.drawing import draw_boxes, draw_paths, set_limits, shade_outside, show_picture
from mocrop.pipeline.crop_box import CropBox
from mocrop.pipeline.errors import ClipError, Reason
from mocrop.pipeline.policies.base import PictureSize
from mocrop.training.report.figure_file import write_figure
from mocrop.training.report.figure_names import drawable

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

DPI = 150
WIDTH_INCHES = 9.0
GAP_INCHES, TITLE_INCHES, FOOT_INCHES = 0.05, 0.34, 0.12  # between pictures, above each policy, below the last one
CARD, INK = "#0d1117", "#f0f3f6"  # dark, so that the picture looks the same on a page of any colour
SHADE = 0.45  # opacity of the shade over what a box leaves out
PATH_ORDER = 2.5  # in which things are drawn: above lines and below the outlines of boxes
RIM_POINTS = 2.0  # around a crop, in the colour of its policy


def draw_crop_rows(view: ClipView, file: Path) -> None:
    """Write the picture of one clip.

    Raises: ClipError if frames cannot be decoded.
    """
    from matplotlib.figure import Figure

    pictures = dict(view.pictures(view.shown))
    if not pictures:
        raise ClipError(Reason.NO_FRAMES, f"{view.name}: none of the frames {list(view.shown)} could be decoded")
    wide = (WIDTH_INCHES - GAP_INCHES * (len(pictures) + 1)) / len(pictures)
    high = wide * view.picture[1] / view.picture[0]
    block = TITLE_INCHES + 2 * (high + GAP_INCHES)
    figure = Figure(figsize=(WIDTH_INCHES, block * len(view.results) + FOOT_INCHES), facecolor=CARD)
    for number, name in enumerate(view.results):
        top = figure.get_figheight() - number * block
        _write_title(figure, view, name, top=top)
        _draw_policy(figure, view, name, pictures, size=(wide, high), top=top - TITLE_INCHES)
    write_figure(figure, file, dpi=DPI)


def _write_title(figure: Figure, view: ClipView, name: str, *, top: float) -> None:
    """The policy's name and what its box does, at the left; ``top`` in inches from below."""
    result = view.results[name]
    what = "a box for each frame" if result.slot_boxes else "one box for the clip"
    what = what if result.usable else f"not cropped: {result.why}"
    where = GAP_INCHES / WIDTH_INCHES, (top - 0.6 * TITLE_INCHES) / figure.get_figheight()
    bold = figure.text(*where, drawable(name), color=style_of(name).colour, fontsize=12, fontweight="bold", va="center")
    share = f"{what}, {result.box.area:.0%} of the frame"
    right = bold.get_window_extent().x1 / figure.bbox.width
    figure.text(right + 0.012, where[1], drawable(share), color=INK, fontsize=10.5, va="center", parse_math=False)


def _draw_policy(
    figure: Figure, view: ClipView, name: str, pictures: Mapping[int, Picture], *, size: tuple[float, float], top: float
) -> None:
    """A row of frames and a row of crops, from ``top`` down; all in inches."""
    wide, high = size
    for column, (number, picture) in enumerate(pictures.items()):
        left = GAP_INCHES + column * (wide + GAP_INCHES)
        frame, crop = (_axes(figure, left, top - row * (high + GAP_INCHES) - high, wide, high) for row in range(2))
        box = view.boxes.at(number).get(name)
        show_picture(frame, picture, view.picture, margin=0)
        if box is None:
            continue
        shade_outside(frame, box, view.picture, opacity=SHADE)
        draw_paths(frame, view, of=[name])
        _show_inside(frame, picture, box, view.picture)
        draw_boxes(frame, {name: box}, view.picture)
        _show_crop(crop, picture, box, name)


def _axes(figure: Figure, left: float, bottom: float, wide: float, high: float) -> Axes:
    width, height = figure.get_size_inches()
    axis = figure.add_axes((left / width, bottom / height, wide / width, high / height))
    axis.set_axis_off()
    return axis


def _show_inside(axis: Axes, picture: Picture, box: CropBox, size: PictureSize) -> None:
    """Show the inside of a box again, over the path."""
    left, top, right, bottom = box.pixels(*size)
    axis.imshow(picture[top:bottom, left:right], extent=(left, right, bottom, top), zorder=PATH_ORDER)
    set_limits(axis, size, margin=0)


def _show_crop(axis: Axes, picture: Picture, box: CropBox, name: str) -> None:
    """Show what is inside of a box, in its own shape and as large as fits."""
    left, top, right, bottom = box.pixels(picture.shape[1], picture.shape[0])
    axis.imshow(picture[top:bottom, left:right], interpolation="bicubic")
    axis.set_axis_on()
    axis.set(xticks=(), yticks=())
    axis.spines[:].set(color=style_of(name).colour, linewidth=RIM_POINTS)
