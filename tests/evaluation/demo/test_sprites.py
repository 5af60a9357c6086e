"""The demo's data set: its clips, and the true boxes of their sprites."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mocrop.evaluation.demo import sprites
from mocrop.evaluation.demo.sprites import SCENES, SPRITES, SpriteSettings, SpriteTruth, make_sprites, sprite_paths
from mocrop.pipeline.dataset.clips import find_clips

SMALL = SpriteSettings(classes=2, groups=4, clips_per_group=1, frames=14, width=160, height=120)
FRAME, SCENE, MAX_RADIUS = (320, 240), (576, 432), 32  # pixels


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("sprites")


@pytest.fixture(scope="module")
def made(folder: Path) -> SpriteTruth:
    return make_sprites(folder, SMALL)


def test_the_clips_are_named_as_in_ucf_101_and_every_fourth_group_pans(folder: Path, made: SpriteTruth) -> None:
    names = [f"{kind}/v_{kind}_g{group:02d}_c01" for kind in ("Donut", "Fish") for group in (1, 2, 3, 4)]
    assert [clip.name for clip in find_clips(folder).clips] == names
    assert [name for name, pans in made.panning.items() if pans] == ["Donut/v_Donut_g04_c01", "Fish/v_Fish_g04_c01"]


def test_the_clips_are_mpeg4_with_a_key_frame_every_12_frames_and_no_b_frames(folder: Path, made: SpriteTruth) -> None:
    with av.open(str(folder / "Fish/v_Fish_g01_c01.avi")) as container:
        stream = container.streams.video[0]
        types = "".join(av.video.frame.PictureType(frame.pict_type).name for frame in container.decode(stream))
        assert stream.codec_context.name == "mpeg4"
        assert (stream.width, stream.height, stream.average_rate) == (160, 120, 25)
    assert types == "I" + "P" * 11 + "I" + "P"


def test_every_frame_has_a_box_on_the_picture(made: SpriteTruth) -> None:
    for boxes in made.boxes.values():
        assert len(boxes) == 14
        x, y, w, h = np.array(boxes).T
        assert min(x.min(), y.min()) >= 0
        assert (x + w).max() <= 160
        assert (y + h).max() <= 120
        assert np.minimum(w, h).min() >= 12


def share_of_vectors_on_the_sprite(video: Path, boxes: list[tuple[int, int, int, int]]) -> float:
    """Share of the vectors of half a pixel and more whose block touches the sprite, as it is or as it just was."""
    hits = []
    with av.open(str(video)) as container:
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
            for x, y, w, h in boxes[n - 1 : n + 1]:
                across = np.abs(moving["dst_x"] - (x + w / 2)) <= w / 2 + 8
                on |= across & (np.abs(moving["dst_y"] - (y + h / 2)) <= h / 2 + 8)
            hits.append(on)
    return float(np.concatenate(hits).mean())


@pytest.mark.parametrize("kind", ["Donut", "Fish"])
def test_most_of_what_moves_is_the_sprite_unless_the_camera_pans(folder: Path, made: SpriteTruth, kind: str) -> None:
    still, panning = (
        share_of_vectors_on_the_sprite(folder / f"{name}.avi", made.boxes[name])
        for name in (f"{kind}/v_{kind}_g01_c01", f"{kind}/v_{kind}_g04_c01")
    )
    assert still > 0.75
    assert panning < 0.3


def test_the_same_settings_give_the_same_bytes(folder: Path, made: SpriteTruth, tmp_path: Path) -> None:
    assert make_sprites(tmp_path, SMALL) == made
    for name in made.boxes:
        assert (tmp_path / f"{name}.avi").read_bytes() == (folder / f"{name}.avi").read_bytes()


def test_every_class_has_as_many_clips_in_each_scene_as_any_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    met: Counter[tuple[str, int]] = Counter()
    scenes = iter(range(SCENES))
    monkeypatch.setattr(sprites, "clutter", lambda *_: next(scenes))
    monkeypatch.setattr(sprites, "_frames", lambda scene, *_, pans: scene)
    monkeypatch.setattr(sprites, "write_clip", lambda path, scene: met.update([(path.parent.name, scene)]))
    make_sprites(tmp_path, SpriteSettings())
    assert met == {(kind, scene): 4 for kind in SPRITES for scene in range(SCENES)}


@given(st.integers(0, 10_000), st.integers(2, 200), st.booleans())
def test_the_sprite_is_whole_on_every_frame_and_the_frame_in_the_scene(seed: int, frames: int, pans: bool) -> None:
    camera, centre = sprite_paths(FRAME, SCENE, frames, np.random.default_rng(seed), pans=pans)
    assert camera.shape == centre.shape == (frames, 2)
    assert np.all(centre - MAX_RADIUS >= 0)
    assert np.all(centre + MAX_RADIUS <= FRAME)
    assert np.all(camera >= 0)
    assert np.all(camera + FRAME <= SCENE)


@given(st.integers(0, 10_000))
def test_a_still_camera_has_the_sprite_off_the_centre_and_a_panning_one_near_it(seed: int) -> None:
    camera, centre = sprite_paths(FRAME, SCENE, 60, np.random.default_rng(seed), pans=False)
    middle = (centre.max(axis=0) + centre.min(axis=0)) / 2
    assert np.all(camera == camera[0])
    assert np.all(np.abs(middle - np.array(FRAME) / 2) >= np.array([0.15, 0.06]) * FRAME)
    camera, centre = sprite_paths(FRAME, SCENE, 40, np.random.default_rng(seed), pans=True)
    assert np.abs(np.diff(camera[:, 0])).mean() > 1
    assert np.all(np.abs(centre - np.array(FRAME) / 2) <= 0.13 * np.array(FRAME))


def test_no_two_sprites_have_the_same_outline() -> None:
    v, u = np.mgrid[-1:1:21j, -1:1:21j]
    outlines = {np.min([shape(u, v) for _, shape in drawing], axis=0).tobytes() for drawing in SPRITES.values()}
    inside = {(np.frombuffer(outline) <= 0).tobytes() for outline in outlines}
    assert len(inside) == len(SPRITES) == 6
