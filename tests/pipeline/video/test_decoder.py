"""What comes out damaged is counted: with frames made up here, and with files whose bytes are changed."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from threading import Event, Thread
from types import SimpleNamespace
from typing import Any

import av
import av.logging
import pytest

from mocrop.pipeline.errors import ClipError, Reason
from mocrop.pipeline.outcome import ClipLog
from mocrop.pipeline.video.decoder import FrameDamage, PlainDecode, require_share
from mocrop.pipeline.video.decoder_messages import decoder_errors
from mocrop.pipeline.video.open import open_video

MakeVideo = Callable[..., Path]


def frame(*, damaged: bool = False) -> Any:
    return SimpleNamespace(is_corrupt=damaged)


def damage_of(*, sound: int, damaged: int, refused: int = 0) -> FrameDamage:
    damage = FrameDamage()
    for number in range(sound + damaged):
        damage.count(frame(damaged=number >= sound))
    for _ in range(refused):
        damage.refuse()
    return damage


def report(damage: FrameDamage, max_damaged: float) -> ClipLog:
    log = ClipLog(0)
    damage.report(clip="A/a", max_damaged=max_damaged, log=log)
    return log


def test_sound_frames_are_not_worth_a_note() -> None:
    assert report(damage_of(sound=10, damaged=0), 0).reasons == []


def test_damaged_frames_are_noted_with_their_number_up_to_the_share_that_is_allowed() -> None:
    log = report(damage_of(sound=9, damaged=1, refused=2), 0.25)
    assert log.reasons == [Reason.DAMAGED_FRAMES]
    assert log.messages == ["1 of 10 decoded frames are damaged and the decoder refuses 2 packets, from frame 9 on"]


def test_a_larger_share_fails_and_names_the_option() -> None:
    """3 of 12 frames are damaged or lost: 0.25."""
    damage = damage_of(sound=9, damaged=1, refused=2)
    assert damage.share == 0.25
    with pytest.raises(ClipError, match=r"more than 24%, the share that --max-damaged allows") as caught:
        report(damage, 0.24)
    assert caught.value.reason is Reason.DAMAGED


@pytest.mark.parametrize(("refused", "reason"), [(0, Reason.NO_FRAMES), (3, Reason.DAMAGED)])
def test_nothing_decoded_is_a_failure_whatever_is_allowed(refused: int, reason: Reason) -> None:
    with pytest.raises(ClipError) as caught:
        report(damage_of(sound=0, damaged=0, refused=refused), 1)
    assert caught.value.reason is reason


def test_number_of_the_first_damaged_frame_may_be_given() -> None:
    damage = FrameDamage()
    damage.count(frame(), number=7)
    damage.count(frame(damaged=True), number=19)
    assert damage.first == 19


@pytest.mark.parametrize("share", [-0.1, 1.1, float("nan")])
def test_share_is_from_0_to_1(share: float) -> None:
    require_share(0.5)
    with pytest.raises(ValueError, match="max_damaged must be at least 0 and at most 1, not"):
        require_share(share)


def packet_places(path: Path) -> list[tuple[int, int]]:
    """Offset and size of every packet in an MP4 file."""
    with av.open(path) as container:
        return [(entry.pos, entry.size) for entry in container.streams.video[0].index_entries]


def decode(path: Path) -> tuple[FrameDamage, ClipLog]:
    log = ClipLog(0)
    with open_video(path, clip="A/a", log=log) as video:
        plain = PlainDecode(video)
        for _ in plain.frames():
            pass
        plain.finish(clip="A/a", max_damaged=1, log=log)
    return plain.damage, log


@pytest.mark.parametrize("codec", ["mpeg4", "libx264"])
def test_intact_file_has_no_damage(codec: str, make_video: MakeVideo, tmp_path: Path) -> None:
    damage, log = decode(make_video(tmp_path / "a.mp4", codec=codec))
    assert (damage.frames, damage.damaged, damage.refused, damage.first) == (24, 0, 0, -1)
    assert log.reasons == []


@pytest.mark.parametrize("codec", ["mpeg4", "libx264"])
def test_frame_whose_bytes_were_overwritten_is_flagged(codec: str, make_video: MakeVideo, tmp_path: Path) -> None:
    path = make_video(tmp_path / "a.mp4", codec=codec, size=(160, 120))
    offset, size = packet_places(path)[12]  # a key frame
    data = bytearray(path.read_bytes())
    data[offset + size // 2 : offset + size - 8] = b"\x55" * (size - size // 2 - 8)
    path.write_bytes(data)
    damage, log = decode(path)
    assert (damage.frames, damage.damaged, damage.first) == (24, 1, 12)
    assert log.reasons == [Reason.DAMAGED_FRAMES]


def test_packet_that_the_decoder_refuses_costs_its_frame_alone(make_video: MakeVideo, tmp_path: Path) -> None:
    path = make_video(tmp_path / "a.mp4", codec="libx264")
    offset, size = packet_places(path)[5]
    data = bytearray(path.read_bytes())
    data[offset + 4 : offset + size] = b"\xff" * (size - 4)
    path.write_bytes(data)
    damage, log = decode(path)
    assert (damage.frames, damage.refused, damage.first) == (23, 1, 5)
    assert log.reasons == [Reason.DAMAGED_FRAMES]


def written(path: Path, units: list[bytes], extradata_of: Path) -> Path:
    """An MP4 file with these packets and the headers of another."""
    with av.open(extradata_of) as old, av.open(path, "w") as new:
        stream = new.add_stream_from_template(old.streams.video[0])
        for number, unit in enumerate(units):
            packet = av.Packet(unit)
            packet.stream, packet.time_base = stream, Fraction(1, 25)
            packet.dts = packet.pts = number
            packet.duration = 1
            packet.is_keyframe = number == 0
            new.mux(packet)
    return path


@pytest.fixture
def packets(make_video: MakeVideo, tmp_path: Path) -> list[bytes]:
    """24 packets of H.264: one key frame, and P-frames that each refer to the one before."""
    path = make_video(tmp_path / "whole.mp4", codec="libx264", size=(160, 120), key_interval=30)
    data = path.read_bytes()
    return [data[offset : offset + size] for offset, size in packet_places(path)]


def test_packet_of_headers_alone_that_the_decoder_refuses_is_no_damage(packets: list[bytes], tmp_path: Path) -> None:
    parameters = len(b"\x09\xf0").to_bytes(4, "big") + b"\x09\xf0"  # an access unit delimiter
    whole = tmp_path / "whole.mp4"
    damage, log = decode(written(tmp_path / "a.mp4", [*packets[:5], parameters, *packets[5:]], whole))
    assert (damage.frames, damage.refused, log.reasons) == (24, 0, [])


def test_references_that_are_missing_are_noted_by_what_the_decoder_reports(
    make_video: MakeVideo, tmp_path: Path
) -> None:
    options = {"x264-params": "bframes=3:b-adapt=0:ref=5:b-pyramid=normal:keyint=60"}
    whole = make_video(tmp_path / "whole.mp4", codec="libx264", frames=40, size=(160, 120), options=options)
    data = whole.read_bytes()
    packets = [data[offset : offset + size] for offset, size in packet_places(whole)]
    damage, log = decode(written(tmp_path / "a.mp4", packets, whole))
    assert (damage.frames, damage.reported, log.reasons) == (40, 0, [])
    damage, log = decode(written(tmp_path / "b.mp4", [*packets[:9], *packets[12:]], whole))
    assert damage.reported > 0
    assert log.reasons == [Reason.DAMAGED_FRAMES]
    assert "the decoder reports errors in" in log.messages[0]


def test_what_the_decoder_reports_is_not_printed_and_the_level_of_the_log_stays(
    packets: list[bytes], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = written(tmp_path / "b.mp4", [*packets[:5], packets[5][:30], *packets[6:]], tmp_path / "whole.mp4")
    for level in (None, av.logging.FATAL):
        av.logging.set_level(level)
        try:
            decode(path)
            assert av.logging.get_level() == level
        finally:
            av.logging.set_level(None)
    assert caplog.records == []


def test_one_who_stops_listening_leaves_the_others_their_level() -> None:
    """Threads read files at the same time, and begin and end as they like."""
    before, both_listen, listens = av.logging.get_level(), Event(), Event()

    def first() -> None:
        with decoder_errors("h264"):
            listens.set()
            both_listen.wait()

    thread = Thread(target=first)
    thread.start()
    listens.wait()
    with decoder_errors("h264") as errors:
        both_listen.set()
        thread.join()
        av.logging.log(av.logging.ERROR, "h264", "a reference is missing")
        assert errors.any_since()
    assert av.logging.get_level() == before
