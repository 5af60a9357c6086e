"""How the stored picture of a video is turned and mirrored to be upright: the eight orientations."""

from __future__ import annotations

import contextlib
import math
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TypeVar

import numpy as np
import numpy.typing as npt
from av.packet import Packet
from av.sidedata.sidedata import SideData
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from mocrop.pipeline.bitstream.h264 import SEI, DisplayOrientation, display_orientation, length_bytes, units
from mocrop.pipeline.crop_box import PixelEdges
from mocrop.pipeline.video.open import let_go_of_side_data

Pixel = TypeVar("Pixel", bound=np.generic)

_WITH_MESSAGES = frozenset({"h264", "hevc", "vvc"})  # of other codecs all frames are as the first
_EXACT = 0.02  # sine of the largest angle that is rounding, about a degree, as in the ffmpeg program
_TURNS = {(False, False): 0, (False, True): 90, (True, True): 180, (True, False): 270}


@dataclass(frozen=True, kw_only=True)
class Orientation:
    """What makes a stored picture upright: one of eight ways, done in the order of the fields.

    Attributes:
        transposed: rows become columns: the first pixel of the second row becomes the second of the first.
        mirrored: then left and right are swapped.
        flipped: then top and bottom are swapped.
        nearest: whether the file asks for an angle between two of the eight, of which this is the nearest.
    """

    transposed: bool = False
    mirrored: bool = False
    flipped: bool = False
    nearest: bool = field(default=False, compare=False)

    @property
    def changes(self) -> bool:
        """Whether the upright picture is another than the stored one."""
        return self.transposed or self.mirrored or self.flipped

    def size(self, width: int, height: int) -> tuple[int, int]:
        """Width and height of the upright picture, given those of the stored one."""
        return (height, width) if self.transposed else (width, height)

    def upright(self, picture: npt.NDArray[Pixel]) -> npt.NDArray[Pixel]:
        """A view of a stored picture, shape (rows, columns, ...), as it is to be seen."""
        turned = picture.swapaxes(0, 1) if self.transposed else picture
        return turned[:: -1 if self.flipped else 1, :: -1 if self.mirrored else 1]

    def stored_edges(self, edges: PixelEdges, *, width: int, height: int) -> PixelEdges:
        """Convert the edges of a box in the upright picture to edges in the stored picture.

        >>> Orientation(transposed=True, flipped=True).stored_edges((0, 0, 10, 20), width=64, height=48)
        (44, 0, 64, 10)

        Args:
            edges: left, top, right, bottom in the upright picture, pixels.
            width, height: of the stored picture, pixels.
        """
        left, top, right, bottom = edges
        across, down = self.size(width, height)
        if self.mirrored:
            left, right = across - right, across - left
        if self.flipped:
            top, bottom = down - bottom, down - top
        return (top, left, bottom, right) if self.transposed else (left, top, right, bottom)

    def __str__(self) -> str:
        """In words, such as "turned by 90 degrees", which is anticlockwise, or "mirrored top to bottom".

        >>> print(Orientation(transposed=True))
        turned by 90 degrees and mirrored top to bottom
        """
        mirror = ""
        turn = _TURNS[self.mirrored, self.flipped]
        if self.transposed != (turn in (90, 270)):  # an odd number of mirrors: one is left beside the turn
            mirror = "mirrored left to right" if self.mirrored else "mirrored top to bottom"
            turn = 90 if self.transposed else 0
        words = " and ".join([f"turned by {turn} degrees"] * bool(turn) + [mirror] * bool(mirror))
        if self.nearest:
            return f"{words or 'left as it is stored'}: the nearest to the angle that the file asks for"
        return words


UPRIGHT = Orientation()


@lru_cache(maxsize=64)
def orientation_of(matrix: bytes) -> Orientation:
    """Find the orientation that a display matrix asks for; the nearest of the eight for any other angle.

    Sizes and shifts do not matter. A matrix that leaves no area, or none of 36 bytes, asks for nothing.

    Args:
        matrix: nine int32 in the processor's byte order, row by row: a b u, c d v, x y w; a stored pixel at x, y is
            shown at a x + c y, b x + d y.
    """
    if len(matrix) != 36:
        return UPRIGHT
    a, b, _, c, d = np.frombuffer(matrix, np.int32)[:5].tolist()
    if a * d == b * c:
        return UPRIGHT
    across, down = math.hypot(a, c), math.hypot(b, d)
    a, c, b, d = a / across, c / across, b / down, d / down
    transposed = abs(b) + abs(c) > abs(a) + abs(d)
    mirrored, flipped = (c < 0, b < 0) if transposed else (a < 0, d < 0)
    off = max(abs(a), abs(d)) if transposed else max(abs(b), abs(c))
    return Orientation(transposed=transposed, mirrored=mirrored, flipped=flipped, nearest=off > _EXACT)


class Orientations:
    """Orientation of frame after frame of a video, in the order in which the decoder returns them.

    That of the container is given with every frame. That of the stream (display orientation SEI of H.264 and H.265)
    comes with a key frame and holds until the next one (ITU-T H.264, D.2.27); FFmpeg gives it to that frame alone, and
    not at all if it means upright or stands behind the picture, where FFmpeg's own filter may write it.
    """

    def __init__(self, stream: VideoStream) -> None:
        context = stream.codec_context
        self.now = self._of_container = UPRIGHT
        self._first = True
        self._may_change = context.codec.canonical_name in _WITH_MESSAGES
        self._in_packets: dict[int | None, Orientation] = {}  # of key packets, by the time at which they are shown
        self.may_look = context.codec.canonical_name == "h264"  # whether packets can hold such messages
        self._length_bytes = length_bytes(context.extradata or b"")

    def look(self, packet: Packet[VideoStream]) -> None:
        """Look for a message in a packet before it is decoded."""
        if not self.may_look or not packet.is_keyframe:
            return
        if self._in_packets:
            self._in_packets.pop(packet.pts, None)
        data = memoryview(packet)
        if int.from_bytes(data[: self._length_bytes]) == len(data) - self._length_bytes:
            return  # one unit, the picture: what most key packets of MP4 are
        with contextlib.suppress(IndexError, ValueError):  # what is cut off, the decoder cannot read either
            for unit in units(bytes(data), length_bytes=self._length_bytes):
                found = display_orientation(unit) if unit and unit[0] & 31 == SEI else None
                if found is not None:
                    self._in_packets[packet.pts] = _orientation_of_message(found)

    def of(self, frame: VideoFrame) -> Orientation:
        """Orientation of the next frame; may read its side data, see :func:`let_go_of_side_data`."""
        if self._must_read(frame):
            self._read(frame)
        elif frame.key_frame:
            self.now = self._in_packets.get(frame.pts, self._of_container)
        return self.now

    def see(self, frame: VideoFrame) -> Orientation:
        """Orientation of the next frame, whose side data are not needed any more."""
        read = self._must_read(frame)
        orientation = self.of(frame)
        if read:
            let_go_of_side_data(frame)
        return orientation

    def _must_read(self, frame: VideoFrame) -> bool:
        """Whether only its side data tell how a frame is turned; reading them takes a hundred times as long.

        A matrix of the container, the same with every frame, is read once; one of H.264 has been found in its packet.
        """
        if self._first or not self._may_change:
            return self._first
        return frame.rotation != 0 or (frame.key_frame and not self.may_look)

    def _read(self, frame: VideoFrame) -> None:
        matrix = frame.side_data.get("DISPLAYMATRIX")
        if isinstance(matrix, SideData):
            self.now = orientation_of(bytes(matrix))
            if self._first and frame.pts not in self._in_packets:
                self._of_container = self.now
        elif frame.key_frame:
            self.now = self._in_packets.get(frame.pts, UPRIGHT)
        self._first = False


def _orientation_of_message(message: DisplayOrientation) -> Orientation:
    across, down = (-1 if message.mirrored else 1), (-1 if message.flipped else 1)
    cosine, sine = math.cos(math.tau * message.turn), math.sin(math.tau * message.turn)
    numbers = (cosine * across, -sine * across, 0, sine * down, cosine * down, 0, 0, 0, 1 << 14)
    return orientation_of(np.rint(np.multiply(numbers, 1 << 16)).astype(np.int32).tobytes())
