"""Bring decoded frames into the form that `transcode` encodes: upright, even-sized, of one size, 8-bit 4:2:0."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

import av.error
from av.filter import Graph
from av.video.frame import VideoFrame

from mocrop.pipeline.errors import Reason
from mocrop.pipeline.outcome import ClipLog
from mocrop.pipeline.video.colour import MATRICES, make_convertible, matrix_is_known, require_convertible
from mocrop.pipeline.video.orientation import Orientation
from mocrop.pipeline.video.picture_notes import note_colours, note_frame, note_orientation

PIXEL_FORMAT = "yuv420p"
DEINTERLACED_SIDE_PX = 8  # least: FFmpeg's filter wants four columns and lines of chroma
_LIMITED, _FULL = 1, 2
_TRANSPOSE = {  # by whether left and right, and top and bottom, are swapped afterwards
    (False, False): "cclock_flip",
    (True, False): "clock",
    (False, True): "cclock",
    (True, True): "clock_flip",
}
Steps = Iterator[tuple[str, str | None]]


class _Form(NamedTuple):  # one is made of every frame, and a dataclass takes three times as long to make
    """What decoded frames of one form have in common; the numbers of colours are those of ITU-T H.273."""

    size: tuple[int, int]  # width, height as stored, pixels
    pixel_format: str
    orientation: Orientation
    matrix: int
    colour_range: int
    primaries: int
    transfer: int


def _form(frame: VideoFrame, orientation: Orientation) -> _Form:
    size, name = (frame.width, frame.height), frame.format.name
    colours = frame.colorspace, frame.color_range, frame.color_primaries, frame.color_trc
    return _Form(size, name, orientation, *colours)


@dataclass(frozen=True, kw_only=True)
class _Target:
    """What all frames of a clip become: the form of the first one that was ready."""

    size: tuple[int, int]
    matrix: int
    colour_range: int

    @classmethod
    def of(cls, frame: VideoFrame) -> _Target:
        return cls(size=(frame.width, frame.height), matrix=frame.colorspace, colour_range=frame.color_range)


class RegularFrames:
    """Makes every frame upright, even-sized, of one size and 8-bit 4:2:0; notes what had to be changed.

    Args:
        clip: its name, for messages.
        log: receives the notes.
        deinterlace: whether to make whole pictures of those that are marked as two fields. Each frame gives one.
        keeps_times: whether whoever takes the frames gives them their own times, so that there is nothing to note.
    """

    def __init__(self, *, clip: str, log: ClipLog, deinterlace: bool = False, keeps_times: bool = False) -> None:
        self._clip, self._log, self._deinterlace, self._keeps_times = clip, log, deinterlace, keeps_times
        self._number, self._clock = 0, _Clock()
        self._form: _Form | None = None
        self._filters: _Filters | None = None  # new ones where the form changes
        self._target: _Target | None = None

    def add(self, frame: VideoFrame, orientation: Orientation) -> Iterator[VideoFrame]:
        """Frames that are ready when this one has come, in presentation order.

        Raises: ClipError with UNREADABLE if FFmpeg cannot convert the pixels.
        """
        self._clock.tick(frame.pts)
        note_frame(frame, self._log, deinterlaced=self._deinterlace)
        form = _form(frame, orientation)
        if form != self._form or self._filters is None:
            yield from self._rest()
            self._change(form, frame)
        assert self._filters is not None
        frame.pts = self._number
        self._number += 1
        yield from self._noted(self._filters.frames(frame))

    def finish(self) -> Iterator[VideoFrame]:
        """Frames that are ready when no more will come."""
        yield from self._rest()
        if self._clock.irregular and not self._keeps_times:
            self._log.note(Reason.VARIABLE_FRAME_RATE, "frames came at irregular times and are evenly spaced now")

    def _rest(self) -> Iterator[VideoFrame]:
        if self._filters is not None:
            yield from self._noted(self._filters.rest())

    def _change(self, form: _Form, frame: VideoFrame) -> None:
        require_convertible(frame, clip=self._clip)
        note_colours(frame, self._log)
        if self._form is not None and self._target is not None and form.size != self._form.size:
            fact = f"the frame size changes; all frames are scaled to {self._target.size}"
            self._log.note(Reason.SIZE_CHANGES, fact)
        self._form = form
        self._filters = _Filters(form, self._target, self._log, deinterlace=self._deinterlace)

    def _noted(self, frames: Iterable[VideoFrame]) -> Iterator[VideoFrame]:
        for frame in frames:
            self._target = self._target or _Target.of(frame)
            yield frame


class _Filters:
    """Filters for frames of one form; none if they are as wanted."""

    def __init__(self, form: _Form, target: _Target | None, log: ClipLog, *, deinterlace: bool) -> None:
        self._delayed = deinterlace and min(form.size) >= DEINTERLACED_SIDE_PX
        self._steps: list[tuple[str, str | None]] = (
            [("bwdif", "mode=send_frame:deint=interlaced")] if self._delayed else []
        )
        self._steps += _geometry(form, target, log)
        self._steps += _colours(form, target, log)
        self._graph: Graph | None = None
        self._tags: dict[str, int] = {}

    def frames(self, frame: VideoFrame) -> Iterator[VideoFrame]:
        """Frames that are ready when this one has come."""
        if not self._steps:
            yield frame
            return
        if self._graph is None:
            self._tags = _kept_tags(frame)
        make_convertible(frame)
        self._graph = self._graph or self._new_graph(frame)
        self._graph.push(frame)
        if self._delayed:
            yield from self._ready()
        else:
            yield self._tagged(self._graph.vpull())

    def rest(self) -> Iterator[VideoFrame]:
        """Frames that are ready when no more will come."""
        if self._delayed and self._graph is not None:
            self._graph.push(None)
            yield from self._ready()

    def _ready(self) -> Iterator[VideoFrame]:
        assert self._graph is not None
        while True:
            try:
                frame = self._graph.vpull()
            except (av.error.BlockingIOError, av.error.EOFError):
                return
            yield self._tagged(frame)

    def _tagged(self, frame: VideoFrame) -> VideoFrame:
        for name, number in self._tags.items():
            setattr(frame, name, number)
        return frame

    def _new_graph(self, frame: VideoFrame) -> Graph:
        graph = Graph()
        graph.threads = 1
        source = (
            f"video_size={frame.width}x{frame.height}:pix_fmt={frame.format.name}:time_base=1/1:"
            f"colorspace={frame.colorspace}:range={frame.color_range}"
        )
        steps = [("buffer", source), *self._steps, ("format", PIXEL_FORMAT), ("buffersink", None)]
        graph.link_nodes(*(graph.add(name, arguments) for name, arguments in steps)).configure()
        return graph


def _kept_tags(frame: VideoFrame) -> dict[str, int]:
    """Properties of the colours that stay as they are although conversion does not look at them."""
    tags = {"color_primaries": frame.color_primaries, "color_trc": frame.color_trc}
    return tags if matrix_is_known(frame) else {**tags, "colorspace": frame.colorspace}


def _geometry(form: _Form, target: _Target | None, log: ClipLog) -> Steps:
    """Filters that turn a picture upright and bring it to the wanted size."""
    note_orientation(form.orientation, log)
    yield from _turning(form.orientation)
    width, height = form.orientation.size(*form.size)
    even = (max(2, width - width % 2), max(2, height - height % 2))
    if even != (width, height):
        log.note(Reason.MADE_EVEN, f"{width}x{height} cut to {even[0]}x{even[1]}")
    wanted = target.size if target else even
    if wanted[0] <= width <= wanted[0] + 1 and wanted[1] <= height <= wanted[1] + 1:
        if wanted != (width, height):
            yield "crop", f"{wanted[0]}:{wanted[1]}:0:0:exact=1"
    else:
        yield "scale", f"{wanted[0]}:{wanted[1]}:flags=bicubic"


def _turning(orientation: Orientation) -> Steps:
    if orientation.transposed:
        yield "transpose", _TRANSPOSE[orientation.mirrored, orientation.flipped]
        return
    if orientation.mirrored:
        yield "hflip", None
    if orientation.flipped:
        yield "vflip", None


def _colours(form: _Form, target: _Target | None, log: ClipLog) -> Steps:
    """Filters that make 8-bit 4:2:0 of a picture, in the colours of the first."""
    if form.pixel_format != PIXEL_FORMAT:
        log.note(Reason.PIXEL_FORMAT_CONVERTED, f"{form.pixel_format} converted to {PIXEL_FORMAT}")
    changed = target is not None and _differing(form, target)
    if form.pixel_format != PIXEL_FORMAT or changed:
        full = target is not None and target.colour_range == _FULL
        matrix = f":out_color_matrix={MATRICES[target.matrix]}" if target and target.matrix in MATRICES else ""
        yield "scale", f"out_range={'pc' if full else 'tv'}{matrix}"


def _differing(form: _Form, target: _Target) -> bool:
    """Whether known colours of a picture in 4:2:0 are others than those of the first."""
    matrices = {form.matrix, target.matrix}
    ranges = {colour_range or _LIMITED for colour_range in (form.colour_range, target.colour_range)}
    return len(ranges) > 1 or (len(matrices) > 1 and matrices <= MATRICES.keys())


class _Clock:
    """Detects presentation times that are not evenly spaced."""

    def __init__(self) -> None:
        self._last: int | None = None
        self._steps: set[int] = set()

    def tick(self, pts: int | None) -> None:
        if pts is not None and self._last is not None:
            self._steps.add(pts - self._last)
        self._last = pts

    @property
    def irregular(self) -> bool:
        """Whether steps differ by more than the rounding of a time base."""
        return bool(self._steps) and max(self._steps) - min(self._steps) > max(1, max(self._steps) // 10)
