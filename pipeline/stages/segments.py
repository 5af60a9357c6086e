"""Transcode segments of one video: it is decoded once, forward, and each frame goes to all segments that hold it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path

from av.video.frame import VideoFrame

from mocrop.pipeline.errors import ClipError, Reason
from mocrop.pipeline.outcome import ClipLog, ClipTask, Outcome
from mocrop.pipeline.stages.h264_writer import frame_rate
from mocrop.pipeline.stages.segment import Segment
from mocrop.pipeline.stages.transcode_settings import TranscodeSettings
from mocrop.pipeline.time_limit import restartable_limit, timeout_message
from mocrop.pipeline.video.decoder import FrameDamage
from mocrop.pipeline.video.open import OpenVideo, open_video
from mocrop.pipeline.video.picture_notes import note_container
from mocrop.pipeline.video.span_decoder import EnteredDecode, PlainSpanDecode, Shown, Trouble, merged
from mocrop.pipeline.video.spans import KnownTimes, TimedFrames
from mocrop.pipeline.workspace.paths import Workspace

_KNOWN = KnownTimes()


def transcode_segments(
    tasks: Sequence[ClipTask], settings: TranscodeSettings, workspace: Workspace, *, probe: bool
) -> list[Outcome]:
    """Write ``h264/<clip>.mp4`` for segments of one video, the same bytes whichever of them come together.

    First, decoding enters the video before each segment where it may start, and skips what lies between. A segment in
    which anything is not as the headers tell is made again from a decode of the video from its start on.

    The time limit counts the time of decoding and encoding a segment's own frames; on the way to them, that of each.

    Args:
        tasks: with spans; of one path.
        probe: whether to do the work and publish nothing.
    Returns: one outcome per segment, in order.
    Raises: DiskFullError; FileError where the workspace cannot be written.
    """
    segments = [Segment(task, settings, workspace, probe=probe) for task in tasks]
    for segment in segments:
        with segment.guarded():
            segment.task.require_accepted()
    limit = max(task.limit_seconds for task in tasks)
    try:
        with restartable_limit(limit, clip=tasks[0].path) as restart:
            _Unit(Path(tasks[0].path), restart).run([each for each in segments if each.outcome is None])
    except ClipError as error:  # the limit may ring anywhere
        _fail(segments, error, tasks[0].path)
    finally:
        for segment in segments:
            segment.abandon()
    return [segment.outcome for segment in segments if segment.outcome is not None]


class _Unit:
    """Segments of one video that are worked on together."""

    def __init__(self, path: Path, restart: Callable[[], None]) -> None:
        self._path, self._restart = path, restart

    def run(self, segments: list[Segment]) -> None:
        """Work on all segments until each has an outcome."""
        timed = self._times(segments, decode=False)
        if timed is None:
            return
        left = self._placed(segments, timed)
        if timed.timeline.shown is not None:
            left = self._doubtful(left, timed)
            timed = self._times(left, decode=True) if left else timed
            left = self._placed(left, timed) if timed is not None else []
        if left and timed is not None:
            self._plainly(left, timed)

    def _times(self, segments: list[Segment], *, decode: bool) -> TimedFrames | None:
        """The frames of the video; None if it cannot be read, which fails the segments."""
        try:
            return _KNOWN.of(self._path, clip=str(self._path), tick=self._restart, decode=decode)
        except Exception as error:
            _fail(segments, error, str(self._path))
            return None

    def _placed(self, segments: list[Segment], timed: TimedFrames) -> list[Segment]:
        """The segments that have frames, by the first of them; the others fail."""
        for segment in segments:
            with segment.guarded():
                segment.place(timed)
        there = [segment for segment in segments if segment.outcome is None]
        return sorted(there, key=lambda segment: segment.numbers.start)

    def _doubtful(self, segments: list[Segment], timed: TimedFrames) -> list[Segment]:
        """Decode from pictures on with which decoding may start; returns the segments for which that was not sound."""
        doubtful: list[Segment] = []
        while segments:
            entered = _EnteredPass(segments, timed, self._restart)
            try:
                with self._opened() as (video, noted):
                    entered.run(video, noted)
            except OSError:  # of the workspace: FFmpeg's are ClipErrors here
                raise
            except Exception as error:
                if isinstance(error, ClipError) and error.reason is Reason.TIMED_OUT:
                    _fail(entered.working or segments[:1], error, str(self._path))
                else:
                    entered.doubt(entered.working or segments[:1])
            else:
                entered.doubt(segments)
            doubtful += entered.doubtful
            segments = [each for each in segments if each.outcome is None and each not in entered.doubtful]
        return doubtful

    def _plainly(self, segments: list[Segment], timed: TimedFrames) -> None:
        """Decode from the start of the video on."""
        try:
            with self._opened() as (video, noted):
                _plain_pass(video, noted, segments, timed, self._restart)
        except OSError:  # as above
            raise
        except Exception as error:
            _fail(segments, error, str(self._path))

    @contextmanager
    def _opened(self) -> Iterator[tuple[OpenVideo, ClipLog]]:
        noted = ClipLog(0)
        with open_video(self._path, clip=str(self._path), log=noted) as video:
            note_container(video, noted)
            yield video, noted


class _EnteredPass:
    """One pass over runs of packets, each decoded on its own.

    Attributes:
        working: segments some of whose frames have come, and not all.
        doubtful: segments that something is wrong with.
    """

    def __init__(self, segments: Sequence[Segment], timed: TimedFrames, restart: Callable[[], None]) -> None:
        self.working: list[Segment] = []
        self.doubtful: list[Segment] = []
        self._waiting = list(segments)
        self._timed, self._restart = timed, restart
        self._zones = {id(each): timed.timeline.packets_for(each.numbers) for each in segments}

    def run(self, video: OpenVideo, noted: ClipLog) -> None:
        """Decode and encode. Raises: ClipError."""
        rate, start = frame_rate(video.stream), time.perf_counter()
        for event in EnteredDecode(video, self._timed).events(merged(self._zones.values())):
            self._restart()
            if isinstance(event, Trouble):
                every = (*self.working, *self._waiting)
                self.doubt([each for each in every if event.packet in self._zones[id(each)]])
                continue
            self._take(event, rate, noted, time.perf_counter() - start)
            start = time.perf_counter()

    def doubt(self, segments: Sequence[Segment]) -> None:
        """Give up these segments, unless they have an outcome."""
        for segment in segments:
            segment.abandon()
            if segment.outcome is None and segment not in self.doubtful:
                self.doubtful.append(segment)
        self.working = [each for each in self.working if each not in self.doubtful]
        self._waiting = [each for each in self._waiting if each not in self.doubtful]

    def _take(self, shown: Shown, rate: Fraction, noted: ClipLog, seconds: float) -> None:
        while self._waiting and self._waiting[0].numbers.start <= shown.number:
            self.working.append(self._waiting.pop(0))
            self.working[-1].begin(rate, noted)
        self.doubt([each for each in self.working if each.next != shown.number])
        _encode(self.working, shown, seconds)
        for segment in self.working:
            if segment.outcome is None and segment.next == segment.numbers.stop:
                with segment.guarded():
                    segment.complete(FrameDamage(frames=len(segment.numbers)))
        self.working = [each for each in self.working if each.outcome is None]


def _plain_pass(
    video: OpenVideo, noted: ClipLog, segments: Sequence[Segment], timed: TimedFrames, restart: Callable[[], None]
) -> None:
    """Decode from the start on until all segments are complete. Raises: ClipError."""
    rate, start = frame_rate(video.stream), time.perf_counter()
    decode, waiting, working = PlainSpanDecode(video, timed), list(segments), list[Segment]()

    def complete(stop: float) -> None:
        for segment in working:
            if segment.numbers.stop <= stop:
                with segment.guarded():
                    segment.complete(decode.damage_of(segment.numbers))
        working[:] = [each for each in working if each.outcome is None]

    for shown in decode.frames():
        restart()
        complete(shown.number)  # not sooner: what lies between its last frame and the next one has been decoded now
        while waiting and waiting[0].numbers.start <= shown.number:
            working.append(waiting.pop(0))
            working[-1].begin(rate, noted)
        _encode(working, shown, time.perf_counter() - start)
        working[:] = [each for each in working if each.outcome is None]
        if not (waiting or working):
            return
        start = time.perf_counter()
    working += waiting
    complete(float("inf"))


def _encode(segments: Sequence[Segment], shown: Shown, seconds: float) -> None:
    """Give a frame to segments.

    Args:
        seconds: that decoding it has taken.
    """
    kept = _properties(shown.frame) if len(segments) > 1 else None
    for segment in segments:
        segment.seconds += seconds
        with segment.guarded():
            segment.add(shown)
        if kept is not None:
            for name, value in kept.items():
                setattr(shown.frame, name, value)


def _properties(frame: VideoFrame) -> dict[str, object]:
    """What encoding changes of a frame."""
    names = ("pts", "pict_type", "colorspace", "color_range", "color_primaries", "color_trc")
    return {name: getattr(frame, name) for name in names}


def _fail(segments: Sequence[Segment], error: Exception, video: str) -> None:
    """End segments over an error of their video, of which it speaks by its path.

    Raises: what :func:`~mocrop.pipeline.outcome.failed_outcome` raises.
    """
    for segment in segments:
        name, text = segment.task.name, str(error).removeprefix(f"{video}: ")
        if not isinstance(error, ClipError):
            segment.fail(error)
        elif error.reason is Reason.TIMED_OUT:
            segment.fail(ClipError(error.reason, timeout_message(name, segment.task.limit_seconds)))
        else:
            segment.fail(ClipError(error.reason, f"{name}: {text}"))
