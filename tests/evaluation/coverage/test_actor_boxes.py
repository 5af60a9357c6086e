"""Box files: JSON and MATLAB, valid and invalid."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.io import savemat

from mocrop.evaluation.coverage.actor_boxes import Tube, actor_rows, fractions, read_actor_boxes
from mocrop.pipeline.errors import DatasetError


def write(path: Path, content: object) -> Path:
    path.write_text(json.dumps(content))
    return path


def tube(**changes: Any) -> dict[str, Any]:
    return {"start": 3, "stop": 5, "boxes": [[10, 20, 30, 40], [11, 20, 30, 40]], **changes}


def test_json_tubes_are_read(tmp_path: Path) -> None:
    boxes = read_actor_boxes(write(tmp_path / "a.json", {"A/a": [tube(), tube(start=0, stop=2)], "A/b": []}))
    assert [one.start for one in boxes["A/a"]] == [3, 0]
    assert boxes["A/a"][0].boxes.tolist() == [[10, 20, 30, 40], [11, 20, 30, 40]]
    assert boxes["A/b"] == ()


def test_matlab_frames_and_pixels_count_from_one(tmp_path: Path) -> None:
    """Frames 4 and 5, the first pixel at 1, become 3 and 4 and the pixel at 0."""
    tube = {"ef": 5.0, "sf": 4.0, "boxes": [[1.0, 2, 30, 40]] * 2}
    fields = [(field, object) for field in ("num_imgs", "name", "tubes")]
    annotations = np.array([(9.0, "A/a", tube), (9.0, "A/b", np.empty((0, 0)))], fields)
    savemat(tmp_path / "a.mat", {"annot": annotations})
    boxes = read_actor_boxes(tmp_path / "a.mat")
    assert boxes["A/a"][0].start == 3
    assert boxes["A/a"][0].boxes.tolist() == [[0, 1, 30, 40]] * 2
    assert boxes["A/b"] == ()


@pytest.mark.parametrize(
    ("content", "fact"),
    [
        ([], "map clips"),
        ({}, "no box"),
        ({"A/a": [tube(stop=6)]}, "A/a.*2 boxes for 3 frames"),
        ({"A/a": [tube(start=-1, stop=1)]}, "A/a.*frames -1 to 1"),
        ({"A/a": [tube(start=3.5, stop=5.5)]}, "A/a.*no frame number"),
        ({"A/a": [tube(boxes=[[0, 0, 1]] * 2)]}, "A/a"),
        ({"A/a": [tube(boxes=[[0, 0, -1, 1]] * 2)]}, "A/a.*finite"),
        ({"A/a": [tube(boxes=[[0, 0, float("nan"), 1]] * 2)]}, "A/a.*finite"),
        ({"A/a": [{"start": 1}]}, "A/a.*stop"),
        ({"A/a": 7}, "A/a"),
    ],
)
def test_an_invalid_json_is_refused_with_the_clip_and_the_fact(tmp_path: Path, content: object, fact: str) -> None:
    with pytest.raises(DatasetError, match=fact):
        read_actor_boxes(write(tmp_path / "a.json", content))


def test_text_that_is_no_json_a_missing_file_and_a_pickle_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text("{")
    for name, fact in [("a.json", "no JSON"), ("b.json", "cannot be read"), ("c.pkl", "not .pkl")]:
        with pytest.raises(DatasetError, match=fact):
            read_actor_boxes(tmp_path / name)


@pytest.mark.parametrize(
    ("variables", "fact"),
    [
        ({"other": 1.0}, "no structure array"),
        ({"annot": "text"}, "no structure array"),
        ({"annot": np.array(["text", 1.0], object)}, "annotation 1 has no name"),
        ({"annot": {"name": 3}}, "annotation 1 has no name"),
        ({"annot": {"name": "A/a", "tubes": {"sf": 1.0}}}, "A/a: a tube needs sf, ef and boxes"),
    ],
)
def test_a_matlab_file_with_other_variables_is_refused(tmp_path: Path, variables: dict[str, Any], fact: str) -> None:
    savemat(tmp_path / "a.mat", variables)
    with pytest.raises(DatasetError, match=fact):
        read_actor_boxes(tmp_path / "a.mat")


def test_fractions_cut_at_the_picture_and_leave_out_what_lies_outside() -> None:
    boxes = np.array([[-10, 0, 20, 50], [50, 50, 25, 25], [200, 0, 10, 10]], np.float64)
    parts = fractions((Tube(start=0, boxes=boxes),), width=100, height=100)
    assert parts.tolist() == [[0, 0, 0.1, 0.5], [0.5, 0.5, 0.75, 0.75]]
    assert fractions((), width=100, height=100).shape == (0, 4)


@pytest.mark.real
def test_the_real_box_file_is_read(real_clips: Path) -> None:
    boxes = read_actor_boxes(real_clips / "actor-boxes.json")
    assert len(boxes) == 100
    assert boxes["BasketballDunk/v_BasketballDunk_g01_c01"][0].boxes[0].tolist() == [197, 96, 39, 60]


def test_boxes_keep_the_numbers_of_their_frames() -> None:
    """Two tubes; the middle box of the second lies outside of the picture."""
    first = Tube(start=3, boxes=np.array([[0.0, 0, 10, 10]] * 2))
    second = Tube(start=10, boxes=np.array([[0.0, 0, 10, 10], [200, 0, 10, 10], [0, 0, 10, 10]]))
    frames, edges = actor_rows((first, second), width=100, height=100)
    assert frames.tolist() == [3, 4, 10, 12]
    assert edges.tolist() == [[0, 0, 0.1, 0.1]] * 4
