"""What a worker needs for the clips of an export: their boxes, and the crops of their slots."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt

from mocrop.pipeline.cache.dense import DenseWindows, window_slots
from mocrop.pipeline.cache.slots import UNUSED
from mocrop.pipeline.crop_box import CropBox
from mocrop.pipeline.errors import ClipError, Reason
from mocrop.pipeline.export.base import ExportClip, ExportSettings
from mocrop.pipeline.export.boxes import CacheRows, ClipBoxes
from mocrop.pipeline.outcome import ClipLog
from mocrop.pipeline.policies.base import ClipFacts, PictureSize
from mocrop.pipeline.policies.registry import decide
from mocrop.pipeline.span import MICROSECONDS
from mocrop.pipeline.stages.crop_work import CropWork
from mocrop.pipeline.video.spans import KnownTimes
from mocrop.pipeline.workspace.paths import Workspace

_KNOWN = KnownTimes()


@dataclass(frozen=True, kw_only=True, eq=False)
class SlotCrops:
    """The cropped frames of a clip's slots, as training sees them."""

    frames: npt.NDArray[np.uint8]  # (slots, 3, size, size), RGB
    numbers: list[int]  # of the frames in the clip, ascending
    boxes: tuple[CropBox, ...]  # one for each, fractions of the upright picture
    seconds: tuple[float, ...]  # when each is shown, since the first frame of the clip
    windows: (
        list[list[int]] | None
    )  # of neighbouring frames: for each frame of each window its slot; None: there are none


class ExportWork:
    """What the clips of a unit share."""

    def __init__(self, settings: ExportSettings, workspace: Workspace) -> None:
        self.settings, self.workspace = settings, workspace
        self.folder = Path(settings.folder)
        crop = settings.crop
        if crop.motion_fields is not None:  # no form has them, and a clip without vectors has crops all the same
            crop = dataclasses.replace(crop, motion_fields=None)
        self._crop_work = CropWork(crop, workspace)

    @cached_property
    def _rows(self) -> CacheRows:
        return CacheRows(self.workspace.cache(self.settings.cache))

    def crops(self, clip: ExportClip, log: ClipLog) -> SlotCrops:
        """The frames of the slots of a clip: those of the cache, or decoded and cropped as `mocrop precrop` does.

        Raises: ClipError, MocropError.
        """
        task = clip.task
        if self.settings.cache:
            row = self._rows.row(task.position, clip=task.name)
            frames = self._rows.frames(task.position, len(row.numbers), clip=task.name)
            numbers, boxes, starts, dense = row.numbers, row.boxes, row.starts, self._rows.dense
        else:
            crops = self._crop_work.crops(task, log)
            frames, numbers, boxes, starts = crops.frames, crops.numbers, crops.boxes, crops.windows
            dense = None if starts is None else self.settings.crop.dense
        return SlotCrops(
            frames=frames,
            numbers=numbers,
            boxes=boxes,
            seconds=self._seconds(clip, numbers),
            windows=None if starts is None or dense is None else _slots_of(numbers, starts, dense, clip=task.name),
        )

    def _seconds(self, clip: ExportClip, numbers: list[int]) -> tuple[float, ...]:
        """When frames of a clip are shown, by its own file. Raises: ClipError."""
        task = clip.task
        timed = _KNOWN.of(Path(task.path), clip=task.name, tick=lambda: None)
        times = timed.times_us if task.span is None else timed.times_us[slice(*_ends(timed.numbers(task.span)))]
        if numbers[-1] >= len(times):
            raise ClipError(
                Reason.UNREADABLE,
                f"{task.name}: frame {numbers[-1]} was cropped, and its file has {len(times)} frames; "
                "run `mocrop precrop` again",
            )
        return tuple(((times[numbers] - times[0]) / MICROSECONDS).tolist())

    def boxes(self, clip: ExportClip, picture: PictureSize, log: ClipLog) -> ClipBoxes:
        """The boxes of all frames of a clip.

        With a cache those of its slots, between which a box moves evenly; else those that the policy gives every frame.

        Args:
            picture: width and height of the upright picture.
        Raises: ClipError, MocropError.
        """
        task = clip.task
        if self.settings.cache:
            row = self._rows.row(task.position, clip=task.name)
            return ClipBoxes.of(row.numbers, row.boxes)
        motion, crop = self._crop_work.motion(task), self.settings.crop
        slots = range(0 if motion is None else motion.frames)
        result = decide(
            crop.policy, ClipFacts(name=task.name, size=picture, motion=motion, slots=slots), crop.policy_settings
        )
        if not result.usable:
            log.note(Reason.WHOLE_FRAME, f"not cropped: {result.why}")
        if result.slot_boxes:
            return ClipBoxes.of(slots, [box.in_float32() for box in result.slot_boxes], frames=len(slots))
        return ClipBoxes.of([0], [result.box.in_float32()], frames=len(slots))


def _slots_of(numbers: list[int], starts: list[int], dense: DenseWindows, *, clip: str) -> list[list[int]]:
    """The slot of each frame of each window of a clip. Raises: ClipError if one is not stored."""
    window = np.full((1, dense.windows), UNUSED, np.int32)
    window[0, : len(starts)] = starts
    try:
        return window_slots(np.array([numbers], np.int32), window, dense)[0, : len(starts)].tolist()  # type: ignore[no-any-return]
    except ValueError as error:
        fact = f"its windows begin at {starts}, and the frames that are stored are not theirs"
        raise ClipError(Reason.UNREADABLE, f"{clip}: {fact}; `mocrop verify` says how to repair it") from error


def _ends(numbers: range) -> tuple[int, int]:
    return numbers.start, numbers.stop
