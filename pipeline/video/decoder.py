"""Decode a file from its start to its end, as the numbers of frames are defined, and count what is damaged."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeAlias

import av.error
from av.packet import Packet
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from mocrop.pipeline.errors import ClipError, Reason
from mocrop.pipeline.limits import require_number
from mocrop.pipeline.outcome import ClipLog
from mocrop.pipeline.video.decoder_messages import decoder_errors
from mocrop.pipeline.video.headers import may_hold_picture
from mocrop.pipeline.video.open import OpenVideo
from mocrop.pipeline.video.whole import PacketAccount

VideoPacket: TypeAlias = "Packet[VideoStream]"
MAX_DAMAGED = 0.25  # share of its frames; a clip with more fails


def require_share(max_damaged: float) -> None:
    """Raises: ValueError unless ``max_damaged`` is from 0 to 1."""
    require_number("max_damaged", max_damaged, least=0, most=1)


@dataclass
class FrameDamage:
    """Counts frames, those that the decoder flags as damaged, and packets that it refuses or reports errors of."""

    frames: int = 0
    damaged: int = 0
    refused: int = 0
    reported: int = 0  # packets of which the decoder reports an error, as that pictures are missing, and flags no frame
    first: int = -1  # number of the first frame that is damaged or comes after such a packet

    def count(self, frame: VideoFrame, *, number: int | None = None) -> None:
        """Add a frame; ``number`` is its number if not all before it were counted."""
        if frame.is_corrupt:
            self._begin(self.frames if number is None else number)
            self.damaged += 1
        self.frames += 1

    def refuse(self) -> None:
        """Add a packet that gives no frame because of an error."""
        self._begin(self.frames)
        self.refused += 1

    def report_error(self) -> None:
        """Add a packet of which the decoder reports an error."""
        self._begin(self.frames)
        self.reported += 1

    def _begin(self, number: int) -> None:
        if self.first < 0:
            self.first = number

    @property
    def share(self) -> float:
        """Frames that are damaged or lost for certain, divided by all."""
        return (self.damaged + self.refused) / max(1, self.frames + self.refused)

    def __str__(self) -> str:
        """The damage in words; empty if there is none."""
        if self.first < 0:
            return ""
        facts = [f"{self.damaged} of {self.frames} decoded frames are damaged"] if self.damaged else []
        facts += [f"the decoder refuses {_packets(self.refused)}"] if self.refused else []
        facts += [f"the decoder reports errors in {_packets(self.reported)}"] if self.reported else []
        return f"{' and '.join(facts)}, from frame {self.first} on"

    def require_frames(self, clip: str) -> None:
        """Raises: ClipError with DAMAGED or NO_FRAMES if nothing could be decoded."""
        if self.frames == 0 and self.refused:
            raise ClipError(Reason.DAMAGED, f"{clip}: the decoder refuses all {self.refused} packets")
        if self.frames == 0:
            raise ClipError(Reason.NO_FRAMES, f"{clip}: no frame could be decoded")

    def report(self, *, clip: str, max_damaged: float, log: ClipLog) -> None:
        """Note the damage, if there is any.

        Args:
            max_damaged: the largest accepted share of frames, 0 to 1.
        Raises: ClipError with DAMAGED if there is more, or nothing could be decoded; NO_FRAMES if nothing was there.
        """
        self.require_frames(clip)
        if self.share > max_damaged:
            raise ClipError(
                Reason.DAMAGED,
                f"{clip}: {self}; that is more than {max_damaged:.0%}, the share that --max-damaged allows",
            )
        if self.first >= 0:
            log.note(Reason.DAMAGED_FRAMES, str(self))


def _packets(count: int) -> str:
    return "1 packet" if count == 1 else f"{count} packets"


def decoded(video: OpenVideo, packet: VideoPacket | None) -> list[VideoFrame] | None:
    """Decode one packet, or with None what the decoder holds back. Returns: None if the decoder refuses the packet."""
    try:
        return video.stream.codec_context.decode(packet)
    except MemoryError:
        raise
    except av.error.FFmpegError:
        return None


class PlainDecode:
    """Decodes a video from its start to its end.

    Attributes:
        account: the packets.
        damage: the frames.
    """

    def __init__(self, video: OpenVideo, *, damage: FrameDamage | None = None) -> None:
        self._video = video
        self.account = PacketAccount()
        self.damage = damage or FrameDamage()

    def frames(
        self, *, number_packets: bool = False, look: Callable[[VideoPacket], None] | None = None
    ) -> Iterator[VideoFrame]:
        """All frames, in the order in which they are shown.

        Args:
            number_packets: whether ``packet.opaque`` is to be the number of the packet.
            look: is called with every packet before it is decoded.
        """
        video, damage = self._video, self.damage
        with decoder_errors(video.stream.codec_context.codec.name) as errors:
            for packet in video.container.demux(video.stream):
                if number_packets:
                    packet.opaque = self.account.packets
                self.account.count(packet)
                if look is not None:
                    look(packet)
                frames = decoded(video, packet)
                if frames is None:
                    if may_hold_picture(video, bytes(packet)):
                        damage.refuse()
                    frames = []
                elif errors.any_since() and not any(frame.is_corrupt for frame in frames):
                    damage.report_error()
                for frame in frames:
                    damage.count(frame)
                    yield frame
                errors.any_since()

    def finish(self, *, clip: str, max_damaged: float, log: ClipLog) -> None:
        """Check in the end that all was there and sound.

        Args:
            max_damaged: the largest accepted share of damaged frames, 0 to 1.
            log: receives DAMAGED_FRAMES.
        Raises: ClipError with TRUNCATED, DAMAGED or NO_FRAMES.
        """
        self.account.require_whole(self._video, clip=clip)
        self.damage.report(clip=clip, max_damaged=max_damaged, log=log)
