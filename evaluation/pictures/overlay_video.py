"""The overlay video of a clip, an MP4: vectors and boxes on every frame, a plot of camera motion below."""

from __future__ import annotations

import os
from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt
from av.container import OutputContainer
from av.video.frame import VideoFrame
from matplotlib.figure import Figure

from mocrop.evaluation.pictures.box_path import BoxPath
from mocrop.evaluation.pictures.clip_boxes import edge_widths
from mocrop.evaluation.pictures.clip_view import ClipView, Picture
from mocrop.evaluation.pictures.colours import inked, style_of
from mocrop.evaluation.pictures.contact_sheet import draw_camera
from mocrop.evaluation.pictures.drawing import (
    BAR_COLOUR,
    CAMERA_COLOUR,
    OWN_COLOUR,
    around,
    arrow_handles,
    policy_handles,
    sign_handles,
)
from mocrop.evaluation.pictures.motion_arrows import ArrowMaker, Arrows
from mocrop.pipeline.crop_box import CropBox
from mocrop.pipeline.files import partial_file
from mocrop.pipeline.outcome import ClipLog
from mocrop.pipeline.video.open import open_video
from mocrop.training.report.figure_file import figure_bytes

Points = npt.NDArray[np.float64]  # (n, 2): x, y in pixels

MIN_WIDTH_PX = 640  # narrower pictures are enlarged by a whole factor, so that lines hide little of them
BAND_PX, BAND_DPI = 240, 100  # height of the strip below the pictures
CRF = 20  # of x264
DIMMED = 0.7  # brightness of the pictures, so that arrows stand out
LINE_PX = 4  # width of the outline of a box
HATCH_PX = 12  # between the strokes over black bars
HEAD_PX = 9  # length of the strokes of an arrow's head
USUAL_RATE = Fraction(25)  # frames per second, for a file without a rate


def write_overlay(view: ClipView, file: Path) -> None:
    """Write the video of one clip: every frame of it, at its frame rate.

    Raises: ClipError if frames cannot be decoded.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    partial = partial_file(file)
    try:
        with av.open(f"file:{partial}", "w", format="mp4") as output:
            _encode(view, output)
        os.replace(partial, file)
    finally:
        partial.unlink(missing_ok=True)


def _encode(view: ClipView, output: OutputContainer) -> None:
    scale = max(1, -(-MIN_WIDTH_PX // view.picture[0]))
    width, height = (side * scale // 2 * 2 for side in view.picture)  # yuv420p needs even sides
    stream = output.add_stream("libx264", rate=_rate(view), options={"crf": str(CRF), "preset": "veryfast"})
    stream.width, stream.height, stream.pix_fmt = width, height + BAND_PX, "yuv420p"
    stream.codec_context.thread_count = 1
    maker, paths = ArrowMaker(view.motion) if view.motion else None, view.boxes.paths
    band, (rows, columns) = _band(view, maker, width)
    for number, picture in view.pictures(range(view.frames)):
        canvas = np.concatenate([_enlarged(picture, scale)[:height, :width], band])
        paint_bars(canvas[:height], view.inside_bars)
        if maker is not None:
            paint_arrows(canvas[:height], maker.of_frame(number), scale=scale)
        paint_boxes(canvas[:height], view.boxes.at(number))
        for name, path in paths.items():
            paint_path(canvas[:height], path.until(number), colour=style_of(name).colour)
        now = columns.start + len(columns) * number // view.frames
        canvas[height + rows.start : height + rows.stop, now : now + 2] //= 2
        output.mux(stream.encode(VideoFrame.from_ndarray(canvas, format="rgb24")))
    output.mux(stream.encode(None))


def _rate(view: ClipView) -> Fraction:
    with open_video(view.path, clip=view.name, log=ClipLog(0)) as video:
        return video.stream.average_rate or USUAL_RATE


def _enlarged(picture: Picture, scale: int) -> Picture:
    return (picture * DIMMED).astype(np.uint8).repeat(scale, axis=0).repeat(scale, axis=1)


def paint_bars(picture: Picture, inside: CropBox) -> None:
    """Hatch what lies outside of the picture inside black bars, in place."""
    height, width = picture.shape[:2]
    for bar in around(inside):
        left, top, right, bottom = bar.pixels(width, height)
        rows, columns = np.mgrid[top:bottom, left:right]
        picture[top:bottom, left:right][(rows + columns) % HATCH_PX < 2] = _rgb(BAR_COLOUR)


def paint_path(picture: Picture, path: BoxPath, *, colour: str) -> None:
    """Draw a path, in place: a line with a black rim, and a white dot where it ends."""
    if not path.numbers:
        return
    points = path.centres * picture.shape[1::-1]
    pieces = np.unique(np.rint(np.hstack([points[:-1], points[1:]])), axis=0)  # few, as boxes lie on a grid
    for around_px, ink in ((3, "#000000"), (1, colour)):
        _paint_lines(picture, pieces[:, :2], pieces[:, 2:], ink, reach_px=around_px)
    for radius_px, ink in ((6, "#000000"), (4, "#ffffff")):
        _paint_lines(picture, points[-1:], points[-1:], ink, reach_px=radius_px)


def paint_boxes(picture: Picture, boxes: Mapping[str, CropBox]) -> None:
    """Outline every box, in place, in the style of its policy; coinciding edges show as stripes."""
    height, width = picture.shape[:2]
    for name, strokes in edge_widths(boxes).items():
        style = style_of(name)
        left, top, right, bottom = edges = boxes[name].pixels(width, height)
        for number, (at, stroke) in enumerate(zip(edges, strokes, strict=True)):
            thickness = LINE_PX + 2 * (stroke - 1)
            start = min(max(at - thickness // 2, 0), (height if number % 2 else width) - thickness)
            line = slice(start, start + thickness)
            along = slice(left, right) if number % 2 else slice(top, bottom)
            drawn = along.start + np.flatnonzero(inked(along.stop - along.start, style.dashes, width=LINE_PX))
            picture[(line, drawn) if number % 2 else (drawn, line)] = _rgb(style.colour)


def paint_arrows(picture: Picture, arrows: Arrows, *, scale: int) -> None:
    """Draw arrows, in place: first those that follow the camera; over them, in another colour, those that do not.

    Args:
        scale: pixels of ``picture`` per pixel of the clip.
    """
    for own, colour in ((False, CAMERA_COLOUR), (True, OWN_COLOUR)):
        start, end = (points[arrows.own == own] * scale for points in (arrows.start, arrows.end))
        if not len(start):
            continue
        length = np.linalg.norm(end - start, axis=1, keepdims=True)
        back = (start - end) / length * np.minimum(HEAD_PX, length)
        _paint_lines(picture, start, end, colour)
        for turn in (0.45, -0.45):  # radians
            turned = np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
            _paint_lines(picture, end, end + back @ turned, colour)


def _paint_lines(picture: Picture, start: Points, end: Points, colour: str, *, reach_px: int = 1) -> None:
    """Draw lines with round ends, clipped to the picture.

    Args:
        reach_px: half of their width.
    """
    steps = int(np.abs(end - start).max(initial=0)) + 1
    along = np.linspace(0, 1, steps + 1)[:, np.newaxis, np.newaxis]
    square = np.mgrid[-reach_px:reach_px, -reach_px:reach_px].reshape(2, -1).T
    thick = square[np.hypot(*(square + 0.5).T) <= reach_px][:, np.newaxis]
    places = (np.rint(start + along * (end - start)).astype(np.intp).reshape(-1, 2) + thick).reshape(-1, 2)
    height, width = picture.shape[:2]
    x, y = places[((places >= 0) & (places < (width, height))).all(axis=1)].T
    picture[y, x] = _rgb(colour)


def _rgb(colour: str) -> tuple[int, ...]:
    """A colour such as #ffd400 as red, green and blue, 0 to 255."""
    return tuple(bytes.fromhex(colour.removeprefix("#")))


def _band(view: ClipView, maker: ArrowMaker | None, width: int) -> tuple[Picture, tuple[range, range]]:
    """The strip below the pictures, camera plot and legend; and the rows and columns of the plot in it."""
    half = 0.5  # pixel, added because inches times dots per inch is rounded down
    size_inches = ((width + half) / BAND_DPI, (BAND_PX + half) / BAND_DPI)
    figure = Figure(figsize=size_inches, dpi=BAND_DPI, layout="constrained")
    axis = figure.subplots()
    draw_camera(axis, view)
    handles = [*policy_handles(view.results), *sign_handles(view), *arrow_handles(maker)]
    figure.legend(handles=handles, loc="outside lower center", ncols=3, frameon=False, fontsize=7)
    pixels = figure_bytes(figure, dpi=BAND_DPI, kind="rgba")
    band = np.frombuffer(pixels, np.uint8).reshape(BAND_PX, width, 4)[..., :3]
    extent = axis.get_window_extent()
    left, right, bottom, top = (int(side) for side in (extent.x0, extent.x1, extent.y0, extent.y1))
    return band, (range(BAND_PX - top, BAND_PX - bottom), range(left, right))
