"""A video with what a network says of it: the box on every frame, and the top classes of the time in a band below."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from pathlib import Path

import av
import numpy as np
from av.video.frame import VideoFrame
from av.video.stream import VideoStream
from matplotlib.figure import Figure

from mocrop.evaluation.pictures.clip_view import Picture
from mocrop.evaluation.pictures.overlay_video import BAND_DPI, CRF, MIN_WIDTH_PX, paint_boxes
from mocrop.evaluation.pictures.timeline import SHORT_SECONDS, clock
from mocrop.pipeline.crop_box import CropBox
from mocrop.pipeline.files import whole_file
from mocrop.pipeline.outcome import ClipLog
from mocrop.pipeline.video.colour import make_convertible, require_convertible
from mocrop.pipeline.video.decoder import PlainDecode
from mocrop.pipeline.video.frame_times import FrameClock, usual_rate
from mocrop.pipeline.video.open import open_video
from mocrop.pipeline.video.orientation import Orientation, Orientations
from mocrop.pipeline.video.spans import told_times
from mocrop.training.report.figure_file import figure_bytes
from mocrop.training.report.figure_names import short_name

LINE_PX = 22  # height of a line of the band
FINEST = Fraction(1, 1_000_000)  # seconds; finer time bases than that do not fit into an MP4 file
USUAL_BASE = Fraction(1, 90_000)
BAR_COLOUR = "#56b4e9"


@dataclass(frozen=True, kw_only=True)
class AnswerPart:
    """What is said of a part of a video.

    Attributes:
        start, end: seconds from the first frame on; both 0 for the whole video.
        boxes: numbers of frames, ascending, and their boxes; a frame between them shows that of the nearest. Empty if
            there is no answer.
        classes: names of the top classes and their probabilities, or why there are none, with no number.
    """

    start: float
    end: float
    boxes: tuple[tuple[int, CropBox], ...]
    classes: tuple[tuple[str, float | None], ...]

    def box_at(self, number: int) -> CropBox | None:
        """The box of the frame that is nearest to one."""
        return min(self.boxes, key=lambda each: abs(each[0] - number))[1] if self.boxes else None


def nearest_part(parts: Sequence[AnswerPart], seconds: float) -> int:
    """Place of the part whose middle is nearest to a time; of two, the first.

    Args:
        parts: in order of their middles.
    """
    middles = [(part.start + part.end) / 2 for part in parts]
    after = bisect_left(middles, seconds)
    near = range(max(0, after - 1), min(len(parts), after + 1))
    return min(near, key=lambda place: abs(middles[place] - seconds))


def write_answer_video(path: Path, parts: Sequence[AnswerPart], file: Path, *, policy: str, clip: str) -> None:
    """Write a copy of a video, upright and without sound, with boxes and answers on it; each frame keeps its time.

    A frame shows the part whose middle it is nearest to. Narrow pictures are enlarged; rows and columns beyond an even
    number are left out.

    Args:
        path: the video.
        parts: in order, at least one; without windows one for all.
        file: an MP4 file; it is there once it is complete.
        policy: that chose the boxes, whose colour they have.
        clip: name for messages.
    Raises: ClipError if no frame can be decoded; DiskFullError; FileError.
    """
    with whole_file(file) as whole, av.open(whole, "w", format="mp4") as output:
        _encode(path, parts, output, policy=policy, clip=clip)


def _encode(
    path: Path, parts: Sequence[AnswerPart], output: av.container.OutputContainer, *, policy: str, clip: str
) -> None:
    told = told_times(path, clip=clip)
    with open_video(path, clip=clip, log=ClipLog(0)) as video:
        by_rate = told.known and told.seconds is None
        times, base = FrameClock(video.stream, by_rate=by_rate), _time_base(video.stream, by_rate=by_rate)
        decode, orientations = PlainDecode(video), Orientations(video.stream)
        canvas: _Canvas | None = None
        stream: VideoStream | None = None
        pts = -1
        for number, frame in enumerate(decode.frames(look=orientations.look)):
            orientation = orientations.see(frame)
            canvas = canvas or _Canvas(parts, orientation.size(frame.width, frame.height), policy=policy)
            if stream is None:
                stream = output.add_stream(
                    "libx264", rate=usual_rate(video.stream), options={"crf": str(CRF), "preset": "veryfast"}
                )
                stream.width, stream.height, stream.pix_fmt = *canvas.size, "yuv420p"
                stream.codec_context.thread_count = 1
                stream.codec_context.time_base = base
            seconds = times.of(frame)
            pts = max(pts + 1, round(seconds / base))
            require_convertible(frame, clip=clip)
            shown = VideoFrame.from_ndarray(canvas.drawn(number, float(seconds), frame, orientation), format="rgb24")
            shown.pts, shown.time_base = pts, base
            output.mux(stream.encode(shown))
        decode.damage.require_frames(clip)
        assert stream is not None
        output.mux(stream.encode(None))


def _time_base(stream: VideoStream, *, by_rate: bool) -> Fraction:
    """The unit of times: that of the file, in which its own are whole numbers, unless an MP4 file cannot have it."""
    base = 1 / usual_rate(stream) if by_rate else stream.time_base
    return base if base and FINEST <= base <= 1 else USUAL_BASE


class _Canvas:
    """Draws frames of a video with what is said of them."""

    def __init__(self, parts: Sequence[AnswerPart], picture: tuple[int, int], *, policy: str) -> None:
        self._parts, self._picture, self._policy = parts, picture, policy
        self._scale = max(1, -(-MIN_WIDTH_PX // picture[0]))
        width, height = (max(2, side * self._scale // 2 * 2) for side in picture)  # yuv420p needs even sides
        self._inner = width, height
        self._lines = 1 + max(len(part.classes) for part in parts)
        self.size = width, height + LINE_PX * self._lines // 2 * 2
        self._band = lru_cache(maxsize=2)(self._drawn_band)

    def drawn(self, number: int, seconds: float, frame: VideoFrame, orientation: Orientation) -> Picture:
        """One frame, of the size of the canvas."""
        make_convertible(frame)
        width, height = orientation.size(*self._picture)
        stored = frame.reformat(width=width, height=height, format="rgb24").to_ndarray()
        upright = orientation.upright(stored.astype(np.uint8, copy=False))
        large = upright.repeat(self._scale, axis=0).repeat(self._scale, axis=1)
        place = nearest_part(self._parts, seconds)
        canvas = np.concatenate([large[: self._inner[1], : self._inner[0]], self._band(place)])
        box = self._parts[place].box_at(number)
        if box is not None:
            paint_boxes(canvas[: self._inner[1]], {self._policy: box})
        return canvas

    def _drawn_band(self, place: int) -> Picture:
        """When the part is, and its top classes with a bar for each."""
        part, (width, whole) = self._parts[place], self.size
        height, half = whole - self._inner[1], 0.5  # half a pixel, because inches times dots per inch is rounded down
        figure = Figure(figsize=((width + half) / BAND_DPI, (height + half) / BAND_DPI), dpi=BAND_DPI)
        axis = figure.add_axes((0, 0, 1, 1))
        axis.set_axis_off()
        axis.set_xlim(0, width)
        axis.set_ylim(self._lines, 0)
        end = self._parts[-1].end
        unit = " s" if end <= SHORT_SECONDS else ""
        when = f"{clock(part.start, of=end)} to {clock(part.end, of=end)}{unit}" if end else "the whole video"
        axis.text(8, 0.5, when, va="center", fontsize=8)
        for line, (name, probability) in enumerate(part.classes, start=1):
            if probability is None:
                axis.text(8, line + 0.5, short_name(name), va="center", fontsize=9)
                continue
            axis.barh(line + 0.5, probability * (width - 16), left=8, height=0.86, color=BAR_COLOUR)
            axis.text(14, line + 0.5, f"{probability:.0%}", va="center", fontsize=9)
            axis.text(58, line + 0.5, short_name(name), va="center", fontsize=9)
        pixels = figure_bytes(figure, dpi=BAND_DPI, kind="rgba")
        return np.frombuffer(pixels, np.uint8).reshape(height, width, 4)[..., :3]
