"""One segment of a video on its way to its H.264 file, and what becomes of it."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction

from mocrop.pipeline.errors import ClipError, Reason
from mocrop.pipeline.outcome import ClipLog, ClipTask, Outcome, done_outcome, failed_outcome
from mocrop.pipeline.span import MICROSECONDS, Span
from mocrop.pipeline.stages.h264_writer import H264Writer, publish
from mocrop.pipeline.stages.transcode_settings import TranscodeSettings
from mocrop.pipeline.time_limit import timeout_message
from mocrop.pipeline.video.decoder import FrameDamage
from mocrop.pipeline.video.span_decoder import Shown
from mocrop.pipeline.video.spans import TimedFrames
from mocrop.pipeline.workspace.paths import Workspace


class Segment:
    """A segment: frames go in one by one, and an outcome comes out.

    Attributes:
        outcome: set once it is done or has failed.
        numbers: of its frames, in those of the video; set by :meth:`place`.
        next: number of the frame that must come next.
        seconds: time that decoding and encoding its frames has taken.
    """

    def __init__(self, task: ClipTask, settings: TranscodeSettings, workspace: Workspace, *, probe: bool) -> None:
        assert task.span is not None
        self.task, self.span = task, task.span
        self.outcome: Outcome | None = None
        self.numbers, self.next = range(0), 0
        self.seconds = 0.0
        self._settings, self._workspace, self._probe = settings, workspace, probe
        self._partial = workspace.partial / f"{task.position}-{uuid.uuid4().hex}.mp4"
        self._log = ClipLog(task.position)
        self._writer: H264Writer | None = None
        self._by_rate = self._cut = ""

    @contextmanager
    def guarded(self) -> Iterator[None]:
        """Run the body for this segment; what it raises is its failure.

        Raises: what :func:`~mocrop.pipeline.outcome.failed_outcome` raises.
        """
        start = time.perf_counter()
        try:
            yield
        except Exception as error:
            self.fail(error)
        self.seconds += time.perf_counter() - start

    def fail(self, error: Exception) -> None:
        """End with the outcome of an error."""
        self.abandon()
        if self.outcome is None:
            self.outcome = failed_outcome(error, self.task, self._log, seconds=self.seconds)

    def place(self, timed: TimedFrames) -> None:
        """Find its frames in the video.

        Raises: ClipError with OUTSIDE_VIDEO, TRUNCATED or NO_FRAMES.
        """
        self.numbers, self._cut = frames_of(self.task, timed)
        self.next = self.numbers.start
        self._by_rate = timed.by_rate

    def begin(self, rate: Fraction, noted: ClipLog) -> None:
        """Open its file. Raises: OSError, for which no clip is to blame.

        Args:
            rate: frames per second of the file.
            noted: what was noted about the video.
        """
        self._partial.open("wb").close()
        self._log = ClipLog(self.task.position, list(noted.reasons), list(noted.messages))
        if self._by_rate:
            self._log.note(Reason.TIMES_BY_RATE, self._by_rate)
        if self._cut:
            self._log.note(Reason.SPAN_CUT, self._cut)
        self._writer = H264Writer(self._partial, rate, self._settings, clip=self.task.name, log=self._log)

    def add(self, shown: Shown) -> None:
        """Encode its next frame. Raises: ClipError, also with TIMED_OUT if all its frames have taken too long."""
        assert self._writer is not None
        self._writer.add(shown.frame, shown.orientation)
        self.next += 1
        limit = self.task.limit_seconds
        if 0 < limit < self.seconds:
            raise ClipError(Reason.TIMED_OUT, timeout_message(self.task.name, limit))

    def complete(self, damage: FrameDamage) -> None:
        """Give its file its name, unless it is only probed.

        Raises: ClipError with DAMAGED, if too much of it is damaged or frames did not come.
        """
        name, writer = self.task.name, self._writer
        if writer is None or self.next < self.numbers.stop:
            came = self.next - self.numbers.start
            raise ClipError(Reason.DAMAGED, f"{name}: only {came} of its {len(self.numbers)} frames could be decoded")
        writer.finish()
        writer.close()
        damage.report(clip=name, max_damaged=self._settings.max_damaged, log=self._log)
        if writer.frames == 1:
            self._log.note(Reason.ONE_FRAME, "the clip has one frame")
        if not self._probe:
            self._log.checksum = publish(self._partial, self._workspace.h264_file(name))
        self.abandon()
        self.outcome = done_outcome(self._log, seconds=self.seconds)

    def abandon(self) -> None:
        """Close its file and drop what was not published."""
        if self._writer is not None:
            self._writer.close()
            self._writer = None
        self._partial.unlink(missing_ok=True)


def frames_of(task: ClipTask, timed: TimedFrames) -> tuple[range, str]:
    """Find the frames of a segment in its video.

    Returns: their numbers, and what is to be noted as SPAN_CUT; empty: nothing.
    Raises: ClipError with OUTSIDE_VIDEO, TRUNCATED or NO_FRAMES.
    """
    name, span = task.name, task.span
    assert span is not None
    if timed.cut_off and span.end_us > timed.end_us:
        raise ClipError(Reason.TRUNCATED, f"{name}: {timed.cut_off}, at {_seconds(timed.end_us)}")
    last = int(timed.times_us[-1])
    if span.start_us > last:
        fact = f"it begins at {_seconds(span.start_us)}, and the last frame of the video is at {_seconds(last)}"
        raise ClipError(Reason.OUTSIDE_VIDEO, f"{name}: {fact}; correct its row in the list")
    numbers = timed.numbers(span)
    if not numbers:
        raise ClipError(Reason.NO_FRAMES, f"{name}: {_between(timed, span)}")
    if span.end_us > timed.end_us + timed.step_us:
        return numbers, f"it is to end at {_seconds(span.end_us)}, and the video ends at {_seconds(timed.end_us)}"
    return numbers, ""


def _seconds(microseconds: int) -> str:
    return f"{microseconds / MICROSECONDS:.3f} s"


def _between(timed: TimedFrames, span: Span) -> str:
    """Why there is no frame in a span."""
    after = timed.numbers(span).start
    one, other = (_seconds(int(timed.times_us[number])) for number in (after - 1, after))
    return f"no frame begins in its {span.text} seconds: one is at {one}, and the next at {other}"
