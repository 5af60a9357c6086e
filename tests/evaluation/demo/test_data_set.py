"""A generated data set is written as UCF-101 is: split lists, and boxes for `mocrop coverage`."""

from __future__ import annotations

from pathlib import Path

import pytest

from mocrop.evaluation.coverage.actor_boxes import read_actor_boxes
from mocrop.evaluation.demo.data_set import Box, DataSet, groups_of_splits, write_lists


def clip_boxes(groups: int) -> dict[str, list[Box]]:
    return {
        f"{kind}/v_{kind}_g{group:02d}_c{clip:02d}": [(1, 2, 3, group)]
        for kind in ("Walk", "Ride")
        for group in range(1, groups + 1)
        for clip in (1, 2)
    }


def test_split_lists_have_the_form_of_ucf_101(tmp_path: Path) -> None:
    files = DataSet.within(tmp_path)
    write_lists(files, clip_boxes(25))
    assert (files.splits / "classInd.txt").read_bytes() == b"1 Ride\n2 Walk\n"
    for split, first in ((1, 1), (2, 8), (3, 15)):
        test = (files.splits / f"testlist{split:02d}.txt").read_text().split("\n")
        train = (files.splits / f"trainlist{split:02d}.txt").read_text().split("\n")
        assert test[0] == f"Ride/v_Ride_g{first:02d}_c01.avi"
        assert {int(line.split("_g")[1][:2]) for line in test[:-1]} == set(range(first, first + 7))
        assert "Walk/v_Walk_g25_c02.avi 2" in train
        assert len(test) - 1 + len(train) - 1 == 100
        assert not {line.split()[0] for line in train[:-1]} & set(test)


@pytest.mark.parametrize("groups", [2, 3, 8, 25])
def test_every_split_has_clips_on_both_sides(groups: int) -> None:
    tested = groups_of_splits(groups)
    assert len(tested) >= 2
    assert all(0 < len(one) < groups for one in tested)
    assert len({group for one in tested for group in one}) == sum(len(one) for one in tested)


def test_boxes_are_read_back_as_they_were(tmp_path: Path) -> None:
    files = DataSet.within(tmp_path)
    write_lists(files, clip_boxes(2))
    tubes = read_actor_boxes(files.boxes)["Walk/v_Walk_g02_c01"]
    assert [(tube.start, tube.boxes.tolist()) for tube in tubes] == [(0, [[1, 2, 3, 2]])]
