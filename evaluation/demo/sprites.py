"""The demo's data set: clips with moving sprites, and the true boxes of these.

The clips resemble UCF-101: MPEG-4 Part 2 in AVI, ``Class/v_Class_g01_c01.avi``. Only the sprite shows the class: all
classes share the same scenes, and colours, sizes and paths are drawn from the same distributions. In most groups the
camera stands still, and the sprite, off centre, is all that moves; in the others the camera pans and keeps the sprite
near the centre, so that everything else moves.
"""

from __future__ import annotations

import colorsys
import functools
import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from mocrop.evaluation.demo.data_set import Box, Picture, write_clip

Plane = npt.NDArray[np.float64]  # one value per pixel
Distance = Callable[[Plane, Plane], Plane]  # of points (u, v), in radii of the shape, v down; negative inside

SCENES = 6  # every class has the same number of clips in each
SCENE_SCALE = 1.8  # side of a scene in sides of a frame: room to pan
PANNING_EVERY = 4  # the camera pans in every so many-th group
RADIUS = (0.085, 0.1)  # of a sprite in widths of a frame
CLUTTER_RADIUS_PX, PIXELS_PER_CLUTTER = (9, 44), 1800
INK, INK_COLOUR = 0.08, (30, 25, 35)  # dark rim around every shape, in radii


@dataclass(frozen=True, kw_only=True)
class SpriteSettings:
    """How many clips, and of which size."""

    classes: int = 6
    groups: int = 8  # per class
    clips_per_group: int = 3
    frames: int = 40
    width: int = 320  # pixels
    height: int = 240  # pixels

    @property
    def scene_size(self) -> tuple[int, int]:
        """Width and height of a scene in pixels."""
        return round(SCENE_SCALE * self.width), round(SCENE_SCALE * self.height)


@dataclass(frozen=True, kw_only=True)
class SpriteTruth:
    """Ground truth of the clips; keys are their names, such as "Fish/v_Fish_g01_c01"."""

    boxes: dict[str, list[Box]]  # one per frame, around the sprite
    panning: dict[str, bool]  # whether the camera pans


def make_sprites(folder: Path, settings: SpriteSettings) -> SpriteTruth:
    """Write ``folder/<Class>/v_<Class>_gNN_cMM.avi``; the same settings give the same bytes."""
    truth = SpriteTruth(boxes={}, panning={})
    scenes = [clutter(*settings.scene_size, np.random.default_rng([0, n])) for n in range(SCENES)]
    numbers = itertools.product(
        range(1, settings.groups + 1),
        itertools.islice(enumerate(SPRITES), settings.classes),
        range(1, settings.clips_per_group + 1),
    )
    for group, (label, kind), clip in numbers:
        name = f"{kind}/v_{kind}_g{group:02d}_c{clip:02d}"
        scene = scenes[(group * settings.clips_per_group + clip) % SCENES]
        pans, rng = group % PANNING_EVERY == 0, np.random.default_rng([0, group, label, clip])
        frames = _frames(scene, settings, SPRITES[kind], rng, pans=pans)
        truth.boxes[name] = write_clip(folder / f"{name}.avi", frames)
        truth.panning[name] = pans
    return truth


def _frames(
    scene: Picture, settings: SpriteSettings, sprite: Drawing, rng: np.random.Generator, *, pans: bool
) -> Iterator[tuple[Picture, Box]]:
    """Frames, uint8 (height, width, 3), each with the box of its sprite."""
    size = settings.width, settings.height
    camera, centre = sprite_paths(size, settings.scene_size, settings.frames, rng, pans=pans)
    colours, radius = colours_around(rng.random(), 0.8, 0.93), rng.uniform(*RADIUS) * settings.width
    headings = np.arctan2(*np.gradient(centre, axis=0).T[::-1])
    for (left, top), (x, y), heading in zip(camera, centre, headings, strict=True):
        picture = scene[top : top + settings.height, left : left + settings.width].copy()
        yield picture, draw_sprite(picture, sprite, colours, x=x, y=y, radius=radius, heading=heading)


def sprite_paths(
    size: tuple[int, int], scene: tuple[int, int], frames: int, rng: np.random.Generator, *, pans: bool
) -> tuple[npt.NDArray[np.int64], Plane]:
    """Paths of camera and sprite: it circles off centre before a still camera, or a panning camera follows it.

    Args:
        size, scene: width and height in pixels of a frame and of the scene.
    Returns: top left corner of each frame in the scene and centre of the sprite in the frame, (x, y), both (frames, 2).
    """
    frame, half_room = np.array(size), (np.array(scene) - size) / 2
    if pans:
        start, speed = rng.uniform([-0.8, 0], [-0.2, 2 * np.pi]), [rng.uniform(0.018, 0.028), 0.05]
        camera = half_room * (1 + np.sin(start + np.arange(frames)[:, None] * speed) * [rng.choice([-1, 1]), 0.5])
        offset, extent = rng.uniform(-0.06, 0.06, 2), rng.uniform(0.03, 0.06, 2)
    else:
        camera = np.tile(half_room * rng.uniform(0, 2, 2), (frames, 1))
        offset, extent = rng.choice([-1, 1], 2) * rng.uniform([0.19, 0.12], [0.25, 0.2]), rng.uniform(0.08, 0.12, 2)
    turn = np.arange(frames) * (rng.choice([-1, 1]) * 2 * np.pi / rng.uniform(36, 56)) + rng.uniform(0, 2 * np.pi)
    rounds = np.stack([np.cos(turn), np.sin(turn)], axis=1)
    return camera.astype(np.int64), (0.5 + offset + extent * rounds) * frame


# pixels


def colours_around(hue: float, saturation: float, value: float) -> dict[str, Plane]:
    """Four RGB colours, 0 to 255, around one hue, in turns."""
    shades = {
        "body": (hue, saturation, value),
        "dark": (hue + 0.03, saturation, 0.42 * value),
        "light": (hue - 0.02, 0.22 * saturation, value + 0.05),
        "accent": (hue + 0.45, saturation, value),
    }
    return {name: 255 * np.array(colorsys.hsv_to_rgb(h % 1, s, v)) for name, (h, s, v) in shades.items()}


def draw_sprite(
    picture: Picture, drawing: Drawing, colours: dict[str, Plane], *, x: float, y: float, radius: float, heading: float
) -> Box:
    """Draw in place around (x, y), turned by ``heading``; returns the box of the visible part."""
    left, top = max(0, int(x - radius)), max(0, int(y - radius))
    patch = picture[top : int(y + radius + 2), left : int(x + radius + 2)]
    rows, columns = np.indices(patch.shape[:2])
    point = ((columns + left + 0.5 - x) + 1j * (rows + top + 0.5 - y)) / radius * np.exp(-1j * heading)
    distances = [distance(point.real, point.imag) for _, distance in drawing]
    outline = functools.reduce(np.minimum, distances)
    paints = [*(colours[colour] for colour, _ in drawing), np.array(INK_COLOUR)]
    painted = patch.astype(np.float64)
    for distance, paint in zip([*distances, np.abs(outline + INK / 2) - INK / 2], paints, strict=True):
        cover = np.clip(0.5 - radius * distance, 0, 1)[..., None]  # share of each pixel that lies inside
        painted += cover * (paint - painted)
    patch[...] = painted
    (y0, y1), (x0, x1) = ((int(hit.min()), int(hit.max())) for hit in np.nonzero(outline <= 0))
    return left + x0, top + y0, x1 - x0 + 1, y1 - y0 + 1


def clutter(width: int, height: int, rng: np.random.Generator) -> Picture:
    """A cluttered background, with duller colours than the sprites' and other shapes."""
    scene = np.full((height, width, 3), rng.uniform(110, 170, 3)).astype(np.uint8)
    sizes = np.sort(rng.uniform(*CLUTTER_RADIUS_PX, width * height // PIXELS_PER_CLUTTER))[
        ::-1
    ]  # large ones first, so that small ones cover them
    for radius in sizes:
        colours = colours_around(rng.random(), rng.uniform(0.1, 0.45), rng.uniform(0.4, 0.85))
        drawing = CLUTTER[rng.integers(len(CLUTTER))]
        x, y, heading = rng.uniform(0, width), rng.uniform(0, height), rng.uniform(-1.5, 1.5)
        draw_sprite(scene, drawing, colours, x=x, y=y, radius=radius, heading=heading)
    return np.clip(scene + rng.normal(0, 2.5, (height, width, 1)), 0, 255).astype(np.uint8)


# shapes


def _disc(x: float, y: float, radius: float) -> Distance:
    return lambda u, v: np.hypot(u - x, v - y) - radius


def _ellipse(x: float, a: float, b: float) -> Distance:
    return lambda u, v: (np.hypot((u - x) / a, v / b) - 1) * min(a, b)


def _ring(radius: float, half_width: float) -> Distance:
    return lambda u, v: np.abs(np.hypot(u, v) - radius) - half_width


def _box(x: float, half_width: float, half_height: float) -> Distance:
    return lambda u, v: np.maximum(np.abs(u - x) - half_width, np.abs(v) - half_height)


def _lobes(count: int, radius: float, depth: float) -> Distance:
    """A disc with a wavy rim; 0.7 corrects for a rim that is not perpendicular to the radius."""
    return lambda u, v: (np.hypot(u, v) - radius - depth * np.cos(count * np.arctan2(v, u))) * 0.7


def _around(count: int, shape: Distance) -> Distance:
    """``count`` copies of ``shape``, which lies on the u axis, around the centre."""
    sector = 2 * np.pi / count

    def repeated(u: Plane, v: Plane) -> Plane:
        angle = np.arctan2(v, u) - sector * np.round(np.arctan2(v, u) / sector)
        return shape(np.hypot(u, v) * np.cos(angle), np.hypot(u, v) * np.sin(angle))

    return repeated


def _both(first: Distance, second: Distance) -> Distance:
    return lambda u, v: np.maximum(first(u, v), second(u, v))


def _tail(u: Plane, v: Plane) -> Plane:
    return np.maximum(np.abs(v) * 0.8 + (u + 0.5) * 0.75, -0.9 - u)


def _stripes(u: Plane, v: Plane) -> Plane:
    return np.abs(u - 0.4 * np.round(u / 0.4)) - 0.09


Drawing = tuple[tuple[str, Distance], ...]  # colours and shapes; later ones cover earlier ones

SPRITES: dict[str, Drawing] = {
    "Donut": (("body", _ring(0.63, 0.34)), ("light", _around(9, _disc(0.63, 0, 0.11)))),
    "Fish": (
        ("accent", _tail),
        ("body", _ellipse(0.12, 0.85, 0.56)),
        ("light", _both(_stripes, _ellipse(0, 0.68, 0.46))),
        ("dark", _disc(0.62, 0, 0.13)),
    ),
    "Flower": (("body", _lobes(6, 0.7, 0.28)), ("light", _lobes(6, 0.42, 0.24)), ("accent", _disc(0, 0, 0.3))),
    "Gear": (("body", _around(9, _box(0.8, 0.19, 0.15))), ("body", _ring(0.5, 0.26)), ("dark", _ring(0.5, 0.08))),
    "Ladybird": (
        ("dark", _disc(0.58, 0, 0.38)),
        ("body", _disc(-0.2, 0, 0.76)),
        ("dark", lambda u, v: _disc(0.12, 0.38, 0.17)(u, np.abs(v))),
        ("dark", lambda u, v: _disc(-0.45, 0.34, 0.19)(u, np.abs(v))),
        ("dark", _box(-0.2, 0.74, 0.05)),
    ),
    "Starfish": (("body", _lobes(5, 0.6, 0.36)), ("light", _around(5, _disc(0.5, 0, 0.1)))),
}
_OUTLINES = (
    _disc(0, 0, 0.9),
    _ring(0.7, 0.2),
    _box(0, 0.75, 0.6),
    _box(0, 0.95, 0.22),
    _around(4, _box(0.45, 0.5, 0.2)),
)
CLUTTER: tuple[Drawing, ...] = tuple(
    (("body", outline), (colour, _both(_stripes, outline)))
    for outline in _OUTLINES
    for colour in ("body", "dark", "light", "accent")
)
