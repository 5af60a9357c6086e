"""The eight orientations: what a display matrix asks for, in words and in pixels."""

from __future__ import annotations

import itertools
import struct
from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import pytest

from mocrop.pipeline.outcome import ClipLog
from mocrop.pipeline.video.decoder import FrameDamage, PlainDecode
from mocrop.pipeline.video.frames import decode_frames
from mocrop.pipeline.video.open import open_video
from mocrop.pipeline.video.orientation import UPRIGHT, Orientation, Orientations, orientation_of
from mocrop.pipeline.video.timeline import read_timeline
from tests.conftest import add_to_key_packets

MakeVideo = Callable[..., Path]
ANTICLOCKWISE = Orientation(transposed=True, flipped=True)


def matrix(a: float, b: float, c: float, d: float) -> bytes:
    """A display matrix that shows at a x + c y, b x + d y what is stored at x, y."""
    return struct.pack(
        "=9i", *(round(65536 * value) for value in (a, b)), 0, round(65536 * c), round(65536 * d), *[0] * 4
    )


def turning(degrees: float) -> bytes:
    """The display matrix of a turn clockwise."""
    cosine, sine = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    return matrix(cosine, sine, -sine, cosine)


def shown_by(numbers: tuple[float, float, float, float], stored: np.ndarray) -> np.ndarray:
    """Put every pixel where the matrix says, by the words of the specification."""
    a, b, c, d = numbers
    places = [(a * x + c * y, b * x + d * y) for y, x in np.ndindex(*stored.shape)]
    left, top = min(x for x, _ in places), min(y for _, y in places)
    shown = np.zeros(stored.shape if a else stored.T.shape, stored.dtype)
    for (x, y), value in zip(places, stored.ravel(), strict=True):
        shown[int(y - top), int(x - left)] = value
    return shown


EIGHT = [
    *[(across, 0, 0, down) for across, down in itertools.product((1, -1), repeat=2)],
    *[(0, across, down, 0) for across, down in itertools.product((1, -1), repeat=2)],
]


@pytest.mark.parametrize("size", [1, 0.25, 2])
@pytest.mark.parametrize("numbers", EIGHT)
def test_each_of_eight_matrices_puts_pixels_where_it_says(numbers: tuple[int, ...], size: float) -> None:
    a, b, c, d = numbers
    stored = np.arange(12).reshape(3, 4)
    found = orientation_of(matrix(size * a, size * b, size * c, size * d))
    assert np.array_equal(found.upright(stored), shown_by((a, b, c, d), stored))
    assert found.size(4, 3) == found.upright(stored).shape[::-1]
    assert found.changes == (numbers != (1, 0, 0, 1))
    assert not found.nearest


def test_the_eight_are_different_and_so_are_their_words() -> None:
    found = [orientation_of(matrix(*numbers)) for numbers in EIGHT]
    assert len(set(found)) == len({str(orientation) for orientation in found}) == 8
    assert str(orientation_of(turning(-90))) == "turned by 90 degrees"
    assert str(orientation_of(turning(180))) == "turned by 180 degrees"
    assert str(orientation_of(turning(90))) == "turned by 270 degrees"
    assert str(orientation_of(matrix(-1, 0, 0, 1))) == "mirrored left to right"
    assert str(orientation_of(matrix(0, 1, 1, 0))) == "turned by 90 degrees and mirrored top to bottom"


@pytest.mark.parametrize(
    ("degrees", "turn"), [(-100, -90), (-80, -90), (30, 0), (-44, 0), (46, 90), (135.5, 180), (-90.5, -90), (0.5, 0)]
)
def test_any_other_angle_becomes_the_nearest_quarter(degrees: float, turn: int) -> None:
    found = orientation_of(turning(degrees))
    assert found == orientation_of(turning(turn))
    assert found.nearest == (abs(degrees - turn) > 1)  # a degree is rounding
    assert ("the nearest" in str(found)) == found.nearest


def test_a_picture_that_is_stretched_and_turned_is_turned() -> None:
    assert orientation_of(matrix(0, -1, 3, 0)) == ANTICLOCKWISE
    assert not orientation_of(matrix(0, -1, 3, 0)).nearest


@pytest.mark.parametrize("data", [matrix(0, 0, 0, 0), matrix(1, 1, 1, 1), matrix(0, 1, 0, 0), b"", bytes(35)])
def test_a_matrix_that_leaves_nothing_to_see_asks_for_nothing(data: bytes) -> None:
    assert orientation_of(data) == UPRIGHT
    assert str(orientation_of(data)) == ""


def orientations_of(path: Path) -> list[Orientation]:
    """Of each frame, by a plain decode."""
    with open_video(path, clip="A/clip", log=ClipLog(0)) as video:
        orientations = Orientations(video.stream)
        return [orientations.see(frame) for frame in PlainDecode(video).frames(look=orientations.look)]


GREY = [np.full((48, 64, 3), 99, np.uint8)] * 15
STEADY = {"x264-params": "scenecut=0:bframes=0:ref=1:threads=1"}


@pytest.mark.parametrize("said_by", ["container", "stream", "behind"])
def test_what_is_said_at_a_key_frame_holds_until_the_next(
    said_by: str, make_oriented: MakeVideo, tmp_path: Path
) -> None:
    """FFmpeg gives what the stream says to the key frames alone, and what is said behind them to none."""
    path = make_oriented(
        tmp_path / "a.mp4", frames=GREY, orientation=ANTICLOCKWISE, said_by=said_by, key_interval=5, options=STEADY
    )
    assert orientations_of(path) == [ANTICLOCKWISE] * 15
    with av.open(path) as container:
        given = [bool(frame.side_data.get("DISPLAYMATRIX")) for frame in container.decode(video=0)]
    assert given == {"container": [True] * 15, "stream": [True, *[False] * 4] * 3, "behind": [False] * 15}[said_by]


def test_a_stream_that_says_nothing_any_more_or_upright_is_upright(
    make_oriented: MakeVideo, make_cropped: MakeVideo, make_video: MakeVideo, tmp_path: Path
) -> None:
    parts = []
    for orientation in (ANTICLOCKWISE, UPRIGHT, Orientation(mirrored=True), None):
        path = tmp_path / f"{len(parts)}.mp4"
        if orientation is None:
            make_video(path, frames=GREY[:2], codec="libx264", options=STEADY)
        else:
            how = {"said_by": "stream", "options": STEADY}
            make_oriented(path, frames=GREY[:2], orientation=orientation, **how)
        parts.append(make_cropped(path, path.with_suffix(".h264"), left=0).read_bytes())
    both = tmp_path / "both.h264"
    both.write_bytes(b"".join(parts))
    expected = [ANTICLOCKWISE, UPRIGHT, Orientation(mirrored=True), UPRIGHT]
    assert orientations_of(both) == [orientation for orientation in expected for _ in range(2)]


def test_any_frame_that_says_how_it_is_turned_is_believed(make_oriented: MakeVideo, tmp_path: Path) -> None:
    """As where the frames before it cannot be decoded."""
    path = make_oriented(
        tmp_path / "a.mp4", frames=GREY, orientation=ANTICLOCKWISE, said_by="container", options=STEADY
    )
    with av.open(path) as container:
        frames = list(container.decode(video=0))
        assert not frames[5].key_frame
        assert Orientations(container.streams.video[0]).see(frames[5]) == ANTICLOCKWISE


@pytest.mark.parametrize("said_by", ["container", "stream", "behind"])
@pytest.mark.parametrize("number", [0, 10, 13])
def test_chosen_frames_know_it_without_those_before(
    number: int, said_by: str, make_oriented: MakeVideo, tmp_path: Path
) -> None:
    """Frame 10 begins a group of pictures; of those before, nothing is decoded."""
    path = make_oriented(
        tmp_path / "a.mp4", frames=GREY, orientation=ANTICLOCKWISE, said_by=said_by, key_interval=5, options=STEADY
    )
    log, damage = ClipLog(0), FrameDamage()
    with open_video(path, clip="A/clip", log=log) as video:
        timeline = read_timeline(video, path, clip="A/clip", log=log)
        orientations = Orientations(video.stream)
        how = {"key_frames_only": number % 5 == 0, "damage": damage, "orientations": orientations}
        ((found, _),) = decode_frames(video, timeline, [number], **how)
    assert (found, orientations.now) == (number, ANTICLOCKWISE)
    assert damage.frames == number % 5 + 1


def test_a_damaged_message_says_nothing(make_video: MakeVideo, tmp_path: Path) -> None:
    path = make_video(tmp_path / "a.mp4", frames=GREY, codec="libx264", options=STEADY)
    add_to_key_packets(path, b"\0\0\0\3\x06\x2f\xff", behind=True)
    assert orientations_of(path) == [UPRIGHT] * 15
