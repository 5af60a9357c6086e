"""Clips of a still camera are made from annotated ones: the same bytes every time, the actor inside its boxes."""

from __future__ import annotations

import importlib.util
import json
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from mocrop.evaluation.coverage.actor_boxes import read_actor_boxes

MakeVideo = Callable[..., Path]
PROGRAM = Path(__file__).resolve().parents[2] / "benchmarks" / "static_clips.py"


@pytest.fixture(scope="module")
def program() -> ModuleType:
    spec = importlib.util.spec_from_file_location("static_clips", PROGRAM)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["static_clips"] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def dataset(make_video: MakeVideo, tmp_path: Path) -> Path:
    """Two clips with an actor and two backgrounds, one of each on either side of group 12."""
    for name in ("Run/v_Run_g03_c01", "Run/v_Run_g20_c01", "Sit/v_Sit_g03_c01", "Sit/v_Sit_g20_c01"):
        make_video(tmp_path / f"data/{name}.avi", frames=8, size=(160, 120))
    boxes = {
        f"Run/v_Run_g{group}_c01": [{"start": 1, "stop": 7, "boxes": [[20, 30, 40, 40]] * 6}] for group in ("03", "20")
    }
    (tmp_path / "boxes.json").write_text(json.dumps(boxes))
    return tmp_path


def test_two_clips_are_made_of_each_and_repeat_byte_for_byte(program: ModuleType, dataset: Path) -> None:
    written = [program.make_static_clips(dataset / "data", dataset / "boxes.json", dataset / out) for out in ("a", "b")]
    assert written == [4, 4]
    names = sorted(path.relative_to(dataset / "a") for path in (dataset / "a").rglob("*.*"))
    assert [str(name) for name in names] == [
        "boxes.json",
        "cross/v_Run_g03_c01.avi",
        "cross/v_Run_g20_c01.avi",
        "drift/v_Run_g03_c01.avi",
        "drift/v_Run_g20_c01.avi",
    ]
    assert all((dataset / "a" / name).read_bytes() == (dataset / "b" / name).read_bytes() for name in names)
    assert len(read_actor_boxes(dataset / "a" / "boxes.json")["cross/v_Run_g03_c01"][0].boxes) == program.FRAMES


@pytest.mark.parametrize("kind", ["drift", "cross"])
@pytest.mark.parametrize("seed", range(5))
def test_all_that_changes_lies_about_the_boxes(
    program: ModuleType, kind: str, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A white actor on a black ground, without noise: what is bright lies within the box and its soft margin."""
    monkeypatch.setattr(program, "NOISE", (0.0,))
    source = [np.full((120, 160, 3), 255, np.uint8)] * 6
    tube = program.Tube(start=0, boxes=np.array([[20.0, 30, 40, 40]] * 6))
    ground = np.zeros((120, 160, 3), np.uint8)
    made = program.composite(source, tube, ground, kind=kind, rng=np.random.default_rng(seed))
    middles = [(left + width / 2, top + height / 2) for left, top, width, height in made.boxes]
    assert any(abs(x - 80) > 0.1 * 160 or abs(y - 60) > 0.1 * 120 for x, y in middles)
    for frame, (left, top, width, height) in zip(made.frames, made.boxes, strict=True):
        rows, columns = np.nonzero(frame[..., 0] > 128)
        assert left - 1 <= columns.mean() + 0.5 - width / 2 <= left + 1
        assert top - 1 <= rows.mean() + 0.5 - height / 2 <= top + 1
        assert columns.max() - columns.min() <= width * 1.16
