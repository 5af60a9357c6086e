"""Errors that data, disks and settings can cause, and the reason codes of clips.

::

    MocropError                 caught once, in cli.main(): one line, exit code 1
    ├── WorkspaceError          no workspace, a damaged one, or one in use by another run
    ├── DatasetError            no clips, unreadable split lists
    ├── SettingsError           an invalid setting in mocrop.toml or on the command line
    ├── ClipError               a failure of one clip; carries a Reason and becomes an outcome
    ├── CropBoxError            no crop box meets the settings
    ├── MotionStoreError        a damaged part of motion.zarr, or one that is too old for what is asked
    ├── CacheError              a crop cache that is missing, ambiguous, damaged, or not the one asked for
    ├── AddressError            a file or folder at an address that cannot be reached, read or written
    ├── DiskFullError           no space left: ends the run, the workspace stays resumable
    ├── FileError               a file or folder that the system does not let mocrop read or write
    ├── MachineError            this machine lacks what mocrop cannot work without
    ├── ClusterError            the Dask cluster cannot be reached or has lost its workers
    ├── TrainingError           a training run that cannot start or continue
    ├── StoppedError            a run that a signal has stopped, after saving its state; exit code 128 + the signal
    ├── CheckpointError         a checkpoint that cannot be read or does not fit
    ├── PredictionsError        saved predictions that cannot be read or compared
    └── WeightsError            pretrained weights that cannot be obtained, read or used

Mistakes in a program that calls mocrop are ``ValueError`` or ``TypeError``, as anywhere in Python. Errors of
the system and of files become these in :mod:`~mocrop.pipeline.system_errors`.
"""

from __future__ import annotations

import contextlib
import errno
from collections.abc import Iterator
from enum import StrEnum


class Reason(StrEnum):
    """Why a stage failed on a clip, or what is notable about one that is done. Codes are stable across releases."""

    # failures
    EMPTY_FILE = "empty-file"
    NOT_A_VIDEO = "not-a-video"
    NO_VIDEO_STREAM = "no-video-stream"
    NO_FRAMES = "no-frames"
    TRUNCATED = "truncated"
    DAMAGED = "damaged"
    UNREADABLE = "unreadable"
    BAD_MAP = "bad-density-map"
    OUTSIDE_VIDEO = "outside-video"
    VANISHED = "vanished"
    NAME_TOO_LONG = "name-too-long"
    NO_MOTION_VECTORS = "codec-without-vectors"
    EARLIER_STAGE_FAILED = "earlier-stage-failed"
    EARLIER_STAGE_MISSING = "earlier-stage-not-run"
    TIMED_OUT = "timed-out"
    WINDOW_TOO_LARGE = "window-too-large"
    KILLED_WORKER = "killed-worker"
    UNEXPECTED = "unexpected-error"

    # notes on clips that are done
    METADATA_NOT_UTF8 = "metadata-not-utf8"
    SEVERAL_STREAMS = "several-video-streams"
    DAMAGED_FRAMES = "damaged-frames"
    NO_KEY_FRAMES = "no-key-frames"
    ONE_FRAME = "one-frame"
    SPAN_CUT = "span-cut"
    ALL_KEY_FRAMES = "all-key-frames"
    NOTHING_MOVES = "nothing-moves"
    FEW_KEY_FRAMES = "fewer-key-frames-than-slots"
    FEW_FRAMES = "fewer-frames-than-slots"
    FEW_WINDOWS = "fewer-windows-than-asked"
    EVEN_WINDOWS = "windows-without-motion"
    WINDOW_PADDED = "shorter-than-a-window"
    WHOLE_FRAME = "whole-frame"
    STILL_FIELDS = "motion-fields-of-zeros"
    TAKEN_AS_IT_IS = "taken-as-it-is"
    OWN_FILE_SERVES = "own-file-serves"
    OWN_FILE_FALLS_SHORT = "own-file-falls-short"
    PIXEL_FORMAT_CONVERTED = "pixel-format-converted"
    ROTATED = "rotated"
    UNKNOWN_COLOUR = "unknown-colour"
    INTERLACED = "interlaced"
    PIXELS_NOT_SQUARE = "pixels-not-square"
    CONTAINER_CROP = "container-crop-ignored"
    MADE_EVEN = "odd-size-made-even"
    VARIABLE_FRAME_RATE = "variable-frame-rate"
    TIMES_BY_RATE = "frame-times-by-rate"
    SIZE_CHANGES = "frame-size-changes"
    AUDIO_LEFT_OUT = "audio-left-out"


class MocropError(Exception):
    """An error that the user can put right; its text names the clip or option, the fact and the way out."""


class WorkspaceError(MocropError):
    """The workspace is missing, damaged or in use."""


class DatasetError(MocropError):
    """The data set has no clips, or its lists cannot be read."""


class SettingsError(MocropError):
    """A setting is invalid."""


class ClipError(MocropError):
    """One clip cannot be processed. A stage turns this into a failed outcome and continues with the other clips."""

    def __init__(self, reason: Reason, message: str) -> None:
        super().__init__(message)
        self.reason = reason

    def __reduce__(self) -> tuple[type[ClipError], tuple[Reason, str]]:
        return type(self), (self.reason, str(self))


class CropBoxError(MocropError):
    """No crop box meets the settings."""


class MotionStoreError(MocropError):
    """A part of motion.zarr cannot be read."""


class LackingMotionError(MotionStoreError):
    """motion.zarr is gone, or an older mocrop wrote it, without what is asked for now: no clip is to blame."""


class CacheError(MocropError):
    """A crop cache is missing, ambiguous, damaged, or not the one asked for."""


class AddressError(MocropError):
    """What is at an address cannot be reached, read or written. The message has no credentials in it.

    Attributes:
        missing: the server has answered that it is not there.
    """

    def __init__(self, message: str, *, missing: bool = False) -> None:
        super().__init__(message)
        self.missing = missing

    def __reduce__(self) -> tuple[object, tuple[str, bool]]:
        return _address_error, (str(self), self.missing)


def _address_error(message: str, missing: bool) -> AddressError:
    return AddressError(message, missing=missing)


class DiskFullError(MocropError):
    """No space is left on the disk; finished clips stay valid."""


class FileError(MocropError):
    """The system does not let mocrop read or write a file or folder; finished clips stay valid."""


class NewerError(MocropError):
    """A newer mocrop wrote something that this one neither reads nor repairs."""


class MachineError(MocropError):
    """This machine, or this installation, lacks what mocrop cannot work without."""


class ClusterError(MocropError):
    """The Dask cluster cannot be reached or has lost its workers."""


class TrainingError(MocropError):
    """A training run cannot start or continue."""


class StoppedError(MocropError):
    """A signal has stopped a run, which has saved what it needs to resume."""

    def __init__(self, message: str, exit_code: int) -> None:
        super().__init__(message)
        self.exit_code = exit_code

    def __reduce__(self) -> tuple[type[StoppedError], tuple[str, int]]:
        return type(self), (str(self), self.exit_code)


class SilentExit(SystemExit):
    """The exit of a rank that prints nothing, because the first rank reports the stop."""


class CheckpointError(MocropError):
    """A checkpoint cannot be read, or does not fit the backbone, the classes or the format."""


class PredictionsError(MocropError):
    """Saved predictions cannot be read, or are of other clips or classes than those they are compared with."""


class WeightsError(MocropError):
    """Pretrained weights cannot be obtained, read or used."""


def raise_if_disk_full(error: BaseException) -> None:
    """Raise DiskFullError if ``error``, or one that it comes from, means a full disk, whichever library raised it."""
    if any(_is_full_disk(each) for each in causes(error)):
        raise DiskFullError(
            "no space is left on the disk; free some and run the same command again: finished clips are kept"
        ) from error


def causes(error: BaseException) -> list[BaseException]:
    """An error, then what it was raised from or while handling, down to the first one.

    >>> try:
    ...     try:
    ...         raise OSError(errno.ENOSPC, "full")
    ...     finally:
    ...         raise RuntimeError("the end of the file is missing")  # as torch does
    ... except RuntimeError as error:
    ...     [type(each).__name__ for each in causes(error)]
    ['RuntimeError', 'OSError']
    """
    found: list[BaseException] = []
    after: BaseException | None = error
    while after is not None and after not in found:
        found.append(after)
        after = after.__cause__ or after.__context__
    return found


def _is_full_disk(error: BaseException) -> bool:
    phrases = ("no space left on device", "disk quota exceeded", "database or disk is full")
    by_number = isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)
    return by_number or any(phrase in str(error).lower() for phrase in phrases)


@contextlib.contextmanager
def full_disk_as_error() -> Iterator[None]:
    """Turn an error of the body that means a full disk into DiskFullError; others are raised as they are."""
    try:
        yield
    except Exception as error:
        raise_if_disk_full(error)
        raise
