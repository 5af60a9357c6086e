"""The clips of a run, to train on and to validate on, which choose the best epoch, and what a network sees of them."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from mocrop.pipeline.cache.crop_cache import CropCache
from mocrop.pipeline.errors import SettingsError
from mocrop.training.data.selection import LeftOut, Selection, Subset, hold_out, select_clips, split_index
from mocrop.training.data.windows import clip_positions, stored_clip
from mocrop.training.model.video import VIDEO_NETWORKS, is_video, takes_clips
from mocrop.training.recipe import VIDEO_FRAMES, TrainSettings, clip_words

IntArray = npt.NDArray[np.int64]


@dataclass(frozen=True, kw_only=True, eq=False)
class Clips:
    """Clips of the training list of one split, and those to validate on; rows of the cache."""

    train: IntArray
    validate: IntArray  # of held-out groups, or of the validation list; empty where the settings ask for none
    left_out: LeftOut  # of the training list
    listed: int = 0  # clips of the validation list, usable or not; 0: there is none
    validation_left_out: LeftOut = field(default_factory=LeftOut)  # of the validation list, where that is used

    @property
    def by_list(self) -> bool:
        """Whether the clips to validate on are those of a list."""
        return bool(self.listed and self.validate.size)


def with_clip(settings: TrainSettings, cache: CropCache) -> TrainSettings:
    """Settings whose clip of neighbouring frames is the one that a run trains on.

    A video network is trained on the windows of a cache, if it has any, as they are stored; a network of single frames
    on segments, unless a clip is asked for.

    ``segments`` and ``validation_segments`` are then the frames of that clip, as the network gets them at once.

    Raises: SettingsError if the cache holds no such clips or no frame as large as the crop, or for segments beside
        a clip.
    """
    clip = settings.clip
    if clip is None and is_video(settings.arch) and not settings.freeze_backbone:
        clip = stored_clip(cache)
    size = seen_size(cache, settings)
    if clip is None:
        return settings
    network = VIDEO_NETWORKS.get(settings.arch)
    if network is not None and not takes_clips(settings.arch, size=size, frames=clip[0]):
        raise SettingsError(
            f"--arch {settings.arch} takes {network.takes}, not {clip_words(clip)}, of {size} px; pass another --clip "
            "or --crop that this cache holds, another --cache, or another --arch"
        )
    clip_positions(cache.dense, clip, subject=str(cache.path))
    for name in ("segments", "validation_segments"):
        usual = VIDEO_FRAMES if is_video(settings.arch) else getattr(TrainSettings, name)
        if getattr(settings, name) not in (usual, getattr(TrainSettings, name), clip[0]):
            raise SettingsError(
                f"{settings.arch} is trained on {clip_words(clip)}, of the windows of {cache.path}, and "
                f"--{name.replace('_', '-')} is for single frames; leave it out"
            )
    return replace(settings, clip=clip, segments=clip[0], validation_segments=clip[0])


def seen_size(cache: CropCache, settings: TrainSettings) -> int:
    """Side of the frames or fields that the network gets, pixels.

    Raises: SettingsError if the crop is larger than what is stored; CacheError if the cache has no motion fields.
    """
    size = cache.item_shape(settings.input)[-1]
    if settings.crop is not None and settings.crop > size:
        kind = "motion fields" if settings.input == "motion" else "frames"
        raise SettingsError(
            f"{cache.path} has {kind} of {size} px, out of which no --crop {settings.crop} can be cut; pass one up to "
            f"{size}, or another --cache"
        )
    return settings.crop or size


def choose_clips(cache: CropCache, settings: TrainSettings) -> Clips:
    """Choose clips to train on and clips to validate on.

    Where a split has a validation list, its clips are validated on and the whole training list is trained on; without
    one, groups of the training list are held out. A share of 0 validates on nothing.

    Raises: SettingsError if there is nothing to train on, or nothing to validate on, or if both a validation list and a
        share to hold out are asked for.
    """
    listed = select_clips(cache, split=settings.split, subset=Subset.TRAIN)
    if given := int(np.count_nonzero(cache.subset[:, split_index(cache, settings.split)] == Subset.VAL)):
        return _with_list(cache, settings, listed, given=given)
    train, validate = hold_out(cache, listed.rows, share=settings.validation_share, seed=settings.seed)
    if settings.validation_share > 0 and not validate.size:
        raise SettingsError(
            f"{cache.path}: no class has two groups in the training list of split {settings.split}, so none can be "
            "held out for validation; pass --validation-share 0 to train on everything and keep the last epoch"
        )
    return Clips(train=train, validate=validate, left_out=listed.left_out)


def _with_list(cache: CropCache, settings: TrainSettings, listed: Selection, *, given: int) -> Clips:
    """Clips to train on, and those of a validation list of so many clips."""
    if settings.validation_share == 0:
        return Clips(train=listed.rows, validate=listed.rows[:0], left_out=listed.left_out, listed=given)
    if settings.validation_share != TrainSettings.validation_share:
        raise SettingsError(
            f"{cache.path}: split {settings.split} has a validation list of {given} clips, which is used in place of "
            f"--validation-share {settings.validation_share:g}; leave the option out, or pass 0 to validate on nothing"
        )
    chosen = select_clips(cache, split=settings.split, subset=Subset.VAL)
    return Clips(
        train=listed.rows,
        validate=chosen.rows,
        left_out=listed.left_out,
        listed=given,
        validation_left_out=chosen.left_out,
    )
