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
from mocrop.pipeline.outcome import ClipLog
from mocrop.pipeline.video.open import OpenVideo
from mocrop.pipeline.video.whole import PacketAccount

VideoPacket: TypeAlias = "Packet[VideoStream]"
MAX_DAMAGED = 0.25  # share of its frames; a clip with more fails


def require_share(max_damaged: float) -> None:
    """Raises: ValueError unless ``max_damaged`` is from 0 to 1."""
    if not 0 <= max_damaged <= 1:
        raise ValueError(f"max_damaged must be from 0 to 1, not {max_damaged}")


@dataclass
class FrameDamage:
    """Counts frames, those that the decoder flags as damaged, and packets that it refuses."""

    frames: int = 0
    damaged: int = 0
    refused: int = 0
    first: int = -1  # number of the first frame that is damaged or comes after a refused packet

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

    def _begin(self, number: int) -> None:
        if self.first < 0:
            self.first = number

    @property
    def share(self) -> float:
        """Frames that are damaged or lost, divided by all."""
        return (self.damaged + self.refused) / max(1, self.frames + self.refused)

    def __str__(self) -> str:
        """The damage in words; empty if there is none."""
        if self.first < 0:
            return ""
        facts = [f"{self.damaged} of {self.frames} decoded frames are damaged"] if self.damaged else []
        facts += [f"the decoder refuses {self.refused} packet{'s' * (self.refused > 1)}"] if self.refused else []
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
        for packet in self._video.container.demux(self._video.stream):
            if number_packets:
                packet.opaque = self.account.packets
            self.account.count(packet)
            if look is not None:
                look(packet)
            frames = decoded(self._video, packet)
            if frames is None:
                self.damage.refuse()
                continue
            for frame in frames:
                self.damage.count(frame)
                yield frame

    def finish(self, *, clip: str, max_damaged: float, log: ClipLog) -> None:
        """Check in the end that all was there and sound.

        Args:
            max_damaged: the largest accepted share of damaged frames, 0 to 1.
            log: receives DAMAGED_FRAMES.
        Raises: ClipError with TRUNCATED, DAMAGED or NO_FRAMES.
        """
        self.account.require_whole(self._video, clip=clip)
        self.damage.report(clip=clip, max_damaged=max_damaged, log=log)
