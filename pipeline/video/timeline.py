"""The frames of a video: their numbers, which of them are key frames, and what must be decoded to get one of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import numpy as np
import numpy.typing as npt
from av.video.frame import VideoFrame

from mocrop.pipeline.bitstream.bits import UnusualError
from mocrop.pipeline.bitstream.h264 import length_bytes
from mocrop.pipeline.bitstream.h264_order import refreshes_gradually
from mocrop.pipeline.bitstream.hevc import HevcHeaders
from mocrop.pipeline.errors import ClipError, Reason
from mocrop.pipeline.outcome import ClipLog
from mocrop.pipeline.video.decoder import FrameDamage, PlainDecode, VideoPacket
from mocrop.pipeline.video.headers import Headers, indexed_headers, video_headers
from mocrop.pipeline.video.index import complete_index
from mocrop.pipeline.video.open import OpenVideo, brings_other_headers, open_video, set_decoder_options
from mocrop.pipeline.video.whole import PacketAccount, require_all_packets

# Codecs whose decoders start afresh at every key frame, which holds for no picture that is decoded after it and shown
# before it.
_RESTARTING = frozenset({"av1", "hevc", "vp8", "vp9", "vvc"})


@dataclass(frozen=True, kw_only=True, eq=False)
class Timeline:
    """The frames of a video as a plain decode of the whole file returns them, numbered from 0.

    Attributes:
        frames: how many there are.
        key_frames: intp, numbers of those that the decoder calls key frames, ascending.
        shown: intp, shape (frames,): number of the packet of each frame, in the order of the file; None if frames can
            only be told by counting what a decoder returns from the start of the file on.
        starts: intp, numbers of frames with whose packets decoding may start, ascending; it may always at the first.
        seek_to: int64, shape (packets,): decoding time stamps to seek to; None if the file has no complete index.
        gradual: whether pictures are refreshed gradually, without key frames (intra refresh).
        damage: what was found to be damaged; None if nothing was decoded to make the timeline.
    """

    frames: int
    key_frames: npt.NDArray[np.intp]
    shown: npt.NDArray[np.intp] | None
    starts: npt.NDArray[np.intp]
    seek_to: npt.NDArray[np.int64] | None = None
    gradual: bool = False
    damage: FrameDamage | None = None

    @property
    def without_key_frames(self) -> bool:
        """Whether key frames cannot stand for the clip, because its pictures are not refreshed by them."""
        return len(self.key_frames) == 0 or (self.gradual and len(self.key_frames) == 1)

    def runs(self, numbers: Sequence[int], *, key_frames_only: bool) -> list[range]:
        """Plan what to decode: runs of packets, each decoded on its own, that together give these frames.

        A key frame needs its own packet only; any other frame needs all packets from the start before it.

        Args:
            numbers: ascending frame numbers.
            key_frames_only: whether all of them are key frames.
        """
        assert self.shown is not None
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

    def packets_for(self, numbers: range) -> range:
        """The packets to decode, on their own, for consecutive frames with these numbers, at least one."""
        assert self.shown is not None
        shown = self.shown[numbers.start : numbers.stop]
        return range(self._start(numbers.start, int(shown[0])), int(shown.max()) + 1)

    def _start(self, number: int, packet: int) -> int:
        """Packet of the last start that is neither decoded after this packet nor shown after this frame."""
        assert self.shown is not None
        # pictures that are decoded after a key frame and shown before it may refer to what comes before it
        packets = self.shown[self.starts[self.starts <= number]]
        return int(max(packets[packets <= packet], default=0))


def read_timeline(video: OpenVideo, path: Path, *, clip: str, log: ClipLog) -> Timeline:
    """Find the frames of an open video without decoding where the headers of its packets tell them.

    The packets are found by the file's index if it is complete; otherwise the file is opened once more and read
    through. Where headers tell too little, the frames are counted by :func:`count_frames`.

    Args:
        path: the file of ``video``.
        clip: its name, for messages.
        log: as for :func:`open_video`.
    Raises: ClipError with TRUNCATED, NO_FRAMES, or what :func:`open_video` raises.
    """
    index = complete_index(video)
    account = PacketAccount()
    if index is not None:
        hidden = [entry.hidden for entry in index]
        headers = indexed_headers(video, index)
    else:
        with open_video(path, clip=clip, log=log) as reopened:
            hidden = []
            headers = video_headers(reopened, _read(reopened, hidden, account))
    if headers is None:
        return count_frames(path, clip=clip, log=log, by_packets=True)
    if index is not None:
        require_all_packets(video, packets=len(index), clip=clip)
    else:
        account.require_whole(video, clip=clip)
    timeline = told_timeline(headers, hidden, seek_to=[entry.dts for entry in index] if index else None)
    if timeline.frames == 0:
        raise ClipError(Reason.NO_FRAMES, f"{clip}: no packet of the file holds a picture")
    return timeline


def packets_of(video: OpenVideo) -> Iterator[VideoPacket]:
    """All packets that have data, from the container's current position on."""
    for packet in video.container.demux(video.stream):
        if packet.size:
            yield packet


def _read(video: OpenVideo, hidden: list[bool], account: PacketAccount) -> Iterator[bytes]:
    """Bytes of all packets; appends to ``hidden`` whether an edit list hides each, and counts them in ``account``.

    Raises: UnusualError if the container gives a packet other headers.
    """
    headers = video.stream.codec_context.extradata or b""
    for packet in packets_of(video):
        if brings_other_headers(packet, headers):
            raise UnusualError("other headers of the container")
        account.count(packet)
        hidden.append(packet.is_discard)
        yield bytes(packet)


def told_timeline(headers: Headers, hidden: Sequence[bool], *, seek_to: Sequence[int] | None) -> Timeline:
    """The timeline that headers tell; frames that an edit list hides are none."""
    shown = np.array(headers.packets, np.intp)
    visible = ~np.array(hidden, np.bool_)[shown]
    return Timeline(
        frames=int(visible.sum()),
        key_frames=np.flatnonzero(np.array(headers.keys, np.bool_)[visible]),
        shown=shown[visible],
        starts=np.flatnonzero(np.array(headers.starts, np.bool_)[visible]),
        seek_to=None if seek_to is None else np.array(seek_to, np.int64),
        gradual=headers.gradual,
    )


def count_frames(
    path: Path,
    *,
    clip: str,
    log: ClipLog,
    by_packets: bool = False,
    may_be_cut_off: bool = False,
    see: Callable[[VideoFrame], object] = lambda _: None,
) -> Timeline:
    """Find the frames of a file by decoding it from its start to its end, as cheaply as possible.

    Args:
        clip: its name, for messages.
        log: as for :func:`open_video`.
        by_packets: whether to say which packet each frame comes from, where that can be relied on.
        may_be_cut_off: whether to take a file that ends early for what is there of it.
        see: is called with every frame, in the order in which they are shown.
    Raises: ClipError with TRUNCATED, DAMAGED, NO_FRAMES, or what :func:`open_video` raises.
    """
    keys: list[bool] = []
    packets: list[int] = []
    with open_video(path, clip=clip, log=log) as video:
        context = video.stream.codec_context
        context.copy_opaque = True  # a frame names its packet, which time stamps do not do reliably
        set_decoder_options(video.stream, skip_loop_filter="all", skip_idct="all")
        by_packets = by_packets and context.codec.canonical_name in _RESTARTING
        decode, told = PlainDecode(video), _InPackets(video)
        for frame in decode.frames(number_packets=True, look=told.look):
            keys.append(frame.key_frame)
            packets.append(cast(int, frame.opaque))
            see(frame)
        if not may_be_cut_off:
            decode.account.require_whole(video, clip=clip)
    decode.damage.require_frames(clip)
    # a packet that brings other headers must not be passed over
    by_packets = by_packets and not told.other_headers and decode.damage.first < 0 and len(set(packets)) == len(packets)
    key_frames = np.flatnonzero(keys)
    return Timeline(
        frames=len(keys),
        key_frames=key_frames,
        shown=np.array(packets, np.intp) if by_packets else None,
        starts=key_frames,
        gradual=told.gradual,
        damage=decode.damage,
    )


class _InPackets:
    """Looks in packets for what the decoder does not tell.

    Attributes:
        gradual: whether there is a gradual refresh of H.264.
        other_headers: whether packets bring other headers than those of the file.
    """

    def __init__(self, video: OpenVideo) -> None:
        context = video.stream.codec_context
        self.gradual = self.other_headers = False
        self._headers = context.extradata or b""
        self._is_h264 = context.codec.canonical_name == "h264"
        self._hevc = HevcHeaders(self._headers) if context.codec.canonical_name == "hevc" else None
        self._length_bytes = length_bytes(self._headers)

    def look(self, packet: VideoPacket) -> None:
        self.other_headers = self.other_headers or brings_other_headers(packet, self._headers)
        if self._hevc is not None and not self.other_headers:
            self.other_headers = self._hevc.changed_by(bytes(packet))
        if self._is_h264 and not self.gradual:
            self.gradual = refreshes_gradually(bytes(packet), length_bytes=self._length_bytes)
