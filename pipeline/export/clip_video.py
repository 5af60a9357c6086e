"""The frames of a clip from its own file, each with its time: all of a file, or those of a segment of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple, TypeVar

from av.video.frame import VideoFrame

from mocrop.pipeline.errors import ClipError, Reason
from mocrop.pipeline.outcome import ClipLog, ClipTask
from mocrop.pipeline.span import MICROSECONDS
from mocrop.pipeline.stages.h264_writer import frame_rate
from mocrop.pipeline.stages.segment import frames_of
from mocrop.pipeline.video.decoder import FrameDamage, PlainDecode
from mocrop.pipeline.video.frame_times import by_rate_fact, usual_rate
from mocrop.pipeline.video.frames import NotAsToldError
from mocrop.pipeline.video.open import OpenVideo, open_video
from mocrop.pipeline.video.orientation import Orientation, Orientations
from mocrop.pipeline.video.picture_notes import note_container
from mocrop.pipeline.video.span_decoder import EnteredDecode, PlainSpanDecode, Trouble
from mocrop.pipeline.video.spans import KnownTimes, TimedFrames

Result = TypeVar("Result")
_KNOWN = KnownTimes()


class ClipFrame(NamedTuple):
    """A frame of a clip."""

    frame: VideoFrame
    orientation: Orientation
    time: int  # since the first frame of the clip, in units of the clip's time base


class ClipVideo(NamedTuple):
    """A clip that is open."""

    path: Path
    time_base: Fraction
    rate: Fraction  # frames a second, on average
    start: Callable[[], Fraction]  # once that has come: when its first frame is shown, seconds, by the file's clock
    length: Fraction | None  # seconds from then on that belong to the clip; None: all
    frames: Iterator[ClipFrame]  # all, in the order in which they are shown; raises ClipError in the end if too few


def with_clip_video(task: ClipTask, use: Callable[[ClipVideo], Result], *, max_damaged: float, log: ClipLog) -> Result:
    """Open a clip and call ``use``; once more from the start where the first way of reading it has not held.

    The first way takes the times that the file gives, and enters a long video where a segment begins. Where frames
    have no times or their headers do not hold, frames count as evenly spaced, or the video is decoded from its start.

    Args:
        max_damaged: the largest accepted share of damaged frames, 0 to 1.
    Raises: ClipError, and what ``use`` raises.
    """
    attempts = (_whole_file, _by_rate) if task.span is None else (_entered, _from_the_start)
    for attempt in attempts:
        with open_video(Path(task.path), clip=task.name, log=log) as video:
            note_container(video, log)
            try:
                return use(attempt(video, task, max_damaged, log))
            except NotAsToldError:
                continue
    raise ClipError(Reason.DAMAGED, f"{task.name}: its frames do not come as its headers say")


def _whole_file(video: OpenVideo, task: ClipTask, max_damaged: float, log: ClipLog) -> ClipVideo:
    """Frames at the times that the file gives."""
    time_base = video.stream.time_base
    if not time_base or time_base <= 0:
        log.note(Reason.TIMES_BY_RATE, by_rate_fact([None], video.stream))
        raise NotAsToldError("no time base")
    times: list[int] = []  # the first and the last

    def time_of(_: int, frame: VideoFrame) -> int:
        if frame.pts is None or (times and frame.pts <= times[-1]):
            log.note(Reason.TIMES_BY_RATE, by_rate_fact([*times[-1:], frame.pts], video.stream))
            raise NotAsToldError("a frame without a time, or not in order")
        times[1:] = [frame.pts]
        return frame.pts - times[0]

    frames = _decoded(video, task, max_damaged, log, time_of)
    base = Fraction(time_base)
    return ClipVideo(video.path, base, frame_rate(video.stream), lambda: times[0] * base, None, frames)


def _by_rate(video: OpenVideo, task: ClipTask, max_damaged: float, log: ClipLog) -> ClipVideo:
    """Frames that count as evenly spaced."""
    rate = usual_rate(video.stream)
    frames = _decoded(video, task, max_damaged, log, lambda number, _: number)
    return ClipVideo(video.path, 1 / rate, rate, lambda: Fraction(0), None, frames)


def _decoded(
    video: OpenVideo, task: ClipTask, max_damaged: float, log: ClipLog, time_of: Callable[[int, VideoFrame], int]
) -> Iterator[ClipFrame]:
    decode, orientations = PlainDecode(video), Orientations(video.stream)
    for number, frame in enumerate(decode.frames(look=orientations.look)):
        yield ClipFrame(frame, orientations.see(frame), time_of(number, frame))
    decode.finish(clip=task.name, max_damaged=max_damaged, log=log)


def _entered(video: OpenVideo, task: ClipTask, max_damaged: float, log: ClipLog) -> ClipVideo:
    """Frames of a segment, decoded from where decoding may start on."""
    timed = _KNOWN.of(video.path, clip=task.name, tick=lambda: None)
    if timed.timeline.shown is None:
        raise NotAsToldError("its frames are counted")
    numbers = _placed(task, timed, log)

    def frames() -> Iterator[ClipFrame]:
        due = numbers.start
        for event in EnteredDecode(video, timed).events([timed.timeline.packets_for(numbers)]):
            if isinstance(event, Trouble):
                raise NotAsToldError(f"packet {event.packet}")
            if event.number in numbers:
                if event.number != due:
                    raise NotAsToldError(f"frame {due} does not come")
                due += 1
                yield ClipFrame(event.frame, event.orientation, _time(timed, event.number, numbers))
        if due != numbers.stop:
            raise NotAsToldError(f"frame {due} does not come")
        FrameDamage(frames=len(numbers)).report(clip=task.name, max_damaged=max_damaged, log=log)

    return _segment(video, timed, numbers, frames())


def _from_the_start(video: OpenVideo, task: ClipTask, max_damaged: float, log: ClipLog) -> ClipVideo:
    """Frames of a segment, of a video that is decoded from its start on."""
    timed = _KNOWN.of(video.path, clip=task.name, tick=lambda: None, decode=True)
    numbers = _placed(task, timed, log)

    def frames() -> Iterator[ClipFrame]:
        decode, came = PlainSpanDecode(video, timed), 0
        for shown in decode.frames():
            if shown.number >= numbers.stop:  # what lies between its last frame and the next one has been decoded now
                break
            if shown.number in numbers:
                came += 1
                yield ClipFrame(shown.frame, shown.orientation, _time(timed, shown.number, numbers))
        if came < len(numbers):
            fact = f"only {came} of its {len(numbers)} frames could be decoded"
            raise ClipError(Reason.DAMAGED, f"{task.name}: {fact}")
        decode.damage_of(numbers).report(clip=task.name, max_damaged=max_damaged, log=log)

    return _segment(video, timed, numbers, frames())


def _placed(task: ClipTask, timed: TimedFrames, log: ClipLog) -> range:
    numbers, cut = frames_of(task, timed)
    if timed.by_rate:
        log.note(Reason.TIMES_BY_RATE, timed.by_rate)
    if cut:
        log.note(Reason.SPAN_CUT, cut)
    return numbers


def _time(timed: TimedFrames, number: int, numbers: range) -> int:
    """In units of the file, or where it gives no times, of microseconds."""
    if timed.by_rate:
        return int(timed.times_us[number] - timed.times_us[numbers.start])
    here, first = timed.pts[number], timed.pts[numbers.start]
    assert here is not None  # or times would be by rate
    assert first is not None
    return here - first


def _segment(video: OpenVideo, timed: TimedFrames, numbers: range, frames: Iterator[ClipFrame]) -> ClipVideo:
    file_base = Fraction(video.stream.time_base or 0)
    first = timed.pts[numbers.start]
    start = Fraction(int(timed.times_us[numbers.start]), MICROSECONDS) if first is None else first * file_base
    stop = int(timed.times_us[numbers.stop]) if numbers.stop < len(timed.times_us) else timed.end_us
    length = Fraction(stop - int(timed.times_us[numbers.start]), MICROSECONDS)
    time_base = Fraction(1, MICROSECONDS) if timed.by_rate else file_base
    return ClipVideo(video.path, time_base, frame_rate(video.stream), lambda: start, length, frames)
