"""The order scene: six clips of the same eight pictures, which nothing but their order tells apart."""

from __future__ import annotations

import dataclasses
from collections import Counter
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mocrop.evaluation.demo import order
from mocrop.evaluation.demo.data_set import Box
from mocrop.evaluation.demo.demo import run_demo
from mocrop.evaluation.demo.order import CLASSES, OrderSettings, draw_set, make_order, orders
from mocrop.evaluation.demo.scenes import make_scene
from mocrop.pipeline.errors import SettingsError
from mocrop.pipeline.run.session import RunOptions
from mocrop.pipeline.terminal import LineConsole
from tests.conftest import mocrop

SMALL = OrderSettings(groups=2, clips_per_group=1, width=64, height=64)
Pictures = list[npt.NDArray[np.uint8]]


def decoded(path: Path) -> Pictures:
    with av.open(str(path)) as container:
        return [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("order")


@pytest.fixture(scope="module")
def made(folder: Path) -> dict[str, list[Box]]:
    return make_order(folder, SMALL)


def clips_of(folder: Path, group: int) -> list[Pictures]:
    return [decoded(folder / f"{kind}/v_{kind}_g{group:02d}_c01.avi") for kind in CLASSES]


@pytest.mark.parametrize("group", [1, 2])
def test_the_six_clips_of_a_set_are_the_same_decoded_pictures(
    folder: Path, made: dict[str, list[Box]], group: int
) -> None:
    sets = [Counter(picture.tobytes() for picture in clip) for clip in clips_of(folder, group)]
    assert all(each == sets[0] for each in sets)
    assert len(sets[0]) == 8  # no picture twice


def test_every_second_class_is_the_one_before_it_backwards(folder: Path, made: dict[str, list[Box]]) -> None:
    clips = clips_of(folder, 1)
    for forwards, backwards in zip(clips[::2], clips[1::2], strict=True):
        np.testing.assert_array_equal(forwards, backwards[::-1])
    assert not np.array_equal(clips[0], clips[2])


def test_with_frames_that_depend_on_others_the_order_shows_in_single_pictures(tmp_path: Path) -> None:
    """The other side of the switch, and why each frame is coded by itself unless asked otherwise."""
    make_order(tmp_path, dataclasses.replace(SMALL, groups=1, key_interval=12))
    first, second, *_ = [Counter(picture.tobytes() for picture in clip) for clip in clips_of(tmp_path, 1)]
    assert first != second


@given(st.integers(0, 1000))
def test_each_place_comes_once_and_each_class_has_them_in_its_order(seed: int) -> None:
    places, pictures = draw_set(dataclasses.replace(SMALL, width=32, height=32), np.random.default_rng(seed))
    assert len(pictures) == 8
    found = list(orders(places))
    assert [places[numbers, kind // 2].tolist() for kind, numbers in enumerate(found)] == [
        list(range(8)),
        list(range(8))[::-1],
    ] * 3


@pytest.mark.parametrize("seed", range(6))
def test_one_sprite_slides_across_one_down_and_one_turns_clockwise(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[dict[str, float]] = []
    monkeypatch.setattr(order, "draw_sprite", lambda *_, **where: drawn.append(where) or (0, 0, 1, 1))
    places, _ = draw_set(SMALL, np.random.default_rng(seed))
    across, down, turning = (drawn[sprite::3] for sprite in range(3))
    assert [len(each) for each in (across, down, turning)] == [8, 8, 8]
    for number, (sprite, moved) in enumerate(((across, "x"), (down, "y"), (turning, "heading"))):
        values = np.array([sprite[picture][moved] for picture in np.argsort(places[:, number])])
        assert np.all(np.diff(values) > 0)  # to the right, downwards, clockwise as y points down
        np.testing.assert_allclose(np.diff(values), np.diff(values)[0])
        others = {"x", "y", "heading"} - {moved}
        assert all(len({where[name] for where in sprite}) == 1 for name in others)
    headings = sorted(where["heading"] for where in turning)
    assert headings[1] - headings[0] == pytest.approx(np.pi / 4)  # eight turns are a whole one


def test_boxes_lie_in_the_picture_and_change_with_the_order(made: dict[str, list[Box]]) -> None:
    assert list(made) == [f"{kind}/v_{kind}_g{group:02d}_c01" for group in (1, 2) for kind in CLASSES]
    for boxes in made.values():
        x, y, w, h = np.array(boxes).T
        assert min(x.min(), y.min()) >= 0
        assert max((x + w).max(), (y + h).max()) <= 64
    assert made["MoveRight/v_MoveRight_g01_c01"] == made["MoveLeft/v_MoveLeft_g01_c01"][::-1]


def test_the_same_settings_give_the_same_bytes_and_another_seed_others(
    folder: Path, made: dict[str, list[Box]], tmp_path: Path
) -> None:
    assert make_order(tmp_path / "again", SMALL) == made
    name = "TurnLeft/v_TurnLeft_g02_c01.avi"
    assert (tmp_path / "again" / name).read_bytes() == (folder / name).read_bytes()
    make_order(tmp_path / "other", dataclasses.replace(SMALL, seed=1))
    assert (tmp_path / "other" / name).read_bytes() != (folder / name).read_bytes()


def test_all_clips_of_a_set_are_on_the_same_side_of_every_split(tmp_path: Path) -> None:
    files = make_scene(tmp_path, dataclasses.replace(SMALL, groups=4)).files
    tested = (files.splits / "testlist01.txt").read_text().split()
    assert tested == sorted(f"{kind}/v_{kind}_g01_c01.avi" for kind in CLASSES)
    trained = (files.splits / "trainlist01.txt").read_text()
    assert "_g01_" not in trained
    assert len(trained.splitlines()) == 18


def test_the_demo_runs_nothing_on_it_and_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SettingsError, match="--only-data"):
        run_demo(tmp_path, run=RunOptions(workers=0), console=LineConsole(quiet=True), scene=SMALL)
    assert mocrop("demo", tmp_path / "new", "--scene", "order") == 1
    assert "made with --only-data" in capsys.readouterr().err
    assert not (tmp_path / "new").exists()
