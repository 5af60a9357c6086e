"""Where the vectors of a frame lie in the upright picture of its clip."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from dataclasses import dataclass

from av.packet import Packet
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from mocrop.pipeline.bitstream.h264 import SequenceParameters, length_bytes, sequences, sequences_before_slices
from mocrop.pipeline.video.open import OpenVideo
from mocrop.pipeline.video.orientation import UPRIGHT, Orientation, Orientations


@dataclass(frozen=True, kw_only=True)
class Placement:
    """How the pictures in which vectors count lie in the upright picture of the clip."""

    decoded: tuple[int, int]  # width, height of the picture that the decoder returns, pixels
    orientation: Orientation = UPRIGHT
    cut: tuple[int, int] = (0, 0)  # columns at the left and rows at the top that it cuts off what it has decoded

    @property
    def upright(self) -> tuple[int, int]:
        """Width and height of the upright picture, pixels."""
        return self.orientation.size(*self.decoded)


class Placements:
    """Placement of frame after frame of a video that is decoded from its start to its end.

    FFmpeg counts the positions of vectors in the coded picture. Of the codecs whose vectors it exports, only H.264 can
    cut off columns at the left and rows at the top of it. How many, its sequence parameters say, which may change at a
    key frame, usually with the size of the picture: a frame has the cut of the last ones of its size.
    """

    def __init__(self, video: OpenVideo) -> None:
        context = video.stream.codec_context
        headers = context.extradata or b""
        self._orientations = Orientations(video.stream)
        self._cuts: dict[tuple[int, int], tuple[int, int]] = {}
        self._last: Placement | None = None
        self._is_h264 = context.codec.canonical_name == "h264"
        self._length_bytes = length_bytes(headers)
        if self._is_h264:
            self._keep(sequences(headers))

    def look(self, packet: Packet[VideoStream]) -> None:
        """Look for headers in a packet before it is decoded."""
        if self._is_h264 and packet.is_keyframe:
            self._orientations.look(packet)
            self._keep(sequences_before_slices(bytes(packet), length_bytes=self._length_bytes))

    def of(self, frame: VideoFrame) -> Placement:
        """Placement of the next frame; reads its side data."""
        size, orientation, last = (frame.width, frame.height), self._orientations.of(frame), self._last
        if last is None or last.decoded != size or last.orientation is not orientation:
            last = Placement(decoded=size, orientation=orientation, cut=self._cuts.get(size, (0, 0)))
            self._last = last
        return last

    def _keep(self, found: Iterable[SequenceParameters]) -> None:
        with contextlib.suppress(IndexError, ValueError):  # what is cut off, the decoder cannot read either
            for sequence in found:
                self._cuts[sequence.width, sequence.height] = sequence.crop[:2]
        self._last = None
