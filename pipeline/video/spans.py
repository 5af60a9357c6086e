"""Which frames of a video belong to a span of time."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import numpy as np
import numpy.typing as npt
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from mocrop.pipeline.bitstream.bits import UnusualError
from mocrop.pipeline.errors import ClipError, Reason
from mocrop.pipeline.outcome import ClipLog
from mocrop.pipeline.span import MICROSECONDS, Span
from mocrop.pipeline.video.frame_times import by_rate_fact, usual_rate
from mocrop.pipeline.video.headers import Headers, indexed_headers, video_headers
from mocrop.pipeline.video.index import complete_index
from mocrop.pipeline.video.open import OpenVideo, brings_other_headers, open_video
from mocrop.pipeline.video.timeline import Timeline, count_frames, packets_of, told_timeline
from mocrop.pipeline.video.whole import PacketAccount

PROBE_PACKETS = 600  # within so many, a video that decoding can enter has a second start
Tick = Callable[[], object]


@dataclass(frozen=True, kw_only=True, eq=False)
class TimedFrames:
    """The frames of a video and when they are shown.

    Attributes:
        timeline: the frames.
        pts: presentation time stamp of each as the file gives it; None: it gives none.
        times_us: int64, shape (frames,), ascending: microseconds since the first frame, rounded.
        step_us: how long the last frame is shown, microseconds.
        by_rate: why times are by frame number and rate, in words; empty if they are those of the file.
        cut_off: what is known of an end that is missing, without the name of the clip; empty if all is there.
    """

    timeline: Timeline
    pts: Sequence[int | None]
    times_us: npt.NDArray[np.int64]
    step_us: int
    by_rate: str
    cut_off: str = ""

    @property
    def end_us(self) -> int:
        """When the last frame is no longer shown, microseconds since the first."""
        return int(self.times_us[-1]) + self.step_us

    def numbers(self, span: Span) -> range:
        """Numbers of the frames whose times are in a span: from its start on, before its end."""
        first, stop = np.searchsorted(self.times_us, span).tolist()
        return range(first, stop)


def times_us(pts: Sequence[int | None], time_base: Fraction | None) -> list[int] | None:
    """Times in microseconds since the first, each rounded (half to even); None if any is missing or does not ascend.

    >>> times_us([1001, 2002, 3003], Fraction(1, 30000))
    [0, 33367, 66733]
    >>> times_us([0, None], Fraction(1, 25)), times_us([0, 2, 1], Fraction(1, 25))
    (None, None)
    """
    known = [each for each in pts if each is not None]
    if not time_base or time_base <= 0 or len(known) < len(pts):
        return None
    if any(after <= before for before, after in pairwise(known)):
        return None
    return [_rounded((each - known[0]) * time_base.numerator * MICROSECONDS, time_base.denominator) for each in known]


def _rounded(number: int, divisor: int) -> int:
    """The quotient, rounded as ``round`` does with a fraction, which takes ten times as long."""
    whole, rest = divmod(2 * number + divisor, 2 * divisor)
    return whole - 1 if rest == 0 and whole % 2 else whole


def read_times(path: Path, *, clip: str, tick: Tick = lambda: None, decode: bool = False) -> TimedFrames:
    """Find the frames of a video and their times: read it through, and decode it where its headers tell too little.

    Args:
        path: the file.
        clip: its name, for messages.
        tick: is called with every packet or frame.
        decode: whether to count what a decoder gives in any case, from the start on, whatever headers tell.
    Raises: ClipError with NO_FRAMES, what :func:`open_video` raises, or, where it is decoded, DAMAGED.
    """
    log = ClipLog(0)  # whoever decodes the file notes what is odd about it
    with open_video(path, clip=clip, log=log) as video:
        packets = _Packets(video, tick)
        told = None if decode else _told(video, packets)
        if told is None:
            for _ in packets.all(read=False):  # the rest
                pass
        cut_off = _cut_off(video, packets.account, clip=clip)
        if told is not None and told.frames == 0:
            raise ClipError(Reason.NO_FRAMES, f"{clip}: no packet of the file holds a picture")
        if told is not None:
            assert told.shown is not None
            pts = [packets.pts[packet] for packet in told.shown.tolist()]
            timed = _timed(told, pts, video.stream, cut_off)
            if not timed.by_rate:
                return timed
        # numbers of frames are times here, and where frames are missing only a decoder tells how many there are
        pts = []

        def see(frame: VideoFrame) -> None:
            pts.append(frame.pts)
            tick()

        timeline = count_frames(path, clip=clip, log=log, by_packets=not decode, may_be_cut_off=True, see=see)
        return _timed(timeline, pts, video.stream, cut_off)


@dataclass(frozen=True, kw_only=True)
class ToldTimes:
    """What a file tells of the times of its frames without being decoded.

    Attributes:
        known: whether it tells which frames there are; where it does not, only a decoder does.
        seconds: since the first frame, exact, ascending; None if not known, or if not every frame has a time, or they
            do not ascend: then frames count as evenly spaced.
    """

    known: bool
    seconds: Sequence[Fraction] | None = None


def told_times(path: Path, *, clip: str, tick: Tick = lambda: None) -> ToldTimes:
    """Find the times of the frames of a video by its headers, without decoding.

    Args:
        path, clip, tick: as for :func:`read_times`.
    Raises: ClipError with what :func:`open_video` raises.
    """
    with open_video(path, clip=clip, log=ClipLog(0)) as video:
        packets = _Packets(video, tick)
        told, base = _told(video, packets), video.stream.time_base
    if told is None or told.shown is None or told.frames == 0:
        return ToldTimes(known=False)
    pts = [packets.pts[packet] for packet in told.shown.tolist()]
    if base is None or times_us(pts, base) is None:
        return ToldTimes(known=True)
    known = [each for each in pts if each is not None]
    return ToldTimes(known=True, seconds=[(each - known[0]) * base for each in known])


def _timed(timeline: Timeline, pts: Sequence[int | None], stream: VideoStream, cut_off: str) -> TimedFrames:
    rate = usual_rate(stream)
    step = max(1, _rounded(MICROSECONDS * rate.denominator, rate.numerator))
    found, by_rate = times_us(pts, stream.time_base), ""
    if found is None:
        by_rate = by_rate_fact(pts, stream)
        found = [_rounded(number * MICROSECONDS * rate.denominator, rate.numerator) for number in range(len(pts))]
    elif len(found) > 1:
        step = max(1, found[-1] - found[-2])
    times = np.array(found, np.int64)
    return TimedFrames(timeline=timeline, pts=pts, times_us=times, step_us=step, by_rate=by_rate, cut_off=cut_off)


class KnownTimes:
    """The frames of the videos that were read last, for units of segments of the same video.

    Args:
        videos: how many to keep.
    """

    def __init__(self, videos: int = 2) -> None:
        self._videos = videos
        self._known: dict[tuple[str, int, int, bool], TimedFrames] = {}

    def of(self, path: Path, *, clip: str, tick: Tick, decode: bool = False) -> TimedFrames:
        """As :func:`read_times`."""
        try:
            stat = path.stat()
        except OSError:  # whoever opens it says why
            return read_times(path, clip=clip, tick=tick, decode=decode)
        key = (str(path), stat.st_size, stat.st_mtime_ns, decode)
        if key not in self._known:
            found = read_times(path, clip=clip, tick=tick, decode=decode)
            while len(self._known) >= self._videos:
                del self._known[next(iter(self._known))]
            self._known[key] = found
        return self._known[key]


def _told(video: OpenVideo, packets: _Packets) -> Timeline | None:
    """Frames as the headers of the packets tell them; None if only a decoder can tell.

    Args:
        packets: none of which has been read. All have been after this, unless it returns None.
    """
    index = complete_index(video)
    if index is None:
        headers = video_headers(video, packets.all(read=True))
    else:
        headers = indexed_headers(video, index)
        for _ in packets.all(read=False):
            pass
    if headers is None or (index is not None and len(packets.pts) != len(index)):
        return None
    return told_timeline(headers, packets.hidden, seek_to=[entry.dts for entry in index] if index else None)


def _cut_off(video: OpenVideo, account: PacketAccount, *, clip: str) -> str:
    """What is missing at the end of a file; empty if nothing is. Raises: ClipError with NO_FRAMES."""
    try:
        account.require_whole(video, clip=clip)
    except ClipError as error:
        if error.reason is not Reason.TRUNCATED:
            raise
        return str(error).removeprefix(f"{clip}: ")
    return ""


class _Packets:
    """The packets of a video, read once from its start on.

    Attributes:
        pts: time stamp of each.
        hidden: whether an edit list hides each.
        account: counts them.
    """

    def __init__(self, video: OpenVideo, tick: Tick) -> None:
        self.pts: list[int | None] = []
        self.hidden: list[bool] = []
        self.account = PacketAccount()
        self._video, self._tick = video, tick

    def all(self, *, read: bool) -> Iterator[bytes]:
        """Their bytes; empty ones unless they are to be ``read``.

        Raises: UnusualError if the container gives a packet other headers.
        """
        headers = self._video.stream.codec_context.extradata or b""
        for packet in packets_of(self._video):
            if read and brings_other_headers(packet, headers):
                raise UnusualError("other headers of the container")
            self.account.count(packet)
            self.pts.append(packet.pts)
            self.hidden.append(packet.is_discard)
            self._tick()
            yield bytes(packet) if read else b""


def may_be_entered(path: Path) -> bool:
    """Whether decoding can probably start within a video, from what its first packets tell; False if it cannot be read.

    For planning: nothing that is made of the video depends on it.
    """
    try:
        with open_video(path, clip=path.name, log=ClipLog(0)) as video:
            packets = _Packets(video, lambda: None)
            some = itertools.islice(packets.all(read=True), PROBE_PACKETS)
            headers: Headers | None = video_headers(video, some)
            time_base = video.stream.time_base  # not after the file is closed, which frees it
    except Exception:  # whoever cuts its segments says what is wrong with it
        return False
    if headers is None or times_us([packets.pts[packet] for packet in headers.packets], time_base) is None:
        return False
    return sum(headers.starts) > 1 or len(headers.packets) < PROBE_PACKETS // 2
