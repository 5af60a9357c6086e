"""A clip as a stage sees it: the task, the log that it keeps while it works, and the outcome that it returns."""

from __future__ import annotations

import errno
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Literal

from mocrop.pipeline.errors import (
    ClipError,
    DiskFullError,
    FileError,
    LackingMotionError,
    MocropError,
    NewerError,
    Reason,
    raise_if_disk_full,
)
from mocrop.pipeline.span import Span
from mocrop.pipeline.time_limit import time_limit


@dataclass(frozen=True, kw_only=True, slots=True)  # slots: a plan holds one of these for every clip that runs
class ClipTask:
    """One clip of a work unit: what a worker needs to know about it."""

    position: int  # row of the clip in the manifest and in every crop cache
    name: str  # path under the data set without suffix, "/" between parts: "Surfing/v_Surfing_g01_c01"
    path: str  # absolute path of the data set's own file
    refusal: tuple[Reason, str] | None = None  # decided by the client: record this failure, do not open the clip
    own_file: bool = False  # decided by transcode for source auto: read the data set's own file
    limit_seconds: float = 0.0  # time after which the clip counts as hanging; 0: no limit
    h264_checksum: int | None = None  # CRC-32C of its transcoded file; None: not known
    span: Span | None = None  # of a segment, to be cut out of the file; None: the whole file
    told: str = ""  # what the client tells the stage of it, see Stage.tells
    size_bytes: int = 0  # of the data set's own file: how much work it is, as far as is known before it is opened

    def require_accepted(self) -> None:
        """Raise the refusal, if there is one; every stage calls this first inside :func:`clip_log`.

        Raises: ClipError if the client has refused the clip.
        """
        if self.refusal is not None:
            raise ClipError(*self.refusal)


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """The result of a stage on one clip."""

    position: int
    status: Literal["done", "failed"]
    reasons: tuple[Reason, ...] = ()
    message: str = ""
    seconds: float = 0.0  # wall-clock time
    checksum: int | None = None  # CRC-32C of the file written for the clip, or of the map read for it; None: neither


@dataclass
class ClipLog:
    """Collects what a stage notices about a clip while it works on it."""

    position: int
    reasons: list[Reason] = field(default_factory=list)
    messages: list[str] = field(default_factory=list)
    checksum: int | None = None  # see Outcome
    outcome: Outcome | None = None

    def note(self, reason: Reason, message: str = "") -> None:
        """Record something notable about a clip that has not failed; a repeated reason counts once."""
        if reason not in self.reasons:
            self.reasons.append(reason)
            if message:
                self.messages.append(message)

    @property
    def failed(self) -> bool:
        return self.outcome is not None and self.outcome.status == "failed"


@contextmanager
def clip_log(task: ClipTask) -> Iterator[ClipLog]:
    """Run the body for one clip and turn whatever it raises into ``log.outcome``.

    Any exception becomes a failed outcome, so the code after the block must look at ``log.outcome``. Only what no
    clip is to blame for is raised: DiskFullError, FileError where the workspace cannot be written, NewerError, and
    LackingMotionError.

    >>> task = ClipTask(position=3, name="A/b", path="/data/A/b.avi", refusal=(Reason.EMPTY_FILE, "A/b is empty"))
    >>> with clip_log(task) as log:
    ...     task.require_accepted()
    >>> log.outcome.status, log.outcome.reasons[0].value
    ('failed', 'empty-file')
    """
    log = ClipLog(task.position)
    start = time.perf_counter()

    try:
        with time_limit(task.limit_seconds, clip=task.name):
            yield log
        log.outcome = done_outcome(log, seconds=time.perf_counter() - start)
    except Exception as error:
        log.outcome = failed_outcome(error, task, log, seconds=time.perf_counter() - start)


def done_outcome(log: ClipLog, *, seconds: float) -> Outcome:
    """The outcome of a clip that a stage is done with, with what the log has collected."""
    return Outcome(
        position=log.position,
        status="done",
        reasons=tuple(log.reasons),
        message="; ".join(log.messages),
        seconds=seconds,
        checksum=log.checksum,
    )


def failed_outcome(error: Exception, task: ClipTask, log: ClipLog, *, seconds: float) -> Outcome:
    """The outcome of a clip that an error has ended.

    Raises: the error, if no clip is to blame for it: DiskFullError, FileError, NewerError or LackingMotionError.
    """
    if isinstance(error, (DiskFullError, FileError, NewerError, LackingMotionError)):
        raise error
    reason, text = _of_error(error, task)
    reasons = (reason, *log.reasons)
    return Outcome(
        position=task.position, status="failed", reasons=reasons, message=text, seconds=seconds, checksum=log.checksum
    )


def _of_error(error: Exception, task: ClipTask) -> tuple[Reason, str]:
    """Reason and message of a failure. Raises: DiskFullError."""
    if isinstance(error, ClipError):
        return error.reason, str(error)
    if isinstance(error, MocropError):
        return Reason.UNREADABLE, str(error)
    raise_if_disk_full(error)
    if isinstance(error, OSError) and error.errno == errno.ENAMETOOLONG:
        text = f"{task.name}: its path is too long for this disk; shorten its name, or use a shorter workspace path"
        return Reason.NAME_TOO_LONG, text
    return Reason.UNEXPECTED, f"{task.name}: {type(error).__name__}: {error}"
