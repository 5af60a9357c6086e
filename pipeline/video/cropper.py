"""Crop frames and scale them to RGB squares."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from av.filter import Graph
from av.video.format import VideoFormat
from av.video.frame import VideoFrame

from mocrop.pipeline.choices import Fit
from mocrop.pipeline.crop_box import CropBox, PixelEdges, content_edges
from mocrop.pipeline.video.colour import make_convertible
from mocrop.pipeline.video.orientation import UPRIGHT, Orientation

# Widens its kernel when it scales down (antialiasing); the last two flags give the same bytes on every processor.
_SCALER = "flags=bicubic+accurate_rnd+bitexact"
MOST_GRAPHS = 32  # kept, each some 100 KiB; a moving box has up to four sizes, which rounding makes, at four offsets
PADDING = (124, 116, 104)  # red, green, blue: the mean of ImageNet, which normalising turns to about zero
_MUCH = 16  # swscale does it up to about 40


class Cropper:
    """Crops frames and scales them to squares, in filter graphs that other boxes of the same size in pixels reuse.

    A clip whose box moves has many boxes of few sizes. Setting up a graph takes longer than a crop, so a graph is told
    where to cut, frame by frame.

    Args:
        size: side of the square, pixels.
        fit: whether a crop fills the square, or keeps its shape with bars of PADDING beside it.
    """

    def __init__(self, *, size: int, fit: Fit = "squash") -> None:
        self._size = size
        self._fit: Fit = fit
        self._graphs: OrderedDict[tuple[object, ...], _CropGraph] = OrderedDict()

    def crop(
        self, frame: VideoFrame, out: npt.NDArray[np.uint8], *, box: CropBox, orientation: Orientation = UPRIGHT
    ) -> PixelEdges:
        """Write one frame, upright, into ``out``: uint8, shape (3, size, size), full-range RGB.

        Args:
            frame: loses what swscale does not know of its colours.
            box: part of the upright picture to keep.
            orientation: of the frame.
        Returns: the part of ``out`` that shows the picture; the rest is padding.
        """
        make_convertible(frame)
        width, height = frame.width, frame.height
        edges = box.pixels(*orientation.size(width, height))
        left, top, right, bottom = content = content_edges(edges, size=self._size, fit=self._fit)
        cut = Cut.of(orientation.stored_edges(edges, width=width, height=height), frame)
        target = orientation.size(right - left, bottom - top)  # of the stored picture: transposing undoes itself
        key = (width, height, frame.format.name, frame.colorspace, frame.color_range, cut.form, target)
        graph = self._graphs.pop(key, None) or _CropGraph(frame, cut, target)  # one that fails is not kept
        planes = graph.scaled(frame, cut)
        self._graphs[key] = graph
        if len(self._graphs) > MOST_GRAPHS:
            self._graphs.popitem(last=False)
        if self._fit == "pad":
            out[...] = np.array(PADDING, np.uint8)[:, np.newaxis, np.newaxis]
        for channel, stored in zip(out, planes, strict=True):
            channel[top:bottom, left:right] = orientation.upright(stored)
        return content


class _CropGraph:
    """A filter graph that crops frames of one form and scales them."""

    def __init__(self, frame: VideoFrame, cut: Cut, target: tuple[int, int]) -> None:
        self._target = target
        self._start = cut.outer[:2]
        graph = self._graph = Graph()
        graph.threads = 1
        source = (
            f"video_size={frame.width}x{frame.height}:pix_fmt={frame.format.name}:time_base=1/1:"
            f"colorspace={frame.colorspace}:range={frame.color_range}"
        )
        steps = [
            ("buffer", source),
            *cut.steps(frame.format),
            *scale_steps(cut.size, target=target),
            ("format", "gbrp"),  # planar: channels first needs no transposing
            ("buffersink", None),
        ]
        nodes = [graph.add(name, arguments) for name, arguments in steps]
        graph.link_nodes(*nodes).configure()
        self._crop = nodes[1] if cut.cuts else None

    def scaled(self, frame: VideoFrame, cut: Cut) -> list[npt.NDArray[np.uint8]]:
        """Red, green and blue of a crop, uint8, shape of the target (rows, columns) each."""
        if self._crop is not None and cut.outer[:2] != self._start:
            for name, value in zip("xy", cut.outer[:2], strict=True):
                self._crop.process_command(name, str(value))
            self._start = cut.outer[:2]
        self._graph.vpush(frame)
        green, blue, red = self._graph.vpull().planes
        width, height = self._target
        return [
            np.frombuffer(memoryview(plane), np.uint8).reshape(height, plane.line_size)[:, :width]
            for plane in (red, green, blue)
        ]


@dataclass(frozen=True, kw_only=True)
class Cut:
    """How to crop a stored picture to exact pixels, whatever its chroma subsampling.

    FFmpeg's crop can cut inside a chroma sample only by shifting the colours (and reads garbage where a sample has more
    than 8 bits), so such a cut is made after scaling the surroundings to one chroma sample per pixel.

    Attributes:
        edges: pixels of the stored picture to keep.
        outer: the same, moved outwards to whole chroma samples.
        cuts: whether anything is cut off.
    """

    edges: PixelEdges
    outer: PixelEdges
    cuts: bool

    @classmethod
    def of(cls, edges: PixelEdges, frame: VideoFrame) -> Cut:
        """The cut of a frame at some edges."""
        form, (left, top, right, bottom) = frame.format, edges
        across, down = (16 // (form.chroma_width(16) or 16)), (16 // (form.chroma_height(16) or 16))
        outer = (
            left - left % across,
            top - top % down,
            min(right + -right % across, frame.width),
            min(bottom + -bottom % down, frame.height),
        )
        return cls(edges=edges, outer=outer, cuts=edges != (0, 0, frame.width, frame.height))

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of what is kept, pixels."""
        left, top, right, bottom = self.edges
        return right - left, bottom - top

    @property
    def inner(self) -> PixelEdges:
        """What is kept, counted from the corner of ``outer``."""
        left, top = self.outer[:2]
        return self.edges[0] - left, self.edges[1] - top, self.edges[2] - left, self.edges[3] - top

    @property
    def form(self) -> tuple[object, ...]:
        """Equal for cuts that differ in their place alone."""
        return self.cuts, self.inner, self.outer[2] - self.outer[0], self.outer[3] - self.outer[1]

    def steps(self, form: VideoFormat) -> list[tuple[str, str]]:
        """Filters that make the cut in a picture of a pixel format, names and arguments; the first has the place."""
        if not self.cuts:
            return []
        if self.outer == self.edges:
            return [_crop(self.edges)]
        bits = form.components[0].bits
        full_chroma = "yuv444p" if bits == 8 else f"yuv444p{bits}le"
        return [_crop(self.outer), ("scale", _SCALER), ("format", full_chroma), _crop(self.inner)]


def scale_steps(size: tuple[int, int], *, target: tuple[int, int]) -> list[tuple[str, str]]:
    """Filters that scale a picture to another width and height.

    swscale refuses to shrink one side much without the area becoming smaller too, so a strip is shrunk first.

    Args:
        size: width and height of the picture, pixels.
        target: width and height to scale to.
    """
    (width, height), (across, down) = size, target
    steps = [("scale", f"{across}:{down}:{_SCALER}")]
    if max(width / across, height / down) > _MUCH and width * height <= 4 * across * down:
        # as RGB, because the range of grey is lost between two scalings
        steps = [("scale", f"{min(width, across)}:{min(height, down)}:{_SCALER}"), ("format", "gbrp"), *steps]
    return steps


def _crop(edges: PixelEdges) -> tuple[str, str]:
    left, top, right, bottom = edges
    return "crop", f"{right - left}:{bottom - top}:{left}:{top}:exact=1"
