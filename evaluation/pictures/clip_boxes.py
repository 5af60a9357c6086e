"""The boxes of policies on one clip, in the frames that a picture shows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from mocrop.evaluation.pictures.box_path import BoxPath
from mocrop.pipeline.choices import Bars, require_choice
from mocrop.pipeline.crop_box import CropBox
from mocrop.pipeline.errors import CropBoxError, MotionStoreError, SettingsError
from mocrop.pipeline.limits import require_number, require_whole
from mocrop.pipeline.policies.base import AreaSettings, ClipFacts, PolicyResult, PolicySettings, whole_frame
from mocrop.pipeline.policies.registry import POLICIES, decide
from mocrop.pipeline.settings import settings_from

SAME_EDGE = 0.01  # edges this close count as one, fractions of the frame


@dataclass(frozen=True, kw_only=True)
class ShowSettings:
    """What to show of a clip."""

    policies: tuple[str, ...] = ()  # keys of POLICIES; empty: all that can decide on the clip
    ratio: float = 0.75  # area of the boxes as a fraction of the frame
    bars: Bars = "keep"  # cut: as a fraction of the picture inside black bars
    frames: int = 6  # on the contact sheet, at most; key frames, if there are enough
    every_frame: bool = False  # whether the boxes of all frames are needed, or of enough to draw a path

    def __post_init__(self) -> None:
        if unknown := [name for name in self.policies if name not in POLICIES]:
            raise ValueError(f"there is no policy {unknown[0]!r}; there is {', '.join(POLICIES)}")
        require_number("ratio", self.ratio, above=0, most=1)
        require_choice("bars", self.bars, Bars)
        require_whole("frames", self.frames, least=1)


@dataclass(frozen=True, kw_only=True, eq=False)
class ClipBoxes:
    """Results of policies on one clip.

    Attributes:
        slots: numbers of the frames that moving boxes are known of, ascending.
        results: by policy.
        left_out: why a policy is not among them that would be, by policy.
    """

    slots: tuple[int, ...]
    results: Mapping[str, PolicyResult]
    left_out: Mapping[str, str]

    def at(self, number: int) -> dict[str, CropBox]:
        """The box of each policy in one frame; a moving one that is not known of this frame is left out."""
        boxes = {}
        for name, result in self.results.items():
            if not result.slot_boxes:
                boxes[name] = result.box
            elif number in self.slots:
                boxes[name] = result.slot_boxes[self.slots.index(number)]
        return boxes

    @property
    def paths(self) -> dict[str, BoxPath]:
        """The way of each box that moves, by policy."""
        moving = {name: result.slot_boxes for name, result in self.results.items() if result.slot_boxes}
        return {name: BoxPath.of(self.slots, boxes) for name, boxes in moving.items()}


def decided(clip: ClipFacts, settings: ShowSettings) -> ClipBoxes:
    """Let the named policies decide on a clip, or else all that can.

    Raises: CropBoxError if a named policy has no box of the ratio; SettingsError if it needs settings that have no
        default; MotionStoreError if the store is too old for it.
    """
    results, left_out = {}, {}
    for name in settings.policies or POLICIES:
        try:
            result = decide(name, clip, _settings_of(name, settings))
        except MotionStoreError as error:
            if clip.motion is not None and settings.policies:
                raise
            if clip.motion is not None:
                left_out[name] = str(error).removeprefix(f"{clip.name}: ")
                continue
            result = whole_frame(PolicySettings(), why="its motion is not known")
        except (SettingsError, CropBoxError):  # a setting that has no default, or no box of the ratio
            if settings.policies:
                raise
            continue
        if result.usable or settings.policies:
            results[name] = result
    return ClipBoxes(slots=tuple(clip.slots), results=results, left_out=left_out)


def _settings_of(policy: str, settings: ShowSettings) -> PolicySettings:
    kind = POLICIES[policy].settings
    area = {"ratio": settings.ratio, "bars": settings.bars} if issubclass(kind, AreaSettings) else {}
    return settings_from(kind, area, {}, where=f"--policy {policy}")


def edge_widths(boxes: Mapping[str, CropBox]) -> dict[str, tuple[int, ...]]:
    """Width of the left, top, right and bottom edge of each box that is not the whole frame, in strokes, at least 1.

    An edge is one stroke wider for each later box with the same edge: drawn in order, they show as stripes.

    >>> wide, high = CropBox(left=0, top=0, right=1, bottom=0.5), CropBox(left=0, top=0, right=0.5, bottom=1)
    >>> edge_widths({"a": wide, "b": high})
    {'a': (2, 2, 1, 1), 'b': (1, 1, 1, 1)}
    """
    outlined = [name for name in boxes if boxes[name].area < 1]
    edges = np.array([boxes[name].edges for name in outlined]).reshape(-1, 4)
    same = np.abs(edges[:, np.newaxis] - edges) < SAME_EDGE
    counts = [1 + same[number, number + 1 :].sum(axis=0) for number in range(len(outlined))]
    return {name: tuple(count.tolist()) for name, count in zip(outlined, counts, strict=True)}


def path_frames(shown: Sequence[int], frames: int, *, most: int = 200) -> tuple[int, ...]:
    """Numbers of the frames to find boxes in, so that a path is smooth: those shown and others, the ends among them.

    Args:
        frames: of the clip; numbers from there on are dropped.
        most: how many others.

    >>> path_frames([3, 9], 9, most=4)
    (0, 2, 3, 5, 8)
    """
    between = np.linspace(0, frames - 1, min(frames, most)).astype(int).tolist()
    return tuple(sorted({number for number in (*shown, *between) if number < frames}))
