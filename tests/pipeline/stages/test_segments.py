"""Segments of videos of many kinds against a plain decode of the whole file, picture by picture."""

from __future__ import annotations

import errno
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import av
import numpy as np
import pytest

from mocrop.pipeline.choices import Source
from mocrop.pipeline.errors import ClipError, FileError, Reason
from mocrop.pipeline.outcome import ClipLog, ClipTask
from mocrop.pipeline.run.trials import Ran, Trials
from mocrop.pipeline.stages import segments as segments_module
from mocrop.pipeline.stages.contract import WorkUnit, file_to_read
from mocrop.pipeline.stages.h264_writer import H264Writer
from mocrop.pipeline.stages.own_file import keep_or_transcode_unit
from mocrop.pipeline.stages.transcode import transcode_unit
from mocrop.pipeline.stages.transcode_settings import TranscodeSettings
from mocrop.pipeline.video import decoder, span_decoder, spans
from mocrop.pipeline.video.decoder import VideoPacket
from mocrop.pipeline.video.frames import NotAsToldError
from mocrop.pipeline.video.open import OpenVideo
from mocrop.pipeline.video.orientation import Orientation
from mocrop.pipeline.video.spans import KnownTimes, TimedFrames, may_be_entered, read_times
from mocrop.pipeline.workspace.paths import Workspace
from tests.pipeline.stages.cut_segments import (
    cut,
    digest,
    frames_given,
    frames_in,
    name_of,
    result,
    some_spans,
    unit_of,
)
from tests.pipeline.video.kinds_of_video import VIDEOS

MakeVideo = Callable[..., Path]


@pytest.fixture(autouse=True)
def nothing_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(segments_module, "_KNOWN", KnownTimes())


@pytest.fixture
def given() -> Iterator[dict[str, list[str]]]:
    with frames_given() as frames:
        yield frames


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


@pytest.mark.parametrize("error", [IndexError("list index out of range"), NotAsToldError("packet 9 is elsewhere")])
def test_whatever_reading_a_video_raises_fails_its_segments_and_not_the_run(
    error: Exception, make_video: MakeVideo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As PyAV raises IndexError at the first packet of a stream that begins within a damaged file."""
    source = make_video(tmp_path / "day1.mp4", frames=60)

    def broken(video: OpenVideo, packet: VideoPacket | None) -> list[av.VideoFrame] | None:
        raise error

    monkeypatch.setattr(span_decoder, "decoded", broken)
    assert [outcome.status for outcome in cut(source, [(0, 1), (1, 2)], tmp_path / "entered")] == ["done", "done"]
    monkeypatch.setattr(decoder, "decoded", broken)
    outcomes = cut(source, [(0, 1), (1, 2)], tmp_path / "plain")
    assert [outcome.reasons for outcome in outcomes] == [(Reason.UNEXPECTED,)] * 2
    assert outcomes[1].message == f"A/day1#1-2: {type(error).__name__}: {error}"
    monkeypatch.setattr(spans, "packets_of", lambda video: broken(video, None))
    assert not may_be_entered(source)


def test_a_disk_that_cannot_be_written_ends_the_run_and_fails_no_segment(
    make_video: MakeVideo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuses(*_: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied", "x.mp4")

    monkeypatch.setattr(segments_module.Segment, "begin", refuses)
    for name in ("day1.mp4", "day1.mkv"):
        source = make_video(tmp_path / name, frames=60, codec="mpeg2video" if name.endswith("mkv") else "mpeg4")
        with pytest.raises(FileError, match="Permission denied"):
            cut(source, [(0, 1)], tmp_path)


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


def test_a_segment_that_kills_its_worker_fails_alone(make_video: MakeVideo, tmp_path: Path) -> None:
    source = make_video(tmp_path / "day1.mp4", frames=60)
    unit = unit_of(source, [(0, 0.5), (0.5, 1), (1, 2)])

    def run(unit: WorkUnit) -> Ran:
        dies = any(clip.position == 1 and clip.refusal is None for clip in unit.clips)
        return Ran(outcomes=None if dies else transcode_unit(unit, TranscodeSettings(), str(tmp_path)), seconds=0)

    outcomes = Trials(run, whole=False).outcomes(unit)
    assert outcomes is not None
    assert [outcome.reasons for outcome in outcomes] == [(), (Reason.KILLED_WORKER,), ()]
    assert [result(tmp_path, span).exists() for span in [(0, 0.5), (0.5, 1), (1, 2)]] == [True, False, True]


def test_a_refused_segment_is_not_opened_and_its_neighbours_are(make_video: MakeVideo, tmp_path: Path) -> None:
    unit = unit_of(make_video(tmp_path / "day1.mp4"), [(0, 0.5), (0.5, 0.9)])
    refused = replace(unit.clips[0], refusal=(Reason.VANISHED, "gone"))
    outcomes = transcode_unit(replace(unit, clips=(refused, unit.clips[1])), TranscodeSettings(), str(tmp_path))
    assert [(outcome.position, outcome.reasons) for outcome in outcomes] == [(0, (Reason.VANISHED,)), (1, ())]


def test_source_auto_transcodes_segments_whatever_the_video_gives(make_video: MakeVideo, tmp_path: Path) -> None:
    source = make_video(tmp_path / "day1.mp4", frames=60)
    settings = TranscodeSettings(own_key_frames=2)
    outcomes = keep_or_transcode_unit(unit_of(source, [(0, 1), (0.5, 2)]), settings, str(tmp_path))
    assert [outcome.reasons for outcome in outcomes] == [(Reason.OWN_FILE_FALLS_SHORT,)] * 2
    assert outcomes[0].message == "it is a segment of a longer video"
    assert result(tmp_path, (0, 1)).exists()
    whole = replace(unit_of(source, [(0, 1)]).clips[0], span=None)
    (kept,) = keep_or_transcode_unit(WorkUnit(index=0, clips=(whole,)), settings, str(tmp_path))
    assert kept.reasons == (Reason.OWN_FILE_SERVES,)


@pytest.mark.parametrize("own_file", [True, False])
def test_no_stage_reads_the_whole_video_for_a_segment(own_file: bool, make_video: MakeVideo, tmp_path: Path) -> None:
    (task,) = unit_of(make_video(tmp_path / "day1.mp4"), [(0, 0.5)]).clips
    source: Source = "auto" if own_file else "original"
    with pytest.raises(ClipError, match="it is a segment"):
        file_to_read(replace(task, own_file=own_file), source, Workspace(tmp_path), ClipLog(0))


def test_a_segment_of_a_turned_video_is_upright(make_video: MakeVideo, tmp_path: Path) -> None:
    source = make_video(tmp_path / "day1.mp4", frames=40, codec="libx264", rotation=90)
    (outcome,) = cut(source, [(1, 1.2)], tmp_path)
    assert outcome.reasons == (Reason.ROTATED,)
    with av.open(result(tmp_path, (1, 1.2))) as container:
        assert (container.streams.video[0].width, container.streams.video[0].height) == (48, 64)


def test_what_is_odd_about_the_pictures_is_noted_on_every_segment_that_overlaps(
    make_video: MakeVideo, tmp_path: Path
) -> None:
    """What one encoder changes of a frame, the next does not see."""
    source = make_video(tmp_path / "day1.mkv", frames=20, codec="ffv1", pix_fmt="yuv444p10le")
    outcomes = cut(source, [(0, 0.8), (0, 0.8), (0.2, 0.7)], tmp_path)
    assert [outcome.reasons for outcome in outcomes] == [(Reason.PIXEL_FORMAT_CONVERTED,)] * 3


@pytest.mark.parametrize("name", ["h264-open.mp4", "h264-open.mkv", "hevc-open.mp4", "vp9.webm", "mpeg4-b.mkv"])
def test_sound_videos_are_entered_and_never_decoded_from_their_start(
    name: str, videos: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pictures that lead a key frame, of which decoders may complain, are no damage."""
    monkeypatch.setattr(segments_module, "PlainSpanDecode", None)
    for start in range(0, 24, 3):
        (outcome,) = cut(videos(name), [(start / 10, 2.4)], tmp_path)
        assert (outcome.status, outcome.reasons[:1]) == ("done", (Reason.ONE_FRAME,) if start > 23 else ())


def test_pictures_that_lead_a_key_frame_and_are_shown_before_it_are_passed_over(
    make_video: MakeVideo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: dict[str, list[str]]
) -> None:
    """A decoder that enters at the key frame has not got what they refer to."""
    monkeypatch.setattr(segments_module, "PlainSpanDecode", None)
    options = {"x264-params": "keyint=12:min-keyint=12:scenecut=0:bframes=3:b-adapt=0:open-gop=1"}
    source = make_video(tmp_path / "day1.mp4", frames=60, codec="libx264", options=options)
    with av.open(source) as container:
        packets = [packet for packet in container.demux(video=0) if packet.size]
    keys = [n for n, packet in enumerate(packets) if packet.is_keyframe][1:]
    assert all((packets[key + 1].pts or 0) < (packets[key].pts or 0) for key in keys)  # led by such pictures
    for start in range(10, 23):
        (outcome,) = cut(source, [(start / 10, 2.4)], tmp_path)
        assert outcome.status == "done"
        assert given[name_of((start / 10, 2.4))] == frames_in(source, (start / 10, 2.4))


@pytest.mark.parametrize("key_interval", [5, 12])
def test_a_segment_is_encoded_as_a_file_that_holds_its_frames_alone(
    key_interval: int, make_video: MakeVideo, tmp_path: Path
) -> None:
    """So its key frames begin at its first frame, and its vectors are those of the file."""
    source = make_video(tmp_path / "day1.mp4", frames=60, codec="libx264", options={"bf": "2"}, key_interval=25)
    with av.open(source) as video, av.open(tmp_path / "part.mkv", "w") as output:
        stream = output.add_stream("ffv1", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for frame in list(video.decode(video=0))[31:59]:
            frame.pts, frame.pict_type = frame.pts - 31 * 512, av.video.frame.PictureType.NONE
            output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
    span = (1.24, 2.36)
    cut(source, [span], tmp_path, key_interval=key_interval)
    whole = ClipTask(position=1, name="A/part", path=str(tmp_path / "part.mkv"))
    settings = TranscodeSettings(key_interval=key_interval)
    transcode_unit(WorkUnit(index=0, clips=(whole,)), settings, str(tmp_path))
    found, wanted = packets_in(result(tmp_path, span)), packets_in(Workspace(tmp_path).h264_file("A/part"))
    assert found == wanted
    assert [number for number, (key, _) in enumerate(found) if key] == list(range(0, 28, key_interval))


def packets_in(path: Path) -> list[tuple[bool, bytes]]:
    with av.open(path) as video:
        return [(packet.is_keyframe, bytes(packet)) for packet in video.demux(video=0) if packet.size]


@pytest.mark.parametrize("wrong", ["times", "order"])
def test_frames_that_are_not_as_told_are_decoded_from_the_start(
    wrong: str,
    videos: Callable[[str], Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    given: dict[str, list[str]],
) -> None:
    """Told times are late by a frame from frame 20 on, or frames 28 and 29 are told the other way round."""
    path, span = videos("h264-closed.mp4"), (1.16, 1.5)
    told = read_times(path, clip="A/a")
    assert told.timeline.shown is not None
    shown, pts, times = told.timeline.shown.copy(), list(told.pts), told.times_us.copy()
    if wrong == "times":
        pts[20:], times[20:] = [*pts[21:], 10**6], times[20:] + 40_000
    else:
        shown[[28, 29]], pts[28], pts[29] = shown[[29, 28]], pts[29], pts[28]
    told = replace(told, pts=pts, times_us=times, timeline=replace(told.timeline, shown=shown))

    class Wrong(KnownTimes):
        def of(self, path: Path, *, clip: str, tick: Callable[[], object], decode: bool = False) -> TimedFrames:
            return super().of(path, clip=clip, tick=tick, decode=True) if decode else told

    monkeypatch.setattr(segments_module, "_KNOWN", Wrong())
    (outcome,) = cut(path, [span], tmp_path)
    assert (outcome.status, outcome.reasons) == ("done", ())
    assert given[name_of(span)] == frames_in(path, span)


def test_the_time_limit_counts_the_decoding_of_a_segments_frames(
    make_video: MakeVideo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = make_video(tmp_path / "day1.mp4", frames=60)
    decoded = span_decoder.decoded

    def slow(video: OpenVideo, packet: VideoPacket | None) -> list[av.VideoFrame] | None:
        time.sleep(0.02)
        return decoded(video, packet)

    monkeypatch.setattr(span_decoder, "decoded", slow)
    outcomes = cut(source, [(0, 0.2), (0.2, 1.8), (2, 2.2)], tmp_path, limit=0.4)
    assert [outcome.reasons for outcome in outcomes] == [(), (Reason.TIMED_OUT,), ()]
