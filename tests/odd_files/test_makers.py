"""The makers of odd files and the comparison do what they say, so that a "right" means something."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest

from tests.odd_files import avi, mp4, transport
from tests.odd_files.compare import Reference, StoredClip, faults
from tests.odd_files.h264_bits import BitWriter, Form
from tests.odd_files.h264_streams import field_units, in_order, open_groups, reordered_late, units, write_h264
from tests.odd_files.picture import ORIENTATIONS, Seen, draw, oriented, read
from tests.odd_files.program import decode, decoded, encode, missing_programs, passthrough

needs_ffmpeg = pytest.mark.skipif(bool(missing_programs()), reason=f"not installed: {missing_programs()}")


@pytest.mark.parametrize("size", [(64, 48), (64, 64), (176, 144)])
@pytest.mark.parametrize("orientation", range(ORIENTATIONS))
def test_bars_tell_number_and_orientation(size: tuple[int, int], orientation: int) -> None:
    for number in (0, 1, 128, 255):
        picture = draw(number, width=size[0], height=size[1])
        assert read(oriented(picture, orientation)) == Seen(number, orientation)


def test_a_picture_without_bars_has_no_number() -> None:
    assert read(np.full((64, 64, 3), 128, np.uint8)) is None


def test_exp_golomb_codes() -> None:
    """1 is 010, 3 is 00100, -1 is 011."""
    bits = BitWriter()
    bits.unsigned(1, 3)
    bits.signed(-1)
    assert bits.closed() == bytes([0b01000100, 0b01110000])


def own(path: Path, plan: str) -> Path:
    plans = {"ordered": in_order(12), "open": open_groups(13, key_interval=6), "late": reordered_late(12, first=6)}
    return write_h264(path, units(Form(), plans[plan], vector=(-8, 4)))


@needs_ffmpeg
@pytest.mark.parametrize("plan", ["ordered", "open", "late"])
@pytest.mark.parametrize("suffix", ["mp4", "avi", "ts", "mkv", "h264"])
def test_written_pictures_come_in_the_order_of_their_numbers(plan: str, suffix: str, tmp_path: Path) -> None:
    found = decode(own(tmp_path / f"a.{suffix}", plan))
    assert found.numbers == tuple(range(13 if plan == "open" else 12))


@needs_ffmpeg
def test_a_key_frame_is_what_the_decoder_calls_one(tmp_path: Path) -> None:
    path = encode(tmp_path / "a.avi", "-c:v", "mpeg4", "-g", "12", "-q:v", "3")
    avi.set_key_flags(path, lambda number: True)
    assert decode(path).key_frames == (0, 12, 24)


@pytest.mark.parametrize("apart", [False, True])
def test_two_fields_are_one_frame(apart: bool, tmp_path: Path) -> None:
    path = write_h264(tmp_path / "a.mp4", field_units(Form(fields=True), in_order(6), apart=apart))
    with av.open(str(path)) as container:
        assert sum(1 for packet in container.demux(video=0) if packet.size) == (12 if apart else 6)
    with av.open(str(path)) as container:
        assert sum(1 for _ in container.decode(video=0)) == 6


@needs_ffmpeg
@pytest.mark.parametrize("suffix", ["ts", "m2ts"])
def test_wrong_counters_lose_nothing(suffix: str, tmp_path: Path) -> None:
    path = encode(tmp_path / f"a.{suffix}", "-c:v", "mpeg2video", "-q:v", "3")
    before = path.read_bytes()
    assert transport.wrong_counters(path).read_bytes() != before
    assert decode(path).numbers == tuple(range(30))


@needs_ffmpeg
def test_packets_are_lost_and_a_start_is_cut(tmp_path: Path) -> None:
    path = encode(tmp_path / "a.ts", "-c:v", "mpeg2video", "-q:v", "3", "-g", "12")
    size = path.stat().st_size
    lost = size - transport.lose_packets(path).stat().st_size
    assert lost > 0
    assert lost % 188 == 0
    assert decode(transport.cut_start(path)).numbers[0] == 12


@needs_ffmpeg
def test_frames_dropped_from_avi_leave_a_gap_in_the_header(tmp_path: Path) -> None:
    """Numbers 0, 3, 6, ... of 30 frames: the header counts what stands between them too, up to 27."""
    path = encode(tmp_path / "a.avi", "-vf", "select=not(mod(n\\,3))", *passthrough(), "-c:v", "mjpeg")
    with av.open(str(path)) as container:
        assert container.streams.video[0].frames == 28
    assert decode(path).numbers == tuple(range(0, 30, 3))
    avi.set_frame_count(path, 99)
    with av.open(str(path)) as container:
        assert container.streams.video[0].frames == 99


@needs_ffmpeg
def test_an_edit_list_hides_frames(tmp_path: Path) -> None:
    path = encode(tmp_path / "a.mp4", "-c:v", "mpeg4", "-q:v", "3", "-g", "12")
    mp4.set_edits(path, [(200, 0), (200, 20 * mp4.ticks_per_frame(path))])
    assert decode(path).numbers == (0, 1, 2, 3, 4, 20, 21, 22, 23, 24)


@pytest.fixture
def right() -> tuple[StoredClip, Reference]:
    """What mocrop should have stored of 20 frames by `uniform`, and their decode, with a key frame every 5."""
    pictures = np.array([draw(number, width=64, height=64) for number in range(20)])
    numbers = [(2 * slot + 1) * 20 // 24 for slot in range(12)]
    stored = StoredClip(numbers=numbers, crops=pictures[numbers], motion_frames=20, failed=None, notes=())
    return stored, Reference(decode=decoded(pictures, (0, 5, 10, 15)), key_frames=((0, 5, 10, 15),))


def test_what_is_right_has_no_faults(right: tuple[StoredClip, Reference]) -> None:
    assert not list(faults(*right, source="original", select="uniform"))


def test_other_frames_than_those_chosen_are_a_fault(right: tuple[StoredClip, Reference]) -> None:
    assert list(faults(*right, source="original", select="keyframes")) == [
        f"frames {' '.join(map(str, right[0].numbers))} instead of 0 5 10 15"
    ]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda crops: np.roll(crops, 1, 0), "frame 0 (0) shows 19"),
        (lambda crops: crops[:, ::-1], "frame 0 (0) shows 0 in orientation 6"),
        (lambda crops: crops * 0 + 128, "frame 0 (0) shows garbage"),
        (lambda crops: np.where(np.arange(64)[:, np.newaxis, np.newaxis] < 32, crops, 255 - crops), "frame 0 differs"),
    ],
)
def test_crops_of_other_frames_are_a_fault(right: tuple[StoredClip, Reference], change: object, said: str) -> None:
    stored, wanted = right
    stored.crops[...] = change(stored.crops)  # type: ignore[operator]
    (fault,) = faults(stored, wanted, source="original", select="uniform")
    assert said in fault
