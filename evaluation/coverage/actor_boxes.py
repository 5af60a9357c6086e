"""Read annotated boxes of actors, by clip, from JSON or from UCF101-24's MATLAB file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from mocrop.evaluation.coverage.matlab_file import MatlabValue, read_matlab
from mocrop.pipeline.errors import DatasetError
from mocrop.pipeline.strict_json import parsed_json

DoubleMap = npt.NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, eq=False)
class Tube:
    """One actor in consecutive frames."""

    start: int  # its first frame, 0-based
    boxes: DoubleMap  # (frames, 4): left, top, width, height in pixels of the clip, from 0


ActorBoxes: TypeAlias = Mapping[str, tuple[Tube, ...]]  # by clip: path under the data set without suffix


def read_actor_boxes(path: Path) -> ActorBoxes:
    """Read a box file: JSON, or the ``.mat`` of UCF101-24's corrected annotations. Pickles are not read.

    The JSON maps a clip to its tubes: ``{"Class/clip": [{"start": 0, "stop": 2, "boxes": [[x, y, w, h], ...]}]}``, in
    pixels and frames from 0, ``stop`` exclusive.

    Raises: DatasetError naming the file, the clip and what is wrong with it.
    """
    match path.suffix.lower():
        case ".json":
            entries = _json_entries(path)
        case ".mat":
            entries = _matlab_entries(path)
        case suffix:
            raise DatasetError(f"{path}: box files are .json or .mat, not {suffix or 'without suffix'}")
    boxes: dict[str, tuple[Tube, ...]] = {}
    for clip, tubes in entries:
        if clip in boxes:
            raise DatasetError(f"{path}: {clip} is there twice")
        boxes[clip] = tubes
    if not any(boxes.values()):
        raise DatasetError(f"{path}: there is no box in it")
    return boxes


def _json_entries(path: Path) -> Iterator[tuple[str, tuple[Tube, ...]]]:
    try:
        content = parsed_json(path.read_text("utf-8"))
    except OSError as error:
        raise DatasetError(f"{path}: cannot be read ({error.strerror})") from error
    except ValueError as error:
        raise DatasetError(f"{path}: is no JSON ({error})") from error
    if not isinstance(content, dict):
        raise DatasetError(f"{path}: must map clips to tubes")
    for clip, tubes in content.items():
        try:
            yield clip, tuple(_tube(tube["start"], tube["stop"], tube["boxes"]) for tube in tubes)
        except (KeyError, TypeError, ValueError) as error:
            raise DatasetError(f"{path}: {clip}: a tube needs start, stop and boxes ({error})") from error


def _matlab_entries(path: Path) -> Iterator[tuple[str, tuple[Tube, ...]]]:
    """Variable ``annot``: a structure array with ``name`` and ``tubes``, those with ``sf``, ``ef`` and ``boxes``.

    Frames and pixels count from 1 and ``ef`` is inclusive.
    """
    annotations = read_matlab(path).get("annot")
    if not isinstance(annotations, list):
        raise DatasetError(f"{path}: has no structure array `annot`, as UCF101-24's corrected annotations have")
    for number, annotation in enumerate(annotations):
        clip = annotation.get("name") if isinstance(annotation, dict) else None
        if not isinstance(annotation, dict) or not isinstance(clip, str):
            raise DatasetError(f"{path}: annotation {number + 1} has no name")
        try:
            yield clip, tuple(_matlab_tubes(annotation.get("tubes")))
        except (KeyError, TypeError, ValueError) as error:
            raise DatasetError(f"{path}: {clip}: a tube needs sf, ef and boxes ({error})") from error


def _matlab_tubes(tubes: MatlabValue | None) -> Iterator[Tube]:
    if not isinstance(tubes, list):
        return  # an empty structure array can be written as an empty matrix
    for tube in tubes:
        if not isinstance(tube, dict):
            raise TypeError("a tube is no structure")
        first, last, boxes = (np.asarray(tube[field], np.float64) for field in ("sf", "ef", "boxes"))
        yield _tube(first.item() - 1, last.item(), boxes - np.array([1, 1, 0, 0]))


def _tube(start: object, stop: object, boxes: object) -> Tube:
    array = np.asarray(boxes, np.float64).reshape(-1, 4)
    first, end = (_whole(value) for value in (start, stop))
    if not 0 <= first <= end:
        raise ValueError(f"frames {first} to {end}")
    if len(array) != end - first:
        raise ValueError(f"{len(array)} boxes for {end - first} frames")
    if not np.isfinite(array).all() or (array[:, 2:] < 0).any():
        raise ValueError("boxes must be finite and not turned inside out")
    return Tube(start=first, boxes=array)


def _whole(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int | float) or value != int(value):
        raise TypeError(f"{value!r} is no frame number")
    return int(value)


def fractions(tubes: tuple[Tube, ...], *, width: int, height: int) -> DoubleMap:
    """All boxes of a clip, tube after tube, as fractions of the picture; see :func:`actor_rows`."""
    return actor_rows(tubes, width=width, height=height)[1]


def actor_rows(tubes: tuple[Tube, ...], *, width: int, height: int) -> tuple[npt.NDArray[np.int64], DoubleMap]:
    """All boxes of a clip, tube after tube, with the frames that they belong to.

    Boxes are clipped to the picture; those wholly outside are left out.

    Returns: int64, shape (n,): numbers of frames; float64, shape (n, 4): left, top, right, bottom, fractions.
    """
    boxes = np.concatenate([np.empty((0, 4)), *(tube.boxes for tube in tubes)])
    frames = np.concatenate([np.empty(0, np.int64), *(tube.start + np.arange(len(tube.boxes)) for tube in tubes)])
    edges = np.concatenate([boxes[:, :2], boxes[:, :2] + boxes[:, 2:]], axis=1)
    edges = np.clip(edges / [width, height, width, height], 0, 1)
    inside = (edges[:, 2] > edges[:, 0]) & (edges[:, 3] > edges[:, 1])
    return frames[inside], edges[inside]
