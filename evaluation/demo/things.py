"""What stands about in a street or a park."""

from __future__ import annotations

import numpy as np

from mocrop.evaluation.demo.people import CLOTHES, METAL, WOOD, darker
from mocrop.evaluation.demo.shapes import Colour, Ellipse, Limb, Polygon, Shape, rectangle

WALLS: tuple[Colour, ...] = (
    (176, 150, 128),
    (160, 108, 90),
    (190, 182, 166),
    (142, 150, 156),
    (204, 178, 140),
    (128, 118, 112),
)
GREENS: tuple[Colour, ...] = ((74, 108, 62), (98, 128, 70), (60, 92, 66), (120, 140, 84), (134, 126, 66))
BARK: Colour = (92, 74, 58)


def houses(across: float, horizon: float, rng: np.random.Generator) -> list[Shape]:
    """A row of house fronts with windows."""
    shapes: list[Shape] = []
    x = float(-rng.uniform(0, 0.2))
    while x < across:
        width, top = float(rng.uniform(0.22, 0.42)), float(min(1.0, horizon + rng.uniform(0.18, 0.34)))
        wall = WALLS[rng.integers(len(WALLS))]
        shapes.append(rectangle(x, horizon - 0.005, x + width, top, wall))
        if rng.integers(2):
            shapes.append(
                Polygon(((x - 0.01, top), (x + width + 0.01, top), (x + width * 0.5, top + 0.12)), darker(wall, 0.6))
            )
        pane = (86, 100, 116) if rng.integers(2) else (196, 190, 160)
        for column in range(int(width / 0.09)):
            for row in range(int((top - horizon) / 0.1)):
                left, low = x + 0.03 + 0.09 * column, horizon + 0.045 + 0.1 * row
                shapes += [
                    rectangle(left - 0.006, low - 0.006, left + 0.056, low + 0.066, darker(wall, 1.2)),
                    rectangle(left, low, left + 0.05, low + 0.06, pane),
                ]
        door = x + float(rng.uniform(0.02, width - 0.09))
        shapes.append(
            rectangle(door, horizon - 0.005, door + 0.065, horizon + 0.12, CLOTHES[rng.integers(len(CLOTHES))])
        )
        x += width
    return shapes


def park(across: float, horizon: float, rng: np.random.Generator) -> list[Shape]:
    """Trees in the distance, a hedge or a fence before them."""
    shapes: list[Shape] = []
    for x in rng.uniform(0, across, 40):
        size = float(rng.uniform(0.05, 0.13))
        green = darker(GREENS[rng.integers(len(GREENS))], float(rng.uniform(0.75, 1.1)))
        shapes.append(
            Ellipse((float(x), horizon + max(0.85 * size, float(rng.uniform(0, 0.16)))), (size, size * 0.9), green)
        )
    if rng.integers(2):
        hedge = darker(GREENS[rng.integers(len(GREENS))], 0.8)
        shapes += [Ellipse((float(x), horizon + 0.02), (0.05, 0.05), hedge) for x in np.arange(0, across + 0.1, 0.06)]
    else:
        paint_of_it = WOOD if rng.integers(2) else (214, 214, 208)
        shapes += [
            rectangle(x, horizon - 0.01, x + 0.02, horizon + 0.1, paint_of_it)
            for x in np.arange(0, across, 0.045).tolist()
        ]
        shapes += [rectangle(0, horizon + up, across, horizon + up + 0.012, darker(paint_of_it)) for up in (0.02, 0.07)]
    return shapes


# things that stand about, each with its foot at the origin, in heights of a near picture


def _tree(rng: np.random.Generator) -> list[Shape]:
    tall = float(rng.uniform(0.25, 0.4))
    shapes: list[Shape] = [Limb((0, 0), (0, tall), 0.025, BARK, 0.018)]
    green = GREENS[rng.integers(len(GREENS))]
    for _ in range(26):
        angle, far = rng.uniform(0, 2 * np.pi), 0.13 * np.sqrt(rng.uniform(0, 1))
        at = float(far * np.cos(angle)), tall + 0.06 + float(far * np.sin(angle) * 0.85)
        shapes.append(
            Ellipse(
                at,
                (float(rng.uniform(0.025, 0.05)), float(rng.uniform(0.02, 0.035))),
                darker(green, float(rng.uniform(0.75, 1.2))),
                float(rng.uniform(0, 3)),
            )
        )
    return shapes


def _bush(rng: np.random.Generator) -> list[Shape]:
    green, flower = GREENS[rng.integers(len(GREENS))], CLOTHES[rng.integers(len(CLOTHES))]
    shapes: list[Shape] = []
    for number in range(18):
        at = float(rng.uniform(-0.11, 0.11)), float(rng.uniform(0.015, 0.1))
        shapes.append(Ellipse(at, (0.035, 0.028), darker(green, float(rng.uniform(0.75, 1.15)))))
        if number % 3 == 0:
            shapes.append(Ellipse((at[0], at[1] + 0.01), (0.009, 0.009), flower))
    return shapes


def _lamp(rng: np.random.Generator) -> list[Shape]:
    tall = float(rng.uniform(0.4, 0.55))
    return [
        Limb((0, 0), (0, tall), 0.012, (60, 64, 66), 0.008),
        Limb((0, 0), (0, 0.05), 0.018, (60, 64, 66)),
        Ellipse((0, tall + 0.02), (0.025, 0.03), (238, 226, 180)),
    ]


def _bench(rng: np.random.Generator) -> list[Shape]:
    wood = darker(WOOD, float(rng.uniform(0.7, 1.1)))
    legs: list[Shape] = [Limb((x, 0), (x, 0.13), 0.009, (66, 66, 70)) for x in (-0.1, 0.1)]
    return [*legs, *(rectangle(-0.13, y, 0.13, y + 0.018, wood) for y in (0.06, 0.09, 0.115))]


def _bin(rng: np.random.Generator) -> list[Shape]:
    colour = CLOTHES[rng.integers(len(CLOTHES))]
    return [
        Polygon(((-0.03, 0), (0.03, 0), (0.04, 0.1), (-0.04, 0.1)), colour),
        rectangle(-0.045, 0.1, 0.045, 0.115, darker(colour)),
    ]


def _sign(rng: np.random.Generator) -> list[Shape]:
    colour = CLOTHES[rng.integers(len(CLOTHES))]
    plate: Shape = (
        Ellipse((0, 0.3), (0.04, 0.04), colour) if rng.integers(2) else rectangle(-0.06, 0.26, 0.06, 0.33, colour)
    )
    return [Limb((0, 0), (0, 0.3), 0.008, METAL), plate, rectangle(-0.025, 0.292, 0.025, 0.304, (236, 236, 230))]


def _crates(rng: np.random.Generator) -> list[Shape]:
    shapes: list[Shape] = []
    for x, y in ((-0.06, 0.0), (0.01, 0.0), (-0.03, 0.065)):
        colour = CLOTHES[rng.integers(len(CLOTHES))]
        shapes += [
            rectangle(x, y, x + 0.065, y + 0.06, colour),
            rectangle(x, y + 0.026, x + 0.065, y + 0.032, darker(colour)),
        ]
    return shapes


def _pole(rng: np.random.Generator) -> list[Shape]:
    colour = CLOTHES[rng.integers(len(CLOTHES))]
    return [Limb((0, 0), (0, 0.09), 0.014, colour), Limb((0, 0.05), (0, 0.07), 0.015, (236, 236, 230))]


THINGS = (_tree, _tree, _bush, _bush, _lamp, _bench, _bin, _sign, _crates, _pole)
