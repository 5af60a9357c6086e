"""What precrop decodes of a clip for its windows, against a plain decode of what lies between its first and last frame.

The peer is PyAV, told the answers: it enters the file where decoding for the first frame must begin and stops behind
the last. Both decode on one thread and do nothing with the frames. Ours finds the frames of the file as well.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av

from mocrop.pipeline.cache.dense import DenseWindows, even_starts
from mocrop.pipeline.outcome import ClipLog
from mocrop.pipeline.video.decoder import FrameDamage
from mocrop.pipeline.video.frames import decode_frames
from mocrop.pipeline.video.open import OpenVideo, open_video
from mocrop.pipeline.video.timeline import Timeline, read_timeline

LONG_GROUPS = {"preset": "veryfast"}  # x264's own: three B-frames, key frames 250 frames apart and at cuts
PEER = "PyAV, first to last frame"
OURS = "mocrop"


def re_encoded(clip: Path, target: Path) -> Path:
    """The clip as x264 encodes it unless told otherwise, with B-frames."""
    with av.open(clip) as source, av.open(target, "w") as output:
        first = source.streams.video[0]
        stream = output.add_stream("libx264", rate=25, options=LONG_GROUPS)
        stream.width, stream.height, stream.pix_fmt = first.width, first.height, "yuv420p"
        for number, frame in enumerate(source.decode(video=0)):
            picture = frame.reformat(format="yuv420p")
            picture.pts, picture.time_base = number, Fraction(1, 25)
            output.mux(stream.encode(picture))
        output.mux(stream.encode(None))
    return target


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What the peer is told of a file."""

    path: Path
    seek_to: int | None  # decoding time stamp of the packet to begin with; None: the start of the file
    frames: int  # to decode


def numbers_of(timeline: Timeline, dense: DenseWindows) -> list[int]:
    return dense.numbers(even_starts(timeline.frames, dense), frames=timeline.frames)


def timeline_of(video: OpenVideo) -> Timeline:
    return read_timeline(video, video.path, clip=video.path.name, log=ClipLog(0))


def plan(path: Path, dense: DenseWindows) -> Plan:
    """Find out where the first frame is entered and how many frames come from there to the last."""
    with open_video(path, clip=path.name, log=ClipLog(0)) as video:
        timeline = timeline_of(video)
    numbers = numbers_of(timeline, dense)
    start = 0 if timeline.shown is None else timeline.packets_for(range(numbers[0], numbers[0] + 1)).start
    if start == 0 or timeline.seek_to is None or timeline.shown is None:
        return Plan(path=path, seek_to=None, frames=numbers[-1] + 1)
    entered = timeline.shown.tolist().index(start)
    return Plan(path=path, seek_to=int(timeline.seek_to[start]), frames=numbers[-1] + 1 - entered)


def peer(plans: Sequence[Plan]) -> None:
    for each in plans:
        with av.open(each.path) as container:
            stream = container.streams.video[0]
            stream.codec_context.thread_count = 1
            if each.seek_to is not None:
                container.seek(each.seek_to, stream=stream)
            for count, _ in enumerate(container.decode(stream), start=1):
                if count >= each.frames:
                    break


def ours(paths: Sequence[Path], dense: DenseWindows) -> None:
    for path in paths:
        with open_video(path, clip=path.name, log=ClipLog(0)) as video:
            timeline = timeline_of(video)
            numbers = numbers_of(timeline, dense)
            for _ in decode_frames(video, timeline, numbers, key_frames_only=False, damage=FrameDamage()):
                pass


def decode_cases(paths: Sequence[Path], dense: DenseWindows) -> dict[str, Callable[[], object]]:
    """Both ways to decode the windows of some files."""
    plans = [plan(path, dense) for path in paths]
    return {PEER: lambda: peer(plans), OURS: lambda: ours(paths, dense)}
