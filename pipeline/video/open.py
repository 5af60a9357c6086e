"""Open one video file with PyAV; what is wrong with a file becomes one reason code."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import av
import av.container
import av.error
from av.codec.context import Flags
from av.packet import Packet
from av.stream import Disposition
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from mocrop.pipeline.dataset_place import AddressPath
from mocrop.pipeline.errors import ClipError, Reason, raise_if_disk_full
from mocrop.pipeline.outcome import ClipLog

PYAV_MAJOR = int(av.__version__.partition(".")[0])
# What FFmpeg may take a file for: containers of video or sound, and bare video. Others are no videos: still pictures,
# text that it would draw, and lists of other files (concat scripts, playlists), which are never followed.
FORMATS = (
    "aac,ac3,aiff,amr,ape,caf,eac3,flac,mp3,oga,opus,tta,w64,wav,wv,"
    "3dostr,4xm,amv,anm,apng,asf,av1,avi,avs,avs2,avs3,bfi,bink,c93,cavsvideo,cdxl,dhav,dirac,dnxhd,dsicin,dv,dxa,ea,evc,"
    "film_cpk,filmstrip,flic,flv,gif,gxf,h261,h263,h264,hevc,hnm,idcin,iff,ipmovie,ivf,ivr,jv,live_flv,lmlm4,lvf,lxf,m4v,"
    "matroska,mjpeg,mjpeg_2000,mlv,mm,mov,mpeg,mpegts,mpegvideo,mpjpeg,mtv,mv,mvi,mxf,nsv,nut,nuv,obu,ogg,pmp,psxstr,pva,"
    "r3d,rl2,rm,roq,rpl,siff,smjpeg,smk,smush,swf,thp,tmv,ty,usm,vc1,vc1test,vivo,vividas,vmd,vvc,wc3movie,webm,wtv,xmv,"
    "yop,yuv4mpegpipe"
)
MOST_PIXELS = (
    8192 * 8192
)  # of a picture: above what any level of H.264 or H.265 allows for 8K; a few bytes can claim more
_NO_VIDEO = Disposition.attached_pic | Disposition.timed_thumbnails | Disposition.still_image
_DECODER_OPTIONS = {"max_pixels": str(MOST_PIXELS)}
_NO_FRAME = VideoFrame(16, 16, "yuv420p")


@dataclass(frozen=True, kw_only=True)
class OpenVideo:
    """An open container and its video stream."""

    path: Path
    container: av.container.InputContainer
    stream: VideoStream


@contextmanager
def open_video(path: Path, *, clip: str, log: ClipLog) -> Iterator[OpenVideo]:
    """Open ``path`` for single-threaded decoding; decoder errors in the body become ClipError too.

    Args:
        path: the file.
        clip: its name, for messages.
        log: receives METADATA_NOT_UTF8 and SEVERAL_STREAMS where they apply.
    Raises: ClipError with EMPTY_FILE, NOT_A_VIDEO, NO_VIDEO_STREAM, TRUNCATED, DAMAGED, VANISHED or UNREADABLE;
        DiskFullError.
    """
    try:
        size_bytes = path.stat().st_size
    except (FileNotFoundError, NotADirectoryError) as error:
        if isinstance(path, AddressPath):
            fact = "is at an address, from which only stages and exports fetch; `mocrop transcode` makes a file here"
            raise ClipError(Reason.UNREADABLE, f"{clip}: {path} {fact}") from error
        raise ClipError(Reason.VANISHED, f"{clip}: {path} is not there any more; run `mocrop init` again") from error
    except OSError as error:
        raise ClipError(Reason.UNREADABLE, f"{clip}: {path} cannot be reached ({error.strerror})") from error
    if size_bytes == 0:
        raise ClipError(Reason.EMPTY_FILE, f"{clip}: the file is empty")
    try:
        container = open_container(path)
    except av.error.FFmpegError as error:
        raise ClipError(*_why_not_opened(path, clip, error)) from error
    with container:
        _require_index_that_fits(container, clip=clip)
        if not metadata_is_utf8(container):
            log.note(Reason.METADATA_NOT_UTF8)
        try:
            yield OpenVideo(path=path, container=container, stream=_picture_stream(container, clip=clip, log=log))
        except av.error.InvalidDataError as error:
            raise ClipError(Reason.DAMAGED, f"{clip}: the stream is damaged ({error.strerror})") from error
        except av.error.FFmpegError as error:
            raise_if_disk_full(error)
            raise ClipError(Reason.UNREADABLE, f"{clip}: FFmpeg stopped ({error.strerror})") from error


def open_container(path: Path) -> av.container.InputContainer:
    """Open a video file for reading; bytes of its metadata that are not UTF-8 become surrogates.

    Raises: av.error.FFmpegError; ValueErr if FFmpeg takes the file for something else than a video.
    """
    url = f"file:{path}"  # without this, a name such as "a:b.avi" would be read as protocol "a"
    options = {"format_whitelist": FORMATS, "protocol_whitelist": "file"}
    if PYAV_MAJOR >= 19:  # always escapes, and no longer has the argument
        return av.open(url, options=_DECODER_OPTIONS, container_options=options)
    return av.open(url, options=_DECODER_OPTIONS, container_options=options, metadata_errors="surrogateescape")


def set_decoder_options(stream: VideoStream, **options: str) -> None:
    """Set options of a decoder that has decoded nothing yet; it refuses pictures of over MOST_PIXELS in any case."""
    stream.codec_context.options = {**_DECODER_OPTIONS, **options}


def metadata_is_utf8(container: av.container.InputContainer) -> bool:
    """Whether all metadata of a container and its streams are UTF-8, as container formats require."""
    tables = (container.metadata, *(stream.metadata for stream in container.streams))
    return not any(_has_surrogates(f"{key}{value}") for table in tables for key, value in table.items())


def brings_other_headers(packet: Packet[VideoStream], headers: bytes) -> bool:
    """Whether a container gives the decoder other headers (extradata) with a packet than ``headers``, of the stream."""
    return packet.has_sidedata("new_extradata") and bytes(packet.get_sidedata("new_extradata")) != headers


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


def _picture_stream(container: av.container.InputContainer, *, clip: str, log: ClipLog) -> VideoStream:
    """The video stream that a player would show, set to one thread: the default one, then the largest.

    Never a cover picture or a preview, which some containers hold as streams.
    """
    streams = [stream for stream in container.streams.video if not stream.disposition & _NO_VIDEO]
    if not streams:
        raise ClipError(Reason.NO_VIDEO_STREAM, f"{clip}: the file has no video stream")
    readable = [stream for stream in streams if stream.codec_context is not None]
    if not readable:
        raise ClipError(Reason.UNREADABLE, f"{clip}: FFmpeg does not know the codec of the video stream")
    stream = max(readable, key=_prominence)
    if len(streams) > 1:
        log.note(Reason.SEVERAL_STREAMS, f"has {len(streams)} video streams; number {stream.index} was taken")
    set_decoder_options(stream)
    # frame threads make exported vectors differ from run to run; clips run in parallel instead
    stream.codec_context.thread_count = 1
    # without it the left of a picture that its headers crop is shown where it is no multiple of 64 pixels
    stream.codec_context.flags |= Flags.unaligned
    return stream


def _require_index_that_fits(container: av.container.InputContainer, *, clip: str) -> None:
    """Raises: ClipError with DAMAGED if the index of a file lists more packets than it has bytes.

    A few bytes of an MP4 file can claim millions of packets, each of which would take memory here.
    """
    for stream in container.streams.video:
        if (packets := len(stream.index_entries)) > container.size:
            raise ClipError(
                Reason.DAMAGED,
                f"{clip}: its index lists {packets:,} packets, and the file has {container.size:,} bytes",
            )


def _prominence(stream: VideoStream) -> tuple[bool, int]:
    """What speaks for a stream, first things first; of equal streams the first one is taken."""
    context = stream.codec_context
    return bool(stream.disposition & Disposition.default), context.width * context.height


def _why_not_opened(path: Path, clip: str, error: av.error.FFmpegError) -> tuple[Reason, str]:
    """Reason and message for a file that FFmpeg does not open."""
    if error.errno == errno.EINVAL:  # none of FORMATS
        return Reason.NOT_A_VIDEO, f"{clip}: the file is no video but text, a still picture or a list of other files"
    if not isinstance(error, av.error.InvalidDataError):
        return Reason.UNREADABLE, f"{clip}: the file cannot be opened ({error.strerror})"
    with path.open("rb") as file:
        head = file.read(12)
    if head[4:8] == b"ftyp" or (head[:4] == b"RIFF" and head[8:12] == b"AVI "):
        return Reason.TRUNCATED, f"{clip}: the file is cut off: its header or index is missing"
    return Reason.NOT_A_VIDEO, f"{clip}: FFmpeg finds no video in the file ({error.strerror})"
