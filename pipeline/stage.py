"""The stage contract: a work unit of clips and frozen settings go in, one outcome per clip comes out.

A stage is an importable top-level function ``(unit, settings, workspace_root) -> list[Outcome]``. It runs in this
process or on a Dask worker, gives the same bytes in both, and never raises for what a clip can cause: only
:class:`~mocrop.pipeline.errors.DiskFullError`, bugs and killed processes leave it.
"""

from __future__ import annotations

import dataclasses
import errno
import hashlib
import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from mocrop.pipeline.errors import ClipError, DiskFullError, MocropError, Reason
from mocrop.pipeline.time_limit import time_limit


@dataclass(frozen=True, kw_only=True)
class ClipTask:
    """One clip of a work unit: what a worker needs to know of it."""

    position: int  # row of the clip in the manifest and in every crop cache
    name: str  # path under the data set without suffix, "/" between parts: "Surfing/v_Surfing_g01_c01"
    path: str  # absolute path of the data set's own file
    refusal: tuple[Reason, str] | None = None  # decided by the client: record this failure, do not open the clip
    whole_frame: str | None = None  # decided by the client: why a policy must do without vectors
    limit_seconds: float = 0.0  # after which the clip counts as hanging; 0: never

    def require_accepted(self) -> None:
        """First call of every stage inside :func:`clip_log`. Raises: ClipError if the client has refused the clip."""
        if self.refusal is not None:
            raise ClipError(*self.refusal)


@dataclass(frozen=True, kw_only=True)
class WorkUnit:
    """A run of clips that one worker does at once; for the stages that write shards, exactly one shard."""

    index: int  # shard number
    clips: tuple[ClipTask, ...]
    probe: bool = False  # do the work, write nothing: finds the clip that kills its worker

    def __post_init__(self) -> None:
        if not self.clips:
            raise ValueError(f"work unit {self.index} has no clips")


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What a stage says about one clip."""

    position: int
    status: Literal["done", "failed"]
    reasons: tuple[Reason, ...] = ()
    message: str = ""
    seconds: float = 0.0


@dataclass
class ClipLog:
    """Collects what a stage notices about a clip while it works on it."""

    position: int
    reasons: list[Reason] = field(default_factory=list)
    messages: list[str] = field(default_factory=list)
    outcome: Outcome | None = None

    def note(self, reason: Reason, message: str = "") -> None:
        """Record something worth knowing about a clip that is still good; a repeated reason counts once."""
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

    A full disk is nobody's clip: it leaves as DiskFullError. Any other exception becomes a failed outcome, so the
    code after the block must look at ``log.failed``.

    >>> task = ClipTask(position=3, name="A/b", path="/data/A/b.avi", refusal=(Reason.EMPTY_FILE, "A/b is empty"))
    >>> with clip_log(task) as log:
    ...     task.require_accepted()
    >>> log.outcome.status, log.outcome.reasons[0].value
    ('failed', 'empty-file')
    """
    log = ClipLog(task.position)
    start = time.perf_counter()

    def outcome(status: Literal["done", "failed"], reasons: list[Reason], message: str) -> Outcome:
        seconds = time.perf_counter() - start
        return Outcome(position=task.position, status=status, reasons=tuple(reasons), message=message, seconds=seconds)

    try:
        with time_limit(task.limit_seconds, clip=task.name):
            yield log
        log.outcome = outcome("done", log.reasons, "; ".join(log.messages))
    except ClipError as error:
        log.outcome = outcome("failed", [error.reason, *log.reasons], str(error))
    except DiskFullError:
        raise
    except MocropError as error:
        log.outcome = outcome("failed", [Reason.UNREADABLE, *log.reasons], str(error))
    except Exception as error:
        raise_if_disk_full(error)
        text = f"{task.name}: {type(error).__name__}: {error}"
        log.outcome = outcome("failed", [Reason.UNEXPECTED, *log.reasons], text)


def raise_if_disk_full(error: BaseException) -> None:
    """Raise DiskFullError if ``error`` says that the disk is full, whichever library says it."""
    full = isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)
    words = ("no space left on device", "disk quota exceeded", "database or disk is full")
    if full or any(word in str(error).lower() for word in words):
        raise DiskFullError(
            "no space is left on the disk; free some and run the same command again: finished clips are kept"
        ) from error


StageFunction = Callable[[WorkUnit, Any, str], list[Outcome]]


@dataclass(frozen=True, kw_only=True)
class Stage:
    """A stage ready to run: its function, its settings and what its outputs depend on."""

    name: str  # key of its outcomes in the manifest: "transcode", "extract-mv", "precrop:motion-192"
    function: StageFunction
    settings: Any  # a frozen dataclass
    version: int  # raised whenever the bytes that the stage writes change
    clips_per_unit: int
    writes_shards: bool  # True: units are fixed runs of all clips, done as a whole
    output: Callable[[int, str], Path]  # (position, clip name) -> what must exist if the stage is done with the clip
    upstream: Stage | None = None  # the stage whose output this one reads
    takes_vectorless: bool = False  # clips whose codec has no vectors get the whole frame instead of a refusal

    @property
    def settings_hash(self) -> str:
        """16 hex digits over the stage's name, version, settings and everything upstream."""
        upstream = self.upstream.settings_hash if self.upstream else ""
        return settings_hash(self.settings, self.name.partition(":")[0], self.version, upstream)


def settings_hash(settings: Any, *context: object) -> str:
    """Hash a frozen dataclass and its context: equal settings, equal hash, in any process.

    What is None leaves no trace, so that something optional can be added without making older outputs stale.

    >>> task = ClipTask(position=3, name="A/b", path="/data/A/b.avi")
    >>> settings_hash(task, "transcode") == settings_hash(task, "transcode") != settings_hash(task, "extract-mv")
    True
    """
    given = {name: value for name, value in dataclasses.asdict(settings).items() if value is not None}
    text = json.dumps([given, *context], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
