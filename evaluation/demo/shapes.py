"""Paint plain shapes with soft edges: what the people and streets of the crossing scene are made of."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

Canvas: TypeAlias = npt.NDArray[np.float32]  # (height, width, 3), RGB, 0 to 255
Plane: TypeAlias = npt.NDArray[np.floating[Any]]  # one value per pixel, or per row or column of pixels
Point: TypeAlias = tuple[float, float]
Colour: TypeAlias = tuple[float, float, float]  # RGB, 0 to 255
Edges: TypeAlias = tuple[float, float, float, float]  # left, low, right, high

RIM_PX, RIM_SHADE = 2.0, 0.35  # shapes are darker towards their edge, as round things are


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where the coordinates of shapes lie in a picture: x to the right or mirrored, y up, one unit ``scale`` pixels."""

    x: float  # of the origin, pixels
    y: float
    scale: float  # pixels per unit
    mirrored: bool = False

    def pixels(self, edges: Edges) -> Edges:
        """Left, top, right, bottom in pixels."""
        left, low, right, high = edges
        if self.mirrored:
            left, right = -right, -left
        s = self.scale
        return self.x + s * left, self.y - s * high, self.x + s * right, self.y - s * low


@dataclass(frozen=True)
class Limb:
    """A line from one point to another, round at its ends; ``radius`` thick at the first, ``end`` at the other."""

    first: Point
    last: Point
    radius: float
    colour: Colour
    end: float | None = None  # None: as the first

    def edges(self) -> Edges:
        far = self.radius if self.end is None else self.end
        (x, y), (u, v), r = self.first, self.last, self.radius
        return min(x - r, u - far), min(y - r, v - far), max(x + r, u + far), max(y + r, v + far)

    def distance(self, x: Plane, y: Plane) -> Plane:
        far = self.radius if self.end is None else self.end
        dx, dy = self.last[0] - self.first[0], self.last[1] - self.first[1]
        along = np.clip(((x - self.first[0]) * dx + (y - self.first[1]) * dy) / max(dx * dx + dy * dy, 1e-12), 0, 1)
        away = np.hypot(x - self.first[0] - along * dx, y - self.first[1] - along * dy)
        return away - self.radius - along * (far - self.radius)


@dataclass(frozen=True)
class Ellipse:
    """An ellipse; its first half axis points along ``angle``."""

    centre: Point
    axes: tuple[float, float]  # half axes
    colour: Colour
    angle: float = 0.0  # radians, anticlockwise

    def edges(self) -> Edges:
        c, s = np.cos(self.angle), np.sin(self.angle)
        across, up = (
            float(np.hypot(self.axes[0] * c, self.axes[1] * s)),
            float(np.hypot(self.axes[0] * s, self.axes[1] * c)),
        )
        x, y = self.centre
        return x - across, y - up, x + across, y + up

    def distance(self, x: Plane, y: Plane) -> Plane:
        c, s = np.cos(self.angle), np.sin(self.angle)
        x, y = x - self.centre[0], y - self.centre[1]
        around: Plane = np.hypot((c * x + s * y) / self.axes[0], (c * y - s * x) / self.axes[1])
        return (around - 1) * min(self.axes)


@dataclass(frozen=True)
class Ring:
    """A circle's line."""

    centre: Point
    radius: float
    half_width: float
    colour: Colour

    def edges(self) -> Edges:
        (x, y), r = self.centre, self.radius + self.half_width
        return x - r, y - r, x + r, y + r

    def distance(self, x: Plane, y: Plane) -> Plane:
        away: Plane = np.abs(np.hypot(x - self.centre[0], y - self.centre[1]) - self.radius)
        return away - self.half_width


@dataclass(frozen=True)
class Polygon:
    """A convex polygon; its corners in either sense of turning."""

    corners: Sequence[Point]
    colour: Colour

    def edges(self) -> Edges:
        x, y = zip(*self.corners, strict=True)
        return min(x), min(y), max(x), max(y)

    def distance(self, x: Plane, y: Plane) -> Plane:
        corners = np.array(self.corners)
        sides = np.roll(corners, -1, axis=0) - corners
        turning = np.sign(sides[0, 0] * sides[1, 1] - sides[0, 1] * sides[1, 0])
        outwards = turning * np.stack([sides[:, 1], -sides[:, 0]], axis=1) / np.linalg.norm(sides, axis=1)[:, None]
        left, low, right, high = self.edges()  # the sides alone would let the soft edge of a sharp corner reach far out
        outside: Plane = np.maximum(np.maximum(left - x, x - right), np.maximum(low - y, y - high))
        for (cx, cy), (nx, ny) in zip(corners.tolist(), outwards.tolist(), strict=True):
            outside = np.maximum(outside, nx * (x - cx) + ny * (y - cy))
        return outside


Shape: TypeAlias = Limb | Ellipse | Ring | Polygon


def rectangle(left: float, low: float, right: float, high: float, colour: Colour) -> Polygon:
    """An upright rectangle."""
    return Polygon(((left, low), (right, low), (right, high), (left, high)), colour)


def extent(shapes: Iterable[Shape]) -> Edges:
    """The smallest upright rectangle around shapes."""
    left, low, right, high = zip(*(shape.edges() for shape in shapes), strict=True)
    return min(left), min(low), max(right), max(high)


def paint(canvas: Canvas, shapes: Iterable[Shape], place: Place, *, shaded: bool = True) -> None:
    """Paint shapes onto a picture, later ones over earlier ones; what lies outside it is left out.

    Args:
        shaded: darker towards the edges.
    """
    height, width = canvas.shape[:2]
    for shape in shapes:
        left, top, right, bottom = place.pixels(shape.edges())
        x0, y0 = max(0, int(left) - 1), max(0, int(top) - 1)
        x1, y1 = min(width, int(right) + 2), min(height, int(bottom) + 2)
        if x0 >= x1 or y0 >= y1:
            continue
        x = (np.arange(x0, x1, dtype=np.float32) + 0.5 - place.x) / place.scale
        y = (place.y - np.arange(y0, y1, dtype=np.float32) - 0.5) / place.scale
        away = shape.distance(-x if place.mirrored else x, y[:, None]) * np.float32(place.scale)  # pixels
        cover = np.clip(0.5 - away, 0, 1)[..., None]  # share of each pixel that lies inside
        colour: npt.NDArray[np.float32] = np.array(shape.colour, np.float32)
        if shaded:
            colour = colour * (1 - RIM_SHADE * np.clip(1 + away / RIM_PX, 0, 1))[..., None]
        patch = canvas[y0:y1, x0:x1]
        patch += cover * (colour - patch)
