"""Every error that data, disks or settings can cause, in one tree.

::

    MocropError                 caught once, in cli.main(): one line, exit code 1
    ├── WorkspaceError          no workspace, a damaged one, or one in use by another run
    ├── DatasetError            no clips, unreadable split lists
    ├── SettingsError           a setting of mocrop.toml or of the command line that cannot be
    ├── ClipError               what one clip can cause; carries a Reason and becomes an outcome
    ├── CropBoxError            no crop box meets the settings
    ├── MotionStoreError        a damaged part of motion.zarr
    ├── CacheError              a crop cache that is missing, ambiguous, other than asked for, or damaged
    ├── DiskFullError           no space left: ends the run, the workspace stays resumable
    ├── ClusterError            the Dask cluster cannot be reached or has lost its workers
    ├── TrainingError           a run that cannot start or go on
    ├── StoppedError            a run that has saved itself because a signal asked for it; exit code 128 + its number
    ├── CheckpointError         a checkpoint that does not fit
    ├── PredictionsError        saved predictions that cannot be read or compared
    └── WeightsError            pretrained weights that cannot be had

Mistakes in a program that calls mocrop are ``ValueError`` or ``TypeError``, as anywhere in Python.
"""

from __future__ import annotations

import errno
from enum import StrEnum


class Reason(StrEnum):
    """Why a stage failed on a clip, or what it had to do to succeed; one code each, stable across releases."""

    # failures
    EMPTY_FILE = "empty-file"
    NOT_A_VIDEO = "not-a-video"
    NO_VIDEO_STREAM = "no-video-stream"
    NO_FRAMES = "no-frames"
    TRUNCATED = "truncated"
    DAMAGED = "damaged"
    UNREADABLE = "unreadable"
    BAD_MAP = "bad-density-map"
    VANISHED = "vanished"
    NO_MOTION_VECTORS = "codec-without-vectors"
    EARLIER_STAGE_FAILED = "earlier-stage-failed"
    EARLIER_STAGE_MISSING = "earlier-stage-not-run"
    TIMED_OUT = "timed-out"
    KILLED_WORKER = "killed-worker"
    UNEXPECTED = "unexpected-error"

    # done, and worth knowing
    METADATA_NOT_UTF8 = "metadata-not-utf8"
    ONE_FRAME = "one-frame"
    ALL_KEY_FRAMES = "all-key-frames"
    NOTHING_MOVES = "nothing-moves"
    FEW_KEY_FRAMES = "fewer-key-frames-than-slots"
    FEW_FRAMES = "fewer-frames-than-slots"
    WHOLE_FRAME = "whole-frame"
    STILL_FIELDS = "motion-fields-of-zeros"
    TAKEN_AS_IT_IS = "taken-as-it-is"
    PIXEL_FORMAT_CONVERTED = "pixel-format-converted"
    ROTATED = "rotated"
    MADE_EVEN = "odd-size-made-even"
    VARIABLE_FRAME_RATE = "variable-frame-rate"
    SIZE_CHANGES = "frame-size-changes"


class MocropError(Exception):
    """Anything the user can mend; its text names the clip or option, the fact and the way out."""


class WorkspaceError(MocropError):
    """The workspace is missing, damaged or in use."""


class DatasetError(MocropError):
    """The data set has no clips, or its lists cannot be read."""


class SettingsError(MocropError):
    """A setting that cannot be."""


class ClipError(MocropError):
    """What one clip can cause. A stage turns it into a failed outcome; the other clips go on."""

    def __init__(self, reason: Reason, message: str) -> None:
        super().__init__(message)
        self.reason = reason

    def __reduce__(self) -> tuple[type[ClipError], tuple[Reason, str]]:
        return type(self), (self.reason, str(self))


class CropBoxError(MocropError):
    """No crop box meets the settings."""


class MotionStoreError(MocropError):
    """A part of motion.zarr cannot be read."""


class CacheError(MocropError):
    """A crop cache is missing, ambiguous, other than asked for, or damaged."""


class DiskFullError(MocropError):
    """No space is left on the disk; what is finished stays valid."""


class ClusterError(MocropError):
    """The Dask cluster cannot be reached or has lost its workers."""


class TrainingError(MocropError):
    """A training run cannot start or go on."""


class StoppedError(MocropError):
    """A signal has asked a run to stop, and it has saved what it takes to go on."""

    def __init__(self, message: str, exit_code: int) -> None:
        super().__init__(message)
        self.exit_code = exit_code

    def __reduce__(self) -> tuple[type[StoppedError], tuple[str, int]]:
        return type(self), (str(self), self.exit_code)


class SilentExit(SystemExit):
    """The end of a process beside another one that has said already what there is to say."""


class CheckpointError(MocropError):
    """A checkpoint does not fit the backbone, the classes or the format."""


class PredictionsError(MocropError):
    """Saved predictions cannot be read, or are not of the same clips and classes."""


class WeightsError(MocropError):
    """Pretrained weights cannot be had."""


def raise_if_disk_full(error: BaseException) -> None:
    """Raise DiskFullError if ``error`` says that the disk is full, whichever library says it."""
    full = isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)
    words = ("no space left on device", "disk quota exceeded", "database or disk is full")
    if full or any(word in str(error).lower() for word in words):
        raise DiskFullError(
            "no space is left on the disk; free some and run the same command again: finished clips are kept"
        ) from error
