"""Write one H.264 file: frames in, one at a time; a complete file gets its name in the end."""

from __future__ import annotations

import os
from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path

import av
from av.video.frame import PictureType, VideoFrame
from av.video.stream import VideoStream

from mocrop.pipeline.checksums import file_checksum
from mocrop.pipeline.outcome import ClipLog
from mocrop.pipeline.stages.transcode_settings import TranscodeSettings
from mocrop.pipeline.system_errors import OF_THE_DISK, file_error
from mocrop.pipeline.video.normalise import PIXEL_FORMAT, RegularFrames
from mocrop.pipeline.video.orientation import Orientation

FALLBACK_RATE = Fraction(25)  # frames per second, where the source gives none


class H264Writer:
    """Encodes the frames of one clip into an MP4 file.

    Args:
        target: the file, which is written over.
        rate: frames per second of the file.
        clip: its name, for messages.
        log: receives what had to be changed about the frames.

    Attributes:
        frames: number of frames that have been encoded.
    """

    def __init__(self, target: Path, rate: Fraction, settings: TranscodeSettings, *, clip: str, log: ClipLog) -> None:
        self.frames = 0
        self._rate, self._settings = rate, settings
        self._regular = RegularFrames(clip=clip, log=log, deinterlace=settings.deinterlace)
        self._output = av.open(target, "w", format="mp4")
        self._encoder: VideoStream | None = None

    def add(self, frame: VideoFrame, orientation: Orientation) -> None:
        """Encode the next frame; its time, picture type and colours are changed. Raises: ClipError, av.FFmpegError."""
        self._encode(self._regular.add(frame, orientation))

    def finish(self) -> None:
        """Encode what is held back."""
        self._encode(self._regular.finish())
        if self._encoder is not None:
            self._output.mux(self._encoder.encode(None))

    def close(self) -> None:
        """Close the file, which is complete after :meth:`finish`."""
        self._output.close()

    def _encode(self, frames: Iterable[VideoFrame]) -> None:
        for frame in frames:
            encoder = self._encoder = self._encoder or self._new_encoder(frame)
            frame.pts, frame.time_base = self.frames, 1 / self._rate
            frame.pict_type = PictureType.NONE  # or the encoder would repeat the source's picture types
            self._output.mux(encoder.encode(frame))
            self.frames += 1

    def _new_encoder(self, frame: VideoFrame) -> VideoStream:
        stream = self._output.add_stream("libx264", rate=self._rate, options=self._settings.x264_options)
        stream.width, stream.height, stream.pix_fmt = frame.width, frame.height, PIXEL_FORMAT
        context = stream.codec_context
        context.thread_count = 1
        context.gop_size = self._settings.key_interval
        context.max_b_frames = 0
        context.colorspace, context.color_range = frame.colorspace, frame.color_range
        context.color_primaries, context.color_trc = frame.color_primaries, frame.color_trc
        return stream


def frame_rate(stream: VideoStream) -> Fraction:
    """Frames per second of the H.264 file that is made of a video."""
    return stream.average_rate or stream.guessed_rate or FALLBACK_RATE


def publish(partial: Path, final: Path) -> int:
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
