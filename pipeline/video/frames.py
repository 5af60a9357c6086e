"""Decode chosen frames of a video."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TypeVar, cast

from av.video.frame import VideoFrame

from mocrop.pipeline.outcome import ClipLog
from mocrop.pipeline.video.decoder import FrameDamage, PlainDecode, VideoPacket, decoded
from mocrop.pipeline.video.open import OpenVideo, open_video
from mocrop.pipeline.video.orientation import Orientations
from mocrop.pipeline.video.timeline import Timeline, count_frames, packets_of, read_timeline

Result = TypeVar("Result")


class NotAsToldError(Exception):
    """Decoding does not give the frames that headers promised; only a decode of the whole file tells them."""


def with_timeline(path: Path, use: Callable[[OpenVideo, Timeline], Result], *, clip: str, log: ClipLog) -> Result:
    """Open a video and call ``use`` with it and its timeline; if that raises NotAsToldError, with one made by decoding.

    Args:
        path: the file.
        use: gets the video at its start, nothing decoded yet.
        clip: its name, for messages.
        log: as for :func:`open_video`.
    Returns: what ``use`` returns.
    Raises: what :func:`read_timeline` and ``use`` raise.
    """
    with open_video(path, clip=clip, log=log) as video:
        timeline = read_timeline(video, path, clip=clip, log=log)
        with contextlib.suppress(NotAsToldError):
            return use(video, timeline)
    counted = count_frames(path, clip=clip, log=log)
    with open_video(path, clip=clip, log=log) as video:
        return use(video, counted)


def decode_frames(
    video: OpenVideo,
    timeline: Timeline,
    numbers: Sequence[int],
    *,
    key_frames_only: bool,
    damage: FrameDamage,
    orientations: Orientations | None = None,
) -> Iterator[tuple[int, VideoFrame]]:
    """Decode the frames with these numbers, in order, reading and decoding no more of the file than necessary.

    Args:
        video: at its start, nothing decoded yet.
        numbers: ascending frame numbers of ``timeline``.
        key_frames_only: whether all of them are key frames.
        damage: receives what is decoded: the frames, and those that they may refer to.
        orientations: is shown all that is decoded; its ``now`` belongs to the frame that was yielded last.
    Yields: frame number and frame, whose side data are gone.
    Raises: NotAsToldError if a packet is refused, a frame does not come, or one is no key frame that should be one.
    """
    orientations = orientations or Orientations(video.stream)
    if timeline.shown is not None:
        yield from _Decode(video, timeline, numbers, damage, orientations).frames(key_frames_only=key_frames_only)
        return
    wanted = set(numbers)
    decode = PlainDecode(video, damage=damage)
    for number, frame in enumerate(decode.frames(look=orientations.look)):
        orientations.see(frame)
        if number in wanted:
            yield number, frame
            if number == numbers[-1]:
                return


class _Decode:
    """Decodes runs of packets, and checks that each gives the frames that the timeline promises."""

    def __init__(
        self,
        video: OpenVideo,
        timeline: Timeline,
        numbers: Sequence[int],
        damage: FrameDamage,
        orientations: Orientations,
    ) -> None:
        assert timeline.shown is not None
        self._video = video
        self._timeline = timeline
        self._numbers = numbers
        self._missing = set(numbers)
        self._damage = damage
        self._orientations = orientations
        self._look = orientations.look if orientations.may_look else None
        self._number_of = {packet: number for number, packet in enumerate(timeline.shown.tolist())}
        self._key_frames = frozenset(timeline.key_frames.tolist())

    def frames(self, *, key_frames_only: bool) -> Iterator[tuple[int, VideoFrame]]:
        context = self._video.stream.codec_context
        context.copy_opaque = True  # a frame names its packet, which time stamps do not do reliably
        if key_frames_only:
            context.skip_frame = "NONKEY"
        reader = PacketReader(self._video, self._timeline)
        for run in self._timeline.runs(self._numbers, key_frames_only=key_frames_only):
            first = self._number_of.get(run.start, 0)
            for packet_number, packet in zip(run, reader.packets(run), strict=False):
                packet.opaque = packet_number
                yield from self._wanted(packet, first)
            yield from self._wanted(None, first)
            context.flush_buffers()
        if self._missing:
            raise NotAsToldError(f"frames {sorted(self._missing)} do not come")

    def _wanted(self, packet: VideoPacket | None, first: int) -> Iterator[tuple[int, VideoFrame]]:
        """Decode one packet of a run in which frame ``first`` is the first that does not depend on what is before."""
        if packet is not None and self._look is not None:
            self._look(packet)
        frames = decoded(self._video, packet)
        if frames is None:
            raise NotAsToldError("a packet is refused")
        for frame in frames:
            self._orientations.see(frame)
            number = self._number_of.get(cast(int, frame.opaque), -1)
            if number < first:
                continue
            if number in self._key_frames and not frame.key_frame:
                raise NotAsToldError(f"frame {number} is no key frame")
            self._damage.count(frame, number=number)
            if number in self._missing:
                self._missing.remove(number)
                yield number, frame


class PacketReader:
    """Reads runs of packets, ascending; seeks from one to the next where the file's index is complete."""

    def __init__(self, video: OpenVideo, timeline: Timeline) -> None:
        self._video = video
        self._timeline = timeline
        self._packets = packets_of(video)
        self._next = 0  # number of the packet that is read next

    def packets(self, run: range) -> Iterator[VideoPacket]:
        """Yield the packets with these numbers; fewer if the file ends before."""
        yield self._at(run.start)
        for number in range(run.start + 1, run.stop):
            self._next = number + 1
            packet = next(self._packets, None)
            if packet is None:
                return
            yield packet

    def _at(self, number: int) -> VideoPacket:
        target = None
        if self._timeline.seek_to is not None and number != self._next:
            target = int(self._timeline.seek_to[number])
            self._video.container.seek(target, stream=self._video.stream)
            self._packets = packets_of(self._video)
        for packet in self._packets:
            self._next += 1
            if packet.dts == target if target is not None else self._next > number:
                self._next = number + 1
                return packet
        raise NotAsToldError(f"packet {number} is not where the file's index says")
