"""Write generated clips as UCF-101 has its own: MPEG-4 Part 2 in AVI, split lists, and the boxes of the actors."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import av
import numpy as np
import numpy.typing as npt

from mocrop.pipeline.dataset.clips import group_of
from mocrop.pipeline.strict_json import json_text

Picture: TypeAlias = npt.NDArray[np.uint8]  # (height, width, 3), RGB
Box: TypeAlias = tuple[int, int, int, int]  # x, y, w, h in pixels

FRAMES_PER_SECOND, KEY_FRAME_INTERVAL = 25, 12
QUANTISER = 4  # of 1 (fine) to 31 (coarse), for every frame
TEST_SHARE, SPLITS = 7 / 25, 3  # as in UCF-101: groups 1 to 7 of 25 test split 1, 8 to 14 split 2, 15 to 21 split 3


@dataclass(frozen=True, kw_only=True)
class DataSet:
    """The files of a generated data set."""

    videos: Path
    splits: Path
    boxes: Path

    @classmethod
    def within(cls, folder: Path) -> DataSet:
        """Where they lie in a folder."""
        return cls(videos=folder / "videos", splits=folder / "splits", boxes=folder / "actor-boxes.json")


def write_clip(
    path: Path,
    frames: Iterable[tuple[Picture, Box]],
    *,
    quantiser: int = QUANTISER,
    key_interval: int = KEY_FRAME_INTERVAL,
) -> list[Box]:
    """Encode frames as UCF-101 is encoded, the same bytes every time, and return their boxes.

    Args:
        key_interval: frames from one key frame to the next; 1: every frame is one, so that none depends on another.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    boxes: list[Box] = []
    with av.open(f"file:{path}", "w", format="avi") as output:
        quality = {"qmin": str(quantiser), "qmax": str(quantiser)}
        stream = output.add_stream("mpeg4", rate=FRAMES_PER_SECOND, options=quality)
        context = stream.codec_context
        context.thread_count, context.gop_size, context.max_b_frames = 1, key_interval, 0
        for picture, box in frames:
            if not boxes:
                stream.height, stream.width = picture.shape[:2]
                stream.pix_fmt = "yuv420p"
            boxes.append(box)
            output.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        output.mux(stream.encode(None))
    return boxes


def write_lists(files: DataSet, boxes: Mapping[str, Sequence[Box]]) -> None:
    """Write split lists in UCF-101's form, and the boxes in the form that `mocrop coverage` reads.

    Args:
        boxes: one per frame, by clip ("Class/v_Class_g01_c01").
    """
    files.splits.mkdir(parents=True, exist_ok=True)
    classes = sorted({name.split("/")[0] for name in boxes})
    _write_lines(files.splits / "classInd.txt", [f"{number} {name}" for number, name in enumerate(classes, 1)])
    groups = sorted({group_of(name) for name in boxes})
    for split, tested in enumerate(groups_of_splits(len(groups)), 1):
        test = [name for name in boxes if groups.index(group_of(name)) in tested]
        train = [f"{name}.avi {classes.index(name.split('/')[0]) + 1}" for name in boxes if name not in set(test)]
        _write_lines(files.splits / f"testlist{split:02d}.txt", sorted(f"{name}.avi" for name in test))
        _write_lines(files.splits / f"trainlist{split:02d}.txt", sorted(train))
    tubes = {name: [{"start": 0, "stop": len(found), "boxes": found}] for name, found in sorted(boxes.items())}
    files.boxes.write_text(json_text(tubes), encoding="utf-8", newline="\n")


def groups_of_splits(groups: int) -> list[range]:
    """Which groups, counted from 0, are tested in each split.

    >>> groups_of_splits(25), groups_of_splits(3)
    ([range(0, 7), range(7, 14), range(14, 21)], [range(0, 1), range(1, 2), range(2, 3)])
    """
    tested = max(1, round(TEST_SHARE * groups))
    return [range(tested * split, tested * (split + 1)) for split in range(SPLITS) if tested * (split + 1) <= groups]


def _write_lines(path: Path, lines: Iterable[str]) -> None:
    path.write_text("".join(f"{line}\n" for line in lines), encoding="ascii", newline="\n")
