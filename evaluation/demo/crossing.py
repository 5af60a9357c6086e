"""The crossing scene: people cross the picture before a still camera.

What they ride, carry, pull or lead shows the class; path, pace, person and background are drawn alike for all classes.
A group is one person before one background; its clips differ in the path. Others of any class may stand about, so that
only what moves shows the class.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from mocrop.evaluation.demo.data_set import FRAMES_PER_SECOND, Box, Picture, write_clip
from mocrop.evaluation.demo.figures import FIGURES
from mocrop.evaluation.demo.people import STRIDE, Look, Step, draw_look
from mocrop.evaluation.demo.shapes import Canvas, Edges, Ellipse, Place, extent, paint
from mocrop.evaluation.demo.streets import Leaf, Street, make_street

Line: TypeAlias = npt.NDArray[np.float64]  # one value per frame

HEIGHT = (0.2, 0.27)  # of the person, heights of the picture; with a bicycle or an umbrella up to 1.3 times that
LEAST_WAY = 0.8  # of the way that there is across the picture
LEAST_BASE = 0.03  # of the feet above the lower edge, heights of the picture
MAX_RISE = 0.07  # of the path, heights of the picture
PAUSING = 0.3  # share of clips in which somebody stops on the way
PAUSE_SECONDS = (0.3, 0.7)
WINDY, FLICKERING = 0.4, 0.2  # shares of clips with swaying leaves, and with light that flickers
SWAY_PX, FLICKER_LEVELS = 1.6, 2.0
NOISE = (0.0, 1.5, 3.0)  # standard deviation of the sensor's noise, grey levels; one of them per clip
SHADOW = (0.28, 0.035)  # half axes, heights of the person
SHADOW_COLOUR = (58.0, 58.0, 62.0)


@dataclass(frozen=True, kw_only=True)
class CrossingSettings:
    """How many clips, and of which size."""

    classes: int = 6
    groups: int = 25  # per class
    clips_per_group: int = 2
    frames: tuple[int, int] = (60, 75)  # the shortest and the longest clip
    width: int = 320  # pixels
    height: int = 240  # pixels
    seed: int = 0


@dataclass(frozen=True, kw_only=True, eq=False)
class Way:
    """How a figure goes through one clip."""

    x: Line  # of the hip, pixels
    y: Line  # of the feet, pixels from the top
    pace: Line  # share of the highest speed
    scale: float  # height of the person, pixels
    to_the_left: bool


def make_crossing(folder: Path, settings: CrossingSettings) -> dict[str, list[Box]]:
    """Write ``folder/<Class>/v_<Class>_gNN_cMM.avi``; the same settings give the same bytes.

    Returns: by clip ("WalkDog/v_WalkDog_g01_c01"), the box of the figure in every frame.
    """
    boxes = {}
    kinds = itertools.islice(enumerate(FIGURES), settings.classes)
    for (label, kind), group in itertools.product(kinds, range(1, settings.groups + 1)):
        rng = np.random.default_rng([settings.seed, label, group])
        look, street = draw_look(rng), make_street(settings.width, settings.height, rng)
        for clip in range(1, settings.clips_per_group + 1):
            name = f"{kind}/v_{kind}_g{group:02d}_c{clip:02d}"
            own = np.random.default_rng([settings.seed, label, group, clip])
            boxes[name] = write_clip(folder / f"{name}.avi", crossing_frames(kind, look, street, settings, own))
    return boxes


def draw_way(figure: Edges, ground: float, settings: CrossingSettings, rng: np.random.Generator) -> Way:
    """Draw the way of a figure at random: across most of the picture, all of the figure in it at all times.

    Args:
        figure: all that it ever reaches, heights of the person, the hip at 0.
        ground: feet stand below this, heights of the picture from the top.
    """
    width, height = settings.width, settings.height
    frames, to_the_left = int(rng.integers(*settings.frames, endpoint=True)), bool(rng.integers(2))
    scale = float(rng.uniform(*HEIGHT) * height)
    left, top, right, _ = Place(x=0, y=0, scale=scale, mirrored=to_the_left).pixels(figure)
    room = width - 2 - (right - left)
    length = room * rng.uniform(LEAST_WAY, 1)
    start = 1 - left + rng.uniform(0, room - length)
    pace = _pace(frames, rng)
    way = np.concatenate([[0.0], np.cumsum(pace[1:])])
    share = way / way[-1]
    x = start + length * (1 - share if to_the_left else share)
    highest = max(ground, (1 - top) / height)
    base = rng.uniform(highest, 1 - LEAST_BASE)
    end = np.clip(base + rng.uniform(-MAX_RISE, MAX_RISE), highest, 1 - LEAST_BASE)
    y = height * (base + (end - base) * share)
    return Way(x=x, y=y, pace=pace, scale=scale, to_the_left=to_the_left)


def _pace(frames: int, rng: np.random.Generator) -> Line:
    """Share of the highest speed in every frame: nearly even, in some clips with a pause."""
    time = np.arange(frames)
    pace: Line = 1 + 0.12 * np.sin(2 * np.pi * (time / frames * rng.uniform(0.5, 2) + rng.uniform(0, 1)))
    if rng.uniform() < PAUSING and frames > 2 * PAUSE_SECONDS[1] * FRAMES_PER_SECOND:
        middle, half = rng.uniform(0.25, 0.75) * frames, rng.uniform(*PAUSE_SECONDS) * FRAMES_PER_SECOND / 2
        pace *= np.clip((np.abs(time - middle) - half) / 4, 0, 1)  # four frames to slow down and to start again
    pace /= pace.max()
    return pace


def crossing_frames(
    kind: str, look: Look, street: Street, settings: CrossingSettings, rng: np.random.Generator
) -> Iterator[tuple[Picture, Box]]:
    """Frames of one clip, uint8 (height, width, 3), each with the box of its figure."""
    figure = FIGURES[kind]
    way = draw_way(reach(kind, look), street.ground, settings, rng)
    windy, flickers = rng.uniform() < WINDY, rng.uniform() < FLICKERING
    noise = rng.choice(NOISE) * rng.standard_normal((2 * settings.height, 2 * settings.width, 1)).astype(np.float32)
    gone = np.abs(way.x - way.x[0]) / way.scale + rng.uniform(0, STRIDE)
    for number, (x, y, pace) in enumerate(zip(way.x.tolist(), way.y.tolist(), way.pace.tolist(), strict=True)):
        canvas = street.picture.copy()
        place = Place(x=x, y=y, scale=way.scale, mirrored=way.to_the_left)
        if windy:
            _sway(canvas, street.leaves, number)
        shapes = figure(look, Step(way=float(gone[number]), stride=min(1.0, 1.25 * pace)))
        _cast_shadow(canvas, place)
        paint(canvas, shapes, place)
        if flickers:
            canvas += FLICKER_LEVELS * rng.standard_normal(dtype=np.float32)
        top, left = rng.integers(0, canvas.shape[:2])
        canvas += noise[top : top + settings.height, left : left + settings.width]
        yield np.clip(canvas, 0, 255).astype(np.uint8), _box(place.pixels(extent(shapes)), settings)


def reach(kind: str, look: Look) -> Edges:
    """All that a figure ever reaches, heights of the person."""
    steps = (Step(way=way, stride=stride) for way in np.linspace(0, 4, 81).tolist() for stride in (0.0, 1.0))
    lefts, lows, rights, highs = zip(*(extent(FIGURES[kind](look, step)) for step in steps), strict=True)
    return min(lefts), min(lows), max(rights), max(highs)


def _box(edges: Edges, settings: CrossingSettings) -> Box:
    """The pixels that edges touch, within the picture: x, y, width, height."""
    left, top = max(0, math.floor(edges[0])), max(0, math.floor(edges[1]))
    right, bottom = min(settings.width, math.ceil(edges[2])), min(settings.height, math.ceil(edges[3]))
    return left, top, right - left, bottom - top


def _sway(canvas: Canvas, leaves: tuple[Leaf, ...], number: int) -> None:
    for leaf in leaves:
        turn = 2 * math.pi * number / FRAMES_PER_SECOND + leaf.phase
        place = Place(
            x=leaf.x + SWAY_PX * math.sin(1.3 * turn),
            y=leaf.y + SWAY_PX * 0.5 * math.sin(1.9 * turn),
            scale=leaf.radius,
        )
        paint(canvas, [Ellipse((0.0, 0.0), (1.3, 0.8), leaf.colour)], place)


def _cast_shadow(canvas: Canvas, place: Place) -> None:
    paint(canvas, [Ellipse((0.0, 0.0), SHADOW, SHADOW_COLOUR)], place, shaded=False)
