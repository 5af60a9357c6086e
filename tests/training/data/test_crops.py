"""The squares that a network is tested on, by pencil."""

from __future__ import annotations

import pytest
import torch

from mocrop.training.data.crops import crop_corners, cropped_views

ROWS, COLUMNS = torch.meshgrid(torch.arange(6), torch.arange(6), indexing="ij")


def pictures(*leading: int) -> torch.Tensor:
    """Frames of 6 x 6 pixels, whose three colours are the row, the column and 0: uint8, (*leading, 3, 6, 6)."""
    return torch.stack([ROWS, COLUMNS, torch.zeros_like(ROWS)]).to(torch.uint8).expand(*leading, 3, 6, 6)


def corners(views: torch.Tensor) -> list[tuple[int, int]]:
    """Column and row of the upper left pixel of each view of the first clip."""
    return [(int(view[0, 1, 0, 0]), int(view[0, 0, 0, 0])) for view in views[0]]


def test_the_middle_of_an_odd_room_is_left_and_up() -> None:
    assert crop_corners(6, 3, crops=1) == [(1, 1)]
    assert crop_corners(6, 3, crops=3) == [(0, 1), (1, 1), (3, 1)]


def test_three_crops_are_left_middle_and_right() -> None:
    views = cropped_views(pictures(2, 5), 4, crops=3)
    assert views.shape == (2, 3, 5, 3, 4, 4)
    assert corners(views) == [(0, 1), (1, 1), (2, 1)]


def test_the_crops_of_a_window_come_one_after_the_other() -> None:
    frames = pictures(1, 2, 5).clone()
    frames[:, 1, :, 2] = 9  # the blue of the second window
    views = cropped_views(frames, 4, crops=3)
    assert views.shape == (1, 6, 5, 3, 4, 4)
    assert views[0, :, 0, 2, 0, 0].tolist() == [0, 0, 0, 9, 9, 9]
    assert corners(views) == [(0, 1), (1, 1), (2, 1)] * 2


def test_without_a_crop_there_is_the_whole_frame() -> None:
    assert torch.equal(cropped_views(pictures(2, 5), None), pictures(2, 1, 5))
    assert cropped_views(pictures(2, 4, 5), None).shape == (2, 4, 5, 3, 6, 6)


@pytest.mark.parametrize(("crop", "crops"), [(7, 1), (4, 2)])
def test_what_cannot_be_cut_is_refused(crop: int, crops: int) -> None:
    with pytest.raises(ValueError, match="crops of"):
        cropped_views(pictures(1, 1), crop, crops=crops)
