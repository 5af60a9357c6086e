"""The video with answers on it, decoded again: every frame at its time, the box of its window, the names of classes."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt
import pytest

from mocrop.evaluation.pictures import answer_video
from mocrop.evaluation.pictures.answer_video import LINE_PX, AnswerPart, nearest_part, write_answer_video
from mocrop.evaluation.pictures.colours import STYLES
from mocrop.pipeline.crop_box import WHOLE_FRAME, CropBox
from mocrop.pipeline.errors import ClipError, Reason
from mocrop.pipeline.video.orientation import Orientation

MakeVideo = Callable[..., Path]
Image = npt.NDArray[np.uint8]
GREY = np.full((48, 64, 3), 128, np.uint8)
LEFT = CropBox(left=0.25, top=0.25, right=0.5, bottom=0.75)
RIGHT = CropBox(left=0.625, top=0.25, right=0.875, bottom=0.75)


def part(start: float, end: float, *boxes: tuple[int, CropBox], classes: int = 2) -> AnswerPart:
    named = tuple((f"class {number}", 0.5) for number in range(classes))
    return AnswerPart(start=start, end=end, boxes=boxes, classes=named)


def frames_of(file: Path) -> tuple[list[Image], list[float]]:
    with av.open(f"file:{file}") as container:
        frames = list(container.decode(video=0))
    first = frames[0].pts or 0
    times = [float(((frame.pts or 0) - first) * (frame.time_base or Fraction(1))) for frame in frames]
    return [frame.to_ndarray(format="rgb24") for frame in frames], times


def outlined(frame: Image, box: CropBox, *, height: int) -> bool:
    """Whether the left edge of a box is drawn in the colour of the policy."""
    left, top, _, bottom = box.pixels(frame.shape[1], height)
    wanted = np.array(tuple(bytes.fromhex(STYLES["follow"].colour.removeprefix("#"))))
    column = frame[top + 8 : bottom - 8, left - 1 : left + 1].astype(int).reshape(-1, 3)
    return bool((np.abs(column - wanted).max(axis=1) < 48).mean() > 0.8)


@pytest.mark.parametrize(("seconds", "place"), [(0, 0), (1.4, 0), (1.5, 0), (1.6, 1), (2.4, 1), (2.6, 2), (99, 2)])
def test_a_time_is_that_of_the_window_whose_middle_is_nearest(seconds: float, place: int) -> None:
    assert nearest_part([part(0, 2), part(1, 3), part(2, 4)], seconds) == place


def test_every_frame_has_the_box_of_its_window(make_video: MakeVideo, tmp_path: Path) -> None:
    path = make_video(tmp_path / "c.mp4", frames=[GREY] * 50, codec="libx264", options={"crf": "1"})
    parts = [part(0, 1, (12, LEFT)), part(1, 2, (37, RIGHT))]
    write_answer_video(path, parts, tmp_path / "o.mp4", policy="follow", clip="c")
    frames, times = frames_of(tmp_path / "o.mp4")
    assert times == [pytest.approx(number / 25, abs=1e-3) for number in range(50)]
    assert frames[0].shape == (480 + 3 * LINE_PX, 640, 3)
    assert [outlined(frame, LEFT, height=480) for frame in frames] == [True] * 26 + [False] * 24
    assert [outlined(frame, RIGHT, height=480) for frame in frames] == [False] * 26 + [True] * 24
    assert not np.array_equal(frames[0][480:], frames[-1][480:])


def test_a_moving_box_is_that_of_the_nearest_frame(make_video: MakeVideo, tmp_path: Path) -> None:
    path = make_video(tmp_path / "c.mp4", frames=[GREY] * 20, codec="libx264", options={"crf": "1"})
    write_answer_video(path, [part(0, 0.8, (0, LEFT), (10, RIGHT))], tmp_path / "o.mp4", policy="follow", clip="c")
    frames, _ = frames_of(tmp_path / "o.mp4")
    assert [outlined(frame, LEFT, height=480) for frame in frames] == [True] * 6 + [False] * 14
    assert [outlined(frame, RIGHT, height=480) for frame in frames] == [False] * 6 + [True] * 14


def test_a_window_without_an_answer_has_no_box_and_says_why(make_video: MakeVideo, tmp_path: Path) -> None:
    path = make_video(tmp_path / "c.mp4", frames=[GREY] * 10, codec="libx264", options={"crf": "1"})
    silent = AnswerPart(start=0, end=0.4, boxes=(), classes=(("damaged: $x$ <b>\n", None),))
    write_answer_video(path, [silent], tmp_path / "o.mp4", policy="follow", clip="c")
    frames, _ = frames_of(tmp_path / "o.mp4")
    assert np.ptp(frames[5][:470].astype(int)) < 12
    assert frames[5][480 + LINE_PX :].min() < 64


def test_irregular_times_are_kept(make_video: MakeVideo, tmp_path: Path) -> None:
    pts = [0, 1, 2, 10, 11, 40]
    path = make_video(tmp_path / "c.mkv", frames=[GREY] * 6, codec="libx264", pts=pts)
    write_answer_video(path, [part(0, 2, (0, LEFT))], tmp_path / "o.mp4", policy="follow", clip="c")
    assert frames_of(tmp_path / "o.mp4")[1] == [pytest.approx(each / 25, abs=1e-3) for each in pts]


@pytest.mark.real
def test_frames_whose_times_do_not_ascend_are_evenly_spaced(real_clips: Path, tmp_path: Path) -> None:
    path = real_clips / "videos/Archery/v_Archery_g21_c01.avi"
    write_answer_video(path, [part(0, 2, (0, LEFT))], tmp_path / "o.mp4", policy="follow", clip="c")
    assert frames_of(tmp_path / "o.mp4")[1] == [pytest.approx(number / 25, abs=1e-3) for number in range(101)]


@pytest.mark.parametrize("size", [(65, 49), (2, 2), (1001, 7)])
def test_odd_sizes_are_made_even(make_video: MakeVideo, tmp_path: Path, size: tuple[int, int]) -> None:
    path = make_video(tmp_path / "c.mkv", frames=3, size=size, codec="ffv1", pix_fmt="yuv444p")
    write_answer_video(path, [part(0, 1, (0, WHOLE_FRAME))], tmp_path / "o.mp4", policy="full", clip="c")
    frames, _ = frames_of(tmp_path / "o.mp4")
    assert len(frames) == 3
    assert frames[0].shape[0] % 2 == frames[0].shape[1] % 2 == 0
    assert frames[0].shape[1] >= 640


def test_a_video_on_its_side_is_upright(make_oriented: MakeVideo, tmp_path: Path) -> None:
    picture = GREY.copy()
    picture[:24] = 255
    turned = Orientation(transposed=True, mirrored=True)
    path = make_oriented(tmp_path / "c.mp4", frames=[picture] * 5, orientation=turned, said_by="container")
    write_answer_video(path, [part(0, 1, (0, LEFT))], tmp_path / "o.mp4", policy="follow", clip="c")
    (frame, *_), _ = frames_of(tmp_path / "o.mp4")
    assert frame.shape[:2] == (480 + 3 * LINE_PX, 640)
    assert frame[100, 600].min() > 240
    assert frame[400, 600].max() < 140


def test_the_file_is_there_whole_or_not_at_all(
    make_video: MakeVideo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = make_video(tmp_path / "c.mp4", frames=10, codec="libx264")
    monkeypatch.setattr(answer_video, "nearest_part", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        write_answer_video(path, [part(0, 1)], tmp_path / "o.mp4", policy="follow", clip="c")
    assert sorted(each.name for each in tmp_path.iterdir()) == ["c.mp4"]


def test_a_file_without_frames_is_refused(tmp_path: Path) -> None:
    (tmp_path / "c.mp4").write_bytes(b"")
    with pytest.raises(ClipError) as caught:
        write_answer_video(tmp_path / "c.mp4", [part(0, 1)], tmp_path / "o.mp4", policy="follow", clip="c")
    assert caught.value.reason == Reason.EMPTY_FILE
    assert not (tmp_path / "o.mp4").exists()
