"""The stage `transcode`: encode any video file to H.264 with a fixed key-frame interval, the same bytes every time."""

from __future__ import annotations

import os
import uuid
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Literal

import av
import av.container
import av.error
from av.video.frame import PictureType, VideoFrame
from av.video.stream import VideoStream

from mocrop.pipeline.checksums import file_checksum
from mocrop.pipeline.choices import require_choice
from mocrop.pipeline.errors import Reason
from mocrop.pipeline.limits import require_whole
from mocrop.pipeline.outcome import ClipLog, ClipTask, Outcome, clip_log
from mocrop.pipeline.stages.contract import WorkUnit
from mocrop.pipeline.stages.passthrough import conforms
from mocrop.pipeline.system_errors import OF_THE_DISK, errors_that_travel, file_error
from mocrop.pipeline.video.decoder import MAX_DAMAGED, PlainDecode, require_share
from mocrop.pipeline.video.normalise import PIXEL_FORMAT, regular_frames
from mocrop.pipeline.video.open import OpenVideo, open_video
from mocrop.pipeline.video.orientation import Orientations
from mocrop.pipeline.video.picture_notes import note_container
from mocrop.pipeline.video.whole import require_all_packets
from mocrop.pipeline.workspace.paths import Workspace

TRANSCODE_VERSION = 4
FALLBACK_RATE = Fraction(25)  # frames per second, where the source gives none
Entropy = Literal["cavlc", "cabac"]
Preset = Literal[
    "ultrafast", "superfast", "veryfast", "faster", "fast", "medium", "slow", "slower", "veryslow", "placebo"
]


@dataclass(frozen=True, kw_only=True)
class TranscodeSettings:
    """How the H.264 files are made."""

    key_interval: int = 12  # frames from one key frame to the next
    crf: int = 23  # x264's constant quality, 0 (lossless) to 51
    preset: Preset = "veryfast"  # x264's preset
    max_damaged: float = MAX_DAMAGED  # largest share of frames that may be damaged, 0 to 1
    entropy: Entropy = "cavlc"  # cabac: files 7 % smaller, 45 % more time to decode; docs/bitstream.md
    deinterlace: bool = False  # make one whole picture of the two fields of each interlaced frame
    own_key_frames: int | None = None  # leave clips as they are whose own files serve with so many; None: encode all

    def __post_init__(self) -> None:
        require_whole("key_interval", self.key_interval, least=1)
        require_whole("crf", self.crf, most=51)
        require_share(self.max_damaged)
        require_choice("preset", self.preset, Preset)
        require_choice("entropy", self.entropy, Entropy)
        if self.own_key_frames is not None:
            require_whole("own_key_frames", self.own_key_frames)

    @property
    def x264_options(self) -> dict[str, str]:
        """Options of libx264: no scene cuts, no B-frames, one reference frame, reproducible bytes."""
        structure = f"keyint={self.key_interval}:min-keyint={self.key_interval}:scenecut=0:bframes=0:ref=1"
        coder = f"cabac={int(self.entropy == 'cabac')}"
        # One thread and no processor-dependent code, for the same bytes everywhere: x264's AVX-512 code reads
        # uninitialised memory at some numbers of macroblocks per row, and rounds unlike the rest of x264.
        parameters = f"{structure}:{coder}:threads=1:cpu-independent=1"
        return {"preset": self.preset, "crf": str(self.crf), "x264-params": parameters}


@errors_that_travel
def transcode_unit(unit: WorkUnit, settings: TranscodeSettings, workspace: str) -> list[Outcome]:
    """Write ``h264/<clip>.mp4`` for every clip of a unit. A probe does all the work and publishes nothing.

    Args:
        workspace: root folder of the workspace.
    Returns: one outcome per clip, in order.
    Raises: DiskFullError; FileError where the workspace cannot be written.
    """
    place = Workspace(Path(workspace))
    for folder in (place.partial,) if unit.probe else (place.partial, place.h264):
        folder.mkdir(parents=True, exist_ok=True)
    return [_transcode_clip(task, settings, place, probe=unit.probe) for task in unit.clips]


def _transcode_clip(task: ClipTask, settings: TranscodeSettings, workspace: Workspace, *, probe: bool) -> Outcome:
    final = workspace.h264_file(task.name)
    partial = workspace.partial / f"{task.position}-{uuid.uuid4().hex}.mp4"  # a worker thought lost may be writing too
    partial.open("wb").close()  # here no clip is to blame for what the system says
    with clip_log(task) as log:
        task.require_accepted()
        with open_video(Path(task.path), clip=task.name, log=log) as video:
            note_container(video, log)
            if conforms(video, key_interval=settings.key_interval, deinterlace=settings.deinterlace):
                log.note(Reason.TAKEN_AS_IT_IS, "copied as it is: already in the wanted form")
                _copy_stream(video, partial, task.name, key_interval=settings.key_interval)
            else:
                _encode(video, partial, task.name, settings, log)
        if not probe:
            log.checksum = _publish(partial, final)
    partial.unlink(missing_ok=True)
    assert log.outcome is not None
    return log.outcome


def _publish(partial: Path, final: Path) -> int:
    """Give a complete file its name once it is on the disk; returns its checksum, of the bytes still in memory."""
    written = file_checksum(partial)
    with partial.open("rb+") as file:
        os.fsync(file.fileno())
    try:
        final.parent.mkdir(parents=True, exist_ok=True)
        os.replace(partial, final)
    except OSError as error:
        if error.errno in OF_THE_DISK and (told := file_error(error)) is not None:
            raise told from error
        raise
    return written


def _copy_stream(video: OpenVideo, target: Path, clip: str, *, key_interval: int) -> None:
    """Copy a bitstream that conforms into a file without audio, with regular time stamps and marked key frames."""
    with av.open(target, "w", format="mp4") as output:
        stream = output.add_stream_from_template(video.stream)
        rate = _frame_rate(video.stream)
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
    rate = _frame_rate(video.stream)
    step = 1 / rate
    decode, number = PlainDecode(video), 0
    orientations = Orientations(video.stream)
    decoded = decode.frames(look=orientations.look)
    frames = regular_frames(decoded, orientations, clip=clip, log=log, deinterlace=settings.deinterlace)
    with av.open(target, "w", format="mp4") as output:
        encoder: VideoStream | None = None
        for number, frame in enumerate(frames, start=1):
            if encoder is None:
                encoder = _add_encoder(output, frame, rate, settings)
            frame.pts, frame.time_base = number - 1, step
            frame.pict_type = PictureType.NONE  # or the encoder would repeat the source's picture types
            output.mux(encoder.encode(frame))
        if encoder is not None:
            output.mux(encoder.encode(None))
    decode.finish(clip=clip, max_damaged=settings.max_damaged, log=log)
    if number == 1:
        log.note(Reason.ONE_FRAME, "the clip has one frame")


def _add_encoder(
    output: av.container.OutputContainer, frame: VideoFrame, rate: Fraction, settings: TranscodeSettings
) -> VideoStream:
    stream = output.add_stream("libx264", rate=rate, options=settings.x264_options)
    stream.width, stream.height, stream.pix_fmt = frame.width, frame.height, PIXEL_FORMAT
    context = stream.codec_context
    context.thread_count = 1
    context.gop_size = settings.key_interval
    context.max_b_frames = 0
    context.colorspace, context.color_range = frame.colorspace, frame.color_range
    context.color_primaries, context.color_trc = frame.color_primaries, frame.color_trc
    return stream


def _frame_rate(stream: VideoStream) -> Fraction:
    return stream.average_rate or stream.guessed_rate or FALLBACK_RATE
