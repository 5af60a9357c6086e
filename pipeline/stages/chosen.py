"""Choose the frames of a clip that a cache stores, as its settings say, and note where there are fewer than asked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mocrop.pipeline.cache.dense import DenseWindows, even_starts, moving_starts
from mocrop.pipeline.cache.slots import chosen_frames
from mocrop.pipeline.choices import Camera, Spread
from mocrop.pipeline.errors import Reason
from mocrop.pipeline.motion.clip_motion import ClipMotion
from mocrop.pipeline.motion.residual import picture_speed
from mocrop.pipeline.outcome import ClipLog
from mocrop.pipeline.stages.precrop_settings import PrecropSettings
from mocrop.pipeline.terminal import count


@dataclass(frozen=True, kw_only=True)
class Chosen:
    """Frames of a clip.

    Attributes:
        numbers: of the frames, ascending.
        frames: how many the clip has.
        key_frames: whether they were chosen as key frames.
        windows: numbers of the frames that windows begin with, ascending; None if the cache has no windows.
    """

    numbers: list[int]
    frames: int
    key_frames: bool = False
    windows: list[int] | None = None


def choose_frames(
    settings: PrecropSettings,
    *,
    key_frames: Sequence[int],
    frames: int,
    no_keys: str,
    motion: ClipMotion | None,
    log: ClipLog,
) -> Chosen:
    """Choose frames by number.

    Args:
        key_frames: numbers of the key frames, ascending.
        frames: number of frames of the clip.
        no_keys: why its key frames cannot stand for the clip; empty if they can.
        motion: of the clip; None only if the settings need none.
        log: receives that evenly spaced frames, or windows, were taken instead.
    """
    if settings.dense is not None:
        starts = _starts(settings, settings.dense, frames, motion, log)
        return Chosen(numbers=settings.dense.numbers(starts, frames=frames), frames=frames, windows=starts)
    by_keys = settings.select == "keyframes" and not no_keys
    if settings.select == "keyframes" and no_keys:
        log.note(Reason.NO_KEY_FRAMES, f"{no_keys}; evenly spaced frames were taken")
    select: Spread = "keyframes" if by_keys else "uniform"
    numbers = chosen_frames(select, key_frames=key_frames, frames=frames, slots=settings.slots)
    return Chosen(numbers=numbers, frames=frames, key_frames=by_keys)


def _starts(
    settings: PrecropSettings, dense: DenseWindows, frames: int, motion: ClipMotion | None, log: ClipLog
) -> list[int]:
    """First frames of the windows of a clip."""
    if settings.at == "even":
        return even_starts(frames, dense)
    assert motion is not None
    camera: Camera = getattr(settings.policy_settings, "camera", "ignore")  # as far as the policy asks for it
    speed = picture_speed(motion, camera=camera)
    if speed.any():
        return moving_starts(speed, dense)
    if frames > dense.span:  # else there is no choice
        log.note(Reason.EVEN_WINDOWS, "nothing moves in it, so that its windows are spread evenly")
    return even_starts(frames, dense)


def note_slots(chosen: Chosen, settings: PrecropSettings, log: ClipLog) -> None:
    """Note why slots or windows stay empty, or why frames of a window are there more than once."""
    if chosen.frames == 1:
        log.note(Reason.ONE_FRAME, "the clip has one frame")
    if chosen.windows is not None:
        _note_windows(chosen, settings, log)
    elif chosen.frames > 1 and (used := len(chosen.numbers)) < settings.slots:
        fact = f"{used} {'key frames' if chosen.key_frames else 'frames'} for {settings.slots} slots"
        log.note(Reason.FEW_KEY_FRAMES if chosen.key_frames else Reason.FEW_FRAMES, fact)


def _note_windows(chosen: Chosen, settings: PrecropSettings, log: ClipLog) -> None:
    assert settings.dense is not None
    assert chosen.windows is not None
    dense, there = settings.dense, len(chosen.windows)
    if chosen.frames < dense.span:
        fact = f"{count(chosen.frames, 'frame')}, shorter than a window of {dense.span}: its last frame fills the rest"
        log.note(Reason.WINDOW_PADDED, fact)
    elif there < dense.windows:
        fact = f"{there} different windows of {dense.span} frames fit into {chosen.frames}, for {dense.windows}"
        log.note(Reason.FEW_WINDOWS, fact)
