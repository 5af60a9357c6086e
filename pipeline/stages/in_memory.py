"""Read one video file as the stages read the clips of a crop cache, in memory: nothing is written, no workspace needed.

The steps are apart, so that others can take their place: the file that is read (:func:`readable_form`), its motion
(:func:`motion_of`), its crops (:func:`~mocrop.pipeline.stages.clip_crops.crop_file`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mocrop.pipeline.errors import ClipError, MocropError, Reason
from mocrop.pipeline.motion.clip_motion import ClipMotion
from mocrop.pipeline.motion.vectors import EXPORTING_CODECS, read_motion
from mocrop.pipeline.outcome import ClipLog
from mocrop.pipeline.platform_calls import memory_file
from mocrop.pipeline.policies.precomputed import POLICY as MAPS
from mocrop.pipeline.settings import settings_from
from mocrop.pipeline.stages.clip_crops import ClipCrops, crop_file
from mocrop.pipeline.stages.extract_mv import ExtractSettings
from mocrop.pipeline.stages.own_file import shortcoming
from mocrop.pipeline.stages.precrop_settings import PrecropSettings
from mocrop.pipeline.stages.stored_settings import parsed_settings
from mocrop.pipeline.stages.transcode import write_h264
from mocrop.pipeline.stages.transcode_settings import TranscodeSettings
from mocrop.pipeline.video.cropper import Cropper
from mocrop.pipeline.video.open import open_video


@dataclass(frozen=True, kw_only=True)
class ReadingSettings:
    """How the clips of a crop cache came about."""

    crop: PrecropSettings
    transcode: TranscodeSettings | None  # None: the files are read as they are
    max_damaged: float  # largest share of damaged frames in reading vectors, 0 to 1


def reading_settings(described: Mapping[str, Any]) -> ReadingSettings | None:
    """How the clips of a cache came about, from what is stored of it; None if that is not stored.

    Args:
        described: ``name``, ``settings`` and ``stages``, as a checkpoint has them of the cache it was trained on.
    Raises: ValueError naming what this mocrop cannot have, or cannot do without the data set of the cache.
    """
    stored, stages = described.get("settings"), described.get("stages") or {}
    if not isinstance(stored, Mapping) or not stored:
        return None
    try:
        crop = parsed_settings(dict(stored), str(described.get("name", "")))
        extract = settings_from(ExtractSettings, stages.get("extract-mv", {}), {}, where="extract-mv")
        transcode = settings_from(TranscodeSettings, stages.get("transcode", {}), {}, where="transcode")
    except MocropError as error:
        raise ValueError(str(error)) from error
    if crop.policy == MAPS:
        raise ValueError("its boxes are of density maps that were given for its clips (policy maps); no other has any")
    transcodes = crop.source != "original"
    if (transcodes and "transcode" not in stages) or (crop.needs_motion and "extract-mv" not in stages):
        return None
    return ReadingSettings(crop=crop, transcode=transcode if transcodes else None, max_damaged=extract.max_damaged)


def _lack_of_vectors(path: Path, *, clip: str) -> str:
    """Why a file has no vectors as it is, if FFmpeg exports none from its codec; such a clip would fail in a stage."""
    log = ClipLog(0)  # whoever reads the file for good notes what is odd about it
    with open_video(path, clip=clip, log=log) as video:
        codec = video.stream.codec_context.codec.canonical_name
    if codec in EXPORTING_CODECS:
        return ""
    try:
        read_motion(path, clip=clip, log=log, max_damaged=1)
    except ClipError as error:
        if error.reason is not Reason.NO_MOTION_VECTORS:
            raise
        return f"FFmpeg exports no motion vectors from {codec}"
    return ""


@contextmanager
def readable_form(path: Path, settings: ReadingSettings, *, clip: str, log: ClipLog) -> Iterator[Path]:
    """The file to read vectors and frames from: the file itself, or its H.264 form in memory, while the body runs.

    A file that the stage transcode has written is in that form, and is copied as it is. With source original, a file is
    transcoded if it has no motion vectors and they are needed.

    Args:
        clip: its name, for messages.
        log: receives what had to be changed.
    Raises: ClipError.
    """
    transcode = settings.transcode
    if transcode is not None and transcode.own_key_frames is not None:
        wanted = transcode.own_key_frames
        fact = shortcoming(path, clip=clip, key_frames=wanted, key_interval=transcode.key_interval)
        log.note(*((Reason.OWN_FILE_FALLS_SHORT, fact) if fact else (Reason.OWN_FILE_SERVES, "")))
        transcode = transcode if fact else None
    elif transcode is None and settings.crop.needs_motion and (fact := _lack_of_vectors(path, clip=clip)):
        log.note(Reason.OWN_FILE_FALLS_SHORT, fact)
        transcode = TranscodeSettings()
    if transcode is None:
        yield path
        return
    with memory_file() as file:
        write_h264(path, file, transcode, clip=clip, log=log)
        yield file


def motion_of(path: Path, settings: ReadingSettings, *, clip: str, log: ClipLog) -> ClipMotion | None:
    """The motion of a file that :func:`readable_form` gives; None if the settings need none. Raises: ClipError."""
    if not settings.crop.needs_motion:
        return None
    return read_motion(path, clip=clip, log=log, max_damaged=settings.max_damaged)


@dataclass(frozen=True, kw_only=True, eq=False)
class FileCrops:
    """What was read of a file."""

    crops: ClipCrops
    motion: ClipMotion | None  # None: the settings need none


def read_file(path: Path, settings: ReadingSettings, *, clip: str, log: ClipLog) -> FileCrops:
    """Read a whole file as one clip; any number of threads may do so at a time.

    Args:
        clip: its name, which seeds the sampling of some policies, and for messages.
        log: receives what the stages would note.
    Raises: ClipError.
    """
    with readable_form(path, settings, clip=clip, log=log) as file:
        motion = motion_of(file, settings, clip=clip, log=log)
        cropper = Cropper(size=settings.crop.size, fit=settings.crop.fit)
        crops = crop_file(file, settings.crop, cropper, clip=clip, motion=motion, own=file == path, log=log)
    return FileCrops(crops=crops, motion=motion)
