"""What one way of cropping has made of one clip: boxes and crops in the frames that a page shows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from mocrop.evaluation.pictures.box_path import BoxPath
from mocrop.evaluation.pictures.clip_view import ClipView, Picture
from mocrop.pipeline.cache.slots import evenly
from mocrop.pipeline.crop_box import WHOLE_FRAME, CropBox

MOST_POINTS = 40  # of a path

CROPPED, WHOLE, FAILED, NOT_WRITTEN = "cropped", "whole frame", "failed", "not written"  # states of a clip


@dataclass(frozen=True, kw_only=True, eq=False)
class Crops:
    """One way's crops of one clip.

    Attributes:
        state: a word above.
        why: of a state that is not "cropped"; may be empty.
        numbers: of the frames that ``boxes`` and ``pictures`` are of, one for each that is shown, ascending.
        boxes: in these frames, fractions of the frame.
        pictures: the crops, uint8, shape (height, width, 3), all of one shape; empty where they cannot be read.
        density: float32, shape (rows, cols): map that the box was found on; None without one.
        spans: part of the frame that ``density`` covers.
        path: the way of a box that moves.
        words: why there are no pictures of boxes that there are.
    """

    state: str
    why: str = ""
    numbers: Sequence[int] = ()
    boxes: Sequence[CropBox] = ()
    pictures: Sequence[Picture] = ()
    density: npt.NDArray[np.float32] | None = None
    spans: CropBox = WHOLE_FRAME
    path: BoxPath | None = None
    words: str = ""

    @property
    def moves(self) -> bool:
        return self.path is not None

    @property
    def mean_box(self) -> CropBox | None:
        """The mean of the edges of all boxes; None without a box."""
        if not self.boxes:
            return None
        left, top, right, bottom = np.mean([box.edges for box in self.boxes], axis=0).tolist()
        return CropBox(left=left, top=top, right=right, bottom=bottom)


def off_centre(box: CropBox) -> float:
    """How far the centre of a box is from that of the frame: 0 at the centre, 1 at a corner of the frame.

    >>> off_centre(CropBox(left=0, top=0, right=0.5, bottom=0.5)), off_centre(WHOLE_FRAME)
    (0.5, 0.0)
    """
    left, top, right, bottom = box.edges
    return float(np.hypot((left + right) / 2 - 0.5, (top + bottom) / 2 - 0.5) / np.hypot(0.5, 0.5))


def thinned(path: BoxPath) -> BoxPath:
    """A path of few enough points for a page, its ends among them."""
    kept = sorted({0, *evenly(len(path.numbers), slots=MOST_POINTS - 2), len(path.numbers) - 1})
    return BoxPath(numbers=tuple(path.numbers[place] for place in kept), centres=path.centres[kept])


def crops_of_policy(view: ClipView, name: str, pictures: Mapping[int, Picture]) -> Crops:
    """What a policy makes of a clip: its box cut out of the frames, in its own shape.

    Args:
        pictures: frames by number.
    """
    result = view.results[name]
    boxes = {number: view.boxes.at(number)[name] for number in pictures if name in view.boxes.at(number)}
    path = view.boxes.paths.get(name)
    return Crops(
        state=CROPPED if result.usable else WHOLE,
        why=result.why,
        numbers=tuple(boxes),
        boxes=tuple(boxes.values()),
        pictures=[_cut(pictures[number], box) for number, box in boxes.items()],
        density=result.density if result.density.any() else None,
        spans=result.picture,
        path=None if path is None else thinned(path),
    )


def _cut(picture: Picture, box: CropBox) -> Picture:
    left, top, right, bottom = box.pixels(picture.shape[1], picture.shape[0])
    return picture[top:bottom, left:right]
