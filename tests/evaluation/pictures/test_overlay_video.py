"""The overlay video of a clip: its length, its boxes and its arrows."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt
import pytest
from matplotlib.colors import to_rgb

from mocrop.cli import main
from mocrop.evaluation.pictures.box_path import BoxPath
from mocrop.evaluation.pictures.colours import STYLES
from mocrop.evaluation.pictures.drawing import BAR_COLOUR, CAMERA_COLOUR, OWN_COLOUR
from mocrop.evaluation.pictures.motion_arrows import ArrowMaker, Arrows
from mocrop.evaluation.pictures.overlay_video import BAND_PX, paint_arrows, paint_bars, paint_boxes, paint_path
from mocrop.evaluation.pictures.show import show_in_workspace
from mocrop.pipeline.commands import preprocess
from mocrop.pipeline.crop_box import WHOLE_FRAME, CropBox
from mocrop.pipeline.motion.clip_motion import ClipMotion
from mocrop.pipeline.run.session import RunOptions
from mocrop.pipeline.workspace.paths import Workspace

MakeVideo = Callable[..., Path]
Image = npt.NDArray[np.uint8]


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory, make_video: MakeVideo) -> Workspace:
    """A clip that moves, of odd size and at an odd rate; one on its side; one without motion."""
    folder = tmp_path_factory.mktemp("show")
    make_video(folder / "data/Run/moves.mp4", frames=14, size=(66, 50), rate=15)
    make_video(folder / "data/Run/turned.mp4", frames=5, rotation=90, codec="libx264")
    make_video(folder / "data/Run/still.avi", frames=[np.full((48, 64, 3), 200, np.uint8)] * 4)
    made = Workspace(folder / "work")
    preprocess.init(made, folder / "data")
    preprocess.extract_mv(made, source="original", run=RunOptions(workers=0))
    return made


def frames_of(file: Path) -> tuple[list[Image], Fraction | None]:
    with av.open(f"file:{file}") as container:
        rate = container.streams.video[0].average_rate
        return [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)], rate


def colour(code: str) -> Image:
    return np.rint(np.array(to_rgb(code)) * 255).astype(np.uint8)


def motion_of(x: list[int], dx: list[int], *, ref: int = -1) -> ClipMotion:
    """One P frame of 160x80 after a key frame: blocks at height 40 that move across; ``dx`` in pixels."""
    count = len(x)
    return ClipMotion(
        width=160,
        height=80,
        vectors_per_frame=np.array([0, count], np.int32),
        x=np.array(x, np.int16),
        y=np.full(count, 40, np.int16),
        dx=np.array(dx, np.int16) * 4,
        dy=np.zeros(count, np.int16),
        w=np.full(count, 16, np.uint8),
        h=np.full(count, 16, np.uint8),
        ref=np.full(count, ref, np.int8),
        zero_vectors=np.zeros(2, np.int32),
        frame_type=np.array([1, 2], np.uint8),
        camera=np.zeros((2, 6), np.float32),
        camera_support=np.zeros(2, np.float32),
    )


def test_video_has_the_frames_and_the_rate_of_the_clip(workspace: Workspace) -> None:
    file = show_in_workspace(workspace, "Run/moves", video=True)
    assert file == workspace.reports / "show/Run__moves.mp4"
    frames, rate = frames_of(file)
    assert (len(frames), rate) == (14, 15)
    assert frames[0].shape == (50 * 10 + BAND_PX, 66 * 10, 3)
    assert list(file.parent.glob(".*")) == []


def test_box_is_in_the_video_where_it_is_in_the_clip(workspace: Workspace, tmp_path: Path) -> None:
    file = show_in_workspace(
        workspace, "Run/still", video=True, policies=["center"], ratio=0.25, output=tmp_path / "a.mp4"
    )
    (picture, *_), _ = frames_of(file)
    side = np.sqrt(0.25 * 640 * 480)
    left, right = round(320 - side / 2), round(320 + side / 2)
    top, bottom, on = round(240 - side / 2), round(240 + side / 2), 145  # pixels from a corner, on the 11th dash
    blue, inside = colour(STYLES["center"].colour).astype(int), picture[240, 320]
    for x, y in ((left, top + on), (right, top + on), (left + on, top), (left + on, bottom)):
        assert np.abs(picture[y, x] - blue).max() < 40
    for x in (left - 12, left + 12, right - 12, right + 12):
        assert np.abs(picture[240, x].astype(int) - inside).max() < 12
    assert abs(int(inside.mean()) - 0.7 * 200) < 6


def test_cursor_moves_through_the_plot(workspace: Workspace, tmp_path: Path) -> None:
    frames, _ = frames_of(show_in_workspace(workspace, "moves", video=True, output=tmp_path / "a.mp4"))
    first, last = frames[0][-BAND_PX:].astype(int), frames[-1][-BAND_PX:].astype(int)
    changed = np.flatnonzero((np.abs(first - last).max(axis=2) > 60).any(axis=0))
    assert changed.max() - changed.min() > 300


def test_picture_on_its_side_is_shown_upright(workspace: Workspace, tmp_path: Path) -> None:
    frames, _ = frames_of(show_in_workspace(workspace, "turned", video=True, output=tmp_path / "a.mp4"))
    assert len(frames) == 5
    assert frames[0].shape[1] == 48 * 14
    assert frames[0].shape[0] == 64 * 14 + BAND_PX


def test_command_writes_the_video(workspace: Workspace, tmp_path: Path) -> None:
    with pytest.raises(SystemExit) as end:
        main(["show", "still", "--video", "-o", str(tmp_path / "new/a.mp4"), "-w", str(workspace.root)])
    assert not end.value.code
    assert len(frames_of(tmp_path / "new/a.mp4")[0]) == 4


def test_box_is_painted_on_its_edges_and_nowhere_else() -> None:
    picture = np.zeros((80, 100, 3), np.uint8)
    paint_boxes(picture, {"follow": CropBox(left=0.25, top=0.25, right=0.75, bottom=0.75)})
    expected = np.zeros((80, 100), bool)
    expected[20:60, 23:27] = expected[20:60, 73:77] = expected[18:22, 25:75] = expected[58:62, 25:75] = True
    assert np.array_equal((picture == colour(STYLES["follow"].colour)).all(axis=2), expected)
    assert not picture[~expected].any()


def test_box_at_the_border_stays_in_the_picture_and_the_whole_frame_has_no_outline() -> None:
    picture = np.zeros((80, 100, 3), np.uint8)
    paint_boxes(picture, {"full": WHOLE_FRAME})
    assert not picture.any()
    paint_boxes(picture, {"follow": CropBox(left=0, top=0.5, right=1, bottom=1)})
    assert (picture[40:, :4] == colour(STYLES["follow"].colour)).all()
    assert (picture[76:] == colour(STYLES["follow"].colour)).all()
    assert not picture[:38].any()


def test_edges_that_coincide_are_stripes() -> None:
    picture = np.zeros((80, 100, 3), np.uint8)
    box = CropBox(left=0.5, top=0.25, right=0.75, bottom=0.75)
    paint_boxes(picture, {"adaptive": box, "follow": box})
    green, orange = colour(STYLES["adaptive"].colour), colour(STYLES["follow"].colour)
    assert (picture[30, 47:53] == [green, *[orange] * 4, green]).all()


def test_dashes_leave_the_picture_as_it_was_between_them() -> None:
    picture = np.zeros((80, 100, 3), np.uint8)
    paint_boxes(picture, {"center": CropBox(left=0.5, top=0, right=1, bottom=1)})
    inked = (picture == colour(STYLES["center"].colour)).all(axis=2)
    assert inked[:, 48:52].all(axis=1).nonzero()[0].tolist() == [y for y in range(80) if y % 14 < 10]
    assert not picture[4:76, 52:96].any()


def test_a_path_is_a_line_with_a_black_rim_up_to_the_frame_with_a_white_dot() -> None:
    boxes = [CropBox(left=x, top=0.25, right=x + 0.2, bottom=0.75) for x in (0.1, 0.4, 0.7)]
    path = BoxPath.of((0, 1, 2), boxes)
    picture = np.full((80, 100, 3), 90, np.uint8)
    paint_path(picture, path.until(1), colour="#e69f00")
    white, black, ink, before = [255] * 3, [0] * 3, colour("#e69f00").tolist(), [90] * 3
    assert [picture[y, 30].tolist() for y in (36, 37, 39, 40, 42, 43)] == [before, black, ink, ink, black, before]
    assert picture[40, 50].tolist() == white
    assert [picture[40, x].tolist() for x in (54, 55, 57)] == [black, black, before]
    unpainted = np.full((80, 100, 3), 90, np.uint8)
    paint_path(unpainted, path.until(-1), colour="#e69f00")
    assert (unpainted == 90).all()


def test_bars_are_hatched_and_the_picture_between_them_is_not() -> None:
    picture = np.zeros((80, 100, 3), np.uint8)
    paint_bars(picture, CropBox(left=0, top=0.25, right=1, bottom=0.75))
    hatched = (picture == colour(BAR_COLOUR)).all(axis=2)
    assert hatched[:20].any(axis=1).all()
    assert hatched[60:].any(axis=1).all()
    assert not picture[20:60].any()


def test_arrow_is_painted_from_start_to_end_with_its_head_there() -> None:
    picture = np.zeros((80, 200, 3), np.uint8)
    across = Arrows(start=np.array([[10.0, 20.0]]), end=np.array([[60.0, 20.0]]), own=np.array([True]))
    paint_arrows(picture, across, scale=2)
    inked = (picture == colour(OWN_COLOUR)).all(axis=2)
    assert np.array_equal(inked, picture.any(axis=2))
    columns = np.flatnonzero(inked.any(axis=0))
    assert (columns[0], columns[-1]) == (19, 120)
    assert inked[:, 30].sum() == 2
    assert inked[:, 114].sum() > 2


def test_arrows_outside_the_picture_are_cut() -> None:
    picture = np.zeros((20, 20, 3), np.uint8)
    out = Arrows(start=np.array([[10.0, 10.0]]), end=np.array([[90.0, -70.0]]), own=np.array([False]))
    paint_arrows(picture, out, scale=1)
    assert (picture[9, 10] == colour(CAMERA_COLOUR)).all()
    nothing = Arrows(start=np.zeros((0, 2)), end=np.zeros((0, 2)), own=np.zeros(0, bool))
    paint_arrows(picture, nothing, scale=1)


def test_arrows_show_motion_forward_in_time_stretched_about_the_block() -> None:
    maker = ArrowMaker(motion_of([44], [2]))
    assert maker.stretch == 8
    arrow = maker.of_frame(1)
    assert (arrow.start.tolist(), arrow.end.tolist()) == ([[36, 40]], [[52, 40]])
    backward = ArrowMaker(motion_of([44], [2], ref=1)).of_frame(1)
    assert (backward.start.tolist(), backward.end.tolist()) == ([[52, 40]], [[36, 40]])
    assert len(maker.of_frame(0).own) == 0


def test_one_arrow_of_median_length_stands_for_a_square() -> None:
    arrows = ArrowMaker(motion_of([40, 42, 44, 100], [9, 3, 6, -1])).of_frame(1)
    assert ((arrows.start + arrows.end) / 2)[:, 0].tolist() == [44, 100]


def test_block_that_follows_the_camera_is_told_from_one_that_does_not() -> None:
    motion = motion_of([20, 100], [4, -4])
    motion.camera[1, 0] = 4.0
    assert ArrowMaker(motion).of_frame(1).own.tolist() == [False, True]


def test_clip_without_vectors_has_no_arrows() -> None:
    maker = ArrowMaker(motion_of([], []))
    assert maker.stretch == 1
    assert len(maker.of_frame(1).own) == 0


def test_frame_after_the_end_of_the_motion_has_no_arrows() -> None:
    maker = ArrowMaker(motion_of([40], [4]))
    assert [len(maker.of_frame(number).own) for number in (0, 1, 2, 9)] == [0, 1, 0, 0]
