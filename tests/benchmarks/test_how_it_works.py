"""docs/how-it-works.md shows what its program makes, and the program draws a small clip."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import matplotlib.image
import numpy as np
import pytest

from mocrop.evaluation.pictures.clip_boxes import ShowSettings, decided
from mocrop.evaluation.pictures.clip_view import ClipView, view_clip
from mocrop.evaluation.pictures.colours import STYLES
from mocrop.pipeline.choices import Bars
from mocrop.pipeline.commands import preprocess
from mocrop.pipeline.policies.adaptive import fullest_boxes
from mocrop.pipeline.policies.base import ClipFacts
from mocrop.pipeline.run.session import RunOptions
from mocrop.pipeline.workspace.paths import Workspace
from tests.benchmarks.modules import ROOT, benchmark_module
from tests.evaluation.pictures.test_contact_sheet import has_colour, image

MakeVideo = Callable[..., Path]

MAX_BYTES = 400_000  # of a picture in docs/
SLOTS = (2, 10, 18, 23)

how_figures = benchmark_module("how_figures")
how_it_works = benchmark_module("how_it_works")


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory, make_video: MakeVideo) -> Workspace:
    folder = tmp_path_factory.mktemp("how")
    make_video(folder / "data/Run/a.avi", frames=24, size=(128, 96))
    made = Workspace(folder / "work")
    preprocess.init(made, folder / "data")
    preprocess.extract_mv(made, source="original", run=RunOptions(workers=0))
    return made


def view(workspace: Workspace, *, bars: Bars = "keep") -> ClipView:
    """The clip as if it had bars of 12 pixels above and below."""
    settings = ShowSettings(policies=("adaptive", "follow"), ratio=0.25, bars=bars)
    seen = view_clip(workspace, "a", ShowSettings(policies=("center",)))
    assert seen.motion is not None
    motion = dataclasses.replace(seen.motion, seconds=np.arange(24) / 25, picture=(0, 12, 128, 84))
    facts = ClipFacts(name=seen.name, size=seen.picture, motion=motion, slots=range(24))
    return dataclasses.replace(seen, motion=motion, boxes=decided(facts, settings))


def test_the_page_shows_the_pictures_that_the_program_makes(how_it_works: ModuleType) -> None:
    page = (ROOT / "docs/how-it-works.md").read_text()
    shown = re.findall(r"!\[[^\]]+\]\(([^)]+)\)", page)
    assert sorted([*shown, "show.png"]) == sorted(how_it_works.PICTURES)
    for name in how_it_works.PICTURES:
        file = ROOT / "docs" / name
        assert file.stat().st_size < MAX_BYTES
        assert matplotlib.image.imread(file).shape[1] >= 900


def test_every_picture_of_the_page_is_drawn(how_figures: ModuleType, workspace: Workspace, tmp_path: Path) -> None:
    clip = view(workspace)
    how_figures.draw_vectors(clip, 12, tmp_path / "vectors.png")
    how_figures.draw_camera(clip, 13, tmp_path / "camera.png")
    how_figures.draw_box(clip, 12, tmp_path / "box.png")
    how_figures.draw_slots(clip, SLOTS, tmp_path / "slots.png")
    how_figures.draw_bars_and_boxes(clip, view(workspace, bars="cut"), 12, tmp_path / "bars.png")
    pages = {file.stem: image(file) for file in tmp_path.iterdir()}
    assert len(pages) == 5
    assert {page.shape[1] for page in pages.values()} == {1350}
    assert [name for name in sorted(pages) if has_colour(pages[name], STYLES["follow"].colour)] == ["bars", "slots"]
    assert has_colour(pages["box"], STYLES["adaptive"].colour)


def test_the_maps_of_slots_are_those_that_the_boxes_were_found_on(
    how_figures: ModuleType, workspace: Workspace, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The figure works them out again: its fullest box must be the policy's."""
    maps: list[np.ndarray] = []
    monkeypatch.setattr(how_figures, "_show_map", lambda _axis, _view, values: maps.append(values))
    clip = view(workspace)
    how_figures.draw_slots(clip, SLOTS, tmp_path / "slots.png")
    found = fullest_boxes(np.stack(maps), extent=(0.5, 0.5))
    assert found == [clip.boxes.at(number)["follow"] for number in SLOTS]


def test_a_shrunk_picture_has_few_colours_and_looks_the_same(how_it_works: ModuleType, tmp_path: Path) -> None:
    file, rng = tmp_path / "a.png", np.random.default_rng(0)
    smooth = np.linspace(0, 1, 200)[:, np.newaxis, np.newaxis] * rng.uniform(0.2, 1, (150, 3))
    matplotlib.image.imsave(file, smooth)
    before, size = image(file), file.stat().st_size
    how_it_works.shrink(file)
    after = image(file)
    assert file.stat().st_size < size
    assert len(np.unique(after.reshape(-1, 3), axis=0)) <= 256
    assert np.abs(after.astype(int) - before).mean() < 8
