"""Make the demo's data set: settings go in, a folder of clips with moving sprites and their true boxes comes out.

The clips resemble UCF-101: MPEG-4 Part 2 in AVI, ``Class/v_Class_g01_c01.avi``. The class can be seen on the sprite and
nowhere else: all classes share the same few scenes, and colours, sizes and ways of moving are drawn alike for all. In
most groups the camera stands still, and the sprite is off centre and all that moves; in the others the camera pans and
keeps the sprite near the centre, so that everything else moves.
"""

from __future__ import annotations

import itertools
import json
import os
import shutil
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt

from mocrop.pipeline.sprite_art import Box, Paint, Picture, Place, draw, paint_scene, sensor_noise
from mocrop.pipeline.sprite_paths import panning_paths, still_paths
from mocrop.pipeline.sprite_shapes import SPRITES

FRAMES_PER_SECOND = 25
KEY_FRAME_INTERVAL = 12
QUANTISER = 4  # of 1 (fine) to 31 (coarse), for every frame
SCENES = 6  # every class has the same number of clips in each
SCENE_SCALE = 1.8  # side of a scene in sides of a frame: room to pan
RADIUS = (0.085, 0.1)  # of a sprite in widths of a frame
NOISE_SHIFT = 32  # pixels; every frame takes another part of the noise
TRUTH_FILE = "sprite-boxes.json"


@dataclass(frozen=True, kw_only=True)
class SpriteSettings:
    """How many clips, and of which size."""

    classes: int = 6
    groups: int = 8  # per class
    clips_per_group: int = 3
    frames: int = 40
    width: int = 320  # pixels
    height: int = 240  # pixels
    panning_every: int = 4  # the camera pans in every so many-th group, e.g. 4 and 8; 0 = in none
    seed: int = 0

    def __post_init__(self) -> None:
        if not 1 <= self.classes <= len(SPRITES):
            raise ValueError(f"classes must be 1 to {len(SPRITES)}, not {self.classes}")
        for name, least in (("groups", 1), ("clips_per_group", 1), ("frames", 2), ("panning_every", 0), ("seed", 0)):
            if getattr(self, name) < least:
                raise ValueError(f"{name} must be at least {least}, not {getattr(self, name)}")
        for name in ("width", "height"):
            if getattr(self, name) < 64 or getattr(self, name) % 2:
                raise ValueError(f"{name} must be even and at least 64 pixels, not {getattr(self, name)}")

    @property
    def class_names(self) -> tuple[str, ...]:
        return tuple(SPRITES)[: self.classes]

    @property
    def scene_size(self) -> tuple[int, int]:
        """Width and height of a scene in pixels."""
        return round(SCENE_SCALE * self.width), round(SCENE_SCALE * self.height)

    def pans(self, group: int) -> bool:
        """Whether the camera pans in a group, counted from 1."""
        return self.panning_every > 0 and group % self.panning_every == 0


@dataclass(frozen=True, kw_only=True)
class SpriteTruth:
    """What only the maker of the clips can know; keys are clip names such as "Fish/v_Fish_g01_c01"."""

    dataset: Path  # the folder of class folders
    boxes: dict[str, list[Box]]  # one per frame, around the sprite without its shadow
    panning: dict[str, bool]  # whether the camera pans


def make_sprites(folder: Path, settings: SpriteSettings) -> SpriteTruth:
    """Write ``folder/videos/<Class>/v_<Class>_gNN_cMM.avi`` and ``folder/sprite-boxes.json``, whole or not at all.

    The file of boxes holds ``{clip: [{"start": 0, "stop": frames, "boxes": [[x, y, w, h], ...]}]}``: pixels, frames
    counted from 0, ``stop`` exclusive. The same settings give the same bytes.

    Raises: FileExistsError if ``folder`` is there already.
    """
    if folder.exists():
        raise FileExistsError(folder)
    partial = folder.with_name(f".{folder.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    truth = SpriteTruth(dataset=folder / "videos", boxes={}, panning={})
    scenes = [paint_scene(*settings.scene_size, np.random.default_rng([settings.seed, n])) for n in range(SCENES)]
    for group in range(1, settings.groups + 1):
        for kind, clip in itertools.product(settings.class_names, range(1, settings.clips_per_group + 1)):
            scene = scenes[(group * settings.clips_per_group + clip) % SCENES]
            name = f"{kind}/v_{kind}_g{group:02d}_c{clip:02d}"
            pictures = render_clip(scene, settings, kind=kind, group=group, clip=clip)
            truth.boxes[name] = _write_clip(partial / "videos" / f"{name}.avi", pictures, settings)
            truth.panning[name] = settings.pans(group)
    (partial / TRUTH_FILE).write_text(_as_json(truth.boxes), encoding="utf-8")
    os.replace(partial, folder)
    return truth


def render_clip(
    scene: Picture, settings: SpriteSettings, *, kind: str, group: int, clip: int
) -> Iterator[tuple[Picture, Box]]:
    """Draw one clip: RGB frames, uint8 (height, width, 3), each with the box of the sprite on it.

    Args:
        scene: uint8, shape (height, width, 3) of ``settings.scene_size``.
        kind: the class, a key of SPRITES.
        group, clip: numbers from 1; the group decides whether the camera pans.
    """
    rng = np.random.default_rng([settings.seed, group, settings.class_names.index(kind), clip])
    size = settings.width, settings.height
    paths = (panning_paths if settings.pans(group) else still_paths)(size, settings.scene_size, settings.frames, rng)
    paint, radius = Paint.of_hue(rng.random()), rng.uniform(*RADIUS) * min(size[0], size[1] * 4 / 3)
    noise = sensor_noise(settings.width + NOISE_SHIFT, settings.height + NOISE_SHIFT, rng)
    for corner, centre, heading in zip(paths.camera, paths.in_frame, paths.heading, strict=True):
        picture = view(scene, corner, size)
        down, right = rng.integers(0, NOISE_SHIFT, 2)
        picture += noise[down : down + settings.height, right : right + settings.width]
        place = Place(x=float(centre[0]), y=float(centre[1]), radius=radius, heading=float(heading))
        yield picture, draw(picture, SPRITES[kind], paint, place)


def view(scene: Picture, corner: npt.NDArray[np.float64], size: tuple[int, int]) -> Picture:
    """Cut a frame of ``size`` (width, height) out of a scene; ``corner`` (x, y) may lie between pixels."""
    (x, y), (width, height) = corner, size
    left, top = min(int(x), scene.shape[1] - width - 1), min(int(y), scene.shape[0] - height - 1)
    right_share, lower_share = (np.uint16(round(256 * share)) for share in (x - left, y - top))
    part = scene[top : top + height + 1, left : left + width + 1]
    if not right_share and not lower_share:
        return part[:-1, :-1].copy()
    rows = part[:-1] * (256 - lower_share) + part[1:] * lower_share >> 8
    return (rows[:, :-1] * (256 - right_share) + rows[:, 1:] * right_share >> 8).astype(np.uint8)


def _write_clip(path: Path, pictures: Iterable[tuple[Picture, Box]], settings: SpriteSettings) -> list[Box]:
    """Encode frames as UCF-101 is encoded and return their boxes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    boxes = []
    with av.open(f"file:{path}", "w", format="avi") as output:
        quality = {"qmin": str(QUANTISER), "qmax": str(QUANTISER)}
        stream = output.add_stream("mpeg4", rate=FRAMES_PER_SECOND, options=quality)
        stream.width, stream.height, stream.pix_fmt = settings.width, settings.height, "yuv420p"
        stream.codec_context.thread_count = 1
        stream.codec_context.gop_size = KEY_FRAME_INTERVAL
        stream.codec_context.max_b_frames = 0
        for picture, box in pictures:
            boxes.append(box)
            output.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        output.mux(stream.encode(None))
    return boxes


def _as_json(boxes: dict[str, list[Box]]) -> str:
    tubes = {clip: [{"start": 0, "stop": len(rows), "boxes": rows}] for clip, rows in sorted(boxes.items())}
    return json.dumps(tubes, separators=(",", ":"))
