"""The demo's data set: settings go in, clips and the true boxes of their sprites come out."""

from __future__ import annotations

import json
from pathlib import Path

import av
import numpy as np
import pytest

from mocrop.pipeline.dataset.clips import find_clips
from mocrop.pipeline.sprite_art import SHADOW_PX, paint_scene
from mocrop.pipeline.sprites import SCENES, TRUTH_FILE, SpriteSettings, SpriteTruth, make_sprites, view

SMALL = SpriteSettings(classes=2, groups=2, clips_per_group=1, frames=14, width=160, height=120, panning_every=2)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> SpriteTruth:
    return make_sprites(tmp_path_factory.mktemp("sprites") / "demo", SMALL)


def test_the_folders_and_names_are_those_of_ucf_101(made: SpriteTruth) -> None:
    found = find_clips(made.dataset)
    assert [clip.path for clip in found.clips] == [
        "Donut/v_Donut_g01_c01.avi",
        "Donut/v_Donut_g02_c01.avi",
        "Fish/v_Fish_g01_c01.avi",
        "Fish/v_Fish_g02_c01.avi",
    ]
    assert found.findings == ()


def test_the_clips_are_mpeg4_with_a_key_frame_every_12_frames_and_no_b_frames(made: SpriteTruth) -> None:
    with av.open(str(made.dataset / "Fish/v_Fish_g01_c01.avi")) as container:
        stream = container.streams.video[0]
        types = "".join(av.video.frame.PictureType(frame.pict_type).name for frame in container.decode(stream))
        assert stream.codec_context.name == "mpeg4"
        assert (stream.width, stream.height, stream.average_rate) == (160, 120, 25)
    assert types == "I" + "P" * 11 + "I" + "P"


def test_boxes_lie_on_the_picture_and_the_file_says_what_the_program_knows(made: SpriteTruth) -> None:
    text = json.loads((made.dataset.parent / TRUTH_FILE).read_text())
    assert set(text) == set(made.boxes) == {clip.name for clip in find_clips(made.dataset).clips}
    for name, (tube,) in text.items():
        assert (tube["start"], tube["stop"]) == (0, 14)
        assert [tuple(box) for box in tube["boxes"]] == made.boxes[name]
        for x, y, w, h in tube["boxes"]:
            assert x >= 0 <= y
            assert x + w <= 160
            assert y + h <= 120
            assert min(w, h) >= 12


def test_every_second_group_pans_if_asked_for(made: SpriteTruth) -> None:
    assert {name[-7:-4] for name, pans in made.panning.items() if pans} == {"g02"}
    assert not any(SpriteSettings(panning_every=0).pans(group) for group in range(1, 9))
    assert [group for group in range(1, 9) if SpriteSettings().pans(group)] == [4, 8]


def share_of_vectors_on_the_sprite(made: SpriteTruth, name: str) -> float:
    """Share of the vectors of half a pixel and more whose block touches the sprite, as it is or as it just was."""
    hits = []
    with av.open(str(made.dataset / f"{name}.avi")) as container:
        stream = container.streams.video[0]
        stream.codec_context.options = {"flags2": "+export_mvs"}
        stream.codec_context.thread_count = 1
        for n, frame in enumerate(container.decode(stream)):
            side_data = frame.side_data.get("MOTION_VECTORS")
            if side_data is None:
                continue
            vectors = side_data.to_ndarray()
            moving = vectors[np.hypot(vectors["motion_x"], vectors["motion_y"]) / vectors["motion_scale"] >= 0.5]
            on = np.zeros(len(moving), dtype=bool)
            for x, y, w, h in made.boxes[name][n - 1 : n + 1]:
                across = np.abs(moving["dst_x"] - (x + w / 2)) <= w / 2 + 8 + SHADOW_PX[1]
                on |= across & (np.abs(moving["dst_y"] - (y + h / 2)) <= h / 2 + 8 + SHADOW_PX[0])
            hits.append(on)
    return float(np.concatenate(hits).mean())


@pytest.mark.parametrize("kind", ["Donut", "Fish"])
def test_most_of_what_moves_is_the_sprite_unless_the_camera_pans(made: SpriteTruth, kind: str) -> None:
    assert share_of_vectors_on_the_sprite(made, f"{kind}/v_{kind}_g01_c01") > 0.75
    assert share_of_vectors_on_the_sprite(made, f"{kind}/v_{kind}_g02_c01") < 0.3


def test_the_same_settings_give_the_same_bytes_and_another_seed_gives_others(made: SpriteTruth, tmp_path: Path) -> None:
    again = make_sprites(tmp_path / "again", SMALL)
    names = [f"{name}.avi" for name in made.boxes]
    assert all((again.dataset / name).read_bytes() == (made.dataset / name).read_bytes() for name in names)
    other = make_sprites(tmp_path / "other", SpriteSettings(classes=1, groups=1, clips_per_group=1, frames=2, seed=1))
    assert other.boxes["Donut/v_Donut_g01_c01"] != made.boxes["Donut/v_Donut_g01_c01"][:2]


def test_every_class_has_as_many_clips_in_each_scene_as_any_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    met: dict[str, list[int]] = {}

    def render(scene: object, settings: SpriteSettings, *, kind: str, group: int, clip: int) -> list[object]:
        met.setdefault(kind, []).append(int(np.asarray(scene)[0, 0, 0]))
        return []

    scenes = iter(range(SCENES))
    monkeypatch.setattr("mocrop.pipeline.sprites.paint_scene", lambda *_: np.full((1, 1, 3), next(scenes)))
    monkeypatch.setattr("mocrop.pipeline.sprites.render_clip", render)
    monkeypatch.setattr("mocrop.pipeline.sprites._write_clip", lambda *_: [])
    make_sprites(tmp_path / "demo", SpriteSettings())
    assert {tuple(sorted(used)) for used in met.values()} == {tuple(np.repeat(range(SCENES), 4))}


def test_nothing_is_there_if_the_making_is_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stopped(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("mocrop.pipeline.sprites._write_clip", stopped)
    with pytest.raises(KeyboardInterrupt):
        make_sprites(tmp_path / "demo", SMALL)
    assert not (tmp_path / "demo").exists()
    monkeypatch.undo()
    assert len(find_clips(make_sprites(tmp_path / "demo", SMALL).dataset).clips) == 4
    assert [path.name for path in tmp_path.iterdir()] == ["demo"]


def test_a_folder_that_is_there_is_left_alone(tmp_path: Path) -> None:
    with pytest.raises(FileExistsError):
        make_sprites(tmp_path, SMALL)


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("classes", 0),
        ("classes", 7),
        ("groups", 0),
        ("clips_per_group", 0),
        ("frames", 1),
        ("width", 62),
        ("width", 161),
        ("height", 62),
        ("panning_every", -1),
        ("seed", -1),
    ],
)
def test_a_setting_that_cannot_be_is_named(setting: str, value: int) -> None:
    with pytest.raises(ValueError, match=setting):
        SpriteSettings(**{setting: value})


def test_a_view_between_pixels_is_the_mean_of_its_neighbours() -> None:
    scene = np.repeat(np.arange(0, 80, 10, dtype=np.uint8)[None, :, None], 6, axis=0).repeat(3, axis=2)
    assert view(scene, np.array([2.0, 1.0]), (4, 4))[0, :, 0].tolist() == [20, 30, 40, 50]
    assert view(scene, np.array([2.5, 1.5]), (4, 4))[0, :, 0].tolist() == [25, 35, 45, 55]
    assert view(scene, np.array([4.0, 2.0]), (4, 4))[0, :, 0].tolist() == [40, 50, 60, 70]


def test_a_view_does_not_share_its_pixels_with_the_scene() -> None:
    scene = paint_scene(80, 60, np.random.default_rng(0))
    kept = scene.copy()
    view(scene, np.array([3.0, 3.0]), (64, 48))[...] = 0
    assert np.array_equal(scene, kept)
