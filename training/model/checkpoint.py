"""Checkpoints: the weights of a network and everything needed to use them, in one file."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, get_args

import torch
from torch import Tensor

from mocrop.pipeline.cache.crop_cache import CropCache
from mocrop.pipeline.cache.identity import cache_identity
from mocrop.pipeline.choices import Stream
from mocrop.pipeline.errors import CheckpointError
from mocrop.pipeline.files import whole_file
from mocrop.pipeline.settings import unknown_settings
from mocrop.pipeline.versions import not_known, other_layout
from mocrop.training.model.backbones import Backbone, build_backbone
from mocrop.training.model.checkpoint_types import wrong_part
from mocrop.training.model.file_kinds import COPY_AGAIN, UnreadableError
from mocrop.training.model.pooling import widen_head
from mocrop.training.model.torch_file import checksums_written, read_torch_file
from mocrop.training.model.weights import mismatches, odd_weights
from mocrop.training.recipe import Clip, Pool

FORMAT = 1
SEVERAL_LABELS = "several_labels"  # in the description of a cache: whether a clip of it may have several


@dataclass(frozen=True, kw_only=True, eq=False)
class Checkpoint:
    """A trained backbone and its origin; plain values and tensors only, so that loading runs no code."""

    arch: str
    class_names: list[str]  # by output of the head
    size: int  # pixels of the frames or fields it was trained on
    mean: tuple[float, ...]  # see Backbone
    std: tuple[float, ...]
    settings: dict[str, Any]  # the resolved TrainSettings
    cache: dict[str, Any]  # see describe_cache
    epoch: int  # finished epochs
    metrics: dict[str, Any]  # of the last finished epoch
    state_dict: Mapping[str, Tensor]
    resume: dict[str, Any] = field(default_factory=dict)  # what a run needs to resume; empty in best.pt
    format: int = FORMAT
    input: Stream = "frames"  # of the network
    trained_on: Tensor | None = None  # clips, see training.model.trained_on; None: of an older mocrop
    validated_on: Tensor | None = None  # clips that chose the best epoch, in the same way

    @property
    def clip(self) -> Clip | None:
        """Neighbouring frames that it was trained on; None: single frames, or another program does not say."""
        clip = self.settings.get("clip")
        return None if clip is None else (int(clip[0]), int(clip[1]))

    @property
    def crop(self) -> int | None:
        """Side of the square of what is stored that the network sees, pixels; None: all of it."""
        crop: int | None = self.settings.get("crop")
        return crop


def describe_cache(cache: CropCache) -> dict[str, Any]:
    """Facts about a cache for checkpoints and reports: how it was made, and a hash of what is in it.

    The hash is :func:`~mocrop.pipeline.cache.identity.cache_identity`. ``settings`` are those of precrop, ``stages``
    those of the stages before it: with both, another video can be cropped as the clips of the cache were.
    """
    settings = cache.attributes.get("settings", {})
    described = {
        "name": cache.path.stem,
        "policy": str(cache.attributes.get("policy") or settings.get("policy", "")),
        "size": cache.size,
        "slots": cache.frames_per_clip,
        "clips": len(cache),
        "hash": cache_identity(cache),
        "settings": settings,
        "stages": {name: stage["settings"] for name, stage in cache.attributes.get("stages", {}).items()},
        SEVERAL_LABELS: cache.labels is not None,
    }
    return described if cache.checked else {**described, "earlier_hash": _earlier_hash(cache)}


def is_described_by(there: Mapping[str, Any], here: Mapping[str, Any]) -> bool:
    """Whether two descriptions are of caches with the same content; ``there`` may be that of an earlier mocrop."""
    return there["hash"] in (here["hash"], here.get("earlier_hash"))


def _earlier_hash(cache: CropCache) -> str:
    """The hash that an earlier mocrop gave a cache of schema 1: over its attributes and its table, not its pixels."""
    digest = hashlib.sha256(json.dumps(cache.attributes, sort_keys=True, default=str).encode())
    for column in (cache.label, cache.group, cache.subset, cache.state, cache.box, cache.frame_index):
        digest.update(column.tobytes())
    return digest.hexdigest()[:16]


def save_checkpoint(file: Path, checkpoint: Checkpoint) -> None:
    """Write a checkpoint, with checksums; the file appears under its name only when it is complete and on the disk.

    Raises: DiskFullError.
    """
    with whole_file(file) as stream, checksums_written():
        torch.save(vars(checkpoint), stream)


def load_checkpoint(file: Path) -> Checkpoint:
    """Read a checkpoint of ours onto the CPU, without unpickling anything but tensors and plain values.

    Raises: CheckpointError if the file is missing, damaged or of another kind.
    """
    return from_content(read_content(file), file)


def read_content(file: Path) -> Any:  # Any: whatever the program saved
    """Read a file of weights onto the CPU, without unpickling anything but tensors and plain values.

    Raises: CheckpointError if it is missing, damaged, or of another kind.
    """
    try:
        content = read_torch_file(file)
    except FileNotFoundError as error:
        raise CheckpointError(f"there is no checkpoint {file}; train one with `mocrop train`") from error
    except UnreadableError as error:
        otherwise = ", or train again" if error.way_out == COPY_AGAIN else ""
        raise CheckpointError(f"{file} {error.fact}; {error.way_out}{otherwise}") from error
    if is_ours(content.value) and content.skipped:
        raise CheckpointError(f"{file} holds {content.skipped}, as no checkpoint of mocrop does; train again")
    return content.value


def is_ours(content: Any) -> bool:
    """Whether the content of a file is a checkpoint that mocrop has written, of any format version."""
    return isinstance(content, dict) and {"format", "arch"} <= content.keys()


def from_content(content: Any, file: Path) -> Checkpoint:
    """Make a checkpoint of the content of a file.

    What an older mocrop did not write has its default.

    Raises: CheckpointError if it is not a checkpoint of mocrop, or one of another format version.
    """
    if not is_ours(content):
        raise CheckpointError(f"{file} is no checkpoint of mocrop; pass one that `mocrop train` has written")
    if content["format"] != FORMAT:
        subject = f"{file} has checkpoint format"
        raise CheckpointError(other_layout(subject, content["format"], reads=FORMAT, older="train again"))
    if unknown := unknown_settings(Checkpoint, content):
        raise CheckpointError(not_known(str(file), repr(unknown[0])))
    if wrong := wrong_part(content):
        raise CheckpointError(f"{file} is damaged ({wrong}); train again, or pass another --checkpoint")
    try:
        return Checkpoint(**content)
    except TypeError as error:
        raise CheckpointError(f"{file} is damaged ({error}); train again") from error


def restore_backbone(checkpoint: Checkpoint, *, size: int, source: Path, frames: int | None = None) -> Backbone:
    """Make the network of a checkpoint, with every parameter and buffer as saved.

    Args:
        size: side of the frames or fields that it will get, in pixels; most networks take other sizes than those that
            they were trained on.
        source: the checkpoint's file, for messages.
        frames: of the clips that a video network will get; None: not known yet.
    Raises: SettingsError if a video network takes no such clips; CheckpointError listing the keys and shapes that do
        not fit.
    """
    classes = len(checkpoint.class_names)
    backbone = build_backbone(checkpoint.arch, classes=classes, size=size, input=checkpoint.input, frames=frames)
    backbone = replace(backbone, pool=_pool_of(checkpoint, source))
    if backbone.pool != "mean":
        widen_head(backbone)
    if problems := mismatches(backbone.model, checkpoint.state_dict):
        raise CheckpointError(
            f"{source}, trained at {checkpoint.size} px, does not fit {checkpoint.arch} with {classes} classes at "
            f"{size} px: {problems}; take frames of {checkpoint.size} px, or train again"
        )
    if odd := odd_weights(backbone.model, checkpoint.state_dict):
        raise CheckpointError(f"{source} is damaged ({odd}); train again")
    backbone.model.load_state_dict(checkpoint.state_dict, strict=True)
    return replace(backbone, mean=checkpoint.mean, std=checkpoint.std)


def _pool_of(checkpoint: Checkpoint, source: Path) -> Pool:
    """What the head of a checkpoint takes of the frames of a clip.

    Raises: CheckpointError for one of a newer mocrop.
    """
    pool: Pool = checkpoint.settings.get("pool", "mean")
    if pool not in get_args(Pool):
        raise CheckpointError(not_known(str(source), f"pool {pool!r}"))
    return pool
