"""The gallery: which clips are chosen, what is drawn of each, and what of those that cannot be read."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import matplotlib.image
import numpy as np
import pytest
import zarr

from mocrop.cli import main
from mocrop.evaluation.pictures.clip_boxes import ShowSettings
from mocrop.evaluation.pictures.clip_view import view_clip
from mocrop.evaluation.pictures.colours import STYLES
from mocrop.evaluation.pictures.drawing import WARNING_COLOUR
from mocrop.evaluation.pictures.gallery import (
    GallerySettings,
    cache_gallery,
    choose_clips,
    gallery_settings,
    share_out,
    workspace_gallery,
)
from mocrop.evaluation.pictures.gallery_page import (
    BARS_COLOUR,
    MAP_COLOUR,
    PATH_COLOUR,
    draw_gallery,
    gallery_in_workspace,
)
from mocrop.pipeline.cache.crop_cache import CropCache
from mocrop.pipeline.commands import preprocess
from mocrop.pipeline.crop_box import WHOLE_FRAME
from mocrop.pipeline.errors import CacheError, SettingsError, WorkspaceError
from mocrop.pipeline.run.session import RunOptions
from mocrop.pipeline.workspace.paths import Workspace
from tests.conftest import mocrop
from tests.evaluation.pictures.test_contact_sheet import has_colour, image

MakeVideo = Callable[..., Path]
MakeCache = Callable[..., Path]


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory, make_video: MakeVideo) -> Workspace:
    """Three clips of one class, one of another; a still one and one that is no video."""
    folder = tmp_path_factory.mktemp("gallery")
    for number in (1, 2, 3):
        make_video(folder / f"data/Run/v_Run_g{number:02d}_c01.avi", frames=26)
    make_video(folder / "data/Dig/v_Dig_g01_c01.avi", frames=[np.full((48, 64, 3), 90, np.uint8)] * 14)
    (folder / "data/Dig/v_Dig_g02_c01.avi").write_bytes(b"no video")
    made = Workspace(folder / "work")
    preprocess.init(made, folder / "data")
    preprocess.extract_mv(made, source="original", run=RunOptions(workers=0))
    return made


def test_classes_get_the_same_number_of_clips_as_far_as_they_have_them() -> None:
    labels = [0] * 10 + [1] + [2] * 10
    chosen = choose_clips(labels, count=9)
    assert [labels[place] for place in chosen] == [0, 0, 0, 0, 1, 2, 2, 2, 2]
    assert chosen[:4] == [1, 3, 6, 8]  # the middle of each quarter of ten


def test_with_more_classes_than_clips_every_second_or_third_class_is_shown() -> None:
    assert choose_clips([0, 1, 2, 3, 4, 5], count=3) == [1, 3, 5]


def test_of_few_clips_all_are_chosen_once() -> None:
    assert choose_clips([1, 0, 1], count=48) == [1, 0, 2]


@pytest.mark.parametrize(("most", "total", "shares"), [([2, 2], 3, [2, 1]), ([0, 4], 3, [0, 3]), ([1, 1], 9, [1, 1])])
def test_shares_are_even_and_never_more_than_there_is(most: list[int], total: int, shares: list[int]) -> None:
    assert share_out(most, total=total) == shares


def test_a_tile_shows_the_middle_key_frame_with_the_boxes_asked_for(workspace: Workspace) -> None:
    gallery = workspace_gallery(workspace, GallerySettings(policies=("motion", "center"), ratio=0.5))
    assert [(tile.label, tile.clip[-7:]) for tile in gallery.tiles] == [
        ("Dig", "g01_c01"),
        ("Dig", "g02_c01"),
        ("Run", "g01_c01"),
        ("Run", "g02_c01"),
        ("Run", "g03_c01"),
    ]
    assert gallery.title.startswith("5 of 5 clips")
    run = gallery.tiles[2]
    assert list(run.boxes) == ["motion", "center"]
    assert run.boxes["center"].area == pytest.approx(0.5)
    assert run.picture is not None
    assert run.picture.shape == (48, 64, 3)
    assert run.words == ""


def test_a_tile_has_the_moving_box_of_its_own_frame_and_the_way_that_it_takes(workspace: Workspace) -> None:
    tile = workspace_gallery(workspace, GallerySettings(policies=("follow",), ratio=0.1)).tiles[2]
    view = view_clip(workspace, tile.clip, ShowSettings(policies=("follow",), ratio=0.1, every_frame=True))
    assert tile.number == 12  # the middle one of three key frames
    assert tile.boxes == view.boxes.at(12)
    assert tile.boxes["follow"] != view.results["follow"].box  # which is the mean of all
    assert tile.paths["follow"].at([12]) == pytest.approx(view.boxes.paths["follow"].at([12]))
    static = workspace_gallery(workspace, GallerySettings(policies=("center",))).tiles[2]
    assert static.paths == {}


def test_a_clip_without_motion_is_marked_as_not_cropped_and_one_that_cannot_be_read_says_why(
    workspace: Workspace,
) -> None:
    still, broken = workspace_gallery(workspace, GallerySettings()).tiles[:2]
    assert still.words.startswith("not cropped: ")
    assert broken.picture is None
    assert "finds no video" in broken.words


def test_the_page_has_the_colours_of_the_policies_and_of_warnings(workspace: Workspace, tmp_path: Path) -> None:
    file = gallery_in_workspace(workspace, policies=["motion", "center"], output=tmp_path / "page.png").file
    page = image(file)
    for colour in (STYLES["motion"].colour, STYLES["center"].colour, WARNING_COLOUR):
        assert has_colour(page, colour)
    assert not has_colour(page, STYLES["adaptive"].colour)
    assert not has_colour(page, MAP_COLOUR)


def test_what_a_single_policy_leaves_out_is_darker(workspace: Workspace, tmp_path: Path) -> None:
    settings = GallerySettings(policies=("center",), ratio=0.25)
    gallery = workspace_gallery(workspace, settings)
    bright = [tile for tile in gallery.tiles if tile.picture is not None][:1]
    bright[0].picture[...] = 200
    draw_gallery(type(gallery)(title="", tiles=bright), tmp_path / "page.png")
    page = image(tmp_path / "page.png").reshape(-1, 3).astype(int)
    inside, outside = (int((abs(page - value) < 3).all(axis=1).sum()) for value in (200, 100))
    assert outside == pytest.approx(3 * inside, rel=0.2)


def test_the_file_has_a_name_of_its_own_and_pages_are_the_same_bytes(workspace: Workspace) -> None:
    file = gallery_in_workspace(workspace, policies=["motion", "center"], ratio=0.5, clips=2).file
    assert file == workspace.reports / "gallery/motion+center-0.5.png"
    before = file.read_bytes()
    again = gallery_in_workspace(workspace, policies=["motion", "center"], ratio=0.5, clips=2).file
    assert again.read_bytes() == before


def test_a_cache_shows_its_crops_and_where_they_lie(make_cache: MakeCache, tmp_path: Path) -> None:
    path = make_cache(tmp_path / "full-8.zarr", label=[1, 0, 1, 0], used=[4, 3, 4, 0], state=[1, 2, 1, 3])
    slot_box = zarr.open_group(path, mode="r+")["slot_box"]
    slot_box[0] = np.tile(np.array([0.25, 0, 0.75, 1]), (4, 1))  # its `box` stays the whole frame
    gallery = cache_gallery(path, clips=48)
    assert [tile.clip for tile in gallery.tiles] == ["Dig/clip1", "Run/clip0", "Run/clip2"]  # not the failed one
    assert [tile.words for tile in gallery.tiles] == ["whole frame: no usable motion", "", ""]
    stored = np.asarray(CropCache(path).open_frames()[0, 2].read().result())  # the third of four
    assert np.array_equal(gallery.tiles[1].picture, stored.transpose(1, 2, 0))
    assert gallery.tiles[1].place is not None
    assert gallery.tiles[1].place.edges == (0.25, 0, 0.75, 1)
    assert gallery.tiles[1].path is None
    file = gallery_in_workspace(Workspace(tmp_path / "nowhere"), cache=str(path)).file
    assert file == tmp_path / "cache-full-8.png"
    assert has_colour(image(file), MAP_COLOUR)


def test_a_cache_of_moving_boxes_shows_the_stored_box_of_the_frame_and_the_way_of_the_used_slots(
    make_cache: MakeCache, tmp_path: Path
) -> None:
    path = make_cache(tmp_path / "follow-8.zarr", label=[0, 0], used=[3, 4])
    group = zarr.open_group(path, mode="r+")
    group["slot_box"][0] = np.array([[0.1, 0, 0.3, 1], [0.2, 0, 0.4, 1], [0.5, 0, 0.7, 1], [0, 0, 0, 0]])
    group["picture"][0] = np.array([0, 0.25, 1, 0.75])
    moving, static = cache_gallery(path, clips=48).tiles
    assert moving.place is not None
    assert moving.place.edges == pytest.approx((0.2, 0, 0.4, 1))  # of slot 1, the middle one of three
    assert moving.number == 1
    assert moving.path is not None
    assert moving.path.numbers == (0, 1, 2)
    assert moving.path.centres[:, 0] == pytest.approx([0.2, 0.3, 0.6])
    assert moving.inside_bars.edges == (0, 0.25, 1, 0.75)
    assert (static.path, static.inside_bars) == (None, WHOLE_FRAME)
    page = image(gallery_in_workspace(Workspace(tmp_path / "nowhere"), cache=str(path)).file)
    assert has_colour(page, PATH_COLOUR)
    assert has_colour(page, BARS_COLOUR)


def test_damaged_and_missing_frames_leave_a_plate_with_words(
    make_cache: MakeCache, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = make_cache(tmp_path / "full-8.zarr", label=[0, 0, 0, 1], clips_per_shard=3)
    content = bytearray(CropCache(path).shard_file(0).read_bytes())
    content[2 * 196 + 5] ^= 1  # slot 2 of the first clip; a frame of 192 bytes has a checksum of 4
    CropCache(path).shard_file(0).write_bytes(content)
    CropCache(path).shard_file(1).unlink()
    tiles = cache_gallery(path, clips=48).tiles
    assert [tile.picture is None for tile in tiles] == [True, False, False, True]
    assert "damaged; see `mocrop verify`" in tiles[0].words
    assert "gone; see `mocrop verify`" in tiles[3].words
    assert mocrop("gallery", "--cache", path, "-o", tmp_path / "page.png") == 3
    assert "2 clips could not be read, and the page says why: Dig/clip0, Run/clip3" in capsys.readouterr().err


def test_a_cache_without_frames_is_an_error(make_cache: MakeCache, tmp_path: Path) -> None:
    path = make_cache(tmp_path / "full-8.zarr", label=[0, 1], used=[0, 0], state=[3, 0])
    with pytest.raises(CacheError, match="has no frames yet"):
        cache_gallery(path, clips=48)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"policies": ["nope"]}, "there is no policy 'nope'; there is full, "),
        ({"ratio": 1.5}, "ratio must be above 0 and at most 1"),
        ({"clips": 0}, "clips must be at least 1"),
    ],
)
def test_invalid_settings_are_refused(options: dict[str, object], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        gallery_settings(**{"policies": (), "ratio": None, "clips": 48, **options})  # type: ignore[arg-type]


def test_boxes_of_other_policies_on_a_cache_are_refused(workspace: Workspace) -> None:
    with pytest.raises(SettingsError, match="leave out either --cache or --policy"):
        gallery_in_workspace(workspace, cache="motion-16", policies=["center"])
    with pytest.raises(SettingsError, match="leave out either --cache or --policy, --ratio, --bars"):
        gallery_in_workspace(workspace, cache="motion-16", bars="cut")


def test_the_command_names_the_file_and_wants_a_workspace(
    workspace: Workspace, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.rmtree(workspace.reports, ignore_errors=True)
    with pytest.raises(SystemExit) as end:
        main(["gallery", "-w", str(workspace.root), "--clips", "1"])
    assert end.value.code in (0, None)
    file = Path(capsys.readouterr().out.strip())
    assert file == workspace.reports / "gallery/motion-0.75.png"
    assert matplotlib.image.imread(file).ndim == 3
    with pytest.raises(WorkspaceError, match="there is no mocrop workspace"):
        gallery_in_workspace(Workspace(tmp_path / "nowhere"))


def test_a_clip_of_a_cache_is_called_by_all_its_classes(tmp_path: Path, make_cache: MakeCache) -> None:
    path = make_cache(tmp_path / "c.zarr", label=[0, 0, -1], labels=[[1, 0], [1, 1], [0, 0]], subset=[1, 1, 0])
    labels = {tile.clip: tile.label for tile in cache_gallery(path, clips=48).tiles}
    assert labels == {"Dig/clip0": "Dig", "Dig/clip1": "Dig, Run", "-/clip2": "no class"}
