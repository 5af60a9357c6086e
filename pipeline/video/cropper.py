"""Crop frames and scale them to RGB squares."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from av.filter import Graph
from av.video.format import VideoFormat
from av.video.frame import VideoFrame

from mocrop.pipeline.crop_box import CropBox
from mocrop.pipeline.video.colour import make_convertible
from mocrop.pipeline.video.orientation import UPRIGHT, Orientation, PixelEdges

# Widens its kernel when it scales down (antialiasing); the last two flags give the same bytes on every processor.
_SCALER = "flags=bicubic+accurate_rnd+bitexact"
_MUCH = 16  # swscale does it up to about 40


class Cropper:
    """Crops frames to one box and scales them to a square, in a filter graph that later clips of the same form reuse.

    Args:
        box: part of the upright picture to keep.
        size: side of the square, pixels.
    """

    def __init__(self, box: CropBox, *, size: int) -> None:
        self._box = box
        self._size = size
        self._graph: Graph | None = None
        self._shape: tuple[object, ...] = ()

    def crop(self, frame: VideoFrame, out: npt.NDArray[np.uint8], *, orientation: Orientation = UPRIGHT) -> None:
        """Write one frame, upright, into ``out``: uint8, shape (3, size, size), full-range RGB.

        Args:
            frame: loses what swscale does not know of its colours.
            orientation: of the frame.
        """
        make_convertible(frame)
        shape = (frame.width, frame.height, frame.format.name, frame.colorspace, frame.color_range, orientation)
        graph = self._graph if shape == self._shape else None
        self._graph, self._shape = None, shape  # an interrupted graph would return this frame for the next clip
        graph = graph or self._new_graph(frame, orientation)
        graph.vpush(frame)
        green, blue, red = graph.vpull().planes
        self._graph = graph
        turned = orientation.changes
        for channel, plane in zip(out, (red, green, blue), strict=True):
            stored = np.frombuffer(memoryview(plane), np.uint8).reshape(self._size, plane.line_size)[:, : self._size]
            channel[...] = orientation.upright(stored) if turned else stored

    def _new_graph(self, frame: VideoFrame, orientation: Orientation) -> Graph:
        width, height = frame.width, frame.height
        edges = self._box.pixels(*orientation.size(width, height))
        stored = orientation.stored_edges(edges, width=width, height=height)
        graph = Graph()
        graph.threads = 1
        source = (
            f"video_size={width}x{height}:pix_fmt={frame.format.name}:time_base=1/1:"
            f"colorspace={frame.colorspace}:range={frame.color_range}"
        )
        steps = [
            ("buffer", source),
            *crop_steps(stored, frame.format, width=width, height=height),
            *scale_steps(stored, size=self._size),
            ("format", "gbrp"),  # planar: channels first needs no transposing
            ("buffersink", None),
        ]
        graph.link_nodes(*(graph.add(name, arguments) for name, arguments in steps)).configure()
        return graph


def crop_steps(edges: PixelEdges, form: VideoFormat, *, width: int, height: int) -> list[tuple[str, str]]:
    """Filters that crop a stored picture to exactly these pixels, whatever its chroma subsampling.

    FFmpeg's crop can cut inside a chroma sample only by shifting the colours (and reads garbage where a sample has more
    than 8 bits), so such a cut is made after scaling the surroundings to one chroma sample per pixel.

    Args:
        edges: pixels of the stored picture.
        form: its pixel format.
        width, height: of the stored picture, pixels.
    Returns: names and arguments of filters.
    """
    left, top, right, bottom = edges
    if edges == (0, 0, width, height):
        return []
    across, down = (16 // (form.chroma_width(16) or 16)), (16 // (form.chroma_height(16) or 16))
    outer = (
        left - left % across,
        top - top % down,
        min(right + -right % across, width),
        min(bottom + -bottom % down, height),
    )
    if outer == edges:
        return [_crop(edges)]
    bits = form.components[0].bits
    inner = (left - outer[0], top - outer[1], right - outer[0], bottom - outer[1])
    full_chroma = "yuv444p" if bits == 8 else f"yuv444p{bits}le"
    return [_crop(outer), ("scale", _SCALER), ("format", full_chroma), _crop(inner)]


def scale_steps(edges: PixelEdges, *, size: int) -> list[tuple[str, str]]:
    """Filters that scale what is inside the edges to a square of ``size`` pixels.

    swscale refuses to shrink one side much without the area becoming smaller too, so a strip is shrunk first.
    """
    left, top, right, bottom = edges
    width, height = right - left, bottom - top
    steps = [("scale", f"{size}:{size}:{_SCALER}")]
    if max(width, height) > _MUCH * size and width * height <= 4 * size * size:
        # as RGB, because the range of grey is lost between two scalings
        steps = [("scale", f"{min(width, size)}:{min(height, size)}:{_SCALER}"), ("format", "gbrp"), *steps]
    return steps


def _crop(edges: PixelEdges) -> tuple[str, str]:
    left, top, right, bottom = edges
    return "crop", f"{right - left}:{bottom - top}:{left}:{top}:exact=1"
