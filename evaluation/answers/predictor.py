"""A trained network, ready for video files: how to read one, and what the network answers."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from mocrop.evaluation.scores.evaluate import require_frames
from mocrop.evaluation.scores.predict import batch_logits
from mocrop.pipeline.cache.crop_cache import CropCache
from mocrop.pipeline.errors import CheckpointError, SettingsError
from mocrop.pipeline.limits import require_whole
from mocrop.pipeline.outcome import ClipLog
from mocrop.pipeline.stages.clip_crops import ClipCrops
from mocrop.pipeline.stages.in_memory import FileCrops, ReadingSettings, read_file, reading_settings
from mocrop.training.data.segments import middle_slots
from mocrop.training.model.activation import activation_of, probabilities_of
from mocrop.training.model.backbones import Backbone
from mocrop.training.model.checkpoint import (
    SEVERAL_LABELS,
    Checkpoint,
    describe_cache,
    from_content,
    is_ours,
    read_content,
    restore_backbone,
)
from mocrop.training.model.device import choose_device
from mocrop.training.model.external_checkpoint import load_any_checkpoint
from mocrop.training.recipe import Activation

DEFAULT_SEGMENTS = 8  # as for `mocrop eval`; fewer where the clips of the cache have fewer slots
Numbers = npt.NDArray[np.float32]


@dataclass(frozen=True, kw_only=True, eq=False)
class Predictor:
    """A network with all that it needs to answer for video files.

    Attributes:
        source: the checkpoint's file.
        activation: what turns logits into probabilities.
        segments: frames per clip that the network gets.
    """

    source: Path
    checkpoint: Checkpoint
    backbone: Backbone
    device: torch.device
    reading: ReadingSettings
    activation: Activation
    segments: int

    @property
    def class_names(self) -> list[str]:
        return self.checkpoint.class_names

    def read(self, path: Path, *, clip: str, log: ClipLog) -> FileCrops:
        """Decode and crop a whole file; any number of threads may do so at a time. Raises: ClipError."""
        return read_file(path, self.reading, clip=clip, log=log)

    def input_of(self, crops: ClipCrops) -> npt.NDArray[np.uint8] | npt.NDArray[np.int8]:
        """What the network takes of the crops of a clip, for :meth:`answer`: its frames, or its motion fields."""
        if self.checkpoint.input == "frames":
            return crops.frames
        assert crops.fields is not None
        return crops.fields

    def slots(self, used: int) -> npt.NDArray[np.int64]:
        """The frames that the network gets, of ``used`` ones: int64, (segments,), those of `mocrop eval`."""
        slots: npt.NDArray[np.int64] = middle_slots(np.array([used]), segments=self.segments)[0]
        return slots

    @torch.inference_mode()
    def answer(self, frames: npt.NDArray[np.uint8] | npt.NDArray[np.int8]) -> Numbers:
        """Logits of a clip, on the middle frame of each segment, as `mocrop eval` has them.

        Args:
            frames: all that were stored of it: uint8, (slots, 3, size, size), or, for a network that takes motion
                fields, int8, (slots, 2, side, side).
        Returns: float32, (classes,).
        Raises: CheckpointError if a logit is not finite.
        """
        chosen = torch.from_numpy(frames[self.slots(len(frames))])
        logits = batch_logits(self.backbone, chosen.unsqueeze(0), device=self.device)[0].numpy()
        if not np.isfinite(logits).all():
            raise CheckpointError(
                f"{self.source} answers with NaN or infinity: its training has diverged; train it again"
            )
        return logits

    def probabilities(self, logits: Numbers) -> Numbers:
        """Probabilities of logits, (..., classes): float32; with softmax they add up to 1."""
        return probabilities_of(torch.from_numpy(logits), self.activation).numpy()


def load_predictor(
    file: Path,
    *,
    cache: Path | None = None,
    arch: str | None = None,
    segments: int | None = None,
    device: str = "auto",
) -> Predictor:
    """Load a checkpoint and make its network ready.

    Args:
        file: best.pt or last.pt of a run, or weights that another program has saved.
        cache: a crop cache; files are read as its clips were. None: as those that the checkpoint was trained on.
        arch: the backbone, if the checkpoint does not say.
        segments: frames per clip; None: 8, or as many as the clips of the cache have.
        device: "auto", "cpu", "cuda", "cuda:1", ...
    Raises: CheckpointError for a file that is no checkpoint or does not say how its clips were made; CacheError for a
        cache that cannot be read; SettingsError for more segments than slots, or a device that is not there.
    """
    opened = None if cache is None else CropCache(cache)
    checkpoint = _checkpoint(file, opened, arch)
    described = checkpoint.cache if opened is None else describe_cache(opened)
    reading = _reading(described, file=file, cache=cache)
    crop = reading.crop
    if segments is None:
        segments = min(DEFAULT_SEGMENTS, crop.frames)
    require_whole("segments", segments, least=1)
    if segments > crop.frames:
        raise SettingsError(
            f"{file} was trained on {crop.frames} frames per clip; pass --segments {crop.frames} or fewer"
        )
    if checkpoint.input == "motion" and crop.motion_fields is None:
        raise CheckpointError(f"{file} takes motion fields, and {cache} has none; pass a --cache that has")
    size = crop.size if checkpoint.input == "frames" or crop.motion_fields is None else crop.motion_fields.side
    backbone = restore_backbone(checkpoint, size=size, source=file)
    require_frames(backbone, segments, source=file)
    chosen = choose_device(device)
    backbone.model.to(chosen).eval()
    return Predictor(
        source=file,
        checkpoint=checkpoint,
        backbone=backbone,
        device=chosen,
        reading=reading,
        activation=_activation(checkpoint, described, file=file),
        segments=segments,
    )


def _checkpoint(file: Path, cache: CropCache | None, arch: str | None) -> Checkpoint:
    if cache is not None:
        return load_any_checkpoint(file, cache=cache, arch=arch)
    content = read_content(file)
    if not is_ours(content):
        raise CheckpointError(
            f"{file} is of another program, and says neither its classes nor how its clips were cropped; pass --cache "
            "with a crop cache of its classes, and --arch"
        )
    checkpoint = from_content(content, file)
    if arch not in (None, checkpoint.arch):
        raise CheckpointError(f"{file} was trained as {checkpoint.arch}, not as {arch}; leave --arch out")
    return checkpoint


def _activation(checkpoint: Checkpoint, described: dict[str, Any], *, file: Path) -> Activation:
    """As the checkpoint says, else as the description of the cache does by which files are read."""
    known = {name: described[name] for name in (SEVERAL_LABELS,) if name in described}
    checkpoint = replace(checkpoint, cache={**known, **checkpoint.cache})
    return activation_of(checkpoint, source=file, way_out="pass --cache with the crop cache that it was trained on")


def _reading(described: dict[str, Any], *, file: Path, cache: Path | None) -> ReadingSettings:
    subject = f"the cache that {file} was trained on" if cache is None else str(cache)
    try:
        reading = reading_settings(described)
    except ValueError as error:
        raise CheckpointError(f"{subject}: {error}; pass --cache with another one") from error
    if reading is None:
        fact = f"{subject} is of an older mocrop, which did not store how its clips were cropped"
        way_out = "pass --cache with the crop cache that it was trained on, or one like it, by name or path"
        raise CheckpointError(f"{fact}; {way_out if cache is None else 'make it again with this mocrop'}")
    return reading
