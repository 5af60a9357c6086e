"""The frames of a video as they are before smoothing, decoded beside those that are needed with it."""

from __future__ import annotations

from collections import deque

import av.error
from av.codec.context import CodecContext, Flags
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame

from mocrop.pipeline.video.decoder import VideoPacket
from mocrop.pipeline.video.open import MOST_PIXELS, OpenVideo

SMOOTHED = frozenset(
    {"h264"}
)  # of the codecs with vectors, those whose smoothing (the loop filter) FFmpeg can leave out


class Unsmoothed:
    """Decodes the packets of a video once more, without smoothing, as reading the motion of a whole file does.

    So bars are found in the same pixels as there: of 150 clips of UCF-101, 4 have them some lines off when smoothed.
    """

    def __init__(self, video: OpenVideo) -> None:
        theirs = video.stream.codec_context
        context = CodecContext.create(theirs.codec.name, "r")
        assert isinstance(context, VideoCodecContext)
        context.extradata, context.thread_count = theirs.extradata, 1
        context.flags |= Flags.unaligned
        context.options = {"max_pixels": str(MOST_PIXELS), "skip_loop_filter": "all"}
        self._context = context
        self._frames: deque[VideoFrame] = deque()

    @staticmethod
    def of(video: OpenVideo) -> Unsmoothed | None:
        """The second decoder of a video; None if its codec has no smoothing."""
        return Unsmoothed(video) if video.stream.codec_context.codec.canonical_name in SMOOTHED else None

    def look(self, packet: VideoPacket) -> None:
        """Decode a packet, right before it is decoded with smoothing."""
        try:
            self._frames.extend(self._context.decode(packet))
        except MemoryError:
            raise
        except av.error.FFmpegError:  # it is counted where it is decoded with smoothing
            return

    def frame(self, smoothed: VideoFrame) -> VideoFrame:
        """The next frame; the smoothed one itself where there is none, as of a stream that is damaged."""
        return self._frames.popleft() if self._frames else smoothed
