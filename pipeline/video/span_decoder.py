"""Decode the frames of spans of a video, forward and each once; what is not sound is told, not mended."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple, TypeAlias, cast

import numpy as np
from av.video.frame import VideoFrame

from mocrop.pipeline.span import MICROSECONDS
from mocrop.pipeline.video.decoder import FrameDamage, PlainDecode, VideoPacket, decoded
from mocrop.pipeline.video.decoder_messages import OF_ENTERING, decoder_errors
from mocrop.pipeline.video.frames import PacketReader
from mocrop.pipeline.video.headers import may_hold_picture
from mocrop.pipeline.video.open import OpenVideo
from mocrop.pipeline.video.orientation import Orientation, Orientations
from mocrop.pipeline.video.spans import TimedFrames


class Shown(NamedTuple):
    """A decoded frame."""

    number: int
    frame: VideoFrame
    orientation: Orientation


class Trouble(NamedTuple):
    """A packet that does not give what headers promise, or of which the decoder reports an error."""

    packet: int


Event: TypeAlias = Shown | Trouble


def merged(zones: Iterable[range]) -> list[range]:
    """Join ranges that overlap or touch.

    >>> merged([range(10, 14), range(0, 3), range(3, 5), range(4, 9)])
    [range(0, 9), range(10, 14)]
    """
    joined: list[range] = []
    for zone in sorted(zones, key=lambda zone: zone.start):
        if joined and zone.start <= joined[-1].stop:
            joined[-1] = range(joined[-1].start, max(joined[-1].stop, zone.stop))
        else:
            joined.append(zone)
    return joined


class EnteredDecode:
    """Decodes runs of packets, each from a picture on with which decoding may start.

    Args:
        video: at its start, nothing decoded yet.
        timed: its frames; which packet each comes from is known.
    """

    def __init__(self, video: OpenVideo, timed: TimedFrames) -> None:
        timeline = timed.timeline
        assert timeline.shown is not None
        self._video, self._timed = video, timed
        self._orientations = Orientations(video.stream)
        self._number_of = {packet: number for number, packet in enumerate(timeline.shown.tolist())}
        self._key_frames = frozenset(timeline.key_frames.tolist())

    def events(self, runs: Iterable[range]) -> Iterator[Event]:
        """Every frame that the packets of the runs give, and every trouble with them.

        Args:
            runs: ascending, not touching.
        """
        context = self._video.stream.codec_context
        context.copy_opaque = True  # a frame names its packet, which time stamps do not do reliably
        reader = PacketReader(self._video, self._timed.timeline)
        with decoder_errors(context.codec.name, harmless=OF_ENTERING) as errors:
            for run in runs:
                first = self._number_of.get(run.start, 0)
                for number, packet in zip(run, reader.packets(run), strict=False):
                    packet.opaque = number
                    self._orientations.look(packet)
                    yield from self._of(packet, number, first, errors.any_since)
                yield from self._of(None, run.stop - 1, first, errors.any_since)
                context.flush_buffers()

    def _of(
        self, packet: VideoPacket | None, packet_number: int, first: int, any_errors: Callable[[], bool]
    ) -> Iterator[Event]:
        """Decode a packet of a run in which frame ``first`` is the first that does not depend on what is before."""
        frames = decoded(self._video, packet)
        reported = any_errors()
        if frames is None:
            if packet is None or may_hold_picture(self._video, bytes(packet)):
                yield Trouble(packet_number)
            return
        if reported and self._number_of.get(packet_number, first) >= first:
            yield Trouble(packet_number)
        for frame in frames:
            orientation = self._orientations.see(frame)
            of = cast(int, frame.opaque)
            number = self._number_of.get(of, -1)
            if number >= first:
                if not self._as_told(frame, number):
                    yield Trouble(of)
                yield Shown(number, frame, orientation)
        any_errors()

    def _as_told(self, frame: VideoFrame, number: int) -> bool:
        told = frame.pts == self._timed.pts[number]
        return told and not frame.is_corrupt and (frame.key_frame or number not in self._key_frames)


class PlainSpanDecode:
    """Decodes a video from its start on, and remembers at what times it is damaged.

    Args:
        video: at its start, nothing decoded yet.
        timed: its frames as a decoder has counted them.
    """

    def __init__(self, video: OpenVideo, timed: TimedFrames) -> None:
        self._timed, self._time_base = timed, video.stream.time_base
        self._damage = FrameDamage()
        self._decode = PlainDecode(video, damage=self._damage)
        self._orientations = Orientations(video.stream)
        self._refused: list[int] = []  # when packets are shown that the decoder refuses, microseconds
        self._reported: list[int] = []  # or reports errors of
        self._flagged: list[int] = []  # when damaged frames are shown
        self._now_us = 0  # when the packet that is being decoded is shown

    def frames(self) -> Iterator[Shown]:
        """All frames in the order in which they are shown."""
        times = self._timed.times_us
        for number, frame in enumerate(self._decode.frames(look=self._look)):
            if frame.is_corrupt and number < len(times):
                self._flagged.append(int(times[number]))
            yield Shown(number, frame, self._orientations.see(frame))
        self._settle()

    def damage_of(self, numbers: range) -> FrameDamage:
        """The damage of consecutive frames that have been decoded, and of those that they may refer to.

        Pictures before the first of these frames, from the last key frame on, are none of them but may spoil them.
        """
        timeline, times = self._timed.timeline, self._timed.times_us
        keys = timeline.key_frames[timeline.key_frames <= numbers.start]
        before = (int(times[keys[-1]]) if len(keys) else 0, int(times[numbers.start]))
        stop = int(times[numbers.stop]) if numbers.stop < len(times) else self._timed.end_us
        within = (before[1], stop)
        damage = FrameDamage()
        for _ in range(_count(self._refused, before) + _count(self._reported, before) + _count(self._flagged, before)):
            damage.report_error()
        for _ in range(_count(self._reported, within)):
            damage.report_error()
        for _ in range(_count(self._refused, within)):
            damage.refuse()
        flagged = _count(self._flagged, within)
        if flagged and damage.first < 0:
            damage.first = int(np.searchsorted(times, min(each for each in self._flagged if each >= before[1])))
            damage.first -= numbers.start
        damage.damaged, damage.frames = flagged, len(numbers)
        return damage

    def _look(self, packet: VideoPacket) -> None:
        self._settle()
        self._orientations.look(packet)
        self._now_us = self._time_of(packet)

    def _time_of(self, packet: VideoPacket) -> int:
        """When the picture of a packet is shown; where packets have no times, when the next frame is."""
        timed = self._timed
        if timed.by_rate or packet.pts is None:
            return int(timed.times_us[min(self._damage.frames, len(timed.times_us) - 1)])
        first = timed.pts[0]
        assert first is not None
        assert self._time_base is not None
        return round((packet.pts - first) * self._time_base * MICROSECONDS)

    def _settle(self) -> None:
        """Take down what was wrong with the packet before."""
        self._refused += [self._now_us] * (self._damage.refused - len(self._refused))
        self._reported += [self._now_us] * (self._damage.reported - len(self._reported))


def _count(times: list[int], span: tuple[int, int]) -> int:
    return sum(span[0] <= each < span[1] for each in times)
