"""Make clips of a still camera with known boxes: actors of annotated clips move over a frozen frame.

    python benchmarks/static_clips.py UCF-101/ actor-boxes.json static/

writes ``static/drift/*.avi`` (the actor sways about one off-centre place), ``static/cross/*.avi`` (it crosses part of
the frame, off centre) and ``static/boxes.json``. Actors of groups 1 to 12 get backgrounds of groups 1 to 12, the others
of the others, so that constants found on one half can be judged on the other. The same input gives the same clips.
"""

from __future__ import annotations

import argparse
import json
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt

from mocrop.evaluation.coverage.actor_boxes import Tube, read_actor_boxes
from mocrop.pipeline.video.open import open_container

Picture = npt.NDArray[np.uint8]  # (height, width, 3) RGB
DoubleMap = npt.NDArray[np.float64]

KINDS = ("drift", "cross")
TUNING_GROUPS = range(1, 13)
FRAMES, MAX_TUBE, BACKGROUND_FRAMES = 72, 90, 60
MARGIN = 0.08  # of the actor's box, added on every side of the cut-out, where its mask is soft
OFF_CENTRE = 0.15  # least distance of the path's middle from the frame's in one direction, fractions
NOISE = (0.0, 1.5, 3.0)  # standard deviation of the sensor's noise, grey levels; one of them per clip
BIT_RATE, KEY_INTERVAL, RATE = 600_000, 12, 25


@dataclass(frozen=True, kw_only=True)
class Composite:
    """Frames and the actor's box in each: left, top, width, height in pixels."""

    frames: list[Picture]
    boxes: list[tuple[float, float, float, float]]


def composite(
    source: Sequence[Picture], tube: Tube, ground: Picture, *, kind: str, rng: np.random.Generator
) -> Composite:
    """Move the actor of a tube over a frozen frame, forwards and backwards if the tube is short."""
    height, width = source[0].shape[:2]
    boxes = tube.boxes[: min(len(source) - tube.start, MAX_TUBE)]
    there = np.arange(len(boxes))
    order = np.resize(np.concatenate([there, there[::-1][1:-1]]), max(FRAMES, len(boxes)))
    largest = np.array([0.5 * width / np.median(boxes[:, 2]), 0.55 * height / np.median(boxes[:, 3])])
    scale = float(min(rng.uniform(0.8, 1.3), *largest))
    room = np.minimum(boxes[:, 2:].max(axis=0) * scale, [0.8 * width, 0.8 * height]) / 2
    path = _path(kind, len(order), rng, low=room, high=np.array([width, height]) - room, frame=(width, height))
    noise = float(rng.choice(NOISE))
    made = Composite(frames=[], boxes=[])
    for index, centre in zip(order, path, strict=True):
        cut = _scaled(_cut_out(source[tube.start + index], boxes[index]), scale, largest=(width - 2, height - 2))
        frame, box = _pasted(ground, cut, centre)
        if noise:
            frame += rng.normal(0, noise, frame.shape[:2])[..., np.newaxis].astype(np.float32)
        made.frames.append(np.clip(frame, 0, 255).astype(np.uint8))
        made.boxes.append(box)
    return made


def _path(
    kind: str, count: int, rng: np.random.Generator, *, low: DoubleMap, high: DoubleMap, frame: tuple[int, int]
) -> DoubleMap:
    """Centres of the actor, (count, 2): about one place, or along a line of 25 to 60 % of the frame's width."""
    size = np.array(frame)
    middle = size / 2
    while (abs(middle - size / 2) <= OFF_CENTRE * size).all():
        middle = np.array([rng.uniform(low[0], high[0]), rng.uniform(low[1], high[1])])
    time = np.linspace(0, 1, count)
    if kind == "drift":
        phase, reach = rng.uniform(0, 6.28, 2), rng.uniform(3, 12, 2)
        turns = [rng.uniform(0.5, 2), rng.uniform(0.5, 2)]
        away = np.stack([reach[n] * np.sin(2 * np.pi * time * turns[n] + phase[n]) for n in range(2)], axis=1)
    else:
        length = rng.uniform(0.25, 0.6) * frame[0]
        angle = rng.choice([0, np.pi]) + rng.uniform(-0.35, 0.35)
        away = np.outer(time - 0.5, [length * np.cos(angle), length * np.sin(angle)])
    return np.clip(middle + away, low, high)


def _cut_out(picture: Picture, box: DoubleMap) -> Picture:
    left, top, width, height = box
    first = np.maximum([left - MARGIN * width, top - MARGIN * height], 0).astype(int)
    last = np.minimum([left + (1 + MARGIN) * width, top + (1 + MARGIN) * height], picture.shape[1::-1]).astype(int)
    cut = picture[first[1] : last[1], first[0] : last[0]]
    return cut if min(cut.shape[:2]) >= 4 else picture[:32, :32]


def _scaled(cut: Picture, scale: float, *, largest: tuple[int, int]) -> Picture:
    width, height = (
        min(max(6, round(side * scale)), most) for side, most in zip(cut.shape[1::-1], largest, strict=True)
    )
    frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(cut), format="rgb24")
    return frame.reformat(width=width, height=height, interpolation="BILINEAR").to_ndarray()


def _pasted(
    ground: Picture, cut: Picture, centre: DoubleMap
) -> tuple[npt.NDArray[np.float32], tuple[float, float, float, float]]:
    """The frame with the cut-out blended in, and the actor's box within the cut-out."""
    height, width = cut.shape[:2]
    left = int(np.clip(round(centre[0] - width / 2), 0, ground.shape[1] - width))
    top = int(np.clip(round(centre[1] - height / 2), 0, ground.shape[0] - height))
    frame = ground.astype(np.float32)
    below = frame[top : top + height, left : left + width]
    mask = _soft_mask(height, width)
    below[:] = mask * cut + (1 - mask) * below
    part = 1 / (1 + 2 * MARGIN)
    rest = (1 - part) / 2
    return frame, (left + width * rest, top + height * rest, width * part, height * part)


def _soft_mask(height: int, width: int) -> npt.NDArray[np.float32]:
    """Nearly an ellipse, opaque inside and fading over its outer quarter: shape (height, width, 1)."""
    down, across = np.linspace(-1, 1, height)[:, np.newaxis], np.linspace(-1, 1, width)
    radius = (abs(across) ** 3 + abs(down) ** 3) ** (1 / 3)
    return np.clip((1 - radius) / 0.25, 0, 1)[..., np.newaxis].astype(np.float32)


def read_frames(path: Path, count: int) -> list[Picture]:
    """The first frames of a video."""
    with open_container(path) as container:
        return [frame.to_ndarray(format="rgb24") for frame in islice(container.decode(video=0), count)]


def write_clip(path: Path, frames: Sequence[Picture]) -> None:
    """Encode as UCF-101 is: MPEG-4 Part 2 in AVI, the same bytes every time."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as output:
        stream = output.add_stream("mpeg4", rate=RATE)
        stream.height, stream.width = frames[0].shape[:2]
        stream.pix_fmt, stream.bit_rate = "yuv420p", BIT_RATE
        context = stream.codec_context
        context.thread_count, context.gop_size, context.max_b_frames = 1, KEY_INTERVAL, 0
        for frame in frames:
            output.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        output.mux(stream.encode(None))


def make_static_clips(dataset: Path, boxes: Path, target: Path) -> int:
    """Write two clips for every annotated one; returns how many were written."""
    actors = {clip: tubes for clip, tubes in read_actor_boxes(boxes).items() if (dataset / f"{clip}.avi").is_file()}
    acting = {clip.split("/")[0] for clip in actors}
    grounds = [path for path in sorted(dataset.glob("*/*.avi")) if path.parent.name not in acting]
    written: dict[str, list[dict[str, object]]] = {}
    for clip, tubes in sorted(actors.items()):
        same_side = [path for path in grounds if _tuning(path.stem) == _tuning(clip)]
        tube = max(tubes, key=lambda one: len(one.boxes))
        source = read_frames(dataset / f"{clip}.avi", tube.start + len(tube.boxes))
        for kind in KINDS:
            rng = np.random.default_rng(zlib.crc32(f"{clip}/{kind}".encode()))
            frozen = read_frames(same_side[rng.integers(len(same_side))], BACKGROUND_FRAMES)
            made = composite(source, tube, frozen[rng.integers(len(frozen))], kind=kind, rng=rng)
            name = f"{kind}/{clip.split('/')[-1]}"
            write_clip(target / f"{name}.avi", made.frames)
            written[name] = [{"start": 0, "stop": len(made.boxes), "boxes": made.boxes}]
    (target / "boxes.json").write_text(json.dumps(written))
    return len(written)


def _tuning(name: str) -> bool:
    return int(name.rsplit("_g", 1)[1][:2]) in TUNING_GROUPS


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("dataset", type=Path, help="folder of UCF-101's classes")
    parser.add_argument("boxes", type=Path, help="box file, .json or .mat")
    parser.add_argument("target", type=Path, help="folder to write")
    given = parser.parse_args()
    print(f"{make_static_clips(given.dataset, given.boxes, given.target)} clips in {given.target}")
