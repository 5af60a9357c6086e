"""Choose, decode and crop the frames of one clip."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt

from mocrop.pipeline.cache.layout import ClipState
from mocrop.pipeline.cache.slots import chosen_frames
from mocrop.pipeline.choices import Select
from mocrop.pipeline.crop_box import CropBox, PixelEdges
from mocrop.pipeline.errors import ClipError, LackingMotionError, MotionStoreError, Reason
from mocrop.pipeline.motion.clip_motion import ClipMotion
from mocrop.pipeline.motion.fields import Fields, dense_motion
from mocrop.pipeline.motion.store import MotionReader
from mocrop.pipeline.outcome import ClipLog, ClipTask
from mocrop.pipeline.policies.base import ClipFacts, PolicyResult
from mocrop.pipeline.policies.registry import decide
from mocrop.pipeline.stages.contract import file_to_read
from mocrop.pipeline.stages.precrop_settings import PrecropSettings
from mocrop.pipeline.video.cropper import Cropper
from mocrop.pipeline.video.decoder import FrameDamage
from mocrop.pipeline.video.frames import NotAsToldError, decode_frames, with_timeline
from mocrop.pipeline.video.open import OpenVideo
from mocrop.pipeline.video.orientation import Orientations
from mocrop.pipeline.video.picture_notes import note_container, note_picture, picture_form
from mocrop.pipeline.video.timeline import Timeline
from mocrop.pipeline.workspace.paths import Workspace


class CropWork:
    """What the clips of a unit share."""

    def __init__(self, settings: PrecropSettings, workspace: Workspace) -> None:
        self.settings = settings
        self.workspace = workspace
        self.cropper = Cropper(size=settings.size, fit=settings.fit)

    @cached_property
    def _store(self) -> MotionReader:
        if not self.workspace.motion.is_dir():
            raise LackingMotionError(f"{self.workspace.motion} is not there; run `mocrop extract-mv`")
        return MotionReader(self.workspace.motion)

    def motion(self, task: ClipTask) -> ClipMotion | None:
        """The motion of a clip; None if neither policy nor motion fields need it.

        Raises: MotionStoreError if the store has none: a whole frame for it would pass for one without motion;
            LackingMotionError if there is no store.
        """
        if not self.settings.needs_motion:
            return None
        motion = self._store.read(task.position)
        if motion is None:
            raise MotionStoreError(f"{task.name}: {self.workspace.motion} does not contain it; run `mocrop extract-mv`")
        return motion

    def fields(
        self,
        motion: ClipMotion | None,
        numbers: Sequence[int],
        *,
        boxes: Sequence[CropBox],
        contents: Sequence[PixelEdges],
        log: ClipLog,
    ) -> Fields | None:
        """Motion fields of the frames with these numbers, int8, (frames, 2, side, side); None if the cache has none."""
        settings = self.settings.motion_fields
        if settings is None:
            return None
        assert motion is not None
        if not len(motion.x):
            log.note(Reason.STILL_FIELDS, "its motion fields are zeros: it has no motion vectors")
        return dense_motion(motion, numbers, boxes=boxes, size=self.settings.size, settings=settings, contents=contents)


@dataclass(frozen=True, kw_only=True, eq=False)
class ClipCrops:
    """What the cache stores of a clip that can be read."""

    frames: npt.NDArray[np.uint8]  # (used slots, 3, size, size)
    numbers: list[int]  # of the source frames
    box: CropBox  # of the clip
    boxes: tuple[CropBox, ...]  # (used slots,)
    picture: CropBox  # what the density spans
    density: npt.NDArray[np.float32]  # (rows, cols)
    content: npt.NDArray[np.float32]  # (used slots, 4) what is not padding, fractions of the stored frame
    state: ClipState
    fields: Fields | None  # (used slots, 2, side, side)


def read_crops(task: ClipTask, work: CropWork, log: ClipLog) -> ClipCrops:
    """Decode and crop the chosen frames of one clip. Raises: ClipError."""
    motion = work.motion(task)

    def crops(video: OpenVideo, timeline: Timeline) -> ClipCrops:
        if motion is not None and motion.frames != timeline.frames:
            fact = f"{task.name}: its motion is that of {motion.frames} frames, and it has {timeline.frames}"
            if timeline.damage is None:
                raise NotAsToldError(fact)
            raise ClipError(Reason.UNREADABLE, f"{fact}; run `mocrop extract-mv` again")
        return _crops_of(video, timeline, task, motion, work, log)

    path = file_to_read(task, work.settings.source, work.workspace, log)
    return with_timeline(path, crops, clip=task.name, log=log)


def _crops_of(
    video: OpenVideo, timeline: Timeline, task: ClipTask, motion: ClipMotion | None, work: CropWork, log: ClipLog
) -> ClipCrops:
    """Crop the chosen frames; the first of them gives the picture size, and so the boxes."""
    settings, clip = work.settings, task.name
    select: Select = "uniform" if timeline.without_key_frames else settings.select
    if select != settings.select:
        log.note(Reason.NO_KEY_FRAMES, "its pictures are refreshed without key frames; evenly spaced frames were taken")
    if video.path == Path(task.path):  # of a file that transcode has made, it has noted it
        note_container(video, log)
    stored = np.empty((settings.frames, 3, settings.size, settings.size), np.uint8)
    used: list[int] = []
    key_frames = timeline.key_frames.tolist()
    numbers = chosen_frames(select, key_frames=key_frames, frames=timeline.frames, slots=settings.frames)
    damage = FrameDamage()
    orientations = Orientations(video.stream)
    frames = decode_frames(
        video,
        timeline,
        numbers,
        key_frames_only=select == "keyframes",
        damage=damage,
        orientations=orientations,
    )
    first = next(frames, None)
    if first is None:
        raise ClipError(Reason.NO_FRAMES, f"{clip}: none of its {len(numbers)} chosen frames could be decoded")
    picture = orientations.now.size(first[1].width, first[1].height)
    facts = ClipFacts(name=clip, size=picture, motion=motion, slots=numbers)
    result = decide(settings.policy, facts, settings.policy_settings)
    # as the cache stores them, so that they tell exactly which pixels were cropped
    box_of = {number: box.in_float32() for number, box in zip(numbers, result.boxes(len(numbers)), strict=True)}
    content: list[PixelEdges] = []
    noted: tuple[object, ...] = ()
    for slot, (number, frame) in enumerate(itertools.chain([first], frames)):
        if noted != (form := picture_form(frame, orientations.now)):
            note_picture(frame, orientations.now, picture, clip=clip, log=log)
            noted = form
        edges = work.cropper.crop(frame, stored[slot], box=box_of[number], orientation=orientations.now)
        content.append(edges)
        used.append(number)
    (timeline.damage or damage).report(clip=clip, max_damaged=settings.max_damaged, log=log)
    _note_result(result, log)
    _note_slots(len(used), timeline.frames, select, settings, log)
    state = ClipState.CROPPED if result.usable else ClipState.WHOLE_FRAME
    boxes = tuple(box_of[number] for number in used)
    return ClipCrops(
        frames=stored[: len(used)],
        numbers=used,
        box=result.box.in_float32(),
        boxes=boxes,
        picture=result.picture.in_float32(),
        density=result.density,
        content=np.array(content, np.float32) / np.float32(settings.size),
        state=state,
        fields=work.fields(motion, used, boxes=boxes, contents=content, log=log),
    )


def _note_result(result: PolicyResult, log: ClipLog) -> None:
    if not result.usable:
        log.note(Reason.WHOLE_FRAME, f"not cropped: {result.why}")


def _note_slots(used: int, count: int, select: Select, settings: PrecropSettings, log: ClipLog) -> None:
    """Note why slots stay empty: ``used`` of the ``count`` frames in the clip were chosen."""
    key_frames = select == "keyframes"
    if count == 1:
        log.note(Reason.ONE_FRAME, "the clip has one frame")
    elif used < settings.frames:
        fact = f"{used} {'key frames' if key_frames else 'frames'} for {settings.frames} slots"
        log.note(Reason.FEW_KEY_FRAMES if key_frames else Reason.FEW_FRAMES, fact)
