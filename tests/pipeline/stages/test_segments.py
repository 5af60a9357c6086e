"""Segments of videos of many kinds against a plain decode of the whole file, picture by picture."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from mocrop.pipeline.errors import Reason
from mocrop.pipeline.outcome import ClipTask, Outcome
from mocrop.pipeline.span import Span
from mocrop.pipeline.stages import segments as segments_module
from mocrop.pipeline.stages.contract import WorkUnit
from mocrop.pipeline.stages.h264_writer import H264Writer
from mocrop.pipeline.stages.transcode import transcode_unit
from mocrop.pipeline.stages.transcode_settings import TranscodeSettings
from mocrop.pipeline.video.orientation import Orientation
from mocrop.pipeline.video.spans import KnownTimes
from mocrop.pipeline.workspace.paths import Workspace
from tests.pipeline.video.kinds_of_video import VIDEOS, fingerprint

MakeVideo = Callable[..., Path]
Spans = Sequence[tuple[float, float]]


@pytest.fixture(autouse=True)
def nothing_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(segments_module, "_KNOWN", KnownTimes())


@pytest.fixture
def given(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[str]]:
    """Fingerprints of the frames that were given to the encoder of each clip that was done last, by its name."""
    frames: dict[str, list[str]] = {}
    add = H264Writer.add

    def noted(self: H264Writer, frame: av.VideoFrame, orientation: Orientation) -> None:
        clip = self._regular._clip
        if self.frames == 0:
            frames[clip] = []
        frames[clip].append(fingerprint(frame))
        add(self, frame, orientation)

    monkeypatch.setattr(H264Writer, "add", noted)
    return frames


def cut(
    path: Path, spans: Spans, root: Path, *, probe: bool = False, limit: float = 0.0, **settings: float
) -> list[Outcome]:
    """Transcode segments in one unit; they are called by their spans."""
    tasks = [
        ClipTask(position=n, name=name_of(span), path=str(path), span=Span.seconds(*span), limit_seconds=limit)
        for n, span in enumerate(spans)
    ]
    unit = WorkUnit(index=0, clips=tuple(tasks), probe=probe)
    return transcode_unit(unit, TranscodeSettings(**settings), str(root))  # type: ignore[arg-type]


def name_of(span: tuple[float, float]) -> str:
    return f"A/day1#{Span.seconds(*span).text}"


def result(root: Path, span: tuple[float, float]) -> Path:
    return Workspace(root).h264_file(name_of(span))


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def frames_in(path: Path, span: tuple[float, float]) -> list[str]:
    """Fingerprints of the frames of a span in a plain decode, by times that are read here another way."""
    with av.open(path) as container:
        stream = container.streams.video[0]
        stream.thread_count = 1
        frames = [(frame.pts, fingerprint(frame)) for frame in container.decode(stream)]
        base, rate = stream.time_base, stream.average_rate
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


@pytest.mark.parametrize("name", VIDEOS)
def test_frames_are_those_of_the_span_in_a_plain_decode_and_bytes_those_of_the_segment_alone(
    name: str, videos: Callable[[str], Path], tmp_path: Path, given: dict[str, list[str]]
) -> None:
    path = videos(name)
    spans = some_spans(2.4, 6, seed=len(name))
    together = cut(path, spans, tmp_path / "unit")
    assert [outcome.status for outcome in together] == ["done"] * 6
    frames = dict(given)
    for span, outcome in zip(spans, together, strict=True):
        assert frames[name_of(span)] == frames_in(path, span)
        (alone,) = cut(path, [span], tmp_path / "alone")
        assert digest(result(tmp_path / "unit", span)) == digest(result(tmp_path / "alone", span))
        assert (alone.reasons, alone.message, alone.checksum) == (outcome.reasons, outcome.message, outcome.checksum)


def still(number: int, *, size: tuple[int, int] = (64, 48)) -> np.ndarray:
    return np.full((size[1], size[0], 3), 8 * number, np.uint8)


@pytest.mark.parametrize(
    ("span", "numbers"),
    [
        ((0, 0.04), [0]),  # half-open: frame 1 is shown at 0.04 s
        ((0, 0.040001), [0, 1]),
        ((0.04, 0.12), [1, 2]),
        ((0.040001, 0.12), [2]),
        ((0.9, 5), [23, 24]),
    ],
)
def test_a_frame_belongs_to_the_span_that_its_time_is_in(
    span: tuple[float, float], numbers: list[int], make_video: MakeVideo, tmp_path: Path
) -> None:
    source = make_video(tmp_path / "day1.mp4", frames=[still(n) for n in range(25)])  # 25 a second
    (outcome,) = cut(source, [span], tmp_path)
    with av.open(result(tmp_path, span)) as container:
        frames = list(container.decode(video=0))
        assert container.streams.video[0].average_rate == 25
    assert [round(float(frame.to_ndarray(format="rgb24").mean()) / 8) for frame in frames] == numbers
    assert [frame.time for frame in frames] == pytest.approx([n / 25 for n in range(len(frames))])
    assert (Reason.ONE_FRAME in outcome.reasons) == (len(numbers) == 1)
    assert (Reason.SPAN_CUT in outcome.reasons) == (span[1] == 5)


def test_times_outside_the_video_are_failures_with_a_reason_and_a_way_out(
    make_video: MakeVideo, tmp_path: Path
) -> None:
    """The last of 25 frames is at 0.96 s and is shown until 1 s; up to a frame beyond that is rounding."""
    source = make_video(tmp_path / "day1.mp4", frames=25)
    spans = [(0.5, 1.04), (0.5, 1.041), (0.96, 1), (0.961, 1), (0.965, 0.97), (0.41, 0.43), (7, 9)]
    outcomes = cut(source, spans, tmp_path)
    assert [outcome.reasons[:1] for outcome in outcomes] == [
        (),
        (Reason.SPAN_CUT,),
        (Reason.ONE_FRAME,),
        (Reason.OUTSIDE_VIDEO,),
        (Reason.OUTSIDE_VIDEO,),
        (Reason.NO_FRAMES,),
        (Reason.OUTSIDE_VIDEO,),
    ]
    assert outcomes[1].message == "it is to end at 1.041 s, and the video ends at 1.000 s"
    assert outcomes[5].message == (
        "A/day1#0.41-0.43: no frame begins in its 0.41-0.43 seconds: one is at 0.400 s, and the next at 0.440 s"
    )
    assert outcomes[6].message == (
        "A/day1#7-9: it begins at 7.000 s, and the last frame of the video is at 0.960 s; correct its row in the list"
    )


def test_frames_without_times_are_told_by_their_numbers_and_the_rate(
    make_video: MakeVideo, tmp_path: Path, given: dict[str, list[str]]
) -> None:
    frames = [still(n) for n in range(25)]
    source = make_video(tmp_path / "day1.avi", frames=frames, codec="libx264", options={"bf": "2"}, rate=10)
    span = (0.5, 1.2)
    (outcome,) = cut(source, [span], tmp_path)
    assert outcome.status == "done"
    assert given[name_of(span)] == frames_in(source, span)
    assert len(given[name_of(span)]) == 7


def test_a_segment_in_the_wanted_form_is_encoded_all_the_same(make_video: MakeVideo, tmp_path: Path) -> None:
    options = {"x264-params": "scenecut=0:bframes=0:ref=1:threads=1:keyint=12:min-keyint=12"}
    source = make_video(tmp_path / "day1.mp4", codec="libx264", options=options)
    (outcome,) = cut(source, [(0, 0.96)], tmp_path)
    assert outcome.reasons == ()


def test_a_probe_publishes_nothing(make_video: MakeVideo, tmp_path: Path) -> None:
    source = make_video(tmp_path / "day1.mp4")
    (outcome,) = cut(source, [(0, 0.5)], tmp_path, probe=True)
    assert (outcome.status, outcome.checksum) == ("done", None)
    assert not result(tmp_path, (0, 0.5)).exists()
    assert list(Workspace(tmp_path).partial.iterdir()) == []


def packet_places(path: Path) -> list[tuple[int, int]]:
    """Where each packet of a video lies in its file, and how long it is, in the order of the file."""
    with av.open(path) as container:
        return [(packet.pos, packet.size) for packet in container.demux(video=0) if packet.size and packet.pos]


def break_packet(path: Path, number: int) -> None:
    """Overwrite the second half of a packet."""
    data = bytearray(path.read_bytes())
    at, size = packet_places(path)[number]
    data[at + size // 2 : at + size] = b"\xff" * (size - size // 2)
    path.write_bytes(data)


@pytest.mark.parametrize("suffix", ["mp4", "mkv"])
@pytest.mark.parametrize("codec", ["libx264", "mpeg4"])
def test_a_broken_frame_is_noted_on_the_segments_that_it_spoils_and_on_no_other(
    codec: str, suffix: str, make_video: MakeVideo, tmp_path: Path, given: dict[str, list[str]]
) -> None:
    """Key frames are 0, 12, 24, 36, 48; frame 30 is broken. A segment from 32 on refers to it, one from 36 does not."""
    whole = make_video(tmp_path / f"day1.{suffix}", frames=60, codec=codec, size=(160, 120))
    break_packet(whole, 30)
    spans = [(0, 1.0), (0.96, 1.16), (0.8, 1.4), (1.28, 1.4), (1.44, 2), (1.5, 2.2)]
    outcomes = cut(whole, spans, tmp_path / "unit")
    assert [Reason.DAMAGED_FRAMES in outcome.reasons for outcome in outcomes] == [
        False,
        False,
        True,
        True,
        False,
        False,
    ]
    assert {outcome.status for outcome in outcomes} == {"done"}
    frames = dict(given)
    for span, outcome in zip(spans, outcomes, strict=True):
        assert frames[name_of(span)] == frames_in(whole, span)
        (alone,) = cut(whole, [span], tmp_path / "alone")
        assert digest(result(tmp_path / "unit", span)) == digest(result(tmp_path / "alone", span))
        assert (alone.reasons, alone.message) == (outcome.reasons, outcome.message)


def test_a_segment_of_broken_frames_fails_and_its_neighbours_do_not(make_video: MakeVideo, tmp_path: Path) -> None:
    source = make_video(tmp_path / "day1.mp4", frames=60, codec="libx264", size=(160, 120))
    for number in range(25, 33):
        break_packet(source, number)
    outcomes = cut(source, [(0.5, 0.9), (1.0, 1.3), (1.44, 2)], tmp_path)
    assert [outcome.status for outcome in outcomes] == ["done", "failed", "done"]
    assert outcomes[1].reasons == (Reason.DAMAGED,)
    assert "A/day1#1-1.3: " in outcomes[1].message


def test_segments_before_the_end_of_a_file_that_is_cut_off_are_whole(
    make_video: MakeVideo, tmp_path: Path, given: dict[str, list[str]]
) -> None:
    source = make_video(tmp_path / "day1.mkv", frames=75, codec="libx264", size=(160, 120))
    whole = [frames_in(source, span) for span in ((0.2, 0.8), (1.1, 1.3))]
    at, _ = packet_places(source)[50]
    source.write_bytes(source.read_bytes()[: at + 9])
    spans = [(0.2, 0.8), (1.1, 1.3), (1.9, 2.2), (2.5, 2.8)]
    outcomes = cut(source, spans, tmp_path)
    assert [outcome.status for outcome in outcomes] == ["done", "done", "failed", "failed"]
    assert [given[name_of(span)] for span in spans[:2]] == whole
    assert {outcome.reasons[0] for outcome in outcomes[2:]} == {Reason.TRUNCATED}


def test_what_is_no_video_fails_every_segment_by_its_own_name(tmp_path: Path) -> None:
    (tmp_path / "day1.mp4").write_bytes(b"no video" * 99)
    outcomes = cut(tmp_path / "day1.mp4", [(0, 1), (1, 2)], tmp_path)
    assert [outcome.reasons for outcome in outcomes] == [(Reason.NOT_A_VIDEO,)] * 2
    assert [outcome.message.partition(": ")[0] for outcome in outcomes] == ["A/day1#0-1", "A/day1#1-2"]
    outcomes = cut(tmp_path / "gone.mp4", [(0, 1)], tmp_path)
    assert outcomes[0].reasons == (Reason.VANISHED,)


def test_the_time_limit_counts_the_frames_of_a_segment_and_not_the_way_to_them(
    make_video: MakeVideo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No codec of this file can be entered, so 30 frames are decoded on the way; one frame of the other is slow."""
    source = make_video(tmp_path / "day1.mkv", frames=60, codec="mpeg2video")
    add = H264Writer.add

    def slow(self: H264Writer, frame: av.VideoFrame, orientation: Orientation) -> None:
        if "#0.2-" in self._regular._clip:
            segments_module.time.sleep(0.05)
        add(self, frame, orientation)

    monkeypatch.setattr(H264Writer, "add", slow)
    outcomes = cut(source, [(0.2, 0.6), (0.3, 0.5), (1.2, 1.4)], tmp_path, limit=0.3)
    assert [outcome.reasons for outcome in outcomes] == [(Reason.TIMED_OUT,), (), ()]
    assert outcomes[0].message.startswith("A/day1#0.2-0.6: not done after 0.3 s")


def test_each_packet_is_decoded_once_and_what_lies_between_is_skipped(
    make_video: MakeVideo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Key frames every 12: the first three segments are decoded as one, from frame 0; the last from frame 48."""
    from mocrop.pipeline.video import span_decoder

    source = make_video(tmp_path / "day1.mp4", frames=72, codec="libx264")
    taken: list[int] = []
    decoded = span_decoder.decoded

    def noted(video: object, packet: object) -> object:
        if packet is not None:
            taken.append(packet.opaque)  # type: ignore[attr-defined]
        return decoded(video, packet)  # type: ignore[arg-type]

    monkeypatch.setattr(span_decoder, "decoded", noted)
    outcomes = cut(source, [(0.2, 0.8), (0.4, 0.6), (0.9, 1.04), (2.0, 2.4)], tmp_path)
    assert {outcome.status for outcome in outcomes} == {"done"}
    assert taken == [*range(26), *range(48, 60)]
