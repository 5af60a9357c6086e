"""Shapes of the demo: coordinates go in, signed distances come out."""

from __future__ import annotations

import numpy as np
import pytest

from mocrop.pipeline.sprite_shapes import OUTLINES, SPRITES, TEXTURES, Distance, Drawing, textured


def inside(drawing: Drawing, u: float, v: float) -> bool:
    """Whether any layer covers a point."""
    at = np.array([u], dtype=np.float32), np.array([v], dtype=np.float32)
    return any(layer.distance(*at)[0] < 0 for layer in drawing)


@pytest.mark.parametrize("kind", SPRITES)
def test_a_sprite_fits_its_radius_and_nearly_fills_it(kind: str) -> None:
    angle = np.linspace(0, 2 * np.pi, 721)
    hit = [[inside(SPRITES[kind], r * np.cos(a), r * np.sin(a)) for a in angle[::4]] for r in (1.01, 0.9)]
    assert not any(hit[0])
    assert any(hit[1])


def test_a_donut_and_a_gear_have_holes_and_the_others_have_none() -> None:
    assert {kind for kind in SPRITES if not inside(SPRITES[kind], 0.0, 0.0)} == {"Donut", "Gear"}


def test_no_two_sprites_cover_the_same_points() -> None:
    grid = [(u, v) for u in np.linspace(-1, 1, 21) for v in np.linspace(-1, 1, 21)]
    outlines = {tuple(inside(drawing, u, v) for u, v in grid) for drawing in SPRITES.values()}
    assert len(outlines) == len(SPRITES)


@pytest.mark.parametrize("texture", TEXTURES)
@pytest.mark.parametrize("outline", OUTLINES)
def test_a_texture_stays_inside_its_outline(outline: Distance, texture: Distance) -> None:
    body, pattern = textured(outline, texture, "dark")
    u, v = np.meshgrid(np.linspace(-1, 1, 41), np.linspace(-1, 1, 41))
    assert np.all(pattern.distance(u, v) >= body.distance(u, v))
