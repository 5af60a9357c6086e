"""Drawing: shapes and places go in, pixels and boxes come out."""

from __future__ import annotations

import numpy as np
import pytest

from mocrop.pipeline.sprite_art import SENSOR_NOISE, Paint, Place, draw, paint_scene, sensor_noise
from mocrop.pipeline.sprite_shapes import SPRITES, Layer

PAINT = Paint.of_hue(0.0)
DISC = (Layer(lambda u, v: np.hypot(u, v) - 1, "body"),)


def white(width: int = 64, height: int = 48) -> np.ndarray[tuple[int, int, int], np.dtype[np.uint8]]:
    return np.full((height, width, 3), 255, dtype=np.uint8)


def at(x: float, y: float, *, radius: float = 10, heading: float = 0) -> Place:
    return Place(x=x, y=y, radius=radius, heading=heading)


def test_the_box_of_a_disc_is_its_diameter_around_its_centre() -> None:
    assert draw(white(), DISC, PAINT, at(30, 20)) == (20, 10, 20, 20)


def test_a_box_ends_where_the_picture_ends() -> None:
    assert draw(white(), DISC, PAINT, at(0, 0)) == (0, 0, 10, 10)
    assert draw(white(), DISC, PAINT, at(64, 48)) == (54, 38, 10, 10)


@pytest.mark.parametrize(("x", "y"), [(-50, 20), (200, 20), (30, -50), (30, 200), (-11.5, 20)])
def test_what_lies_outside_the_picture_has_a_box_without_area(x: float, y: float) -> None:
    picture = white()
    assert draw(picture, DISC, PAINT, at(x, y))[2:] == (0, 0)
    assert np.all(picture == 255)


def test_only_pixels_of_the_drawing_and_its_shadow_change() -> None:
    picture = white()
    draw(picture, DISC, PAINT, at(30, 20))
    changed = np.argwhere(np.any(picture != 255, axis=2))
    assert changed.min(axis=0).tolist() == [10, 20]
    assert np.all(changed.max(axis=0) <= [20 + 10 + 5, 30 + 10 + 6])


def test_the_middle_of_a_red_disc_is_red_and_its_rim_is_dark() -> None:
    picture = white()
    draw(picture, DISC, Paint.of_hue(0.0), at(30.5, 20.5, radius=16))
    red, green, blue = picture[20, 30].astype(int)
    assert red > 200 > 100 > max(green, blue)
    assert picture[20, 15].max() < 150


def test_a_sprite_that_turns_round_is_mirrored_and_not_upside_down() -> None:
    right, left = np.zeros_like(white()), np.zeros_like(white())
    x, y, w, h = draw(right, SPRITES["Fish"], PAINT, at(32, 24, radius=20))
    assert draw(left, SPRITES["Fish"], PAINT, at(32, 24, radius=20, heading=np.pi)) == (64 - x - w, y, w, h)
    silhouette = np.any(right > 0, axis=2)
    assert np.array_equal(np.any(left > 0, axis=2), silhouette[:, ::-1])
    assert not np.array_equal(silhouette, silhouette[::-1])


def test_edges_are_soft() -> None:
    picture = np.zeros((48, 64, 3), dtype=np.uint8)
    draw(picture, DISC, Paint(body=(200, 0, 0), dark=(400, 0, 0), light=(0, 0, 0), accent=(0, 0, 0)), at(30.5, 20))
    row = picture[19, :, 0].astype(int)
    assert 60 < row[20] < 140 < row[21]


def test_a_scene_is_cluttered_everywhere_and_depends_on_its_generator_alone() -> None:
    first, again, other = (paint_scene(160, 120, np.random.default_rng(seed)) for seed in (0, 0, 1))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)
    quarters = [half for rows in np.split(first, 2) for half in np.split(rows, 2, axis=1)]
    assert all(quarter.std() > 15 for quarter in quarters)


def test_noise_changes_no_pixel_by_more_than_it_says_and_wraps_nowhere() -> None:
    scene = paint_scene(160, 120, np.random.default_rng(0))
    noisy = scene + sensor_noise(160, 120, np.random.default_rng(0))
    difference = noisy.astype(int) - scene
    assert np.abs(difference).max() == SENSOR_NOISE
