"""Open one video file with PyAV; what is wrong with a file becomes one reason code."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import av
import av.container
import av.error
from av.packet import Packet
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from mocrop.pipeline.errors import ClipError, Reason, raise_if_disk_full
from mocrop.pipeline.outcome import ClipLog

PYAV_MAJOR = int(av.__version__.partition(".")[0])
NO_PICTURES = frozenset({"tty", "srt", "ass", "webvtt", "subviewer", "microdvd"})  # text that FFmpeg reads as media
_NO_FRAME = VideoFrame(16, 16, "yuv420p")


@dataclass(frozen=True, kw_only=True)
class OpenVideo:
    """An open container and its video stream."""

    container: av.container.InputContainer
    stream: VideoStream


@contextmanager
def open_video(path: Path, *, clip: str, log: ClipLog) -> Iterator[OpenVideo]:
    """Open ``path`` for single-threaded decoding; decoder errors in the body become ClipError too.

    Args:
        path: the file.
        clip: its name, for messages.
        log: receives METADATA_NOT_UTF8 where that applies.
    Raises: ClipError with EMPTY_FILE, NOT_A_VIDEO, NO_VIDEO_STREAM, TRUNCATED, DAMAGED, VANISHED or UNREADABLE;
        DiskFullError.
    """
    try:
        size_bytes = path.stat().st_size
    except OSError as error:
        raise ClipError(Reason.VANISHED, f"{clip}: {path} is not there any more; run `mocrop init` again") from error
    if size_bytes == 0:
        raise ClipError(Reason.EMPTY_FILE, f"{clip}: the file is empty")
    try:
        container = open_container(path)
    except av.error.FFmpegError as error:
        raise ClipError(*_why_not_opened(path, clip, error)) from error
    with container:
        if not metadata_is_utf8(container):
            log.note(Reason.METADATA_NOT_UTF8)
        try:
            yield OpenVideo(container=container, stream=_picture_stream(container, clip))
        except av.error.InvalidDataError as error:
            raise ClipError(Reason.DAMAGED, f"{clip}: the stream is damaged ({error.strerror})") from error
        except av.error.FFmpegError as error:
            raise_if_disk_full(error)
            raise ClipError(Reason.UNREADABLE, f"{clip}: FFmpeg stopped ({error.strerror})") from error


def require_all_frames(clip: str, *, decoded: int, declared: int) -> None:
    """Refuse a clip that ends early: over 2 % and over 2 frames before what its container declares.

    Args:
        decoded: number of frames or packets that were read.
        declared: number that the container declares; 0 if it declares none.
    Raises: ClipError with TRUNCATED, or NO_FRAMES if nothing could be decoded.
    """
    if decoded == 0:
        raise ClipError(Reason.NO_FRAMES, f"{clip}: no frame could be decoded")
    if declared - decoded > max(2, declared // 50):
        raise ClipError(Reason.TRUNCATED, f"{clip}: only {decoded} of {declared} frames are there; the file is cut off")


@dataclass
class PacketAccount:
    """Counts the packets of a stream while they are read, to check in the end that the stream is complete.

    Packets and not frames, because some packets, such as MPEG-4's "same as before", rightly give no frame.
    """

    packets: int = 0
    end: int = 0  # of the last packet, in the stream's time base

    def count(self, packet: Packet[VideoStream]) -> None:
        """Add a packet; the empty one with which reading ends does not count."""
        if packet.size:
            self.packets += 1
            self.end = max(self.end, (packet.pts or 0) + (packet.duration or 0))

    def require_whole(self, stream: VideoStream, *, clip: str) -> None:
        """Compare what was read with what the container declares: a number of frames or, in Matroska, a duration.

        Raises: ClipError with TRUNCATED, or NO_FRAMES if there was no packet.
        """
        require_all_frames(clip, decoded=self.packets, declared=stream.frames)
        declared = duration_seconds(stream.metadata.get("DURATION", ""))
        end = float(self.end * (stream.time_base or 0))
        if declared - end > max(2 * end / self.packets, declared / 50):
            raise ClipError(
                Reason.TRUNCATED, f"{clip}: only {end:.2f} of {declared:.2f} seconds are there; the file is cut off"
            )


def duration_seconds(tag: str) -> float:
    """Parse the duration that Matroska files store for each stream; 0 if there is none.

    >>> duration_seconds("00:01:02.400000000"), duration_seconds("")
    (62.4, 0.0)
    """
    match = re.fullmatch(r"(\d+):(\d+):(\d+\.?\d*)", tag)
    return 3600 * int(match[1]) + 60 * int(match[2]) + float(match[3]) if match else 0.0


def open_container(path: Path) -> av.container.InputContainer:
    """Open a file for reading; bytes of its metadata that are not UTF-8 become surrogates.

    Raises: av.error.FFmpegError.
    """
    url = f"file:{path}"  # without this, a name such as "a:b.avi" would be read as protocol "a"
    if PYAV_MAJOR >= 19:  # always escapes, and no longer has the argument
        return av.open(url)
    return av.open(url, metadata_errors="surrogateescape")


def metadata_is_utf8(container: av.container.InputContainer) -> bool:
    """Whether all metadata of a container and its streams are UTF-8, as container formats require."""
    tables = (container.metadata, *(stream.metadata for stream in container.streams))
    return not any(_has_surrogates(f"{key}{value}") for table in tables for key, value in table.items())


def let_go_of_side_data(frame: VideoFrame) -> None:
    """Free a frame whose side data have been read, without waiting for the garbage collector.

    Up to PyAV 18 a frame and its side data refer to each other, and the collector counts objects, not bytes. Attaching
    the side data to another frame breaks the cycle: decoding takes a quarter less time, because FFmpeg gets its buffers
    back while they are in the processor's cache, and frames do not pile up in memory. PyAV 19 has no such cycle.
    """
    if PYAV_MAJOR < 19:
        frame.side_data.__init__(_NO_FRAME)  # type: ignore[misc]


def _has_surrogates(text: str) -> bool:
    return any("\ud800" <= character <= "\udfff" for character in text)


def _picture_stream(container: av.container.InputContainer, clip: str) -> VideoStream:
    """The first video stream that is not a cover picture, set to one thread."""
    if container.format.name in NO_PICTURES:
        raise ClipError(Reason.NOT_A_VIDEO, f"{clip}: the file is text, not a video")
    streams = [s for s in container.streams.video if not s.disposition & s.disposition.attached_pic]
    if not streams:
        raise ClipError(Reason.NO_VIDEO_STREAM, f"{clip}: the file has no video stream")
    stream = streams[0]
    if stream.codec_context is None:
        raise ClipError(Reason.UNREADABLE, f"{clip}: FFmpeg does not know the codec of the video stream")
    # frame threads make exported vectors differ from run to run; clips run in parallel instead
    stream.codec_context.thread_count = 1
    return stream


def _why_not_opened(path: Path, clip: str, error: av.error.FFmpegError) -> tuple[Reason, str]:
    """Reason and message for a file that FFmpeg does not open."""
    if not isinstance(error, av.error.InvalidDataError):
        return Reason.UNREADABLE, f"{clip}: the file cannot be opened ({error.strerror})"
    with path.open("rb") as file:
        head = file.read(12)
    if head[4:8] == b"ftyp" or (head[:4] == b"RIFF" and head[8:12] == b"AVI "):
        return Reason.TRUNCATED, f"{clip}: the file is cut off: its header or index is missing"
    return Reason.NOT_A_VIDEO, f"{clip}: FFmpeg finds no video in the file ({error.strerror})"
