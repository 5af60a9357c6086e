"""The stage `transcode` for source auto: leave a clip as it is whose own file serves, and transcode any other."""

from __future__ import annotations

import dataclasses
from itertools import groupby
from pathlib import Path

import numpy as np

from mocrop.pipeline.errors import ClipError, Reason
from mocrop.pipeline.motion.vectors import EXPORTING_CODECS, NO_B_VECTORS
from mocrop.pipeline.outcome import ClipLog, ClipTask, Outcome, clip_log
from mocrop.pipeline.stages.contract import WorkUnit
from mocrop.pipeline.stages.originals import with_originals
from mocrop.pipeline.stages.transcode import transcode_unit
from mocrop.pipeline.stages.transcode_settings import TranscodeSettings
from mocrop.pipeline.system_errors import errors_that_travel
from mocrop.pipeline.video.open import open_video
from mocrop.pipeline.video.timeline import Timeline, read_timeline
from mocrop.pipeline.workspace.paths import Workspace


@errors_that_travel
@with_originals
def keep_or_transcode_unit(unit: WorkUnit, settings: TranscodeSettings, workspace: str) -> list[Outcome]:
    """Decide for each clip of a unit whether its own file serves, and write ``h264/<clip>.mp4`` where it does not.

    The note OWN_FILE_SERVES or OWN_FILE_FALLS_SHORT tells which; a clip with the first has no file in h264/. A segment
    of a longer video has no file of its own and is always transcoded.

    Args:
        settings: with ``own_key_frames``.
        workspace: root folder of the workspace.
    Returns: one outcome per clip, in order.
    Raises: DiskFullError; FileError where the workspace cannot be written.
    """
    outcomes: list[Outcome] = []
    for whole, clips in groupby(unit.clips, key=lambda task: task.span is None):
        if whole:
            outcomes += [_keep_or_transcode(task, unit, settings, Workspace(Path(workspace))) for task in clips]
        else:
            encoded = transcode_unit(dataclasses.replace(unit, clips=tuple(clips)), settings, workspace)
            outcomes += [_noted(each, "it is a segment of a longer video", seconds=0.0) for each in encoded]
    return outcomes


def _keep_or_transcode(task: ClipTask, unit: WorkUnit, settings: TranscodeSettings, workspace: Workspace) -> Outcome:
    assert settings.own_key_frames is not None
    fact = ""
    with clip_log(task) as log:
        task.require_accepted()
        wanted = settings.own_key_frames
        fact = shortcoming(Path(task.path), clip=task.name, key_frames=wanted, key_interval=settings.key_interval)
        if not fact:
            log.note(Reason.OWN_FILE_SERVES)
            if not unit.probe:
                workspace.h264_file(task.name).unlink(missing_ok=True)  # of other settings: nothing reads it any more
    assert log.outcome is not None
    if log.failed or not fact:
        return log.outcome
    alone = dataclasses.replace(unit, clips=(task,))
    (encoded,) = transcode_unit(alone, settings, str(workspace.root))
    return _noted(encoded, fact, seconds=log.outcome.seconds)


def _noted(encoded: Outcome, fact: str, *, seconds: float) -> Outcome:
    """The outcome of a clip that had to be transcoded, with the reason for it."""
    if encoded.status == "failed":
        return encoded
    message = "; ".join(filter(None, (encoded.message, fact)))
    reasons = (*encoded.reasons, Reason.OWN_FILE_FALLS_SHORT)
    return dataclasses.replace(encoded, reasons=reasons, message=message, seconds=encoded.seconds + seconds)


def shortcoming(path: Path, *, clip: str, key_frames: int, key_interval: int) -> str:
    """Why a file gives less than its transcoded form would; empty if it serves as it is.

    It serves if FFmpeg exports the vectors of all its predicted frames, if there is such a frame, if it is not
    interlaced, and if it has the key frames that are wanted, or else as many as transcoding would give it.

    Args:
        path: the file.
        clip: its name, for messages.
        key_frames: number that is wanted.
        key_interval: frames from one key frame to the next of the transcoded form.
    """
    log = ClipLog(0)  # whoever reads the file for good notes what is odd about it
    try:
        with open_video(path, clip=clip, log=log) as video:
            codec = video.stream.codec_context.codec.canonical_name
            if codec not in EXPORTING_CODECS:
                return f"FFmpeg exports no motion vectors from {codec}"
            timeline = read_timeline(video, path, clip=clip, log=log)
        if fact := _shortcoming_of(timeline, codec, key_frames, key_interval):
            return fact
        with open_video(path, clip=clip, log=log) as video:
            first = next(video.container.decode(video.stream), None)
    except ClipError as error:
        return str(error).removeprefix(f"{clip}: ")
    return "it is interlaced" if first is not None and first.interlaced_frame else ""


def _shortcoming_of(timeline: Timeline, codec: str, wanted: int, key_interval: int) -> str:
    frames, there = timeline.frames, len(timeline.key_frames)
    needed = min(wanted, -(-frames // key_interval))
    if there < needed:
        return f"it has {there} of the {needed} key frames that are needed"
    if there == frames:
        return "every frame is a key frame, which has no motion vectors"
    if codec in NO_B_VECTORS and (timeline.shown is None or (np.diff(timeline.shown) < 0).any()):
        return f"FFmpeg exports no motion vectors from B-frames of {codec}"
    return ""
