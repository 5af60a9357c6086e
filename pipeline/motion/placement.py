"""Where the vectors of a frame lie in the upright picture of its clip."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from dataclasses import dataclass

from av.packet import Packet
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from mocrop.pipeline.bitstream.h264 import SequenceParameters, length_bytes, sequences, sequences_before_slices
from mocrop.pipeline.bitstream.h264_order import is_field
from mocrop.pipeline.video.open import OpenVideo
from mocrop.pipeline.video.orientation import UPRIGHT, Orientation, Orientations


@dataclass(frozen=True, kw_only=True)
class Placement:
    """How the pictures in which vectors count lie in the upright picture of the clip."""

    decoded: tuple[int, int]  # width, height of the picture that the decoder returns, pixels
    orientation: Orientation = UPRIGHT
    cut: tuple[int, int] = (0, 0)  # columns at the left and rows at the top that it cuts off what it has decoded
    fields: bool = False  # whether vectors count vertically in lines of a field, which are two of the picture

    @property
    def upright(self) -> tuple[int, int]:
        """Width and height of the upright picture, pixels."""
        return self.orientation.size(*self.decoded)


class Placements:
    """Placement of frame after frame of a video that is decoded from its start to its end.

    FFmpeg counts the positions of vectors in the coded picture. Of the codecs whose vectors it exports, only H.264 can
    cut off columns at the left and rows at the top of it. How many, its sequence parameters say, which may change at a
    key frame, usually with the size of the picture: a frame has the cut of the last ones of its size. Of pictures that
    are coded as two fields FFmpeg exports displacements in lines of a field.
    """

    def __init__(self, video: OpenVideo) -> None:
        context = video.stream.codec_context
        headers = context.extradata or b""
        self._orientations = Orientations(video.stream)
        self._cuts: dict[tuple[int, int], tuple[int, int]] = {}
        self._fields: dict[int | None, bool] = {}  # of packets, by the time at which they are shown
        self._with_fields: SequenceParameters | None = None
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
        if self._with_fields is not None:
            field = is_field(bytes(packet), self._with_fields, length_bytes=self._length_bytes)
            self._fields.setdefault(packet.pts, field)

    def of(self, frame: VideoFrame) -> Placement:
        """Placement of the next frame; reads its side data."""
        size, orientation, last = (frame.width, frame.height), self._orientations.of(frame), self._last
        fields = bool(self._fields) and self._fields.pop(frame.pts, False)
        if last is None or last.decoded != size or last.orientation is not orientation or last.fields != fields:
            cut = self._cuts.get(size, (0, 0))
            last = Placement(decoded=size, orientation=orientation, cut=cut, fields=fields)
            self._last = last
        return last

    def _keep(self, found: Iterable[SequenceParameters]) -> None:
        with contextlib.suppress(IndexError, ValueError):  # what is cut off, the decoder cannot read either
            for sequence in found:
                self._cuts[sequence.width, sequence.height] = sequence.crop[:2]
                self._with_fields = None if sequence.frames_only else sequence
        self._last = None
