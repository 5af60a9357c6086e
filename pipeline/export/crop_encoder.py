"""Crop upright frames in 4:2:0 by a box that may move, scale them, and encode them as H.264 in an MP4 file."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
from av.filter import Graph
from av.filter.context import FilterContext
from av.video.frame import PictureType, VideoFrame

from mocrop.pipeline.choices import Fit
from mocrop.pipeline.crop_box import PixelEdges, content_edges
from mocrop.pipeline.export.boxes import ClipBoxes
from mocrop.pipeline.policies.base import PictureSize
from mocrop.pipeline.video.colour import make_convertible
from mocrop.pipeline.video.cropper import PADDING, scale_steps
from mocrop.pipeline.video.normalise import PIXEL_FORMAT


@dataclass(frozen=True, kw_only=True, eq=False)
class EvenCrops:
    """Where to cut frames in 4:2:0: whole chroma samples, of one size for all frames of a clip.

    Each cut holds the box, in whole pixels, of its frame, and is the smallest for which that can be so. A cut within a
    chroma sample would shift the colours.

    Attributes:
        picture: width and height of the frames, even.
        size: width and height of the cuts, even.
        first: number of the frame whose cut is the first of ``corners``.
        corners: left and top of the cuts of that and the next frames; before and after them the box stays.
    """

    picture: PictureSize
    size: PictureSize
    first: int
    corners: list[tuple[int, int]]

    @classmethod
    def of(cls, boxes: ClipBoxes, picture: PictureSize) -> EvenCrops:
        """The cuts of a clip."""
        first, last = (int(boxes.numbers[0]), int(boxes.numbers[-1])) if boxes.moves else (0, 0)
        own = [_even(boxes.at(number).pixels(*picture)) for number in range(first, last + 1)]
        width = max(right - left for left, _, right, _ in own)
        height = max(bottom - top for _, top, _, bottom in own)
        corners = [(min(left, picture[0] - width), min(top, picture[1] - height)) for left, top, _, _ in own]
        return cls(picture=picture, size=(width, height), first=first, corners=corners)

    def at(self, number: int) -> PixelEdges:
        """Left, top, right, bottom of the cut in a frame, pixels."""
        left, top = self.corners[min(max(number - self.first, 0), len(self.corners) - 1)]
        return left, top, left + self.size[0], top + self.size[1]


def _even(edges: PixelEdges) -> PixelEdges:
    """Move edges outwards to even numbers, in a picture of even size."""
    left, top, right, bottom = edges
    return left - left % 2, top - top % 2, right + right % 2, bottom + bottom % 2


class CropScaler:
    """Crops frames at places that may differ, all of one size, and scales them."""

    def __init__(self, frame: VideoFrame, crops: EvenCrops, *, size: int, fit: Fit) -> None:
        self._crops, self._place = crops, (-1, -1)
        make_convertible(frame)
        graph = self._graph = Graph()
        graph.threads = 1
        source = (
            f"video_size={frame.width}x{frame.height}:pix_fmt={frame.format.name}:time_base=1/1:"
            f"colorspace={frame.colorspace}:range={frame.color_range}"
        )
        steps: list[tuple[str, str | None]] = [("buffer", source)]
        across, down = crops.size
        cuts = crops.size != crops.picture
        if cuts:
            left, top, _, _ = crops.at(0)
            self._place = (left, top)
            steps.append(("crop", f"{across}:{down}:{left}:{top}:exact=1"))
        if size:
            steps += _scaled(crops.size, size=size, fit=fit)
        steps += [("format", PIXEL_FORMAT), ("buffersink", None)]
        nodes = [graph.add(name, arguments) for name, arguments in steps]
        graph.link_nodes(*nodes).configure()
        self._crop: FilterContext | None = nodes[1] if cuts else None
        self._passes = len(steps) == 3

    def scaled(self, frame: VideoFrame, edges: PixelEdges) -> VideoFrame:
        """The cut of a frame at some edges, which have the size of all cuts."""
        if self._passes:
            return frame
        make_convertible(frame)
        if self._crop is not None and edges[:2] != self._place:
            for name, value in zip("xy", edges[:2], strict=True):
                self._crop.process_command(name, str(value))
            self._place = edges[:2]
        self._graph.vpush(frame)
        return self._graph.vpull()


def _scaled(crop: PictureSize, *, size: int, fit: Fit) -> list[tuple[str, str | None]]:
    left, top, right, bottom = content_edges((0, 0, *crop), size=size, fit=fit)
    inner = (max(2, (right - left) // 2 * 2), max(2, (bottom - top) // 2 * 2))
    steps: list[tuple[str, str | None]] = [*scale_steps(crop, target=inner)]
    if inner != (size, size):
        place = ((size - inner[0]) // 4 * 2, (size - inner[1]) // 4 * 2)
        colour = "".join(f"{value:02x}" for value in PADDING)
        steps.append(("pad", f"{size}:{size}:{place[0]}:{place[1]}:color=0x{colour}"))
    return steps


class CropEncoder:
    """Encodes crops into an MP4 file, each at its time.

    Args:
        target: the file, which is written over.
        like: a frame as they come, which tells their colours.
        time_base: of the times.
        rate: frames a second, on average, which helps x264 to share out bits.
        options: of libx264.

    Attributes:
        frames: how many were encoded.
    """

    def __init__(
        self,
        target: Path,
        like: VideoFrame,
        size: PictureSize,
        *,
        time_base: Fraction,
        rate: Fraction,
        options: dict[str, str],
    ) -> None:
        self.frames = 0
        self._time_base = time_base
        self.output = av.open(target, "w", format="mp4")
        stream = self._stream = self.output.add_stream("libx264", rate=rate, options=options)
        stream.width, stream.height = size
        stream.pix_fmt = PIXEL_FORMAT
        context = stream.codec_context
        context.thread_count = 1
        context.time_base = time_base
        context.colorspace, context.color_range = like.colorspace, like.color_range
        context.color_primaries, context.color_trc = like.color_primaries, like.color_trc

    def add(self, frame: VideoFrame, time: int) -> None:
        """Encode a frame, whose time and picture type are changed. Raises: av.FFmpegError."""
        frame.pts, frame.time_base = time, self._time_base
        frame.pict_type = PictureType.NONE  # or the encoder would repeat the source's picture types
        self.output.mux(self._stream.encode(frame))
        self.frames += 1

    def finish(self) -> None:
        """Encode what is held back."""
        self.output.mux(self._stream.encode(None))

    def close(self) -> None:
        """Close the file, which is complete after :meth:`finish`."""
        self.output.close()
