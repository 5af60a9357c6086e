"""Whether all of a file is there: what was read of it is compared with what its container declares."""

from __future__ import annotations

import re
from dataclasses import dataclass

from av.packet import Packet
from av.video.stream import VideoStream

from mocrop.pipeline.bitstream.matroska import ends_early
from mocrop.pipeline.bitstream.riff import is_cut_off
from mocrop.pipeline.errors import ClipError, Reason
from mocrop.pipeline.video.open import OpenVideo


def require_all_frames(clip: str, *, decoded: int, declared: int) -> None:
    """Refuse a clip that ends early: over 2 % and over 2 frames before what its container declares.

    Args:
        decoded: number of frames or packets that were read.
        declared: number that the container declares; 0 if it declares none.
    Raises: ClipError with TRUNCATED, or NO_FRAMES if nothing could be decoded.
    """
    if decoded == 0:
        raise ClipError(Reason.NO_FRAMES, f"{clip}: no frame could be decoded")
    if _ends_early(decoded, declared):
        raise ClipError(Reason.TRUNCATED, f"{clip}: only {decoded} of {declared} frames are there; the file is cut off")


def require_all_packets(video: OpenVideo, *, packets: int, clip: str) -> None:
    """Compare the packets of a file with those that its container declares.

    The number in a header may be too large although nothing is missing: an MP4 file counts samples that its edit list
    cuts away, an AVI file frames that were dropped and hold no bytes. So such a file is whole if all that its index
    lists was read, or if its chunks end where they say.

    Args:
        packets: number of packets that were read to the end of the file and hold data.
    Raises: ClipError with TRUNCATED, or NO_FRAMES if there was no packet.
    """
    declared = video.stream.frames
    if packets and _ends_early(packets, declared):
        match video.container.format.name:
            case "avi":
                declared = declared if is_cut_off(video.path) else packets
            case "mov,mp4,m4a,3gp,3g2,mj2":
                declared = len(video.stream.index_entries) or declared
    require_all_frames(clip, decoded=packets, declared=declared)


def _ends_early(found: int, declared: int) -> bool:
    return declared - found > max(2, declared // 50)


@dataclass
class PacketAccount:
    """Counts the packets of a stream while they are read, to check in the end that the stream is complete.

    Packets and not frames, because some packets, such as MPEG-4's "same as before", rightly give no frame.
    """

    packets: int = 0
    end: int = 0  # of the last packet, in the stream's time base

    def count(self, packet: Packet[VideoStream]) -> None:
        """Add a packet; the empty one with which reading ends does not count."""
        if packet.size:
            self.packets += 1
            self.end = max(self.end, (packet.pts or 0) + (packet.duration or 0))

    def require_whole(self, video: OpenVideo, *, clip: str) -> None:
        """Compare what was read with what the container declares: frames or, in Matroska, a duration or else bytes.

        Raises: ClipError with TRUNCATED, or NO_FRAMES if there was no packet.
        """
        stream = video.stream
        require_all_packets(video, packets=self.packets, clip=clip)
        if not video.container.format.name.startswith("matroska"):
            return  # other containers keep a tag of this name that they have from a file from which they were made
        declared = duration_seconds(stream.metadata.get("DURATION", ""))
        end = float(self.end * (stream.time_base or 0))
        if declared - end > max(2 * end / self.packets, declared / 50):
            raise ClipError(
                Reason.TRUNCATED, f"{clip}: only {end:.2f} of {declared:.2f} seconds are there; the file is cut off"
            )
        if not declared and ends_early(video.path):
            raise ClipError(Reason.TRUNCATED, f"{clip}: bytes at the end are missing; the file is cut off")


def duration_seconds(tag: str) -> float:
    """Parse the duration that Matroska files store for each stream; 0 if there is none.

    >>> duration_seconds("00:01:02.400000000"), duration_seconds("")
    (62.4, 0.0)
    """
    match = re.fullmatch(r"(\d+):(\d+):(\d+\.?\d*)", tag)
    return 3600 * int(match[1]) + 60 * int(match[2]) + float(match[3]) if match else 0.0
