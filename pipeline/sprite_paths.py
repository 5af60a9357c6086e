"""Plan where camera and sprite are on every frame of a demo clip: settings and numbers go in, coordinates come out."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, eq=False)
class Paths:
    """Camera and sprite of one clip; one row (x, y) per frame, pixels of the scene."""

    camera: FloatArray  # (frames, 2): top left corner of the frame
    sprite: FloatArray  # (frames, 2): centre of the sprite

    @property
    def in_frame(self) -> FloatArray:
        """(frames, 2): centre of the sprite in pixels of the frame."""
        return self.sprite - self.camera

    @property
    def heading(self) -> FloatArray:
        """(frames,): direction in which the sprite moves through the scene, radians."""
        dx, dy = np.gradient(self.sprite, axis=0).T
        heading: FloatArray = np.arctan2(dy, dx)
        return heading


def still_paths(frame: tuple[int, int], scene: tuple[int, int], frames: int, rng: np.random.Generator) -> Paths:
    """A camera that does not move, and a sprite that goes round and round off the centre of the picture.

    Args:
        frame, scene: (width, height) in pixels.
    """
    size = np.array(frame)
    camera = np.round(rng.uniform(0, 1, 2) * (np.array(scene) - size))
    anchor = size / 2 + rng.choice([-1, 1], 2) * rng.uniform([0.19, 0.12], [0.25, 0.2]) * size
    sprite = camera + anchor + _rounds(frames, rng) * size * rng.uniform(0.08, 0.12, 2)
    return Paths(camera=np.tile(camera, (frames, 1)), sprite=sprite)


def panning_paths(frame: tuple[int, int], scene: tuple[int, int], frames: int, rng: np.random.Generator) -> Paths:
    """A camera that sweeps over the scene, and a sprite that it keeps near the centre of the picture."""
    size = np.array(frame)
    half_room = (np.array(scene) - size) / 2
    speed = rng.uniform(0.007, 0.011) * frame[0]  # pixels a frame
    start = rng.uniform([-0.8, 0], [-0.2, 2 * np.pi])
    turns = start + np.arange(frames)[:, None] * [speed / half_room[0], 0.05]
    camera = half_room * (1 + np.sin(turns) * [rng.choice([-1, 1]), 0.5])
    anchor = size / 2 + rng.uniform(-0.06, 0.06, 2) * size
    return Paths(camera=camera, sprite=camera + anchor + _rounds(frames, rng) * size * rng.uniform(0.03, 0.06, 2))


def _rounds(frames: int, rng: np.random.Generator) -> FloatArray:
    """Circles, eights and to and fro, within -1 and 1 in both directions, about one round in two seconds."""
    across, down = [(1, 1), (1, 2), (2, 1), (1, 0)][rng.integers(4)]
    turn = np.arange(frames) * (rng.choice([-1, 1]) * 2 * np.pi / rng.uniform(36, 56)) + rng.uniform(0, 2 * np.pi)
    return np.stack([np.cos(across * turn), np.sin(down * turn + rng.uniform(-0.5, 0.5))], axis=1)
