"""The crossing scene: its clips, the way of its figures, and the boxes around them."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mocrop.evaluation.coverage.actor_boxes import read_actor_boxes
from mocrop.evaluation.coverage.clips import annotated_clips
from mocrop.evaluation.demo import crossing
from mocrop.evaluation.demo.crossing import CrossingSettings, crossing_frames, draw_way, make_crossing, reach
from mocrop.evaluation.demo.data_set import Box, DataSet, write_lists
from mocrop.evaluation.demo.figures import FIGURES
from mocrop.evaluation.demo.people import draw_look
from mocrop.evaluation.demo.shapes import Place
from mocrop.evaluation.demo.streets import make_street
from mocrop.pipeline.commands import preprocess
from mocrop.pipeline.dataset.clips import find_clips
from mocrop.pipeline.motion.residual import stands_still
from mocrop.pipeline.run.session import RunOptions
from mocrop.pipeline.workspace.paths import Workspace

SMALL = CrossingSettings(classes=2, groups=2, clips_per_group=2, frames=(25, 30), width=160, height=120)
FULL = CrossingSettings()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("crossing")


@pytest.fixture(scope="module")
def made(folder: Path) -> dict[str, list[Box]]:
    boxes = make_crossing(folder / "videos", SMALL)
    write_lists(DataSet.within(folder), boxes)
    return boxes


def test_clips_are_named_as_in_ucf_101(folder: Path, made: dict[str, list[Box]]) -> None:
    names = [
        f"{kind}/v_{kind}_g{group:02d}_c{clip:02d}"
        for kind in ("CarryBox", "HoldUmbrella")
        for group in (1, 2)
        for clip in (1, 2)
    ]
    assert [clip.name for clip in find_clips(folder / "videos").clips] == names == list(made)


def test_unless_told_otherwise_there_are_6_classes_of_25_groups_of_2_clips() -> None:
    assert (len(FIGURES), FULL.classes, FULL.groups, FULL.clips_per_group) == (6, 6, 25, 2)
    assert (FULL.width, FULL.height, FULL.frames) == (320, 240, (60, 75))


def test_every_frame_has_a_box(folder: Path, made: dict[str, list[Box]]) -> None:
    for name, boxes in made.items():
        with av.open(str(folder / f"videos/{name}.avi")) as container:
            stream = container.streams.video[0]
            assert (stream.codec_context.name, stream.width, stream.height, stream.average_rate) == (
                "mpeg4",
                160,
                120,
                25,
            )
            assert sum(1 for _ in container.decode(stream)) == len(boxes)
        assert 25 <= len(boxes) <= 30


def test_the_same_seed_gives_the_same_bytes_and_another_one_others(
    folder: Path, made: dict[str, list[Box]], tmp_path: Path
) -> None:
    assert make_crossing(tmp_path / "again", SMALL) == made
    for name in made:
        assert (tmp_path / f"again/{name}.avi").read_bytes() == (folder / f"videos/{name}.avi").read_bytes()
    one = dataclasses.replace(SMALL, classes=1, groups=1, clips_per_group=1, seed=1)
    other = make_crossing(tmp_path / "other", one)
    name = "CarryBox/v_CarryBox_g01_c01"
    assert list(other) == [name]
    assert (tmp_path / f"other/{name}.avi").read_bytes() != (folder / f"videos/{name}.avi").read_bytes()


def test_fewer_clips_are_the_same_clips(made: dict[str, list[Box]], tmp_path: Path) -> None:
    fewer = make_crossing(tmp_path, dataclasses.replace(SMALL, groups=1, classes=1))
    assert fewer == {name: boxes for name, boxes in made.items() if name.startswith("CarryBox/v_CarryBox_g01")}


@pytest.mark.parametrize("kind", FIGURES)
def test_all_that_changes_without_wind_and_noise_is_the_figure_in_its_box(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in (("WINDY", 0.0), ("FLICKERING", 0.0), ("NOISE", (0.0,))):
        monkeypatch.setattr(crossing, name, value)
    monkeypatch.setattr(crossing, "_cast_shadow", lambda *_: None)
    street = make_street(320, 240, np.random.default_rng(1))
    still, look = np.clip(street.picture, 0, 255).astype(np.uint8), draw_look(np.random.default_rng(2))
    config = dataclasses.replace(FULL, frames=(10, 10))
    for frame, (x, y, w, h) in crossing_frames(kind, look, street, config, np.random.default_rng(3)):
        rows, columns = np.nonzero((frame != still).any(axis=2))
        assert x <= columns.min() <= x + 2
        assert x + w - 3 <= columns.max() < x + w
        assert y <= rows.min() <= y + 2
        assert y + h - 3 <= rows.max() < y + h


@pytest.mark.parametrize(("setting", "value"), [("WINDY", 1.0), ("FLICKERING", 1.0), ("NOISE", (3.0,))])
def test_wind_flicker_and_noise_change_the_background(
    setting: str, value: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, off in (("WINDY", 0.0), ("FLICKERING", 0.0), ("NOISE", (0.0,))):
        monkeypatch.setattr(crossing, name, value if name == setting else off)
    street = next(
        one for one in (make_street(320, 240, np.random.default_rng(seed)) for seed in range(9)) if one.leaves
    )
    config = dataclasses.replace(FULL, frames=(4, 4))
    first, second, *_ = crossing_frames(
        "WalkDog", draw_look(np.random.default_rng(2)), street, config, np.random.default_rng(3)
    )
    assert (first[0][:60] != second[0][:60]).any()


@given(st.sampled_from(sorted(FIGURES)), st.integers(0, 10_000))
@settings(max_examples=30, deadline=None)
def test_a_figure_crosses_most_of_the_picture_and_stays_in_it(kind: str, seed: int) -> None:
    rng = np.random.default_rng(seed)
    figure = reach(kind, draw_look(rng))
    way = draw_way(figure, 0.5, FULL, rng)
    edges = [
        Place(x=x, y=y, scale=way.scale, mirrored=way.to_the_left).pixels(figure)
        for x, y in zip(way.x, way.y, strict=True)
    ]
    left, top, right, bottom = np.array(edges).T
    assert left.min() >= 0
    assert right.max() <= 320
    assert top.min() >= 0
    assert bottom.max() <= 241
    assert right.max() - left.min() >= 0.8 * 320
    steps = np.diff(way.x) * (-1 if way.to_the_left else 1)
    assert np.all(steps >= 0)
    assert np.allclose(steps / steps.max(), way.pace[1:] / way.pace[1:].max())  # who stands does not move their legs
    assert 0.19 * 240 <= way.scale <= 0.28 * 240
    assert np.ptp(way.y) <= 0.08 * 240


def test_directions_paths_and_pauses_differ_from_clip_to_clip() -> None:
    ways = [draw_way((-0.3, 0, 0.3, 1), 0.5, FULL, np.random.default_rng(seed)) for seed in range(100)]
    assert 30 < sum(way.to_the_left for way in ways) < 70
    assert 15 < sum((way.pace == 0).sum() >= 5 for way in ways) < 45  # stands for a fifth of a second and more
    assert len({(way.x[0], way.y[0], way.scale) for way in ways}) == 100


def test_even_the_shortest_clip_is_crossed() -> None:
    for seed in range(60):
        way = draw_way((-0.3, 0, 0.3, 1), 0.5, dataclasses.replace(FULL, frames=(2, 8)), np.random.default_rng(seed))
        assert np.ptp(way.x) > 0.6 * 320


def test_the_two_clips_of_a_group_have_one_background(folder: Path, made: dict[str, list[Box]]) -> None:
    def corner(name: str) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
        with av.open(str(folder / f"videos/{name}.avi")) as container:
            return next(container.decode(video=0)).to_ndarray(format="gray")[:20]

    one, two, other = (
        corner(f"CarryBox/v_CarryBox_{clip}").astype(float) for clip in ("g01_c01", "g01_c02", "g02_c01")
    )
    assert np.abs(one - two).mean() < 5 < np.abs(one - other).mean()


def test_the_small_form_goes_through_the_pipeline_to_coverage(
    folder: Path, made: dict[str, list[Box]], tmp_path: Path
) -> None:
    files, workspace = DataSet.within(folder), Workspace(tmp_path / "work")
    run = RunOptions(workers=0)
    preprocess.transcode(workspace, files.videos, splits=files.splits, run=run)
    assert preprocess.extract_mv(workspace, run=run).failed == 0
    clips = list(annotated_clips(workspace, read_actor_boxes(files.boxes)))
    assert [clip.name for clip in clips] == list(made)
    assert all(stands_still(clip.motion) for clip in clips)
    assert all(len(clip.truth) == len(made[clip.name]) for clip in clips)
