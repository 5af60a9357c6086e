"""The contact sheet of a clip, a PNG: key frames with boxes, motion vectors, density maps, camera motion."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from math import ceil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from mocrop.evaluation.pictures.clip_view import ClipView, Picture
from mocrop.evaluation.pictures.drawing import (
    WARNING_COLOUR,
    arrow_handles,
    draw_arrows,
    draw_bars,
    draw_boxes,
    draw_paths,
    policy_handles,
    set_limits,
    show_picture,
    sign_handles,
)
from mocrop.evaluation.pictures.motion_arrows import ArrowMaker
from mocrop.pipeline.errors import ClipError, Reason
from mocrop.pipeline.motion.clip_motion import ClipMotion
from mocrop.pipeline.motion.residual import camera_speed
from mocrop.pipeline.policies.base import PictureSize
from mocrop.training.report.figure_file import write_figure
from mocrop.training.report.figure_names import drawable

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import SubFigure

DPI = 110
WIDTH_INCHES = 15.0
LEGEND_COLUMNS = 5
MIN_COLUMNS = 4  # also for fewer frames, which would else fill the page
SPEED_COLOUR, SUPPORT_COLOUR = "#7a3db8", "#9aa5b1"
PLATE: Picture = np.full((1, 1, 3), 232, np.uint8)  # light grey, in place of a picture


def draw_contact_sheet(view: ClipView, file: Path) -> None:
    """Write the contact sheet of one clip.

    Raises: ClipError if frames cannot be decoded.
    """
    from matplotlib.figure import Figure

    following = {number: view.following_p_frame(number) for number in view.shown}
    wanted = sorted({*following, *(number for number in following.values() if number is not None)})
    pictures = dict(view.pictures(wanted))
    if not pictures:
        raise ClipError(Reason.NO_FRAMES, f"{view.name}: none of the frames {wanted} could be decoded")
    columns = max(len(following), MIN_COLUMNS)
    row_inches = min(WIDTH_INCHES / columns * view.picture[1] / view.picture[0], 6.0) + 0.25
    figure = Figure(figsize=(WIDTH_INCHES, 0.55 + 2 * row_inches + 3.6), layout="constrained")
    figure.suptitle(drawable(_title(view)), fontsize=13, fontweight="bold", parse_math=False)
    top, bottom = figure.subfigures(2, 1, squeeze=False, height_ratios=(2 * row_inches, 3.6)).ravel()
    maker = ArrowMaker(view.motion) if view.motion else None
    _draw_frames(top.subplots(2, columns, squeeze=False), view, maker, following, pictures)
    _draw_summary(bottom, view, pictures)
    left_out = [f"{name} is left out: {why}" for name, why in view.boxes.left_out.items()]
    _add_legend(top, [*sign_handles(view), *arrow_handles(maker)])
    _add_legend(bottom, policy_handles(view.results), words=left_out)
    write_figure(figure, file, dpi=DPI)


def _add_legend(part: SubFigure, handles: Sequence[Artist], *, words: Sequence[str] = ()) -> None:
    """Add a legend in as few rows as fit, below lines of words in the colour of warnings."""
    rows = max(1, ceil(len(handles) / LEGEND_COLUMNS))
    how: dict[str, Any] = {"frameon": False, "fontsize": 9, "title_fontsize": 8, "handlelength": 3.2}
    how |= {"ncols": max(1, ceil(len(handles) / rows)), "title": "\n".join(map(drawable, words)) or None}
    title = part.legend(handles=handles, loc="outside lower center", **how).get_title()
    title.set(color=WARNING_COLOUR, parse_math=False)


def _title(view: ClipView) -> str:
    width, height = view.picture
    keys = len(view.timeline.key_frames)
    counts = f"frames: {view.frames}, key frames: {keys}"
    return f"{view.name}   ·   class {view.label}   ·   {width}x{height}   ·   {counts}   ·   {view.source} file"


def _draw_frames(
    axes: npt.NDArray[np.object_],
    view: ClipView,
    maker: ArrowMaker | None,
    following: Mapping[int, int | None],
    pictures: Mapping[int, Picture],
) -> None:
    """Frames with boxes in the upper row; below each, the P frame that follows, with its vectors."""
    key_frames = set(view.timeline.key_frames.tolist())
    for axis in axes.ravel():
        axis.set_axis_off()
    for column, (number, after) in enumerate(following.items()):
        upper, lower = axes[:, column]
        if number in pictures:
            kind = "key frame" if number in key_frames else "frame"
            _show(upper, pictures[number], view.picture, title=f"{kind} {number}")
            draw_bars(upper, view.inside_bars, view.picture)
            draw_boxes(upper, view.boxes.at(number), view.picture)
            draw_paths(upper, view, now=number)
        if after is None or maker is None or after not in pictures:
            words = "no P frame follows" if view.motion else "no motion vectors"
            _show_words(lower, words, view.picture)
        else:
            grey = pictures[after].mean(axis=2, keepdims=True).repeat(3, axis=2) * 0.6
            _show(lower, grey.astype(np.uint8), view.picture, title=f"P frame {after}")
            draw_arrows(lower, maker.of_frame(after))


def _show(axis: Axes, picture: Picture, size: PictureSize, *, title: str) -> None:
    show_picture(axis, picture, size)
    axis.set_title(title, fontsize=9, pad=3)


def _show_words(axis: Axes, words: str, size: PictureSize) -> None:
    """Text on a grey plate, in place of a picture of that size."""
    _show(axis, PLATE, size, title="")
    _write(axis, (size[0] / 2, size[1] / 2), words, letters_across=26)


def _write(axis: Axes, middle: tuple[float, float], words: str, *, letters_across: int) -> None:
    text = textwrap.fill(drawable(words), letters_across)
    axis.text(*middle, text, ha="center", va="center", fontsize=9, color=WARNING_COLOUR, parse_math=False)


def _draw_summary(part: SubFigure, view: ClipView, pictures: Mapping[int, Picture]) -> None:
    """Density maps, each with the box found on it, and a plot of the camera's motion."""
    maps = [name for name, result in view.results.items() if result.density.any()]
    count = max(1, len(maps))
    axes = part.subplots(1, count + 1, squeeze=False, width_ratios=[1.0] * count + [max(1.0, 4.2 - count)])[0]
    for axis, name in zip(axes, maps, strict=False):
        axis.set_axis_off()
        draw_density(axis, name, view, next(iter(pictures.values())))
    if not maps:
        axes[0].set_axis_off()
        _show_words(axes[0], "no density map: no policy shown found motion to go by", view.picture)
    draw_camera(axes[-1], view)


def draw_density(axis: Axes, name: str, view: ClipView, picture: Picture) -> None:
    """The density of the whole clip, where it lies in the frame, and the box, or the way of a moving one."""
    result, size = view.results[name], view.picture
    rows, cols = result.density.shape
    grey = picture.mean(axis=2, keepdims=True).repeat(3, axis=2).astype(np.uint8)
    _show(axis, grey, size, title=f"density of {name}, {rows}x{cols} cells")
    left, top, right, bottom = np.array(result.picture.edges) * (*size, *size)
    extent = (left, right, bottom, top)
    axis.imshow(result.density, cmap="inferno", alpha=0.72, extent=extent, vmin=0, interpolation="nearest")
    if result.slot_boxes:
        draw_paths(axis, view)
    else:
        draw_boxes(axis, {name: result.box}, size)
    set_limits(axis, size)  # imshow has changed them


def draw_camera(axis: Axes, view: ClipView) -> None:
    """Plot the camera's speed in each frame, and behind it the share of the picture that moves with it."""
    motion = view.motion
    if motion is None:
        axis.set_axis_off()
        _write(axis, (0.5, 0.5), f"motion of actors and camera unknown: {view.no_motion}", letters_across=70)
        return
    numbers, speed = speed_by_frame(motion)
    share = axis.twinx()
    share.fill_between(numbers, motion.camera_support[numbers], color=SUPPORT_COLOUR, alpha=0.45, linewidth=0)
    share.set(ylim=(0, 1), yticks=(0, 0.5, 1))
    # what stands still on the ground moves through the picture as the camera says; what does not moves by itself
    share.set_ylabel("grey: share of the picture\nthat moves with the camera", fontsize=8, color="#5c6670")
    axis.set_zorder(share.get_zorder() + 1)
    axis.patch.set_visible(False)
    axis.plot(numbers, speed, color=SPEED_COLOUR, linewidth=1.5)
    axis.set(xlim=(0, max(1, motion.frames - 1)), ylim=(0, max(2.0, 1.1 * float(speed.max(initial=0)))))
    axis.set_xlabel("frame", fontsize=8)
    axis.set_ylabel("camera, px/frame", fontsize=8, color=SPEED_COLOUR)
    typical = f"median {np.median(speed):.1f} px/frame" if len(speed) else "no frame has vectors"
    axis.set_title(f"motion of the camera: {typical}", fontsize=9, pad=3)
    for one in (axis, share):
        one.tick_params(labelsize=8)


def speed_by_frame(motion: ClipMotion) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.float64]]:
    """Numbers of the frames that have vectors, and the camera's speed in each, pixels per frame."""
    return np.flatnonzero((motion.vectors_per_frame + motion.zero_vectors) > 0), camera_speed(motion)
