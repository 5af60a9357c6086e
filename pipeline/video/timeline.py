"""The packets of a video stream and the order in which their pictures are shown, without decoding if possible."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, TypeAlias, cast

import numpy as np
import numpy.typing as npt
from av.packet import Packet
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from mocrop.pipeline.errors import ClipError, Reason
from mocrop.pipeline.outcome import ClipLog
from mocrop.pipeline.video.mpeg4 import shown_packets
from mocrop.pipeline.video.open import OpenVideo, open_video, require_all_frames

VideoPacket: TypeAlias = "Packet[VideoStream]"

# Codecs in which every packet holds one picture to be shown; in others, such as VP8, some packets show nothing.
_ONE_PICTURE_A_PACKET = frozenset({"av1", "ffv1", "h264", "hevc", "huffyuv", "mjpeg", "mpeg4", "prores", "vp9"})
_MIN_PICTURE_BYTES = 16  # MPEG-4 packets below this may be placeholders that show nothing


@dataclass(frozen=True, kw_only=True, eq=False)
class Timeline:
    """The packets of a stream in the order of decoding, and the frames that they become.

    Frames are numbered from 0 in the order in which a plain decode of the whole file returns them.

    Attributes:
        key: bool, shape (packets,): whether the container marks the packet as a key frame.
        shown: intp, shape (frames,): number of the packet of each frame.
        seek_to: int64, shape (packets,): decoding time stamps to seek to; None if the file has no complete index.
        restarts: whether decoding may start at any key frame; otherwise only at the start of the file.
    """

    key: npt.NDArray[np.bool_]
    shown: npt.NDArray[np.intp]
    seek_to: npt.NDArray[np.int64] | None
    restarts: bool = True

    @property
    def key_frames(self) -> npt.NDArray[np.intp]:
        """Numbers of the key frames, ascending."""
        return np.flatnonzero(self.key[self.shown])

    def runs(self, numbers: Sequence[int], *, key_frames_only: bool) -> list[range]:
        """Plan what to decode: runs of packets, each decoded on its own, that together give these frames.

        A key frame needs its own packet only; any other frame needs all packets from the key frame before it.

        Args:
            numbers: ascending frame numbers.
            key_frames_only: whether all of them are key frames.
        """
        if key_frames_only:
            return [range(packet, packet + 1) for packet in sorted(self.shown[list(numbers)].tolist())]
        runs: list[range] = []
        for number in numbers:
            packet = int(self.shown[number])
            start = self._start(number, packet)
            if runs and start <= runs[-1].stop:
                runs[-1] = range(runs[-1].start, max(runs[-1].stop, packet + 1))
            else:
                runs.append(range(start, packet + 1))
        return runs

    def _start(self, number: int, packet: int) -> int:
        """Packet of the last key frame that is neither decoded after this packet nor shown after this frame."""
        # pictures that are decoded after a key frame and shown before it may refer to what comes before it
        if not self.restarts:
            return 0
        key_packets = self.shown[self.key_frames]
        before = key_packets[(self.key_frames <= number) & (key_packets <= packet)]
        return int(before[-1]) if len(before) else 0


class _PacketFacts(NamedTuple):  # there are hundreds in a clip, and a dataclass takes three times as long to make
    dts: int | None
    pts: int | None
    key: bool
    discard: bool  # cut away by an edit list, decoded only because other frames need it
    size_bytes: int


def read_timeline(video: OpenVideo, path: Path, *, clip: str, log: ClipLog) -> Timeline:
    """Read the timeline of an open video, from the file's index if that is enough.

    Otherwise the file is opened once more and all packets are read. Pictures that are decoded in another order than
    shown are sorted by their time stamps. Where there are none (AVI), or a packet need not be a picture, the headers of
    MPEG-4 Part 2 give the order; for other codecs the pictures are counted by decoding.

    Args:
        path: the file of ``video``.
        clip: its name, for messages.
        log: as for :func:`open_video`.
    Raises: ClipError with TRUNCATED, NO_FRAMES, or what :func:`open_video` raises.
    """
    index = _complete_index(video)
    if index is not None and _shown_as_decoded(video.stream, index):
        timeline = _timeline(index, np.arange(len(index)), index)
    else:
        with open_video(path, clip=clip, log=log) as reopened:
            packets, shown = _read_through(reopened)
        if _sortable(video, packets):
            timeline = _timeline(packets, np.argsort([cast(int, packet.pts) for packet in packets]), index)
        else:
            if shown is None:
                with open_video(path, clip=clip, log=log) as reopened:
                    shown = _count_by_decoding(reopened)
            timeline = _timeline(packets, np.array(shown, np.intp), index, restarts=False)
    require_all_frames(clip, decoded=len(timeline.key), declared=video.stream.frames)
    if not len(timeline.shown):
        raise ClipError(Reason.NO_FRAMES, f"{clip}: no packet of the file holds a picture")
    return timeline


def packets_of(video: OpenVideo) -> Iterator[VideoPacket]:
    """All packets that have data and are not cut off, from the container's current position on."""
    for packet in video.container.demux(video.stream):
        if packet.size and not packet.is_corrupt:
            yield packet


def _facts(packet: VideoPacket) -> _PacketFacts:
    return _PacketFacts(
        dts=packet.dts, pts=packet.pts, key=packet.is_keyframe, discard=packet.is_discard, size_bytes=packet.size
    )


def _complete_index(video: OpenVideo) -> list[_PacketFacts] | None:
    """Packets in the file's index; None unless it lists all of them, in ascending time and within the file."""
    entries = list(video.stream.index_entries)
    ends = [entry.pos + entry.size for entry in entries]
    if not entries or len(entries) != video.stream.frames or max(ends) > video.container.size:
        return None
    index = [
        _PacketFacts(dts=e.timestamp, pts=None, key=e.is_keyframe, discard=e.is_discard, size_bytes=e.size)
        for e in entries
        if e.size
    ]
    rising = np.diff([entry.timestamp for entry in entries]) > 0
    return index if rising.all() else None


def _shown_as_decoded(stream: VideoStream, packets: Sequence[_PacketFacts]) -> bool:
    return stream.codec_context.reorder_depth == 0 and _all_pictures(stream, packets)


def _all_pictures(stream: VideoStream, packets: Sequence[_PacketFacts]) -> bool:
    """Whether every packet is sure to hold one picture, the first of them a key frame."""
    codec = stream.codec_context.codec.canonical_name
    if codec not in _ONE_PICTURE_A_PACKET or not packets or not packets[0].key:
        return False
    return codec != "mpeg4" or min(packet.size_bytes for packet in packets) >= _MIN_PICTURE_BYTES


def _sortable(video: OpenVideo, packets: Sequence[_PacketFacts]) -> bool:
    """Whether there are presentation time stamps and they give the order of all frames that a decoder returns."""
    # AVI has none, and those that FFmpeg guesses for it are not in order
    times = [packet.pts for packet in packets]
    if video.container.format.name == "avi" or None in times or len(set(times)) < len(times):
        return False
    shown = [cast(int, packet.pts) for packet in packets if not packet.discard]
    # pictures shown before the first key frame refer to one that is missing
    return _all_pictures(video.stream, packets) and cast(int, times[0]) <= min(shown, default=0)


def _read_through(video: OpenVideo) -> tuple[list[_PacketFacts], list[int] | None]:
    """Facts of all packets and, if their headers show it, the packet of each frame that a decoder returns."""
    context = video.stream.codec_context
    facts: list[_PacketFacts] = []

    def noted() -> Iterator[VideoPacket]:
        for packet in packets_of(video):
            facts.append(_facts(packet))
            yield packet

    packets, shown = noted(), None
    if context.codec.canonical_name == "mpeg4":
        shown = shown_packets(map(bytes, packets), extradata=context.extradata or b"")
    for _ in packets:  # those that shown_packets has not read
        pass
    return facts, shown


def _count_by_decoding(video: OpenVideo) -> list[int]:
    """Decode everything as cheaply as possible, to see which packet each frame comes from."""
    context = video.stream.codec_context
    context.copy_opaque = True
    context.options = {"skip_loop_filter": "all", "skip_idct": "all"}
    shown: list[int] = []
    for number, packet in enumerate(packets_of(video)):
        packet.opaque = number
        shown += _origins(context.decode(packet))
    shown += _origins(context.decode(None))
    return shown


def _origins(frames: Sequence[VideoFrame]) -> Iterator[int]:
    return (cast(int, frame.opaque) for frame in frames)


def _timeline(
    packets: Sequence[_PacketFacts],
    order: npt.NDArray[np.intp],
    index: Sequence[_PacketFacts] | None,
    *,
    restarts: bool = True,
) -> Timeline:
    """Make a Timeline; ``index`` is for seeking, and used only if it lists exactly the same packets."""
    discarded = np.array([packet.discard for packet in packets], np.bool_)
    seekable = index is not None and [packet.dts for packet in packets] == [entry.dts for entry in index]
    return Timeline(
        key=np.array([packet.key for packet in packets], np.bool_),
        shown=order[~discarded[order]],
        seek_to=np.array([packet.dts for packet in packets], np.int64) if seekable else None,
        restarts=restarts,
    )
