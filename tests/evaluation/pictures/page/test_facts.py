"""What the page says of each clip: facts, boxes, crops and answers."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from mocrop.evaluation.pictures.page.clips import PageClip, workspace_source
from mocrop.evaluation.pictures.page.command import page_in_workspace
from mocrop.evaluation.pictures.page.motion_view import camera_curve, motion_facts
from mocrop.evaluation.pictures.page.settings import PageSettings
from mocrop.evaluation.pictures.page.sheet import Row, make_sheet
from mocrop.evaluation.pictures.page.values import detail, entry, head
from mocrop.evaluation.scores.predictions import Origin, Predictions, write_predictions
from mocrop.pipeline.cache.crop_cache import CropCache
from mocrop.pipeline.errors import CacheError, PredictionsError, SettingsError
from mocrop.pipeline.motion.clip_motion import ClipMotion
from mocrop.pipeline.terminal import LineConsole
from mocrop.pipeline.workspace.paths import Workspace
from tests.conftest import mocrop
from tests.evaluation.pictures.page.conftest import data_of, detail_of

MakeCache = Callable[..., Path]
QUIET = LineConsole(quiet=True)


def clips_of(workspace: Workspace, **settings: Any) -> dict[str, PageClip]:
    """The clips of a page by the end of their names."""
    return {
        clip.listed.name.partition("_")[2]: clip
        for clip in workspace_source(workspace, PageSettings(**settings)).clips()
    }


def one_block(*, step_px: int, camera_px: float = 0) -> ClipMotion:
    """A key frame of 64x48 and a frame in which one block of 16x16 moves right, the other eleven not at all."""
    camera = np.array([[0] * 6, [camera_px, 0, 0, 0, 0, 0]], np.float32)
    return ClipMotion(
        width=64,
        height=48,
        vectors_per_frame=np.array([0, 1], np.int32),
        x=np.array([24], np.int16),
        y=np.array([24], np.int16),
        dx=np.array([4 * step_px], np.int16),
        dy=np.array([0], np.int16),
        w=np.array([16], np.uint8),
        h=np.array([16], np.uint8),
        ref=np.array([-1], np.int8),
        zero_vectors=np.array([0, 11], np.int32),
        frame_type=np.array([1, 2], np.uint8),
        camera=camera,
        camera_support=np.array([0, 0.75], np.float32),
    )


def test_own_motion_is_the_speed_of_what_moves_by_itself_averaged_over_the_picture() -> None:
    facts = motion_facts(one_block(step_px=2))
    assert facts.own_px == pytest.approx(2 / 12)  # one block of twelve, in the one frame that has vectors
    assert (facts.still, facts.camera_px) == (True, 0)


def test_what_goes_with_the_camera_is_no_own_motion() -> None:
    facts = motion_facts(one_block(step_px=2, camera_px=2))
    assert facts.own_px == 0
    assert (facts.still, facts.camera_px) == (False, 2)


def test_the_curve_of_the_camera_has_the_frames_that_have_vectors() -> None:
    curve = camera_curve(one_block(step_px=2, camera_px=2))
    assert curve == {"frames": 2, "number": [1], "speed": [2.0], "share": [0.75]}


def test_without_options_all_caches_of_the_workspace_stand_side_by_side(workspace: Workspace) -> None:
    source = workspace_source(workspace, PageSettings())
    assert source.ways == ["center-32", "motion-32"]
    clip = clips_of(workspace)["Run_g01_c01"]
    cache = CropCache(workspace.cache("motion-32"))
    row = cache.clip.index(clip.listed.name)
    center, motion = clip.crops
    assert center.boxes[0].area == pytest.approx(0.5, abs=0.01)
    assert motion.boxes[0].edges == pytest.approx(tuple(cache.slot_box[row, 0]))
    assert clip.frames == (0, 12, 24)
    assert [picture.shape for picture in clip.pictures] == [(48, 64, 3)] * 3
    stored = np.asarray(cache.open_frames()[row, 1].read().result()).transpose(1, 2, 0)
    assert np.array_equal(motion.pictures[1], stored)


def test_policies_cut_their_boxes_out_of_the_frames(workspace: Workspace) -> None:
    clip = clips_of(workspace, policies=("center", "follow"), ratio=0.25)["Run_g01_c01"]
    center, follow = clip.crops
    left, top, right, bottom = center.boxes[1].pixels(64, 48)
    assert np.array_equal(center.pictures[1], clip.pictures[1][top:bottom, left:right])
    assert not center.moves
    assert follow.moves
    made = entry(clip, None)["crops"]
    assert [len(crops["boxes"]) for crops in made] == [1, 6]  # a box that does not move is said once
    assert made[0]["off"] == 0
    assert made[0]["area"] == pytest.approx(0.25, abs=0.01)
    assert made[1]["path"]


def test_a_still_clip_is_a_whole_frame_and_one_that_is_no_video_says_why(workspace: Workspace) -> None:
    clips = clips_of(workspace)
    still, broken = entry(clips["Dig_g01_c01"], None), entry(clips["Dig_g02_c01"], None)
    assert [crops["state"] for crops in still["crops"]] == ["cropped", "whole frame"]
    assert (still["still"], still["motion"]) == (True, 0)
    assert [crops["state"] for crops in broken["crops"]] == ["failed", "failed"]
    assert (broken["still"], broken["motion"]) == (None, None)
    assert "finds no video" in broken["words"]
    assert "not-a-video" in broken["reasons"]
    notes = detail(clips["Dig_g02_c01"])["notes"]
    assert [note["stage"] for note in notes] == ["extract-mv", "precrop:center-32", "precrop:motion-32"]
    assert all(note["failed"] for note in notes)


def test_subsets_and_classes_are_those_of_the_manifest(workspace: Workspace) -> None:
    source = workspace_source(workspace, PageSettings())
    assert source.class_names == ["Dig", "Run"]
    found = {clip.name: (clip.labels, clip.subsets) for clip in source.listed}
    assert found["Run/v_Run_g01_c01"][0] == (1,)
    assert {subsets for _, subsets in found.values()} <= {(0,), (1,), (2,)}
    assert {(1,), (2,)} <= {subsets for _, subsets in found.values()}


def test_no_more_clips_than_asked_for_evenly_over_the_classes(workspace: Workspace) -> None:
    chosen = workspace_source(workspace, PageSettings(clips=2)).chosen()
    assert [clip.labels for clip in chosen] == [(0,), (1,)]


def test_crops_of_other_frames_say_their_numbers(workspace: Workspace, make_cache: MakeCache, tmp_path: Path) -> None:
    path = make_cache(tmp_path / "a.zarr", label=[0, 1])
    other = make_cache(tmp_path / "b.zarr", label=[0, 1], used=[2, 4])
    source = workspace_source(Workspace(tmp_path / "nowhere"), PageSettings(caches=(str(path), str(other))))
    first, second = (entry(clip, None) for clip in source.clips())
    assert first["frames"] == [0, 1, 2, 3]
    assert [crops["numbers"] for crops in first["crops"]] == [None, [0, 1, 1, 1]]
    assert [crops["numbers"] for crops in second["crops"]] == [None, None]


def test_a_cache_without_a_workspace_shows_its_crops(make_cache: MakeCache, tmp_path: Path) -> None:
    path = make_cache(tmp_path / "full-8.zarr", label=[1, 0, 0], state=[1, 2, 3], used=[4, 4, 0])
    nowhere = Workspace(tmp_path / "nowhere")
    drawn = page_in_workspace(nowhere, PageSettings(caches=(str(path),)), output=tmp_path / "page", console=QUIET)
    assert drawn.failed == 0  # the page shows what the cache says of the failed one
    data = data_of(drawn.file)
    assert [clip["name"] for clip in data["list"]] == ["Dig/clip1", "Dig/clip2", "Run/clip0"]
    assert [clip["crops"][0]["state"] for clip in data["list"]] == ["whole frame", "failed", "cropped"]
    assert [clip["sheet"] is None for clip in data["list"]] == [False, True, False]
    assert data["list"][0]["sheet"][2] == [None, [0, 128, 128]]


def test_damaged_and_missing_crops_say_so(
    make_cache: MakeCache, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = make_cache(tmp_path / "full-8.zarr", label=[0, 0, 0, 1], clips_per_shard=3)
    content = bytearray(CropCache(path).shard_file(0).read_bytes())
    content[5] ^= 1
    CropCache(path).shard_file(0).write_bytes(content)
    CropCache(path).shard_file(1).unlink()
    source = workspace_source(Workspace(tmp_path / "nowhere"), PageSettings(caches=(str(path),)))
    words = [entry(clip, None)["crops"][0]["why"] for clip in source.clips()]
    assert "damaged; see `mocrop verify`" in words[0]
    assert words[1:3] == ["", ""]
    assert "gone; see `mocrop verify`" in words[3]
    place = ["-w", tmp_path / "nowhere", "-o", tmp_path / "page"]
    assert mocrop("gallery", "--html", "--cache", path, *place) == 3
    assert "2 clips could not be read, and the page says why: Dig/clip0, Run/clip3" in capsys.readouterr().err


def test_ways_say_what_area_their_boxes_have_if_they_have_one(workspace: Workspace) -> None:
    def words(**settings: Any) -> list[str]:
        source = workspace_source(workspace, PageSettings(**settings))
        return [way["words"] for way in head(source, clips=5)["ways"]]

    assert words(policies=("full", "motion")) == ["", "75 % of the frame"]
    assert words(policies=("center",), ratio=0.5, bars="cut") == ["50 % of the picture inside bars"]
    assert words() == ["center, 50 % of the frame, 32 px", "motion, 50 % of the frame, 32 px"]


# sheets


def test_a_sheet_has_a_row_of_frames_and_one_of_crops_for_each_way() -> None:
    red, blue = (np.full((48, 64, 3), colour, np.uint8) for colour in ((250, 0, 0), (0, 0, 250)))
    green = np.full((30, 60, 3), (0, 250, 0), np.uint8)
    sheet = make_sheet([[red, blue], [], [green, green]])
    assert sheet is not None
    assert sheet.rows == (Row(top=0, width=256, height=192), None, Row(top=192, width=128, height=64))
    assert (sheet.width, sheet.height) == (512, 256)
    picture = np.asarray(Image.open(io.BytesIO(sheet.jpeg)))
    assert picture.shape == (256, 512, 3)
    for (x, y), colour in {(255, 100): 0, (256, 100): 2, (130, 250): 1}.items():
        assert int(picture[y, x].argmax()) == colour
    assert make_sheet([[], []]) is None


# answers


def predictions(clips: list[str], **changed: Any) -> Predictions:
    """Answers of a network that says Dig with odds of 3 to 1."""
    logits = np.tile(np.log(np.array([3, 1], np.float32)), (len(clips), 1))
    origin = Origin(
        checkpoint="best.pt",
        checkpoint_hash="0",
        arch="resnet50",
        epoch=1,
        trained_on={"name": "motion-32"},
        cache={"name": "motion-32"},
        segments=8,
    )
    return Predictions(
        **{
            "clips": tuple(clips),
            "labels": np.array([0 if "Dig" in clip else 1 for clip in clips], np.int64),
            "groups": np.full(len(clips), -1, np.int32),
            "logits": logits,
            "class_names": ("Dig", "Run"),
            "split": "1",
            "origin": origin,
            **changed,
        }
    )


def test_answers_are_right_or_wrong_and_have_a_confidence(workspace: Workspace, tmp_path: Path) -> None:
    write_predictions(predictions(["Dig/v_Dig_g01_c01", "Run/v_Run_g02_c01"]), tmp_path / "r.1.npz")
    (tmp_path / "r.1.json").write_text("{}")
    for name in ("r.1.npz", "r.1.json"):
        clips = clips_of(workspace, report=tmp_path / name)
        assert entry(clips["Dig_g01_c01"], None)["answer"] == ["Dig", 0.75, True]
        assert entry(clips["Run_g02_c01"], None)["answer"] == ["Dig", 0.75, False]
        assert entry(clips["Run_g01_c01"], None)["answer"] is None
        assert detail(clips["Run_g02_c01"])["top"] == [["Dig", 0.75], ["Run", 0.25]]


def test_answers_on_other_clips_and_of_several_labels_are_refused(workspace: Workspace, tmp_path: Path) -> None:
    write_predictions(predictions(["Dig/other"]), tmp_path / "other.npz")
    with pytest.raises(PredictionsError, match="has answers on none of these clips"):
        workspace_source(workspace, PageSettings(report=tmp_path / "other.npz"))
    several = predictions(["Dig/v_Dig_g01_c01"], marks=np.array([[1, 1]], np.uint8))
    write_predictions(several, tmp_path / "several.npz")
    with pytest.raises(PredictionsError, match="no answer is right or wrong"):
        workspace_source(workspace, PageSettings(report=tmp_path / "several.npz"))
    with pytest.raises(PredictionsError, match="there are no predictions"):
        workspace_source(workspace, PageSettings(report=tmp_path / "none.json"))


def test_what_does_not_go_together_is_refused(workspace: Workspace, make_cache: MakeCache, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="leave out either --cache or --policy"):
        PageSettings(caches=("motion-32",), ratio=0.5)
    with pytest.raises(SettingsError, match="there is no policy 'nope'"):
        PageSettings(policies=("nope",))
    with pytest.raises(CacheError, match="there is no crop cache 'nope'"):
        workspace_source(workspace, PageSettings(caches=("nope",)))
    other = make_cache(tmp_path / "other.zarr", label=[0])
    with pytest.raises(SettingsError, match="has none of the 5 clips"):
        workspace_source(workspace, PageSettings(caches=(str(other),)))


def test_the_view_of_a_clip_has_density_arrows_and_the_curve(workspace: Workspace, tmp_path: Path) -> None:
    index = page_in_workspace(workspace, PageSettings(), output=tmp_path / "page", console=QUIET).file
    number = [clip["name"] for clip in data_of(index)["list"]].index("Run/v_Run_g01_c01")
    found = detail_of(index, number)
    assert found["density"][0] is None  # of the centre
    assert (found["density"][1]["rows"], found["density"][1]["cols"]) == (6, 8)
    assert [frame["number"] for frame in found["arrows"]["frames"]] == [1, 13, 25]
    assert len(found["arrows"]["frames"][0]["arrows"]) % 5 == 0
    assert found["camera"]["frames"] == 27
