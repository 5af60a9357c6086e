"""A trained network, ready for video files: how to read one, and what the network answers."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from mocrop.evaluation.scores.chosen_look import Stored, look_of
from mocrop.evaluation.scores.evaluate import require_frames
from mocrop.evaluation.scores.predict import batch_logits
from mocrop.evaluation.views import Look, Views
from mocrop.pipeline.cache.crop_cache import CropCache
from mocrop.pipeline.cache.dense import window_slots
from mocrop.pipeline.cache.slots import UNUSED
from mocrop.pipeline.errors import CheckpointError
from mocrop.pipeline.outcome import ClipLog
from mocrop.pipeline.stages.clip_crops import ClipCrops
from mocrop.pipeline.stages.in_memory import FileCrops, ReadingSettings, read_file, reading_settings
from mocrop.training.data.epoch_slots import SlotRule
from mocrop.training.data.segments import Segments
from mocrop.training.data.windows import chosen_windows, clip_positions
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

Numbers = npt.NDArray[np.float32]


@dataclass(frozen=True, kw_only=True, eq=False)
class Predictor:
    """A network with all that it needs to answer for video files.

    Attributes:
        source: the checkpoint's file.
        activation: what turns logits into probabilities.
        look: what the network gets of each clip.
    """

    source: Path
    checkpoint: Checkpoint
    backbone: Backbone
    device: torch.device
    reading: ReadingSettings
    activation: Activation
    look: Look

    @property
    def class_names(self) -> list[str]:
        return self.checkpoint.class_names

    def read(self, path: Path, *, clip: str, log: ClipLog) -> FileCrops:
        """Decode and crop a whole file; any number of threads may do so at a time. Raises: ClipError."""
        return read_file(path, self.reading, clip=clip, log=log)

    def slots(self, crops: ClipCrops) -> npt.NDArray[np.int64]:
        """The crops that the network gets, those of `mocrop eval`: int64, (segments,), (frames,) or (windows, frames).

        The last two are of windows, of one alone or of several.
        """
        index = np.array([crops.numbers], np.int32)
        if self.look.clip is None:
            rule: SlotRule = Segments(frame_counts=np.array([index.size]), segments=self.look.frames)
        else:
            dense = self.reading.crop.dense
            assert dense is not None
            assert crops.windows is not None
            starts = np.full((1, dense.windows), UNUSED, np.int32)
            starts[0, : len(crops.windows)] = crops.windows
            rule = chosen_windows(
                window_slots(index, starts, dense),
                starts,
                index,
                stride=dense.stride,
                positions=clip_positions(dense, self.look.clip, subject=str(self.source)),
                views=self.look.windows,
            )
        slots: npt.NDArray[np.int64] = rule.draw(None)[0]
        return slots

    @torch.inference_mode()
    def answer(self, crops: ClipCrops) -> Numbers:
        """Logits of a clip, on the middle frame of each segment, or its windows, as `mocrop eval` has them.

        Args:
            crops: all that would be stored of it.
        Returns: float32, (classes,).
        Raises: CheckpointError if a logit is not finite.
        """
        stored = crops.frames if self.checkpoint.input == "frames" else crops.fields
        assert stored is not None
        chosen = torch.from_numpy(stored[self.slots(crops)]).unsqueeze(0)
        look = self.look
        logits = batch_logits(self.backbone, chosen, device=self.device, crop=look.crop, crops=look.crops)[0].numpy()
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
    views: Views | None = None,
    device: str = "auto",
) -> Predictor:
    """Load a checkpoint and make its network ready.

    Args:
        file: best.pt or last.pt of a run, or weights that another program has saved.
        cache: a crop cache; files are read as its clips were. None: as those that the checkpoint was trained on.
        arch: the backbone, if the checkpoint does not say.
        segments: frames per clip; None: as for `mocrop eval`, or as many as the clips of the cache have.
        views: windows of a clip, and crops of each, 1 or 3; None: all its windows, and one crop.
        device: "auto", "cpu", "cuda", "cuda:1", ...
    Raises: CheckpointError for a file that is no checkpoint or does not say how its clips were made; CacheError for a
        cache that cannot be read; SettingsError for more segments than slots, views that there are
            not, or a device that is not there.
    """
    opened = None if cache is None else CropCache(cache)
    checkpoint = _checkpoint(file, opened, arch)
    described = checkpoint.cache if opened is None else describe_cache(opened)
    reading = _reading(described, file=file, cache=cache)
    crop = reading.crop
    if checkpoint.input == "motion" and crop.motion_fields is None:
        raise CheckpointError(f"{file} takes motion fields, and {cache} has none; pass a --cache that has")
    size = crop.size if checkpoint.input == "frames" or crop.motion_fields is None else crop.motion_fields.side
    subject = f"the cache that {file} was trained on" if cache is None else str(cache)
    stored = Stored(slots=crop.slots, size=size, dense=crop.dense, subject=subject)
    look = look_of(checkpoint, stored, segments=segments, views=views, source=file, or_fewer=True)
    backbone = restore_backbone(checkpoint, size=look.crop or size, source=file, frames=look.frames)
    require_frames(backbone, look.frames, source=file)
    chosen = choose_device(device)
    backbone.model.to(chosen).eval()
    return Predictor(
        source=file,
        checkpoint=checkpoint,
        backbone=backbone,
        device=chosen,
        reading=reading,
        activation=_activation(checkpoint, described, file=file),
        look=look,
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
