"""Draw the sprites and the scenes of the demo: shapes, colours and places go in, RGB pixels come out."""

from __future__ import annotations

import colorsys
import functools
import math
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from mocrop.pipeline.sprite_shapes import OUTLINES, TEXTURES, Drawing, Plane, textured

Picture = npt.NDArray[np.uint8]  # (height, width, 3), RGB
Rgb = tuple[float, float, float]  # 0 to 255
Box = tuple[int, int, int, int]  # x, y, w, h in pixels

SENSOR_NOISE = 1  # largest change of a pixel from frame to frame that nothing in the scene causes
SHADOW_PX = (3, 4)  # down, right
SHADOW_DEPTH = 0.4
INK = 0.07  # width of the dark outline in radii
PIXELS_PER_PIECE = 1800  # of clutter
CLUTTER_RADIUS_PX = (9, 44)
_CLUTTER_COLOURS: Final = ("dark", "light", "accent")


@dataclass(frozen=True, kw_only=True)
class Paint:
    """The four colours of a sprite or a piece of clutter."""

    body: Rgb
    dark: Rgb
    light: Rgb
    accent: Rgb

    @staticmethod
    def of_hue(hue: float, *, saturation: float = 0.8, value: float = 0.93) -> Paint:
        """Colours around one hue, which is in turns."""
        return Paint(
            body=_rgb(hue, saturation, value),
            dark=_rgb(hue + 0.03, min(1.0, saturation + 0.1), 0.42 * value),
            light=_rgb(hue - 0.02, 0.22 * saturation, min(1.0, value + 0.05)),
            accent=_rgb(hue + 0.45, saturation, value),
        )


def _rgb(hue: float, saturation: float, value: float) -> Rgb:
    red, green, blue = colorsys.hsv_to_rgb(hue % 1.0, saturation, value)
    return 255 * red, 255 * green, 255 * blue


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where and how large a drawing is on a picture."""

    x: float  # centre, pixels
    y: float
    radius: float  # pixels
    heading: float  # radians, 0 = to the right, growing clockwise; drawings are mirrored rather than upside down


def draw(picture: Picture, drawing: Drawing, paint: Paint, place: Place) -> Box:
    """Draw onto ``picture`` in place, with a soft shadow; what lies outside the picture is cut off.

    Returns:
        the smallest box that holds every pixel of which the drawing, shadow left aside, covers at least half; of no
        width and height if there is no such pixel.
    """
    height, width = picture.shape[:2]
    before, after = place.radius + 1, place.radius + max(SHADOW_PX) + 3  # the shadow falls down and to the right
    left, right = max(0, int(place.x - before)), min(width, int(place.x + after))
    top, bottom = max(0, int(place.y - before)), min(height, int(place.y + after))
    if left >= right or top >= bottom:
        return left, top, 0, 0
    across = (np.arange(left, right, dtype=np.float32)[None, :] + 0.5 - place.x) / place.radius
    down = (np.arange(top, bottom, dtype=np.float32)[:, None] + 0.5 - place.y) / place.radius
    colour, outline = _layers(drawing, paint, across, down, place)
    cover = _cover(outline, place.radius)
    patch = picture[top:bottom, left:right]
    colour *= cover
    colour += patch.transpose(2, 0, 1) * (_light(outline) * (1 - cover))
    patch[...] = np.clip(colour, 0, 255, out=colour).transpose(1, 2, 0)
    (x, w), (y, h) = (_extent(cover >= 0.5, axis) for axis in (0, 1))
    return left + x, top + y, w, h


def _layers(drawing: Drawing, paint: Paint, across: Plane, down: Plane, place: Place) -> tuple[Plane, Plane]:
    """Colour, shape (3, h, w), and distance to the common outline, shape (h, w)."""
    cos, sin = math.cos(place.heading), math.sin(place.heading)
    u = across * cos + down * sin
    v = (down * cos - across * sin) * (1 if cos >= 0 else -1)
    distances = [layer.distance(u, v) for layer in drawing]
    outline = functools.reduce(np.minimum, distances)
    covers = [*(_cover(distance, place.radius) for distance in distances), 1 - _cover(outline + INK, place.radius)]
    colours = [*(getattr(paint, layer.colour) for layer in drawing), tuple(0.5 * channel for channel in paint.dark)]
    seen = np.ones_like(u)  # what the layers above leave of each pixel
    for n in reversed(range(len(covers))):
        covers[n] *= seen
        seen -= covers[n]
    colour = np.tensordot(np.array(colours, dtype=u.dtype), np.array(covers), axes=(0, 0))
    colour *= 1.02 - 0.14 * (across + down)  # light from above left
    return colour, outline


def _cover(distance: Plane, radius: float) -> Plane:
    """Share of each pixel that lies inside, from the distance of its centre."""
    share = distance * -radius
    share += 0.5
    return np.clip(share, 0, 1, out=share)


def _light(outline: Plane) -> Plane:
    """What the shadow leaves of the light on the ground, from the distance to the outline that throws it."""
    down, right = SHADOW_PX
    light = np.ones_like(outline)
    light[down:, right:] -= np.clip(0.5 - 4 * outline[:-down, :-right], 0, SHADOW_DEPTH)
    return light


def _extent(hit: npt.NDArray[np.bool_], axis: int) -> tuple[int, int]:
    """Start and length of the run of columns (axis 0) or rows (axis 1) that holds every hit."""
    places = np.flatnonzero(np.any(hit, axis=axis))
    return (int(places[0]), int(places[-1] - places[0]) + 1) if len(places) else (0, 0)


# scenes


def paint_scene(width: int, height: int, rng: np.random.Generator) -> Picture:
    """Make a cluttered background; its colours are duller than those of sprites, its shapes are not theirs."""
    picture = _ground(width, height, rng)
    pieces = width * height // PIXELS_PER_PIECE
    for size in np.sort(rng.uniform(*CLUTTER_RADIUS_PX, pieces))[::-1]:  # the large ones below
        paint = Paint.of_hue(rng.random(), saturation=rng.uniform(0.1, 0.45), value=rng.uniform(0.4, 0.85))
        x, y, heading = rng.uniform(0, width), rng.uniform(0, height), rng.uniform(-1.5, 1.5)
        place = Place(x=x, y=y, radius=float(size), heading=heading)
        outline, texture = OUTLINES[rng.integers(len(OUTLINES))], TEXTURES[rng.integers(len(TEXTURES))]
        draw(picture, textured(outline, texture, _CLUTTER_COLOURS[rng.integers(3)]), paint, place)
    grain = rng.normal(0, 2.5, (height, width, 1))
    grained: npt.NDArray[np.float64] = np.clip(picture + grain, SENSOR_NOISE, 255 - SENSOR_NOISE)
    return grained.astype(np.uint8)


def _ground(width: int, height: int, rng: np.random.Generator) -> Picture:
    """Smooth patches of muted colour: a few random ones, blended bilinearly."""
    rows, columns = 4, 5
    corners = np.array(
        [_rgb(rng.random(), rng.uniform(0.1, 0.45), rng.uniform(0.4, 0.85)) for _ in range(rows * columns)]
    )
    corners = corners.reshape(rows, columns, 3)
    y, x = np.linspace(0, rows - 1.001, height), np.linspace(0, columns - 1.001, width)
    above, before = y.astype(int), x.astype(int)
    down, across = (y - above)[:, None, None], (x - before)[:, None]
    lines = corners[above] * (1 - down) + corners[above + 1] * down
    ground: npt.NDArray[np.float64] = lines[:, before] * (1 - across) + lines[:, before + 1] * across
    return ground.astype(np.uint8)


def sensor_noise(width: int, height: int, rng: np.random.Generator) -> Picture:
    """Grey noise modulo 256: added to a scene, it changes every pixel by SENSOR_NOISE at most."""
    noise = rng.integers(-SENSOR_NOISE, SENSOR_NOISE + 1, (height, width, 1), dtype=np.int8)
    return np.repeat(noise.view(np.uint8), 3, axis=2)
