"""How the stored picture of a video is turned to be upright."""

from __future__ import annotations

from av.video.frame import VideoFrame

PixelEdges = tuple[int, int, int, int]  # left, top, right, bottom


def quarter_turns(frame: VideoFrame) -> int:
    """Quarter turns anticlockwise, 0 to 3, that turn a frame upright."""
    return round(frame.rotation / 90) % 4


def upright_size(frame: VideoFrame) -> tuple[int, int]:
    """Width and height of a frame after turning it upright, pixels."""
    return (frame.height, frame.width) if quarter_turns(frame) % 2 else (frame.width, frame.height)


def stored_edges(edges: PixelEdges, *, turns: int, width: int, height: int) -> PixelEdges:
    """Convert the edges of a box in the upright picture to edges in the stored picture.

    >>> stored_edges((0, 0, 10, 20), turns=1, width=64, height=48)
    (44, 0, 64, 10)

    Args:
        edges: left, top, right, bottom in the upright picture, pixels.
        turns: quarter turns anticlockwise that turn the stored picture upright.
        width, height: of the stored picture, pixels.
    """
    left, top, right, bottom = edges
    if turns == 1:
        return width - bottom, left, width - top, right
    if turns == 2:
        return width - right, height - bottom, width - left, height - top
    if turns == 3:
        return top, height - right, bottom, height - left
    return edges
