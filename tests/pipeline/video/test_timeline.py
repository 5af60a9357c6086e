"""Timelines and the frames decoded by them, against a plain decode of the whole file, for many kinds of video."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mocrop.pipeline.cache.slots import chosen_frames
from mocrop.pipeline.choices import Spread
from mocrop.pipeline.errors import ClipError, Reason
from mocrop.pipeline.outcome import ClipLog
from mocrop.pipeline.video import timeline as timeline_module
from mocrop.pipeline.video.decoder import FrameDamage
from mocrop.pipeline.video.frames import NotAsToldError, decode_frames
from mocrop.pipeline.video.open import open_video
from mocrop.pipeline.video.timeline import Timeline, read_timeline
from tests.odd_files.avi import edit_index
from tests.odd_files.mp4 import join_with_descriptions
from tests.pipeline.video.kinds_of_video import VIDEOS, X264, fingerprint

MakeVideo = Callable[..., Path]


def plain_decode(path: Path) -> tuple[list[str], list[int]]:
    """Fingerprint of every frame, and the numbers of the key frames."""
    with av.open(path) as container:
        container.streams.video[0].thread_count = 1
        frames = [(fingerprint(frame), frame.key_frame) for frame in container.decode(video=0)]
    return [print_ for print_, _ in frames], [number for number, (_, key) in enumerate(frames) if key]


def decode_chosen(path: Path, select: Spread, *, slots: int) -> tuple[Timeline, list[int], list[tuple[int, str]]]:
    log = ClipLog(0)
    with open_video(path, clip="A/a", log=log) as video:
        timeline = read_timeline(video, path, clip="A/a", log=log)
        key_frames = timeline.key_frames.tolist()
        numbers = chosen_frames(select, key_frames=key_frames, frames=timeline.frames, slots=slots)
        only = select == "keyframes"
        frames = decode_frames(video, timeline, numbers, key_frames_only=only, damage=FrameDamage())
        return timeline, numbers, [(number, fingerprint(frame)) for number, frame in frames]


def agrees_with_plain_decode(path: Path) -> Timeline:
    prints, key_frames = plain_decode(path)
    selections: list[tuple[Spread, int]] = [("keyframes", 100), ("keyframes", 3), ("uniform", 7), ("uniform", 1000)]
    for select, slots in selections:
        timeline, numbers, chosen = decode_chosen(path, select, slots=slots)
        assert timeline.frames == len(prints)
        assert timeline.key_frames.tolist() == key_frames
        assert chosen == [(number, prints[number]) for number in numbers]
    return timeline


@pytest.mark.parametrize("name", VIDEOS)
def test_frames_have_the_numbers_and_pictures_of_a_plain_decode(name: str, videos: Callable[[str], Path]) -> None:
    agrees_with_plain_decode(videos(name))


@pytest.mark.parametrize("name", [name for name in VIDEOS if not name.startswith("mpeg2")])
def test_headers_tell_the_frames_without_decoding(name: str, videos: Callable[[str], Path]) -> None:
    path, log = videos(name), ClipLog(0)
    with open_video(path, clip="A/a", log=log) as video:
        assert read_timeline(video, path, clip="A/a", log=log).damage is None


def remux(source: Path, target: Path, *, skip_key_frames: int = 0, skip_packets: int = 0, **options: str) -> Path:
    """Copy packets from a key frame or packet on, as cutting tools without a decoder do."""
    with av.open(source) as old, av.open(target, "w", options=options) as new:
        stream = new.add_stream_from_template(old.streams.video[0])
        keys, start = 0, None
        for count, packet in enumerate(p for p in old.demux(video=0) if p.size):
            keys += packet.is_keyframe
            if keys <= skip_key_frames or count < skip_packets:
                continue
            start = packet.dts if start is None else start
            packet.stream = stream
            packet.dts, packet.pts = packet.dts - start, packet.pts - start
            new.mux(packet)
    return target


@pytest.mark.parametrize("name", ["h264-open.mp4", "hevc-open.mp4", "mpeg4-b.mp4"])
@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_stream_cut_at_an_open_key_frame_is_numbered_by_what_a_decoder_gives(
    name: str, suffix: str, videos: Callable[[str], Path], tmp_path: Path
) -> None:
    agrees_with_plain_decode(remux(videos(name), tmp_path / f"cut{suffix}", skip_key_frames=1))


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_stream_that_begins_between_key_frames_is_numbered_by_what_a_decoder_gives(
    suffix: str, videos: Callable[[str], Path], tmp_path: Path
) -> None:
    agrees_with_plain_decode(remux(videos("h264-closed.mp4"), tmp_path / f"cut{suffix}", skip_packets=5))


def test_fragmented_mp4_has_no_complete_index_and_is_read_through(
    videos: Callable[[str], Path], tmp_path: Path
) -> None:
    path = remux(videos("h264-open.mp4"), tmp_path / "f.mp4", movflags="frag_keyframe+empty_moov")
    assert agrees_with_plain_decode(path).seek_to is None


def test_index_is_enough_where_pictures_are_shown_as_they_are_decoded(
    videos: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither the reading pass nor the decoding pass may run."""
    monkeypatch.setattr(timeline_module, "packets_of", None)
    for name in ("mpeg4.avi", "h264.mp4", "mjpeg.avi"):
        path, log = videos(name), ClipLog(0)
        with open_video(path, clip="A/a", log=log) as video:
            assert read_timeline(video, path, clip="A/a", log=log).seek_to is not None


@pytest.mark.parametrize("name", ["mpeg4.avi", "h264-open.mp4", "h264-open.mkv"])
def test_decoder_gets_the_packets_of_the_chosen_key_frames_and_nothing_else(
    name: str, videos: Callable[[str], Path]
) -> None:
    path, log = videos(name), ClipLog(0)
    with open_video(path, clip="A/a", log=log) as video:
        timeline = read_timeline(video, path, clip="A/a", log=log)
        numbers = timeline.key_frames.tolist()[1::2]
        runs = timeline.runs(numbers, key_frames_only=True)
    assert runs == [range(packet, packet + 1) for packet in timeline.shown[numbers].tolist()]
    assert len(runs) == 2


def made_timeline(key: npt.NDArray[np.bool_], shown: Sequence[int]) -> Timeline:
    """``key`` says of each packet whether it is a key frame, at which decoding may start."""
    packets = np.array(shown, np.intp)
    key_frames = np.flatnonzero(key[packets])
    return Timeline(frames=len(packets), key_frames=key_frames, shown=packets, starts=key_frames)


def test_uniform_frames_are_decoded_from_the_key_frame_before_each() -> None:
    """Key frames 0, 12, 24, 36 of 48; frames 6, 18, 30, 42 want seven packets each."""
    key = np.arange(48) % 12 == 0
    timeline = made_timeline(key, range(48))
    assert timeline.runs([6, 18, 30, 42], key_frames_only=False) == [
        range(start, start + 7) for start in (0, 12, 24, 36)
    ]


def test_frames_of_one_group_of_pictures_share_a_run() -> None:
    timeline = made_timeline(np.arange(48) % 12 == 0, range(48))
    assert timeline.runs([1, 5, 13], key_frames_only=False) == [range(0, 6), range(12, 14)]


def test_pictures_shown_before_an_open_key_frame_are_decoded_from_the_one_before() -> None:
    """Decoding order I0 P3 B1 B2 I6 B4 B5: frame 5 comes after the second key frame's packet and needs the first."""
    key = np.array([True, False, False, False, True, False, False])
    timeline = made_timeline(key, [0, 2, 3, 1, 5, 6, 4])
    assert timeline.runs([5], key_frames_only=False) == [range(0, 7)]
    assert timeline.runs([6], key_frames_only=False) == [range(4, 5)]


@given(data=st.data(), groups=st.lists(st.integers(1, 15), min_size=1, max_size=10))
def test_runs_hold_every_wanted_packet_begin_at_key_frames_and_never_overlap(
    data: st.DataObject, groups: list[int]
) -> None:
    key = np.concatenate([np.arange(length) == 0 for length in groups])
    timeline = made_timeline(key, range(len(key)))
    numbers = sorted(data.draw(st.sets(st.integers(0, len(key) - 1), min_size=1)))
    runs = timeline.runs(numbers, key_frames_only=False)
    assert set(numbers) <= {packet for run in runs for packet in run}
    assert all(key[run.start] for run in runs)
    assert all(first.stop < second.start for first, second in pairwise(runs))


@pytest.mark.parametrize("name", ["mpeg4.avi", "h264-faststart.mp4"])
def test_file_cut_off_is_truncated(
    name: str, tmp_path: Path, make_video: MakeVideo, videos: Callable[[str], Path]
) -> None:
    whole = videos("mpeg4.avi")
    if name.endswith(".mp4"):
        whole = remux(videos("h264-closed.mp4"), tmp_path / "whole.mp4", movflags="faststart")
    path = tmp_path / name
    path.write_bytes(whole.read_bytes()[: whole.stat().st_size * 4 // 5])
    with pytest.raises(ClipError) as caught:
        decode_chosen(path, "keyframes", slots=16)
    assert caught.value.reason is Reason.TRUNCATED


def test_index_that_does_not_lead_to_its_frames_is_not_believed(videos: Callable[[str], Path]) -> None:
    path, log = videos("mpeg4.avi"), ClipLog(0)
    with open_video(path, clip="A/a", log=log) as video:
        timeline = read_timeline(video, path, clip="A/a", log=log)
        assert timeline.seek_to is not None
        lying = dataclasses.replace(timeline, seek_to=timeline.seek_to + 1000)
        with pytest.raises(NotAsToldError, match="packet 12"):
            list(decode_frames(video, lying, [12], key_frames_only=True, damage=FrameDamage()))


def test_one_frame_is_a_timeline_of_one(make_video: MakeVideo, tmp_path: Path) -> None:
    timeline = agrees_with_plain_decode(make_video(tmp_path / "one.avi", frames=1))
    assert timeline.key_frames.tolist() == [0]


def test_late_first_time_stamp_does_not_shift_the_numbers(make_video: MakeVideo, tmp_path: Path) -> None:
    path = make_video(tmp_path / "late.mkv", codec="libx264", frames=30, pts=[50 + n for n in range(30)])
    assert agrees_with_plain_decode(path).key_frames[0] == 0


@pytest.mark.real
def test_real_clips_with_b_frames_packed_into_avi_are_numbered_as_decoded(real_clips: Path) -> None:
    """43 of the 300 are so; v_HorseRace_g20_c01 has packets that show nothing besides."""
    for name in ("Archery/v_Archery_g03_c01", "Archery/v_Archery_g05_c01", "HorseRace/v_HorseRace_g20_c01"):
        agrees_with_plain_decode(real_clips / "videos" / f"{name}.avi")


@pytest.mark.real
def test_real_clip_is_read_by_its_index(real_clips: Path) -> None:
    timeline = agrees_with_plain_decode(real_clips / "videos/Surfing/v_Surfing_g01_c01.avi")
    assert timeline.seek_to is not None
    assert len(timeline.starts) == len(timeline.key_frames) > 1


def with_sound(path: Path, target: Path) -> Path:
    """A copy of a file with a chunk of sound after every frame."""
    with av.open(path) as old, av.open(target, "w") as new:
        stream = new.add_stream_from_template(old.streams.video[0])
        sound = new.add_stream("pcm_s16le", rate=8000, layout="mono")
        for number, packet in enumerate(list(old.demux(video=0))[:-1]):
            packet.stream = stream
            new.mux(packet)
            samples = av.AudioFrame.from_ndarray(np.zeros((1, 320), np.int16), format="s16", layout="mono")
            samples.sample_rate, samples.pts = 8000, 320 * number
            new.mux(sound.encode(samples))
    return target


@pytest.mark.parametrize("kind", ["all", "without the last 20", "without one", "two swapped"])
@pytest.mark.parametrize("sound", [False, True])
def test_avi_is_numbered_by_its_chunks_whatever_its_index_lists(
    kind: str, sound: bool, tmp_path: Path, make_video: MakeVideo
) -> None:
    """FFmpeg plays such a file chunk by chunk: all 60 frames, with a key frame every 12."""
    path = make_video(tmp_path / "a.avi", frames=60)
    if sound:
        path = with_sound(path, tmp_path / "b.avi")

    def edit(entries: list[bytes]) -> list[bytes]:
        video = [number for number, entry in enumerate(entries) if entry[2:4] == b"dc"]
        left_out = {"without the last 20": video[-20:], "without one": [video[30]]}
        if kind == "two swapped":
            one, other = video[24], video[25]
            entries[one], entries[other] = entries[other], entries[one]
        return [entry for number, entry in enumerate(entries) if number not in left_out.get(kind, [])]

    edit_index(path, edit)
    with open_video(path, clip="A/a", log=ClipLog(0)) as video:
        timeline = read_timeline(video, path, clip="A/a", log=ClipLog(0))
    assert timeline.frames == 60
    assert timeline.key_frames.tolist() == [0, 12, 24, 36, 48]
    assert (timeline.seek_to is not None) == (kind == "all")


IN_ORDER = {"codec": "libx264", "options": {"x264-params": f"{X264}:bframes=0"}}
REORDERED = {"codec": "libx264", "options": {"x264-params": f"{X264}:bframes=3:ref=4"}}
X265 = "keyint=12:min-keyint=12:log-level=none"
HEVC = [
    {"codec": "libx265", "size": size, "options": {"x265-params": X265, "preset": "ultrafast"}}
    for size in ((64, 48), (96, 64))
]


@pytest.mark.parametrize("kinds", [(IN_ORDER, REORDERED), (REORDERED, IN_ORDER), HEVC], ids=["p-b", "b-p", "hevc"])
@pytest.mark.parametrize("chosen", ["all", "keys", "last"])
def test_mp4_of_two_descriptions_is_numbered_by_its_decoder(
    kinds: Sequence[dict[str, object]], chosen: str, tmp_path: Path, make_video: MakeVideo
) -> None:
    """The headers in the first description say nothing of the packets of the second, which are in another order."""
    parts = [make_video(tmp_path / f"{n}.mp4", frames=30, **kind) for n, kind in enumerate(kinds)]
    path = join_with_descriptions(*parts, tmp_path / "joined.mp4")
    with av.open(path) as container:
        expected = [frame.to_ndarray().tobytes() for frame in container.decode(video=0)]
    assert len(set(expected)) == len(expected) == 60
    log = ClipLog(0)
    with open_video(path, clip="A/a", log=log) as video:
        timeline = read_timeline(video, path, clip="A/a", log=log)
        assert timeline.key_frames.tolist() == [0, 12, 24, 30, 42, 54]
        numbers = {"all": range(60), "keys": timeline.key_frames.tolist(), "last": [59]}[chosen]
        frames = decode_frames(video, timeline, numbers, key_frames_only=chosen == "keys", damage=FrameDamage())
        got = {number: frame.to_ndarray().tobytes() for number, frame in frames}
    assert got == {number: expected[number] for number in numbers}
