"""Passthrough: whether a video is in the form that `transcode` would make, so that it can be copied as it is."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from av.index import IndexEntry
from av.video.stream import VideoStream

from mocrop.pipeline.video.h264 import sequence_parameters
from mocrop.pipeline.video.open import OpenVideo


def conforms(video: OpenVideo, *, key_interval: int) -> bool:
    """Whether encoding the stream again would only lose quality.

    That is so if it is upright, even-sized 8-bit 4:2:0 H.264 with one reference frame, no B-frames, even time steps
    and a key frame every ``key_interval`` frames.
    """
    stream = video.stream
    context = stream.codec_context
    return (
        context.codec.name == "h264"
        and context.pix_fmt == "yuv420p"
        and not context.has_b_frames
        and context.width % 2 == context.height % 2 == 0
        and _regular(list(stream.index_entries), key_interval)
        and _has_one_reference_frame(context.extradata or b"")
        and _upright(video)
    )


def _regular(entries: Sequence[IndexEntry], key_interval: int) -> bool:
    """Whether key frames come every ``key_interval`` frames and no others, and time steps are equal."""
    steps = {after.timestamp - before.timestamp for before, after in pairwise(entries)}
    keys_in_place = all(entry.is_keyframe == (n % key_interval == 0) for n, entry in enumerate(entries))
    return bool(entries) and keys_in_place and (not steps or max(steps) - min(steps) <= 1)


def _has_one_reference_frame(extradata: bytes) -> bool:
    sequence = sequence_parameters(extradata)
    return sequence is not None and sequence.reference_frames == 1


def _upright(video: OpenVideo) -> bool:
    """Whether the first frame has no display rotation; the container is left at its start."""
    frame = next(video.container.decode(video.stream), None)
    rewind(video)
    return frame is not None and frame.rotation == 0


def rewind(video: OpenVideo) -> None:
    """Go back to the first frame of a container that has been read."""
    stream: VideoStream = video.stream
    video.container.seek(stream.start_time or 0, stream=stream)
    stream.codec_context.flush_buffers()
