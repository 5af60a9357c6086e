"""The boxes of policies beside each other: which part of each frame is shown as its crop, and where."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from mocrop.cli import main
from mocrop.evaluation.pictures.clip_boxes import ClipBoxes, ShowSettings
from mocrop.evaluation.pictures.clip_view import ClipView, view_clip
from mocrop.evaluation.pictures.colours import STYLES
from mocrop.evaluation.pictures.crop_rows import CARD, DPI, WIDTH_INCHES, draw_crop_rows
from mocrop.evaluation.pictures.show import show_in_workspace
from mocrop.pipeline.commands import preprocess
from mocrop.pipeline.crop_box import CropBox
from mocrop.pipeline.errors import ClipError, SettingsError
from mocrop.pipeline.policies.base import PolicyResult
from mocrop.pipeline.run.session import RunOptions
from mocrop.pipeline.workspace.paths import Workspace
from tests.evaluation.pictures.test_contact_sheet import has_colour, image

MakeVideo = Callable[..., Path]

LEFT, RIGHT = (CropBox(left=x, top=0.25, right=x + 0.5, bottom=0.75) for x in (0, 0.5))
RED, BLUE = (200, 30, 30), (30, 30, 200)


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory, make_video: MakeVideo) -> Workspace:
    """One clip, red on the left and blue on the right."""
    folder = tmp_path_factory.mktemp("rows")
    frame = np.zeros((48, 64, 3), np.uint8)
    frame[:, :32], frame[:, 32:] = RED, BLUE
    make_video(folder / "data/Run/a.avi", frames=[frame] * 24)
    made = Workspace(folder / "work")
    preprocess.init(made, folder / "data")
    preprocess.extract_mv(made, source="original", run=RunOptions(workers=0))
    return made


def view(workspace: Workspace, result: PolicyResult) -> ClipView:
    """The first and the thirteenth frame of the clip with the boxes of one policy."""
    seen = view_clip(workspace, "a", ShowSettings(policies=("center",), frames=2))
    assert list(seen.shown) == [0, 12]
    return dataclasses.replace(seen, boxes=ClipBoxes(slots=(0, 12), results={"follow": result}, left_out={}))


def result(*boxes: CropBox) -> PolicyResult:
    return PolicyResult(box=LEFT, slot_boxes=boxes, density=np.zeros((1, 1), np.float32))


def middles(file: Path) -> list[list[int]]:
    """Colours in the middle of the two crops."""
    page = image(file)
    height, width = page.shape[:2]
    return [page[round(0.75 * height), round(x * width)].tolist() for x in (0.25, 0.75)]


def test_each_crop_is_what_the_box_of_its_own_frame_holds(workspace: Workspace, tmp_path: Path) -> None:
    draw_crop_rows(view(workspace, result(LEFT, RIGHT)), tmp_path / "a.png")
    assert middles(tmp_path / "a.png") == [pytest.approx(RED, abs=12), pytest.approx(BLUE, abs=12)]
    draw_crop_rows(view(workspace, result(RIGHT, LEFT)), tmp_path / "b.png")
    assert middles(tmp_path / "b.png") == [pytest.approx(BLUE, abs=12), pytest.approx(RED, abs=12)]


def test_a_static_box_is_the_same_in_each_frame(workspace: Workspace, tmp_path: Path) -> None:
    draw_crop_rows(view(workspace, result()), tmp_path / "a.png")
    assert middles(tmp_path / "a.png") == [pytest.approx(RED, abs=12)] * 2


def test_a_crop_keeps_the_shape_of_its_box(workspace: Workspace, tmp_path: Path) -> None:
    """Half as wide as the frame and as high: half of the room is left beside it."""
    draw_crop_rows(view(workspace, result(*[CropBox(left=0, top=0, right=0.5, bottom=1)] * 2)), tmp_path / "a.png")
    page = image(tmp_path / "a.png")
    row, width = page[round(0.75 * page.shape[0]), : page.shape[1] // 2], page.shape[1] // 2
    red = (np.abs(row.astype(int) - RED).max(axis=1) < 12).nonzero()[0]
    assert red[0] == pytest.approx(width / 4, abs=12)
    assert red[-1] == pytest.approx(width * 3 / 4, abs=12)
    assert len(red) == pytest.approx(width / 2, abs=20)


def test_the_page_is_a_dark_card_with_the_colours_of_its_policies(workspace: Workspace, tmp_path: Path) -> None:
    page = image(
        show_in_workspace(workspace, "a", policies=["center", "random"], crops=True, output=tmp_path / "a.png")
    )
    assert page.shape[1] == WIDTH_INCHES * DPI
    assert has_colour(page[:10], CARD)
    assert has_colour(page, STYLES["center"].colour)
    assert has_colour(page, STYLES["random"].colour)
    assert not has_colour(page, STYLES["adaptive"].colour)


def test_a_policy_that_cannot_decide_shows_the_whole_frame(workspace: Workspace, tmp_path: Path) -> None:
    """Nothing moves in this clip."""
    file = show_in_workspace(workspace, "a", policies=["motion"], crops=True, frames=1, output=tmp_path / "a.png")
    page = image(file)
    height, width = page.shape[:2]
    shown = [page[round(0.75 * height), round(x * width)].tolist() for x in (0.25, 0.75)]
    assert shown == [pytest.approx(RED, abs=12), pytest.approx(BLUE, abs=12)]


def test_the_command_draws_it_and_refuses_a_video_of_it(workspace: Workspace, tmp_path: Path) -> None:
    with pytest.raises(SystemExit) as end:
        main(["show", "a", "--crops", "-o", str(tmp_path / "a.png"), "-w", str(workspace.root)])
    assert not end.value.code
    assert has_colour(image(tmp_path / "a.png"), CARD)
    with pytest.raises(SettingsError, match="leave out either --video or --crops"):
        show_in_workspace(workspace, "a", crops=True, video=True)


def test_a_clip_without_a_frame_that_can_be_decoded_is_an_error(
    workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = view(workspace, result())
    monkeypatch.setattr(ClipView, "pictures", lambda _self, _numbers: iter(()))
    with pytest.raises(ClipError, match="none of the frames"):
        draw_crop_rows(seen, tmp_path / "a.png")
