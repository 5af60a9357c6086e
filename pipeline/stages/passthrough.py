"""Passthrough: whether a video is in the form that `transcode` would make, so that it can be copied as it is."""

from __future__ import annotations

from itertools import pairwise

from av.video.stream import VideoStream

from mocrop.pipeline.bitstream.h264 import sequence_parameters
from mocrop.pipeline.video.decoder import PlainDecode
from mocrop.pipeline.video.headers import indexed_headers
from mocrop.pipeline.video.index import complete_index
from mocrop.pipeline.video.open import OpenVideo
from mocrop.pipeline.video.orientation import Orientations


def conforms(video: OpenVideo, *, key_interval: int, deinterlace: bool = False) -> bool:
    """Whether encoding the stream again would only lose quality.

    That is so if it is upright, even-sized, progressive 8-bit 4:2:0 H.264 with one reference frame, no B-frames, even
    time steps and a key frame every ``key_interval`` frames, and if all of it is shown.

    Args:
        key_interval: frames from one key frame to the next.
        deinterlace: whether frames that are marked as two fields are not to stay so.
    """
    context = video.stream.codec_context
    return (
        context.codec.name == "h264"
        and context.format is not None  # unknown; asking PyAV 17 for its name then ends the process
        and context.format.name == "yuv420p"
        and not context.has_b_frames
        and context.width % 2 == context.height % 2 == 0
        and _has_wanted_parameters(context.extradata or b"")
        and _has_wanted_frames(video, key_interval)
        and _shown_as_stored(video, deinterlace=deinterlace)
    )


def _has_wanted_parameters(extradata: bytes) -> bool:
    sequence = sequence_parameters(extradata)
    return sequence is not None and sequence.frames_only and sequence.reference_frames == 1


def _has_wanted_frames(video: OpenVideo, key_interval: int) -> bool:
    """Whether all frames are shown, in the order of the file, and the headers say that they and no others are keys."""
    index = complete_index(video)
    if index is None or any(entry.hidden for entry in index):
        return False
    steps = [after.dts - before.dts for before, after in pairwise(index)]
    if steps and max(steps) - min(steps) > 1:
        return False
    headers = indexed_headers(video, index)
    return (
        headers is not None
        and not headers.gradual
        and headers.packets == list(range(len(index)))
        and headers.keys == [number % key_interval == 0 for number in headers.packets]
    )


def _shown_as_stored(video: OpenVideo, *, deinterlace: bool) -> bool:
    """Whether the first frame is upright and nothing is to be done about fields; leaves the container at its start."""
    orientations = Orientations(video.stream)
    frame = next(PlainDecode(video).frames(look=orientations.look), None)
    rewind(video)
    if frame is None or (deinterlace and frame.interlaced_frame):
        return False
    return not orientations.see(frame).changes


def rewind(video: OpenVideo) -> None:
    """Go back to the first frame of a container that has been read."""
    stream: VideoStream = video.stream
    start = stream.start_time or 0
    video.container.seek(start, stream=stream, any_frame=True)  # the first frame may lack the flag of a key frame
    stream.codec_context.flush_buffers()
