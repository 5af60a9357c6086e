"""The order scene: clips that nothing but the order of their frames tells apart.

Three sprites are in every clip: one slides from side to side, one up and down, one turns where it stands. The eight
pictures of a set have each of the eight places across, each of the eight heights and each of the eight turns once, in
combinations drawn at random. The six clips of a set are these same eight pictures in six orders: by the place across
and back, by the height and back, by the turn and back. So one sprite moves steadily, one way or the other, which is
the class, and the other two hop. Whatever looks at the pictures without their order finds the same in all six clips:
it is right for one of six, no more and no less.

Every frame is coded by itself, so that decoded pictures too are the same in the six clips, to the last bit.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from mocrop.evaluation.demo.data_set import Box, Picture, write_clip
from mocrop.evaluation.demo.sprites import SPRITES, clutter, colours_around, draw_sprite

Places: TypeAlias = npt.NDArray[np.int64]  # (frames, 3): number of each picture's place across, height and turn

CLASSES = ("MoveRight", "MoveLeft", "MoveDown", "MoveUp", "TurnRight", "TurnLeft")  # pairs: an order, and it reversed
TURNERS = ("Fish", "Ladybird")  # one sees which way they look
RADIUS, TURNER_RADIUS = 0.13, 0.2  # of sprites, widths of the picture
EDGE = (0.15, 0.18)  # of the sliding sprites from the edge along which they slide
TRACK = (0.28, 0.87)  # in which they slide, seen from the corner that they leave free
LENGTH = (0.5, 0.56)  # from the first of their places to the last
TURNER = (0.6, 0.66)  # place of the one that turns


@dataclass(frozen=True, kw_only=True)
class OrderSettings:
    """How many clips, and of which size."""

    groups: int = 25  # per class
    clips_per_group: int = 4  # sets of pictures: each has a background and sprites of its own
    frames: int = 8  # of a clip, which are the pictures of a set
    width: int = 128  # pixels
    height: int = 128  # pixels
    key_interval: int = 1  # frames from one key frame to the next; above 1, decoded pictures depend on their order
    seed: int = 0


def make_order(folder: Path, settings: OrderSettings) -> dict[str, list[Box]]:
    """Write ``folder/<Class>/v_<Class>_gNN_cMM.avi``; the same settings give the same bytes.

    Returns: by clip ("MoveUp/v_MoveUp_g01_c01"), the box around the three sprites in every frame. Clips with the same
        group and number are of the same set.
    """
    boxes = {}
    for group, clip in itertools.product(range(1, settings.groups + 1), range(1, settings.clips_per_group + 1)):
        places, pictures = draw_set(settings, np.random.default_rng([settings.seed, group, clip]))
        for kind, order in zip(CLASSES, orders(places), strict=True):
            name = f"{kind}/v_{kind}_g{group:02d}_c{clip:02d}"
            frames = (pictures[number] for number in order)
            boxes[name] = write_clip(folder / f"{name}.avi", frames, key_interval=settings.key_interval)
    return boxes


def orders(places: Places) -> Iterator[list[int]]:
    """The orders of a set's pictures that are the classes, as numbers of pictures.

    >>> list(orders(np.array([[0, 1, 0], [1, 2, 2], [2, 0, 1]])))
    [[0, 1, 2], [2, 1, 0], [2, 0, 1], [1, 0, 2], [0, 2, 1], [1, 2, 0]]
    """
    for column in places.T:
        order = np.argsort(column).tolist()
        yield order
        yield order[::-1]


def draw_set(settings: OrderSettings, rng: np.random.Generator) -> tuple[Places, list[tuple[Picture, Box]]]:
    """Draw the pictures of a set at random, each uint8 (height, width, 3), with the box around its sprites.

    Places count to the right, downwards and clockwise.
    """
    frames, size = settings.frames, np.array([settings.width, settings.height])
    places = np.stack([rng.permutation(frames) for _ in range(3)], axis=1)
    background = clutter(settings.width, settings.height, rng)
    mirrored = rng.integers(2, size=2).astype(bool)  # in which corner no sprite is
    edges, tracks, turner = rng.uniform(*EDGE, 2), _tracks(frames, rng), rng.uniform(*TURNER, 2)
    tracks = np.where(mirrored, 1 - tracks[::-1], tracks)  # places count to the right and downwards all the same
    edges, turner = np.where(mirrored[::-1], 1 - edges, edges), np.where(mirrored, 1 - turner, turner)
    kinds = [*rng.choice(list(SPRITES), 2).tolist(), str(rng.choice(TURNERS))]
    colours = [colours_around(rng.random(), 0.8, 0.93) for _ in kinds]
    headings = rng.uniform(0, 2 * np.pi, 3)
    pictures = []
    for across, down, turn in places.tolist():
        picture = background.copy()
        centres = np.array([[tracks[across, 0], edges[0]], [edges[1], tracks[down, 1]], turner]) * size
        turned = headings + np.array([0, 0, 2 * np.pi * turn / frames])
        radii = np.array([RADIUS, RADIUS, TURNER_RADIUS]) * settings.width
        drawn = [
            draw_sprite(picture, SPRITES[kind], colour, x=x, y=y, radius=radius, heading=heading)
            for kind, colour, (x, y), radius, heading in zip(kinds, colours, centres, radii, turned, strict=True)
        ]
        pictures.append((picture, _around(drawn)))
    return places, pictures


def _tracks(frames: int, rng: np.random.Generator) -> npt.NDArray[np.float64]:
    """Places across and heights, ascending, as shares of the picture: (frames, 2)."""
    length = rng.uniform(*LENGTH, 2)
    start = TRACK[0] + rng.uniform(0, 1, 2) * (TRACK[1] - TRACK[0] - length)
    return start + np.linspace(0, 1, frames)[:, None] * length


def _around(boxes: list[Box]) -> Box:
    x, y, w, h = np.array(boxes).T
    left, top = int(x.min()), int(y.min())
    return left, top, int((x + w).max()) - left, int((y + h).max()) - top
