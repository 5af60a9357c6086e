"""Choose what a network gets of each clip that it is tested on: as it was trained, of what is stored."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from mocrop.evaluation.views import Look, Views
from mocrop.pipeline.cache.crop_cache import CropCache
from mocrop.pipeline.cache.dense import DenseWindows
from mocrop.pipeline.errors import SettingsError
from mocrop.pipeline.limits import require_whole
from mocrop.training.data.windows import clip_positions
from mocrop.training.model.checkpoint import Checkpoint
from mocrop.training.model.video import is_video, require_slots
from mocrop.training.recipe import VIDEO_FRAMES, Clip, clip_words

SEGMENTS = 8  # middle frames of a clip, as in the reference


@dataclass(frozen=True, kw_only=True)
class Stored:
    """What there is of each clip, in a cache or as a file is read."""

    slots: int
    size: int  # side of the frames or fields, pixels
    dense: DenseWindows | None
    subject: str  # what has them, for messages


def stored_in(cache: CropCache, checkpoint: Checkpoint) -> Stored:
    """What a cache has for a network. Raises: CacheError if it has no motion fields, and the network takes them."""
    size = cache.item_shape(checkpoint.input)[-1]
    return Stored(slots=cache.frames_per_clip, size=size, dense=cache.dense, subject=str(cache.path))


def look_of(
    checkpoint: Checkpoint,
    stored: Stored,
    *,
    segments: int | None,
    views: Views | None,
    source: Path,
    or_fewer: bool = False,
) -> Look:
    """What a network is to get of each clip: as it was trained, of what is stored.

    Args:
        segments: single frames per clip, only for a network that was trained on such; None: 8, or, for a video network,
            as many as in its validation.
        or_fewer: where no segments are asked for and there are fewer frames, these will do for a network of frames.
        views: windows of a clip, and crops of each window; None: every window that is stored, and one crop.
        source: the checkpoint's file, for messages.
    Raises: SettingsError in one line that says what there is.
    """
    clip, crop = _trained_clip(checkpoint, stored), checkpoint.crop
    windows, crops = views or (None, 1)
    if crops > 1 and (crop or stored.size) == stored.size:
        raise SettingsError(
            f"--views {windows}x{crops}: {source} sees the whole of frames of {stored.size} px, which leaves no room "
            f"for {crops} crops; pass --views {windows}, or train with a --crop smaller than that"
        )
    if crop is not None and crop > stored.size:
        raise SettingsError(
            f"{source} sees {crop} px of each frame (--crop), and {stored.subject} has frames of {stored.size} px; "
            "pass a --cache with larger ones"
        )
    if clip is None:
        _refuse_windows(windows, source=source)
        frames = _segments(checkpoint, stored, segments, or_fewer=or_fewer)
        return Look(frames=frames, crop=crop, crops=crops)
    clip_positions(stored.dense, clip, subject=stored.subject, taker=str(source))
    assert stored.dense is not None
    if segments is not None:
        raise SettingsError(
            f"--segments {segments}: {source} takes {clip_words(clip)}, not single frames; pass --views instead"
        )
    most = stored.dense.windows
    if windows is not None and windows > most:
        raise SettingsError(f"--views {windows}: {stored.subject} has {most} windows per clip; pass {most} or fewer")
    return Look(frames=clip[0], clip=clip, windows=windows or most, crop=crop, crops=crops)


def _trained_clip(checkpoint: Checkpoint, stored: Stored) -> Clip | None:
    """The clips that a network was trained on; None: on single frames."""
    if checkpoint.clip is not None:
        return checkpoint.clip
    elsewhere = "segments" not in checkpoint.settings  # another program does not say what it was trained on
    if elsewhere and is_video(checkpoint.arch) and stored.dense is not None:
        return stored.dense.frames, stored.dense.stride
    return None


def _refuse_windows(windows: int | None, *, source: Path) -> None:
    """Raises: SettingsError if windows are asked for, of a network that was trained on single frames."""
    if windows not in (None, 1):
        raise SettingsError(
            f"--views {windows}: {source} was trained on single frames, not on windows of them; pass --segments, or "
            "train with --clip on a cache of `mocrop precrop --select dense`"
        )


def _segments(checkpoint: Checkpoint, stored: Stored, asked: int | None, *, or_fewer: bool) -> int:
    """How many single frames a network is to get, see :func:`look_of`. Raises: SettingsError."""
    frames, slots = _usual(checkpoint) if asked is None else asked, stored.slots
    require_whole("segments", frames, least=1)
    if is_video(checkpoint.arch):
        require_slots(checkpoint.arch, frames=frames, slots=slots, option="--segments", cache=stored.subject)
    elif asked is None and or_fewer:
        frames = min(frames, slots)
    if frames > slots:
        raise SettingsError(f"{stored.subject} has {slots} frames per clip; pass --segments {slots} or fewer")
    return frames


def _usual(checkpoint: Checkpoint) -> int:
    """Frames of a clip where none are asked for."""
    if is_video(checkpoint.arch):
        return int(checkpoint.settings.get("validation_segments", VIDEO_FRAMES))
    return SEGMENTS
