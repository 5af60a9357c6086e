"""What a page shows of the motion of a clip: how much there is, the camera's curve, and arrows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from mocrop.evaluation.pictures.clip_view import ClipView
from mocrop.evaluation.pictures.contact_sheet import speed_by_frame
from mocrop.evaluation.pictures.motion_arrows import ArrowMaker
from mocrop.pipeline.motion.camera import following_distance_px
from mocrop.pipeline.motion.clip_motion import ClipMotion
from mocrop.pipeline.motion.residual import camera_speed, speeds, stands_still

SQUARES_ACROSS = 16  # of the arrows
MOST_POINTS = 400  # of the camera's curve; of a longer clip, each is the mean of several frames


@dataclass(frozen=True, kw_only=True)
class MotionFacts:
    """The motion of a clip in three numbers."""

    still: bool  # the camera stands still
    camera_px: float  # median speed of the camera, pixels per frame
    own_px: float  # speed of what moves by itself, mean over the picture and the frames, pixels per frame


def motion_facts(motion: ClipMotion) -> MotionFacts:
    """Look at the motion of a clip.

    A block moves by itself if it departs from the camera's motion as far as arrows of another colour do; its speed
    counts with its area, what has no vector counts as still.
    """
    with_vectors = int(np.count_nonzero(motion.vectors_per_frame + motion.zero_vectors))
    speed = speeds(motion, camera="compensate").astype(np.float64)
    speed[speed <= following_distance_px(motion.width, motion.height)] = 0
    area = motion.w.astype(np.float64) * motion.h
    camera = camera_speed(motion)
    return MotionFacts(
        still=stands_still(motion),
        camera_px=float(np.median(camera)) if len(camera) else 0.0,
        own_px=float((area * speed).sum() / (motion.width * motion.height * max(1, with_vectors))),
    )


def camera_curve(motion: ClipMotion) -> dict[str, Any]:
    """Speed of the camera and the share of the picture that follows it, by frame, as plain values."""
    numbers, speed = speed_by_frame(motion)
    share = motion.camera_support[numbers]
    parts = np.array_split(np.arange(len(numbers)), min(len(numbers), MOST_POINTS) or 1)
    kept = [part for part in parts if len(part)]
    return {
        "frames": motion.frames,
        "number": [int(numbers[part[0]]) for part in kept],
        "speed": [round(float(speed[part].mean()), 3) for part in kept],
        "share": [round(float(share[part].mean()), 3) for part in kept],
    }


def arrows_of(view: ClipView, shown: Sequence[int]) -> dict[str, Any]:
    """Vectors of the P frame that follows each of some frames, as plain values.

    Returns: ``stretch``, by which they are lengthened, and ``frames``, for each of ``shown`` None or the number of the
        P frame and its arrows: x and y of the start, x and y of the end, in pixels, and 1 if the block moves by itself.
    """
    if view.motion is None:
        return {"stretch": 1, "frames": []}
    maker = ArrowMaker(view.motion, squares_across=SQUARES_ACROSS)
    frames: list[dict[str, Any] | None] = []
    for number in shown:
        following = view.following_p_frame(number)
        if following is None:
            frames.append(None)
            continue
        arrows = maker.of_frame(following)
        rows = np.hstack([arrows.start.round(), arrows.end.round(), arrows.own[:, np.newaxis]]).astype(int)
        frames.append({"number": following, "arrows": rows.ravel().tolist()})
    return {"stretch": maker.stretch, "frames": frames}
