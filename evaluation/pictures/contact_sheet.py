"""The contact sheet of a clip, a PNG: key frames with boxes, motion vectors, density maps, camera motion."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from mocrop.evaluation.pictures.clip_view import ClipView, Picture, edge_widths
from mocrop.evaluation.pictures.colours import style_of
from mocrop.evaluation.pictures.motion_arrows import ArrowMaker, Arrows
from mocrop.pipeline.errors import ClipError, Reason
from mocrop.pipeline.motion.clip_motion import ClipMotion
from mocrop.pipeline.motion.residual import camera_speed
from mocrop.pipeline.policies.base import PictureSize, PolicyResult
from mocrop.training.report.figure_file import write_figure
from mocrop.training.report.figure_names import drawable

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import SubFigure
    from matplotlib.lines import Line2D

DPI = 110
WIDTH_INCHES = 15.0
MIN_COLUMNS = 4  # also for fewer frames, which would else fill the page
OWN_COLOUR, CAMERA_COLOUR = "#ffd400", "#35c4ff"  # of arrows: blocks that move by themselves, and with the camera
SPEED_COLOUR, SUPPORT_COLOUR = "#7a3db8", "#9aa5b1"
WARNING_COLOUR = "#a02020"
LINE_POINTS = 2.2  # width of the outline of a box; dashes are as long on the wider ones below other outlines
PLATE: Picture = np.full((1, 1, 3), 232, np.uint8)  # light grey, in place of a picture


def draw_contact_sheet(view: ClipView, file: Path, *, frames: int = 6) -> None:
    """Write the contact sheet of one clip.

    Args:
        frames: how many to show, at most.
    Raises: ClipError if frames cannot be decoded.
    """
    from matplotlib.figure import Figure

    shown = view.some_frames(frames)
    following = {number: view.following_p_frame(number) for number in shown}
    wanted = sorted({*shown, *(number for number in following.values() if number is not None)})
    pictures = dict(view.pictures(wanted))
    if not pictures:
        raise ClipError(Reason.NO_FRAMES, f"{view.name}: none of the frames {wanted} could be decoded")
    columns = max(len(shown), MIN_COLUMNS)
    row_inches = min(WIDTH_INCHES / columns * view.picture[1] / view.picture[0], 6.0) + 0.25
    figure = Figure(figsize=(WIDTH_INCHES, 0.55 + 2 * row_inches + 3.6), layout="constrained")
    figure.suptitle(drawable(_title(view)), fontsize=13, fontweight="bold", parse_math=False)
    top, bottom = figure.subfigures(2, 1, squeeze=False, height_ratios=(2 * row_inches, 3.6)).ravel()
    maker = ArrowMaker(view.motion) if view.motion else None
    _draw_frames(top.subplots(2, columns, squeeze=False), view, maker, following, pictures)
    _draw_summary(bottom, view, pictures)
    for part, handles in ((top, arrow_handles(maker)), (bottom, policy_handles(view.results))):
        part.legend(handles=handles, loc="outside lower center", ncols=max(1, len(handles)), frameon=False, fontsize=9)
    write_figure(figure, file, dpi=DPI)


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
            draw_boxes(upper, view.results, view.picture)
        if after is None or maker is None or after not in pictures:
            words = "no P frame follows" if view.motion else "no motion vectors"
            _show_words(lower, words, view.picture)
        else:
            grey = pictures[after].mean(axis=2, keepdims=True).repeat(3, axis=2) * 0.6
            _show(lower, grey.astype(np.uint8), view.picture, title=f"P frame {after}")
            draw_arrows(lower, maker.of_frame(after))


def show_picture(axis: Axes, picture: Picture, size: PictureSize) -> None:
    """Show a picture on axes in pixels of the clip, with a margin around it."""
    axis.imshow(picture, extent=(0, size[0], size[1], 0))
    _set_limits(axis, size)


def _set_limits(axis: Axes, size: PictureSize) -> None:
    width, height = size
    margin = width / 80  # so that outlines at the border show in full
    axis.set_xlim(-margin, width + margin)
    axis.set_ylim(height + margin, -margin)


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


def draw_boxes(axis: Axes, results: Mapping[str, PolicyResult], size: PictureSize) -> None:
    """Outline every box in the style of its policy; coinciding edges show as stripes."""
    from matplotlib.collections import LineCollection

    for name, widths in edge_widths(results).items():
        left, top, right, bottom = np.array(results[name].box.edges) * (*size, *size)
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
            LineCollection(lines, colors=style.colour, linewidths=points, linestyles=dashes, capstyle=caps)
        )


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


def _draw_summary(part: SubFigure, view: ClipView, pictures: Mapping[int, Picture]) -> None:
    """Density maps, each with the box found on it, and a plot of the camera's motion."""
    maps = [name for name, result in view.results.items() if result.density.any()]
    count = max(1, len(maps))
    axes = part.subplots(1, count + 1, squeeze=False, width_ratios=[1.0] * count + [max(1.0, 4.2 - count)])[0]
    for axis, name in zip(axes, maps, strict=False):
        axis.set_axis_off()
        _draw_density(axis, name, view.results[name], next(iter(pictures.values())), view.picture)
    if not maps:
        axes[0].set_axis_off()
        _show_words(axes[0], "no density map: no policy shown found motion to go by", view.picture)
    draw_camera(axes[-1], view)


def _draw_density(axis: Axes, name: str, result: PolicyResult, picture: Picture, size: PictureSize) -> None:
    rows, cols = result.density.shape
    grey = picture.mean(axis=2, keepdims=True).repeat(3, axis=2).astype(np.uint8)
    _show(axis, grey, size, title=f"density of {name}, {rows}x{cols} cells")
    extent = (0, size[0], size[1], 0)
    axis.imshow(result.density, cmap="inferno", alpha=0.72, extent=extent, vmin=0, interpolation="nearest")
    draw_boxes(axis, {name: result}, size)
    _set_limits(axis, size)  # imshow has changed them


def draw_camera(axis: Axes, view: ClipView) -> None:
    """Plot the camera's speed in each frame, and behind it the share of the picture that follows it."""
    motion = view.motion
    if motion is None:
        axis.set_axis_off()
        _write(axis, (0.5, 0.5), f"motion of actors and camera unknown: {view.no_motion}", letters_across=70)
        return
    numbers, speed = speed_by_frame(motion)
    share = axis.twinx()
    share.fill_between(numbers, motion.camera_support[numbers], color=SUPPORT_COLOUR, alpha=0.45, linewidth=0)
    share.set(ylim=(0, 1), yticks=(0, 0.5, 1))
    share.set_ylabel("share that follows", fontsize=8, color="#5c6670")
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


def policy_handles(results: Mapping[str, PolicyResult]) -> list[Line2D]:
    """Legend entries: every policy with the area of its box."""
    handles = []
    for name, result in results.items():
        what = f"{result.box.area:.0%} of the frame" if result.usable else "not cropped"
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
