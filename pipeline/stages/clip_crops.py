"""Choose, decode and crop the frames of one video file."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from av.video.frame import VideoFrame

from mocrop.pipeline.cache.layout import ClipState
from mocrop.pipeline.crop_box import CropBox, PixelEdges
from mocrop.pipeline.errors import ClipError, Reason
from mocrop.pipeline.motion.clip_motion import ClipMotion
from mocrop.pipeline.motion.fields import Fields, dense_motion
from mocrop.pipeline.outcome import ClipLog
from mocrop.pipeline.policies.base import ClipFacts, PolicyResult
from mocrop.pipeline.policies.registry import decide
from mocrop.pipeline.stages.chosen import Chosen, choose_frames, note_slots
from mocrop.pipeline.stages.precrop_settings import PrecropSettings
from mocrop.pipeline.video.cropper import Cropper
from mocrop.pipeline.video.decoder import FrameDamage
from mocrop.pipeline.video.frames import NotAsToldError, decode_frames, with_timeline
from mocrop.pipeline.video.open import OpenVideo
from mocrop.pipeline.video.orientation import Orientation, Orientations
from mocrop.pipeline.video.picture_notes import note_container, note_picture, picture_form
from mocrop.pipeline.video.timeline import Timeline


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
    windows: list[int] | None = None  # numbers of the frames that windows begin with; None: the settings choose none


def crop_file(
    path: Path,
    settings: PrecropSettings,
    cropper: Cropper,
    *,
    clip: str,
    motion: ClipMotion | None,
    own: bool,
    log: ClipLog,
) -> ClipCrops:
    """Decode and crop the chosen frames of a video file.

    Args:
        path: the file.
        cropper: of these settings, used by one thread at a time.
        clip: its name, which seeds the sampling of some policies, and for messages.
        motion: of that file; None only if the settings need none.
        own: whether it is a data set's own file: of one that transcode has made, that has noted what is odd about it.
        log: receives why slots stay empty, why it is not cropped, and what is odd about its pictures.
    Raises: ClipError.
    """

    def crops(video: OpenVideo, timeline: Timeline) -> ClipCrops:
        if motion is not None and motion.frames != timeline.frames:
            fact = f"{clip}: its motion is that of {motion.frames} frames, and it has {timeline.frames}"
            if timeline.damage is None:
                raise NotAsToldError(fact)
            raise ClipError(Reason.UNREADABLE, f"{fact}; run `mocrop extract-mv` again")
        if own:
            note_container(video, log)
        return _crops_of(video, timeline, settings, cropper, clip=clip, motion=motion, log=log)

    return with_timeline(path, crops, clip=clip, log=log)


def _crops_of(
    video: OpenVideo,
    timeline: Timeline,
    settings: PrecropSettings,
    cropper: Cropper,
    *,
    clip: str,
    motion: ClipMotion | None,
    log: ClipLog,
) -> ClipCrops:
    """Choose, decode and crop the frames of an open video."""
    no_keys = "its pictures are refreshed without key frames" if timeline.without_key_frames else ""
    chosen = choose_frames(
        settings,
        key_frames=timeline.key_frames.tolist(),
        frames=timeline.frames,
        no_keys=no_keys,
        motion=motion,
        log=log,
    )

    def decoded() -> Iterator[ChosenFrame]:
        damage, orientations = FrameDamage(), Orientations(video.stream)
        for number, frame in decode_frames(
            video,
            timeline,
            chosen.numbers,
            key_frames_only=chosen.key_frames,
            damage=damage,
            orientations=orientations,
        ):
            yield ChosenFrame(number, frame, orientations.now)
        (timeline.damage or damage).report(clip=clip, max_damaged=settings.max_damaged, log=log)

    crops = crop_frames(decoded(), chosen, settings, cropper, clip=clip, motion=motion, log=log)
    note_slots(chosen, settings, log)
    return crops


class ChosenFrame(NamedTuple):
    """A decoded frame that fills a slot."""

    number: int
    frame: VideoFrame
    orientation: Orientation


def crop_frames(
    decoded: Iterator[ChosenFrame],
    chosen: Chosen,
    settings: PrecropSettings,
    cropper: Cropper,
    *,
    clip: str,
    motion: ClipMotion | None,
    log: ClipLog,
) -> ClipCrops:
    """Let the policy decide, and crop the chosen frames; the first of them gives the size of the picture.

    Args:
        decoded: the frames, in order; some at the end may be missing, but of windows. They lose what swscale does not
            know of colours.
        chosen: all that were chosen.
        cropper: of these settings.
        clip: its name, as for :func:`crop_file`.
        motion: of the clip, whose frames ``chosen`` counts; None only if the settings need none.
        log: receives why it is not cropped, and what is odd about its pictures.
    Raises: ClipError with NO_FRAMES if no frame comes, UNREADABLE if FFmpeg cannot convert its pixels, or if a frame of
        a window does not come.
    """
    numbers = chosen.numbers
    stored = np.empty((len(numbers), 3, settings.size, settings.size), np.uint8)
    used: list[int] = []
    first = next(decoded, None)
    if first is None:
        raise ClipError(Reason.NO_FRAMES, f"{clip}: none of its {len(numbers)} chosen frames could be decoded")
    picture = first.orientation.size(first.frame.width, first.frame.height)
    facts = ClipFacts(name=clip, size=picture, motion=motion, slots=numbers)
    result = decide(settings.policy, facts, settings.policy_settings)
    # as the cache stores them, so that they tell exactly which pixels were cropped
    box_of = {number: box.in_float32() for number, box in zip(numbers, result.boxes(len(numbers)), strict=True)}
    content: list[PixelEdges] = []
    noted: tuple[object, ...] = ()
    for slot, (number, frame, orientation) in enumerate(itertools.chain([first], decoded)):
        if noted != (form := picture_form(frame, orientation)):
            note_picture(frame, orientation, picture, clip=clip, log=log)
            noted = form
        content.append(cropper.crop(frame, stored[slot], box=box_of[number], orientation=orientation))
        used.append(number)
    if chosen.windows is not None and len(used) < len(numbers):  # else the last one would stand for it unnoticed
        raise ClipError(Reason.UNREADABLE, f"{clip}: frame {numbers[len(used)]} of a window could not be decoded")
    _note_result(result, log)
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
        windows=chosen.windows,
        fields=_fields(motion, used, boxes=boxes, contents=content, settings=settings, log=log),
    )


def _fields(
    motion: ClipMotion | None,
    numbers: Sequence[int],
    *,
    boxes: Sequence[CropBox],
    contents: Sequence[PixelEdges],
    settings: PrecropSettings,
    log: ClipLog,
) -> Fields | None:
    """Motion fields of the frames with these numbers, int8, (frames, 2, side, side); None if the cache has none."""
    if settings.motion_fields is None:
        return None
    assert motion is not None
    if not len(motion.x):
        log.note(Reason.STILL_FIELDS, "its motion fields are zeros: it has no motion vectors")
    return dense_motion(
        motion,
        numbers,
        boxes=boxes,
        size=settings.size,
        settings=settings.motion_fields,
        contents=contents,
        ahead=None if settings.dense is None else settings.stride,
    )


def _note_result(result: PolicyResult, log: ClipLog) -> None:
    if not result.usable:
        log.note(Reason.WHOLE_FRAME, f"not cropped: {result.why}")
