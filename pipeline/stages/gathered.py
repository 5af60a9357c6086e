"""What is collected of a window of a video while it is decoded."""

from __future__ import annotations

from dataclasses import dataclass, field

from av.video.frame import VideoFrame

from mocrop.pipeline.bitstream.h264 import length_bytes
from mocrop.pipeline.bitstream.h264_order import refreshes_gradually
from mocrop.pipeline.video.brightest import Brightest
from mocrop.pipeline.video.decoder import FrameDamage, VideoPacket
from mocrop.pipeline.video.frame_times import FrameTimes
from mocrop.pipeline.video.open import OpenVideo


@dataclass(kw_only=True, eq=False)
class Gathered:
    """What is collected of a window while its frames come; its brightest pixels are seen apart from the frames.

    Attributes:
        first_frame: number of its first frame in the video.
        damage: of its frames, with the packets that gave none while they came.
        key_frames: their numbers in the video.
    """

    first_frame: int
    times: FrameTimes = field(default_factory=FrameTimes)
    brightest: Brightest = field(default_factory=Brightest)
    damage: FrameDamage = field(default_factory=FrameDamage)
    key_frames: list[int] = field(default_factory=list)

    def add(self, frame: VideoFrame, number: int) -> None:
        """Take the next frame of the window, by its number in the video."""
        self.times.add(frame)
        self.damage.count(frame, number=number)
        if frame.key_frame:
            self.key_frames.append(number)


class GradualRefresh:
    """Looks for packets of H.264 from which on pictures are refreshed gradually, without a key frame.

    Attributes:
        gradual: whether there was one.
    """

    def __init__(self, video: OpenVideo) -> None:
        context = video.stream.codec_context
        self.gradual = False
        self._may_be = context.codec.canonical_name == "h264"
        self._length_bytes = length_bytes(context.extradata or b"")

    def look(self, packet: VideoPacket) -> None:
        """Look at the next packet."""
        if self._may_be and not self.gradual:
            self.gradual = refreshes_gradually(bytes(packet), length_bytes=self._length_bytes)
