"""Backgrounds of the crossing scene: a street or a park, cluttered, with people who stand still."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from mocrop.evaluation.demo.figures import FIGURES
from mocrop.evaluation.demo.people import CLOTHES, Step, darker, draw_look
from mocrop.evaluation.demo.shapes import Canvas, Colour, Ellipse, Limb, Place, Shape, paint, rectangle
from mocrop.evaluation.demo.things import THINGS, houses, park

HORIZON = (0.24, 0.4)  # from the top, heights of the picture
DEPTH = 0.14  # things and bystanders stand within this below the horizon, heights of the picture
CLUTTER = (5, 9)  # things that stand about
BYSTANDERS = (0, 2)
BYSTANDER_HEIGHT = (0.13, 0.19)  # heights of the picture: farther away than whoever crosses
GRAIN = 5.0  # standard deviation of the texture of all surfaces, grey levels
GROUNDS: tuple[Colour, ...] = ((136, 134, 132), (158, 148, 134), (112, 114, 118), (118, 136, 92), (172, 160, 130))


@dataclass(frozen=True)
class Leaf:
    """A leaf that can sway."""

    x: float  # pixels
    y: float
    radius: float
    colour: Colour
    phase: float  # radians


@dataclass(frozen=True, eq=False)
class Street:
    """A background; nothing in it moves but the leaves, if there is wind."""

    picture: Canvas
    ground: float  # feet stand from here, from the top, heights of the picture
    leaves: tuple[Leaf, ...]


def make_street(width: int, height: int, rng: np.random.Generator) -> Street:
    """Draw a background at random."""
    horizon = rng.uniform(*HORIZON)
    canvas = np.empty((height, width, 3), np.float32)
    place = Place(x=0, y=height, scale=height)  # x from the left, y up from the lower edge, in heights of the picture
    across = width / height
    _ground(canvas, place, across, 1 - horizon, rng)
    behind = [houses, park][rng.integers(2)]
    paint(canvas, behind(across, 1 - horizon, rng), place, shaded=False)
    _texture(canvas, rng)
    leaves: list[Leaf] = []
    bases = np.sort(rng.uniform(1 - horizon - DEPTH, 1 - horizon, rng.integers(*CLUTTER, endpoint=True)))[::-1]
    for base in bases.tolist():
        depth = 0.6 + 1.6 * (1 - horizon - base)  # things are larger nearer by
        x = float(rng.uniform(0, across))
        thing = THINGS[rng.integers(len(THINGS))]
        shapes = thing(rng)
        here = Place(x=height * x, y=height * (1 - base), scale=height * depth)
        paint(canvas, shapes, here)
        leaves += _leaves(shapes, here, rng)
    for _ in range(int(rng.integers(*BYSTANDERS, endpoint=True))):
        _bystander(canvas, across, 1 - horizon, rng)
    return Street(canvas, horizon + DEPTH, tuple(leaves))


def _bystander(canvas: Canvas, across: float, horizon: float, rng: np.random.Generator) -> None:
    """Somebody who stands still, of any class, so that what stands about does not tell the class."""
    figure = list(FIGURES.values())[rng.integers(len(FIGURES))]
    height, base = canvas.shape[0], rng.uniform(horizon - DEPTH, horizon - 0.02)
    here = Place(
        x=float(height * rng.uniform(0.1, across - 0.1)),
        y=float(height * (1 - base)),
        scale=float(height * rng.uniform(*BYSTANDER_HEIGHT)),
        mirrored=bool(rng.integers(2)),
    )
    paint(
        canvas,
        [
            Ellipse((0.0, 0.0), (0.3, 0.04), (70, 70, 72)),
            *figure(draw_look(rng), Step(way=float(rng.uniform(0, 1)), stride=0.0)),
        ],
        here,
    )


def _texture(canvas: Canvas, rng: np.random.Generator) -> None:
    """Blotches and grain over everything that is there, so that no surface is flat."""
    height, width = canvas.shape[:2]
    for cells in (6, 24, 60):
        coarse = rng.normal(0, GRAIN, (cells, cells)).astype(np.float32)
        rows, columns = np.linspace(0, cells - 1.001, height), np.linspace(0, cells - 1.001, width)
        canvas += _between(coarse, rows, columns)[..., None]
    canvas += rng.normal(0, GRAIN, (height, width, 1)).astype(np.float32)


def _between(
    coarse: npt.NDArray[np.float32], rows: npt.NDArray[np.float64], columns: npt.NDArray[np.float64]
) -> npt.NDArray[np.float32]:
    """Values of a coarse grid at finer places, bilinear: (rows, columns)."""
    top, left = rows.astype(int), columns.astype(int)
    down, right = (rows - top)[:, None], columns - left
    upper = coarse[top][:, left] * (1 - right) + coarse[top][:, left + 1] * right
    lower = coarse[top + 1][:, left] * (1 - right) + coarse[top + 1][:, left + 1] * right
    values: npt.NDArray[np.float32] = (upper * (1 - down) + lower * down).astype(np.float32)
    return values


def _ground(canvas: Canvas, place: Place, across: float, horizon: float, rng: np.random.Generator) -> None:
    """Sky above, ground below, with slabs, stripes or tufts."""
    sky = np.array([rng.uniform(150, 205), rng.uniform(180, 212), rng.uniform(205, 232)], np.float32)
    colour = GROUNDS[rng.integers(len(GROUNDS))]
    canvas[:] = sky
    shapes: list[Shape] = [rectangle(-1, -1, across + 1, horizon, colour)]
    kind = rng.integers(3)
    if kind == 0:  # slabs
        lines = horizon * (1 - np.linspace(0, 1, 9) ** 1.6)
        shapes += [Limb((0, y), (across, y), 0.004, darker(colour, 0.86)) for y in lines.tolist()]
        vanishing = float(rng.uniform(0, across))
        for foot in np.arange(-2 * across, 3 * across, rng.uniform(0.2, 0.34)).tolist():
            shapes.append(
                Limb((foot, 0.0), (vanishing + (foot - vanishing) * 0.35, horizon), 0.004, darker(colour, 0.86), 0.002)
            )
    elif kind == 1:  # kerb and painted stripes
        kerb = rng.uniform(0.6, 0.85) * horizon
        shapes += [
            rectangle(-1, kerb, across + 1, kerb + 0.03, darker(colour, 1.2)),
            rectangle(-1, -1, across + 1, kerb, darker(colour, 0.82)),
        ]
        shapes += [
            rectangle(x, 0.12, x + 0.16, 0.135, (214, 212, 204))
            for x in np.arange(rng.uniform(0, 0.2), across, 0.36).tolist()
        ]
    marks = rng.integers(60, 120)
    for x, y, size in zip(
        rng.uniform(0, across, marks), rng.uniform(0, horizon, marks), rng.uniform(0.004, 0.02, marks), strict=True
    ):
        near = 0.4 + 0.6 * (1 - y / horizon)
        shade = darker(colour, float(rng.uniform(0.7, 1.2)))
        shapes.append(Ellipse((float(x), float(y)), (float(size * near * 1.6), float(size * near * 0.6)), shade))
    for x, y in rng.uniform(
        (0, 0), (across, horizon), (rng.integers(10, 40), 2)
    ).tolist():  # litter: leaves, petals, paper
        litter = CLOTHES[rng.integers(len(CLOTHES))]
        shapes.append(
            Ellipse(
                (x, y),
                (float(rng.uniform(0.006, 0.014)), float(rng.uniform(0.003, 0.006))),
                litter,
                float(rng.uniform(0, 3)),
            )
        )
    paint(canvas, shapes, place, shaded=False)


def _leaves(shapes: list[Shape], place: Place, rng: np.random.Generator) -> list[Leaf]:
    """Every second ellipse of green of a tree or a bush, as leaves."""
    found = []
    for shape in shapes[::2]:
        if isinstance(shape, Ellipse) and shape.colour[1] >= max(shape.colour):
            left, top, right, bottom = place.pixels(shape.edges())
            found.append(
                Leaf(
                    (left + right) / 2,
                    (top + bottom) / 2,
                    max(2.0, (bottom - top) / 4),
                    darker(shape.colour, 1.12),
                    float(rng.uniform(0, 6.28)),
                )
            )
    return found
