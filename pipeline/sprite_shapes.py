"""The shapes of the demo's sprites and of the clutter around them: coordinates go in, signed distances come out.

Coordinates (u, v) and distances are in radii of the shape, u to the right and v down; a distance is negative inside.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

Plane = npt.NDArray[np.floating]  # one value per pixel of a patch
Distance = Callable[[Plane, Plane], Plane]


@dataclass(frozen=True)
class Layer:
    """One colour of a drawing; later layers cover earlier ones."""

    distance: Distance
    colour: Literal["body", "dark", "light", "accent"]


Drawing = tuple[Layer, ...]


def _length(u: Plane, v: Plane) -> Plane:
    length: Plane = np.hypot(u, v)
    return length


def _off(values: Plane, middle: float) -> Plane:
    off: Plane = np.abs(values - middle)
    return off


def _both(first: Plane, second: Plane) -> Plane:
    both: Plane = np.maximum(first, second)
    return both


def _either(first: Plane, second: Plane) -> Plane:
    either: Plane = np.minimum(first, second)
    return either


def _disc(u: Plane, v: Plane, x: float, y: float, radius: float) -> Plane:
    return _length(u - x, v - y) - radius


def _ellipse(u: Plane, v: Plane, x: float, y: float, a: float, b: float) -> Plane:
    return (_length((u - x) / a, (v - y) / b) - 1) * min(a, b)


def _box(u: Plane, v: Plane, x: float, half_width: float, half_height: float) -> Plane:
    return _both(_off(u, x) - half_width, _off(v, 0) - half_height)


def _ring(u: Plane, v: Plane, radius: float, half_width: float) -> Plane:
    return _off(_length(u, v), radius) - half_width


def _waves(u: Plane, v: Plane, count: int) -> Plane:
    """A wave around the centre, between -1 and 1."""
    waves: Plane = np.cos(count * np.arctan2(v, u))
    return waves


def _lobes(u: Plane, v: Plane, count: int, radius: float, depth: float) -> Plane:
    """A disc whose rim waves; 0.7 makes up for a rim that is not at right angles to the radius."""
    return (_length(u, v) - radius - depth * _waves(u, v, count)) * 0.7


def _folded(u: Plane, v: Plane, count: int) -> tuple[Plane, Plane]:
    """Turn every one of ``count`` equal sectors onto the first, which lies around the u axis."""
    sector = 2 * np.pi / count
    angle: Plane = np.arctan2(v, u)
    angle -= sector * np.round(angle / sector)
    return _length(u, v) * np.cos(angle), _length(u, v) * np.sin(angle)


def _repeated(values: Plane, period: float) -> Plane:
    """Distance along one axis to the nearest multiple of ``period``."""
    distance: Plane = np.abs(values - period * np.round(values / period))
    return distance


# sprites


def _sprinkles(u: Plane, v: Plane) -> Plane:
    along, across = _folded(u, v, 9)
    return _either(_ellipse(along, across, 0.5, 0.05, 0.12, 0.055), _ellipse(along, across, 0.74, -0.1, 0.055, 0.12))


def _tail(u: Plane, v: Plane) -> Plane:
    return _both(_off(v, 0) * 0.8 + (u + 0.5) * 0.75, -0.9 - u)


def _stripes_of_a_fish(u: Plane, v: Plane) -> Plane:
    stripes = _repeated(u + 0.12 * np.cos(5 * v) - 0.18, 0.36) - 0.07
    return _both(_both(stripes, _ellipse(u, v, 0.12, 0, 0.78, 0.48)), u - 0.3)


def _toothed_wheel(u: Plane, v: Plane) -> Plane:
    along, across = _folded(u, v, 9)
    return _both(_either(_length(u, v) - 0.74, _box(along, across, 0.8, 0.19, 0.15)), 0.3 - _length(u, v))


def _spots_of_a_ladybird(u: Plane, v: Plane) -> Plane:
    side = _off(v, 0)
    return _either(_disc(u, side, 0.12, 0.38, 0.16), _disc(u, side, -0.42, 0.34, 0.19))


def _dots_of_a_starfish(u: Plane, v: Plane) -> Plane:
    along, across = _folded(u, v, 5)
    dots = _either(_disc(along, across, 0.34, 0, 0.09), _disc(along, across, 0.58, 0, 0.075))
    return _either(dots, _length(u, v) - 0.11)


SPRITES: dict[str, Drawing] = {
    "Donut": (
        Layer(lambda u, v: _ring(u, v, 0.63, 0.36), "dark"),
        Layer(lambda u, v: _ring(u, v, 0.63, 0.26) - 0.03 * _waves(u, v, 7), "body"),
        Layer(_sprinkles, "light"),
    ),
    "Fish": (
        Layer(_tail, "accent"),
        Layer(lambda u, v: _ellipse(u, v, 0.05, -0.42, 0.4, 0.3), "accent"),
        Layer(lambda u, v: _ellipse(u, v, 0.12, 0, 0.85, 0.56), "body"),
        Layer(_stripes_of_a_fish, "light"),
        Layer(lambda u, v: _disc(u, v, 0.62, -0.12, 0.17), "light"),
        Layer(lambda u, v: _disc(u, v, 0.66, -0.12, 0.09), "dark"),
    ),
    "Flower": (
        Layer(lambda u, v: _lobes(u, v, 6, 0.7, 0.28), "body"),
        Layer(lambda u, v: _lobes(u, v, 6, 0.42, 0.24), "light"),
        Layer(lambda u, v: _length(u, v) - 0.3, "accent"),
        Layer(lambda u, v: _ring(u, v, 0.3, 0.045), "dark"),
    ),
    "Gear": (
        Layer(_toothed_wheel, "body"),
        Layer(lambda u, v: _ring(u, v, 0.52, 0.09), "dark"),
        Layer(lambda u, v: _ring(u, v, 0.33, 0.05), "light"),
    ),
    "Ladybird": (
        Layer(lambda u, v: _disc(u, v, 0.58, 0, 0.38), "dark"),
        Layer(lambda u, v: _disc(u, _off(v, 0), 0.78, 0.18, 0.1), "light"),
        Layer(lambda u, v: _ellipse(u, v, -0.2, 0, 0.76, 0.76), "body"),
        Layer(_spots_of_a_ladybird, "dark"),
        Layer(lambda u, v: _box(u, v, -0.2, 0.74, 0.045), "dark"),
    ),
    "Starfish": (
        Layer(lambda u, v: _lobes(u, v, 5, 0.6, 0.36), "body"),
        Layer(_dots_of_a_starfish, "light"),
    ),
}


# clutter: an outline, and a texture inside it

OUTLINES: tuple[Distance, ...] = (
    lambda u, v: _length(u, v) - 0.9,
    lambda u, v: _ring(u, v, 0.7, 0.2),
    lambda u, v: _box(u, v, 0, 0.75, 0.6),
    lambda u, v: _box(u, v, 0, 0.95, 0.22),
    lambda u, v: _either(_box(u, v, 0, 0.9, 0.25), _box(u, v, 0, 0.25, 0.9)),
    lambda u, v: _both(_off(u, 0) * 0.87 + v * 0.5, -v) - 0.45,
)
TEXTURES: tuple[Distance, ...] = (
    lambda u, v: _repeated(u, 0.4) - 0.09,
    lambda u, v: _length(_repeated(u, 0.45), _repeated(v, 0.45)) - 0.12,
    lambda u, v: np.sin(8 * u) * np.sin(8 * v) * 0.12,
    lambda u, v: _ring(u, v, 0.35, 0.1),
    lambda u, v: np.full_like(u, np.inf),  # plain
)


def textured(outline: Distance, texture: Distance, colour: Literal["dark", "light", "accent"]) -> Drawing:
    """A piece of clutter: ``texture`` in ``colour`` on a body with a plain rim."""
    return Layer(outline, "body"), Layer(lambda u, v: _both(outline(u, v) + 0.1, texture(u, v)), colour)
