"""Cut segments out of a video, and find out which frames they should hold."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import pytest

from mocrop.pipeline.outcome import ClipLog, ClipTask, Outcome
from mocrop.pipeline.span import Span
from mocrop.pipeline.stages.contract import WorkUnit
from mocrop.pipeline.stages.h264_writer import H264Writer
from mocrop.pipeline.stages.transcode import transcode_unit
from mocrop.pipeline.stages.transcode_settings import TranscodeSettings
from mocrop.pipeline.video.decoder import PlainDecode
from mocrop.pipeline.video.open import open_video
from mocrop.pipeline.video.orientation import Orientation
from mocrop.pipeline.workspace.paths import Workspace
from tests.pipeline.video.kinds_of_video import fingerprint

Spans = Sequence[tuple[float, float]]


def unit_of(path: Path, spans: Spans, *, limit: float = 0.0) -> WorkUnit:
    """A unit of segments, which are called by their spans."""
    tasks = (
        ClipTask(position=n, name=name_of(span), path=str(path), span=Span.seconds(*span), limit_seconds=limit)
        for n, span in enumerate(spans)
    )
    return WorkUnit(index=0, clips=tuple(tasks))


def cut(
    path: Path, spans: Spans, root: Path, *, probe: bool = False, limit: float = 0.0, **settings: float
) -> list[Outcome]:
    """Transcode segments in one unit."""
    unit = replace(unit_of(path, spans, limit=limit), probe=probe)
    return transcode_unit(unit, TranscodeSettings(**settings), str(root))  # type: ignore[arg-type]


def name_of(span: tuple[float, float]) -> str:
    return f"A/day1#{Span.seconds(*span).text}"


def result(root: Path, span: tuple[float, float]) -> Path:
    return Workspace(root).h264_file(name_of(span))


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def frames_in(path: Path, span: tuple[float, float]) -> list[str]:
    """Fingerprints of the frames of a span in a plain decode, by times that are read here another way."""
    with open_video(path, clip="A/a", log=ClipLog(0)) as video:
        frames = [(frame.pts, fingerprint(frame)) for frame in PlainDecode(video).frames()]
        base, rate = video.stream.time_base, video.stream.average_rate
    assert base is not None
    pts = [each for each, _ in frames]
    if None in pts or pts != sorted(set(pts)):
        times = [Fraction(n) / Fraction(rate or 25) for n in range(len(frames))]
    else:
        times = [(each - pts[0]) * base for each in pts]
    start, end = Span.seconds(*span)
    return [print_ for time, (_, print_) in zip(times, frames, strict=True) if start <= round(time * 10**6) < end]


def some_spans(seconds: float, count: int, seed: int) -> list[tuple[float, float]]:
    """Spans of any length, some of which overlap, to the thousandth; by their start."""
    rng = random.Random(seed)
    spans = [sorted((rng.randrange(int(seconds * 1000)), rng.randrange(int(seconds * 1000)))) for _ in range(count)]
    return sorted((start / 1000, (end + 41) / 1000) for start, end in spans)


@contextmanager
def frames_given() -> Iterator[dict[str, list[str]]]:
    """Fingerprints of the frames that are given to the encoder of each clip, the last time, by its name."""
    frames: dict[str, list[str]] = {}
    add = H264Writer.add

    def noted(self: H264Writer, frame: av.VideoFrame, orientation: Orientation) -> None:
        clip = self._regular._clip
        if self.frames == 0:
            frames[clip] = []
        frames[clip].append(fingerprint(frame))
        add(self, frame, orientation)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(H264Writer, "add", noted)
        yield frames
