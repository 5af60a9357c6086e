"""Bring decoded frames into the form that `transcode` encodes: upright, even-sized, of one size, 8-bit 4:2:0."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from av.filter import Graph
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from mocrop.pipeline.errors import Reason
from mocrop.pipeline.outcome import ClipLog

PIXEL_FORMAT = "yuv420p"


def regular_frames(frames: Iterable[VideoFrame], stream: VideoStream, log: ClipLog) -> Iterator[VideoFrame]:
    """Make every frame upright, even-sized, of one size and 8-bit 4:2:0; note what had to be changed."""
    shape: tuple[int, int, str, int] | None = None
    graph: Graph | None = None
    picture: tuple[int, int] | None = None
    clock = _Clock()
    for frame in frames:
        clock.tick(frame.pts)
        if shape != (now := (frame.width, frame.height, frame.format.name, frame.rotation)):
            if shape is not None and shape[:2] != now[:2]:
                log.note(Reason.SIZE_CHANGES, f"the frame size changes; all frames are scaled to {picture}")
            shape = now
            graph = _normalising_graph(stream, frame, picture, log)
        if graph is not None:
            graph.push(frame)
            frame = graph.vpull()
        picture = picture or (frame.width, frame.height)
        yield frame
    if clock.irregular:
        log.note(Reason.VARIABLE_FRAME_RATE, "frames came at irregular times and are evenly spaced now")


def _normalising_graph(
    stream: VideoStream, frame: VideoFrame, picture: tuple[int, int] | None, log: ClipLog
) -> Graph | None:
    """Filters that bring frames like this one into the wanted form; None if they have it already."""
    steps = list(_normalising_steps(frame, picture, log))
    if not steps:
        return None
    graph = Graph()
    graph.threads = 1
    links = [
        graph.add_buffer(width=frame.width, height=frame.height, format=frame.format, time_base=stream.time_base),
        *(graph.add(name, arguments) for name, arguments in steps),
        graph.add("format", PIXEL_FORMAT),
        graph.add("buffersink"),
    ]
    graph.link_nodes(*links).configure()
    return graph


def _normalising_steps(
    frame: VideoFrame, picture: tuple[int, int] | None, log: ClipLog
) -> Iterator[tuple[str, str | None]]:
    turn = round(frame.rotation / 90) % 4  # quarter turns anticlockwise that make the picture upright
    if turn:
        log.note(Reason.ROTATED, f"turned by {90 * turn} degrees")
        yield from _QUARTER_TURNS[turn]
    width, height = (frame.height, frame.width) if turn % 2 else (frame.width, frame.height)
    even = (max(2, width - width % 2), max(2, height - height % 2))
    if even != (width, height):
        log.note(Reason.MADE_EVEN, f"{width}x{height} cut to {even[0]}x{even[1]}")
    wanted = picture or even
    if wanted[0] <= width <= wanted[0] + 1 and wanted[1] <= height <= wanted[1] + 1:
        if wanted != (width, height):
            yield "crop", f"{wanted[0]}:{wanted[1]}:0:0"
    else:
        yield "scale", f"{wanted[0]}:{wanted[1]}:flags=bicubic"
    if frame.format.name != PIXEL_FORMAT:
        log.note(Reason.PIXEL_FORMAT_CONVERTED, f"{frame.format.name} converted to {PIXEL_FORMAT}")
        yield "scale", "out_range=tv"


_QUARTER_TURNS: dict[int, list[tuple[str, str | None]]] = {
    1: [("transpose", "cclock")],
    2: [("hflip", None), ("vflip", None)],
    3: [("transpose", "clock")],
}


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
