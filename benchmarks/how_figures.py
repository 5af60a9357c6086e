"""The pictures of docs/how-it-works.md, each of one clip: frames, vectors, maps and boxes on a dark card."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from mocrop.evaluation.pictures.clip_view import ClipView, Picture
from mocrop.evaluation.pictures.colours import style_of
from mocrop.evaluation.pictures.crop_rows import CARD, DPI, GAP_INCHES, INK, WIDTH_INCHES
from mocrop.evaluation.pictures.drawing import (
    draw_arrows,
    draw_bars,
    draw_boxes,
    shade_outside,
    show_picture,
)
from mocrop.evaluation.pictures.motion_arrows import ArrowMaker, Arrows
from mocrop.pipeline.motion.clip_motion import ClipMotion
from mocrop.pipeline.policies.adaptive import AdaptiveSettings, motion_density, own_motion, prior, trust
from mocrop.pipeline.policies.base import PictureSize
from mocrop.pipeline.policies.follow import FollowSettings
from mocrop.training.report.figure_file import write_figure

Map = npt.NDArray[np.float64]  # (rows, cols)

CAPTION_INCHES = 0.3
FAINT = "#8b949e"
SETTINGS, FOLLOW = AdaptiveSettings(), FollowSettings()


def card(captions: Sequence[str], *, aspect: float, above_inches: float = 0.0) -> tuple[Figure, list[Axes]]:
    """A figure with panels side by side, a caption above each.

    Args:
        aspect: height of a panel as a share of its width.
        above_inches: room between the captions and the panels.
    """
    wide = (WIDTH_INCHES - GAP_INCHES * (len(captions) + 1)) / len(captions)
    height = CAPTION_INCHES + above_inches + wide * aspect + GAP_INCHES
    figure = Figure(figsize=(WIDTH_INCHES, height), facecolor=CARD)
    axes = []
    for column, caption in enumerate(captions):
        left = (GAP_INCHES + column * (wide + GAP_INCHES)) / WIDTH_INCHES
        axes.append(figure.add_axes((left, GAP_INCHES / height, wide / WIDTH_INCHES, wide * aspect / height)))
        axes[-1].set_axis_off()
        figure.text(left, 1 - 0.55 * CAPTION_INCHES / height, caption, color=INK, fontsize=9.5, va="center")
    return figure, axes


def draw_vectors(view: ClipView, number: int, file: Path) -> None:
    """A key frame, the frame after it, and the vectors that the file has of that one, from near."""
    motion = _motion(view)
    pictures = dict(view.pictures([number, number + 1]))
    captions = ("a key frame is stored whole", "of the next one the file stores", "which blocks moved, and how far")
    figure, axes = card(captions, aspect=_aspect(view))
    some = motion.vectors_of(range(number + 1, number + 2))
    left, right, top, bottom = near = _surroundings(motion, some, view.picture)
    enlarged = (pictures[number + 1] * 0.6).astype(np.uint8)
    for axis, picture in zip(axes, (pictures[number], pictures[number + 1], enlarged), strict=True):
        _show(axis, view, picture)
    corner, size = (left, top), (right - left, bottom - top)
    axes[1].add_patch(Rectangle(corner, *size, fill=False, edgecolor=INK, linewidth=1.2))
    axes[2].set(xlim=near[:2], ylim=near[:1:-1])
    for x, y, w, h in zip(motion.x[some], motion.y[some], motion.w[some], motion.h[some], strict=True):
        at = (float(x) - w / 2, float(y) - h / 2)
        axes[2].add_patch(Rectangle(at, float(w), float(h), fill=False, edgecolor=FAINT, linewidth=0.8))
    draw_arrows(axes[2], ArrowMaker(motion, squares_across=motion.width // 8).of_frame(number + 1))
    write_figure(figure, file, dpi=DPI)


def _surroundings(motion: ClipMotion, some: slice, size: PictureSize) -> tuple[float, float, float, float]:
    """Left, right, top and bottom of a part of the frame, of its shape, a third as wide, about some vectors."""
    wide, high = size[0] / 3, size[1] / 3
    left = float(np.clip(np.median(motion.x[some]) - wide / 2, 0, size[0] - wide))
    top = float(np.clip(np.median(motion.y[some]) - high / 2, 0, size[1] - high))
    return left, left + wide, top, top + high


def draw_camera(view: ClipView, number: int, file: Path) -> None:
    """The vectors of a frame of a camera that moves, the motion found for the camera, and what is left."""
    motion = _motion(view)
    picture = _dimmed(dict(view.pictures([number]))[number])
    figure, axes = card(
        ("as stored: everything moves", "the camera's motion, found from them", "what is left moves by itself"),
        aspect=_aspect(view),
    )
    maker = ArrowMaker(motion, squares_across=16)
    arrows = maker.of_frame(number)
    field = _camera_arrows(motion, number, middles=(arrows.start + arrows.end) / 2, stretch=maker.stretch)
    left = Arrows(start=arrows.start, end=arrows.end - (field.end - field.start), own=arrows.own)
    grid = np.stack(np.meshgrid(np.arange(20, motion.width, 40), np.arange(20, motion.height, 40)), axis=-1)
    for axis, shown in (
        (axes[0], arrows),
        (axes[1], _camera_arrows(motion, number, middles=grid.reshape(-1, 2), stretch=maker.stretch)),
        (axes[2], Arrows(start=left.start[left.own], end=left.end[left.own], own=left.own[left.own])),
    ):
        _show(axis, view, picture)
        draw_arrows(axis, shown)
    write_figure(figure, file, dpi=DPI)


def _camera_arrows(motion: ClipMotion, number: int, *, middles: npt.NDArray[Any], stretch: int) -> Arrows:
    """The camera's motion in a frame at some places, about each of them."""
    x, y = (middles - np.array([motion.width, motion.height]) / 2).T
    a0, a1, a2, a3, a4, a5 = motion.camera[number].astype(np.float64)
    half = np.stack([a0 + a1 * x + a2 * y, a3 + a4 * x + a5 * y], axis=1) * stretch / 2
    return Arrows(start=middles - half, end=middles + half, own=np.zeros(len(middles), bool))


def draw_box(view: ClipView, number: int, file: Path) -> None:
    """How `adaptive` comes from counted motion to the box of a clip."""
    own = own_motion(_motion(view), SETTINGS)
    assert own is not None
    centre, result = prior(_motion(view), SETTINGS), view.results["adaptive"]
    picture = _dimmed(dict(view.pictures([number]))[number])
    maps = (own.summed(), motion_density(own), motion_density(own) + centre, motion_density(own) + centre)
    captions = ("motion counted, cell by cell", "blurred, less its mean", "a little for the centre", "the fullest box")
    figure, axes = card(captions, aspect=_aspect(view))
    for axis, values in zip(axes, maps, strict=True):
        _show(axis, view, picture)
        _show_map(axis, view, values)
    outline = result.box.pixels(*view.picture)
    rim = {"fill": False, "edgecolor": "black", "linewidth": 4.5}
    axes[3].add_patch(Rectangle(outline[:2], outline[2] - outline[0], outline[3] - outline[1], **rim))
    draw_boxes(axes[3], {"adaptive": result.box}, view.picture)
    write_figure(figure, file, dpi=DPI)


def draw_slots(view: ClipView, numbers: Sequence[int], file: Path) -> None:
    """How `follow` finds a box for each of some frames: the weights in time above, the map and the box below."""
    motion = _motion(view)
    own = own_motion(motion, FOLLOW)
    assert own is not None
    assert motion.seconds is not None
    pictures = dict(view.pictures(numbers))
    captions = [f"at {motion.seconds[number]:.1f} s" for number in numbers]
    above = 0.55
    figure, axes = card(captions, aspect=_aspect(view), above_inches=above)
    static, believed, centre = own.excess(own.summed()), trust(own.total), prior(motion, FOLLOW)
    for axis, number in zip(axes, numbers, strict=True):
        weight = np.exp(-(((motion.seconds - motion.seconds[number]) / FOLLOW.window_seconds) ** 2) / 2)
        near = (weight @ own.by_frame(slice(0, motion.frames))).reshape(own.grid)
        trusted = trust(float(weight @ own.in_frame))
        evidence = own.excess(near) * trusted + static * (believed - trusted) + centre
        _show(axis, view, _dimmed(pictures[number]))
        _show_map(axis, view, evidence)
        draw_boxes(axis, {"follow": view.boxes.at(number)["follow"]}, view.picture)
        _draw_weights(figure, axis, motion.seconds, weight, height=(above - 0.1) / figure.get_figheight())
    write_figure(figure, file, dpi=DPI)


def _draw_weights(figure: Figure, below: Axes, seconds: Map, weight: Map, *, height: float) -> None:
    """How much each moment of the clip counts, in a strip above a panel."""
    place = below.get_position()
    strip = figure.add_axes((place.x0, place.y1 + 0.05 / figure.get_figheight(), place.width, height))
    strip.set(facecolor=CARD, xlim=(seconds[0], seconds[-1]), ylim=(0, 1.1), yticks=(), xticks=())
    strip.spines[["left", "right", "top"]].set_visible(False)
    strip.spines["bottom"].set_color(FAINT)
    strip.fill_between(seconds, weight, color=style_of("follow").colour, alpha=0.75, linewidth=0)


def draw_bars_and_boxes(keep: ClipView, cut: ClipView, number: int, file: Path) -> None:
    """A clip with black bars, and a quarter of the frame beside a quarter of the picture."""
    picture = dict(keep.pictures([number]))[number]
    captions = (
        "black bars are found once per clip",
        "a quarter of the frame",
        "a quarter of the picture inside the bars",
    )
    figure, axes = card(captions, aspect=_aspect(keep))
    for axis, view in zip(axes, (keep, keep, cut), strict=True):
        _show(axis, view, picture)
        draw_bars(axis, view.inside_bars, view.picture)
    for axis, view in zip(axes[1:], (keep, cut), strict=True):
        box = view.boxes.at(number)["follow"]
        shade_outside(axis, box, view.picture, opacity=0.45)
        draw_boxes(axis, {"follow": box}, view.picture)
    write_figure(figure, file, dpi=DPI)


def _motion(view: ClipView) -> ClipMotion:
    assert view.motion is not None
    return view.motion


def _aspect(view: ClipView) -> float:
    return view.picture[1] / view.picture[0]


def _dimmed(picture: Picture) -> Picture:
    """In grey, and darker."""
    return (picture.mean(axis=2, keepdims=True).repeat(3, axis=2) * 0.55).astype(np.uint8)


def _show(axis: Axes, view: ClipView, picture: Picture) -> None:
    show_picture(axis, picture, view.picture, margin=0)


def _show_map(axis: Axes, view: ClipView, values: Map) -> None:
    """A map over the frame, the more opaque the more it holds."""
    strength = values / values.max()
    width, height = view.picture
    extent = (0, width, height, 0)
    axis.imshow(strength, cmap="inferno", alpha=0.25 + 0.7 * strength**0.5, extent=extent, interpolation="nearest")
