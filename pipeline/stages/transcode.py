"""The stage `transcode`: encode any video file to H.264 with a fixed key-frame interval, the same bytes every time."""

from __future__ import annotations

import contextlib
import uuid
from itertools import groupby
from pathlib import Path

import av

from mocrop.pipeline.errors import Reason
from mocrop.pipeline.outcome import ClipLog, ClipTask, Outcome, clip_log
from mocrop.pipeline.stages.contract import WorkUnit
from mocrop.pipeline.stages.h264_writer import H264Writer, frame_rate, publish
from mocrop.pipeline.stages.originals import with_originals
from mocrop.pipeline.stages.passthrough import conforms
from mocrop.pipeline.stages.segments import transcode_segments
from mocrop.pipeline.stages.transcode_settings import TranscodeSettings
from mocrop.pipeline.system_errors import errors_that_travel
from mocrop.pipeline.video.decoder import PlainDecode
from mocrop.pipeline.video.open import OpenVideo, open_video
from mocrop.pipeline.video.orientation import Orientations
from mocrop.pipeline.video.picture_notes import note_container
from mocrop.pipeline.video.whole import require_all_packets
from mocrop.pipeline.workspace.paths import Workspace

TRANSCODE_VERSION = 4


@errors_that_travel
@with_originals
def transcode_unit(unit: WorkUnit, settings: TranscodeSettings, workspace: str) -> list[Outcome]:
    """Write ``h264/<clip>.mp4`` for every clip or segment of a unit. A probe does all the work and publishes nothing.

    Args:
        workspace: root folder of the workspace.
    Returns: one outcome per clip, in order.
    Raises: DiskFullError; FileError where the workspace cannot be written.
    """
    place = Workspace(Path(workspace))
    for folder in (place.partial,) if unit.probe else (place.partial, place.h264):
        folder.mkdir(parents=True, exist_ok=True)
    outcomes: list[Outcome] = []
    for (_, whole), clips in groupby(unit.clips, key=lambda task: (task.path, task.span is None)):
        tasks = list(clips)
        if whole:
            outcomes += [_transcode_clip(task, settings, place, probe=unit.probe) for task in tasks]
        else:
            outcomes += transcode_segments(tasks, settings, place, probe=unit.probe)
    return outcomes


def _transcode_clip(task: ClipTask, settings: TranscodeSettings, workspace: Workspace, *, probe: bool) -> Outcome:
    final = workspace.h264_file(task.name)
    partial = workspace.partial / f"{task.position}-{uuid.uuid4().hex}.mp4"  # a worker thought lost may be writing too
    partial.open("wb").close()  # here no clip is to blame for what the system says
    with clip_log(task) as log:
        task.require_accepted()
        write_h264(Path(task.path), partial, settings, clip=task.name, log=log)
        if not probe:
            log.checksum = publish(partial, final)
    partial.unlink(missing_ok=True)
    assert log.outcome is not None
    return log.outcome


def write_h264(source: Path, target: Path, settings: TranscodeSettings, *, clip: str, log: ClipLog) -> None:
    """Write a video file as the H.264 file that the stage makes of it, or copy it if it is in that form.

    Args:
        target: written over, from its start.
        clip: its name, for messages.
        log: receives what had to be changed.
    Raises: ClipError.
    """
    with open_video(source, clip=clip, log=log) as video:
        note_container(video, log)
        if conforms(video, key_interval=settings.key_interval, deinterlace=settings.deinterlace):
            log.note(Reason.TAKEN_AS_IT_IS, "copied as it is: already in the wanted form")
            _copy_stream(video, target, clip, key_interval=settings.key_interval)
        else:
            _encode(video, target, clip, settings, log)


def _copy_stream(video: OpenVideo, target: Path, clip: str, *, key_interval: int) -> None:
    """Copy a bitstream that conforms into a file without audio, with regular time stamps and marked key frames."""
    with av.open(target, "w", format="mp4") as output:
        stream = output.add_stream_from_template(video.stream)
        rate = frame_rate(video.stream)
        number, step = 0, 1 / rate
        for packet in video.container.demux(video.stream):
            if packet.size:
                packet.stream = stream
                packet.time_base = step
                packet.pts = packet.dts = number
                packet.is_keyframe = number % key_interval == 0
                packet.duration = 1
                output.mux(packet)
                number += 1
    require_all_packets(video, packets=number, clip=clip)  # its index is complete, which is a condition of conforming


def _encode(video: OpenVideo, target: Path, clip: str, settings: TranscodeSettings, log: ClipLog) -> None:
    decode, orientations = PlainDecode(video), Orientations(video.stream)
    rate = frame_rate(video.stream)
    with contextlib.closing(H264Writer(target, rate, settings, clip=clip, log=log)) as writer:
        for frame in decode.frames(look=orientations.look):
            writer.add(frame, orientations.see(frame))
        writer.finish()
    decode.finish(clip=clip, max_damaged=settings.max_damaged, log=log)
    if writer.frames == 1:
        log.note(Reason.ONE_FRAME, "the clip has one frame")
