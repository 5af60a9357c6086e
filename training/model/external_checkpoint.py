"""Checkpoints of other programs, above all of the reference implementation.

They hold weights and little else, so the caller names the backbone, and the classes are those of a crop cache, in its
order. Loading is strict: missing or unexpected keys are an error that lists them.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from mocrop.pipeline.cache.crop_cache import CropCache
from mocrop.pipeline.errors import CheckpointError
from mocrop.training.model.backbones import TORCHVISION_HEADS, Backbone, build_backbone
from mocrop.training.model.checkpoint import Checkpoint, from_content, is_ours, read_content
from mocrop.training.model.video import VIDEO_NETWORKS
from mocrop.training.model.weights import COUNTER, SAVE_PLAIN, StateDict, find_state_dict, mismatches, odd_weights

UNKNOWN = "unknown"  # split and cache that such a file was trained on


def load_any_checkpoint(file: Path, *, cache: CropCache, arch: str | None = None) -> Checkpoint:
    """Read a checkpoint of mocrop or of another program onto the CPU; only tensors and plain values are unpickled.

    Args:
        cache: gives the classes and the size of the frames where the file does not.
        arch: the backbone; None: as the file says.
    Raises: CheckpointError if the file is missing, damaged, of another backbone, of another number of classes, or does
        not say which backbone it is of and ``arch`` is None; SettingsError for an unknown architecture.
    """
    content = read_content(file)
    if is_ours(content):
        checkpoint = from_content(content, file)
        if arch not in (None, checkpoint.arch):
            raise CheckpointError(f"{file} was trained as {checkpoint.arch}, not as {arch}; leave --arch out")
        return checkpoint
    state = find_state_dict(content)
    if state is None:
        raise CheckpointError(f"{file} holds no weights; pass a file of `mocrop train` or a saved state dict")
    if arch is None:
        raise CheckpointError(f"{file} does not say which backbone it is of; pass --arch {_recognise(state) or 'NAME'}")
    return _checkpoint(state, content, cache=cache, arch=arch, file=file)


def cache_trained_on(file: Path) -> str | None:
    """Name of the cache that a checkpoint was trained on; None if the file is of another program.

    Raises: CheckpointError if the file is missing or damaged.
    """
    content = read_content(file)
    return str(from_content(content, file).cache["name"]) if is_ours(content) else None


def _checkpoint(state: StateDict, content: Any, *, cache: CropCache, arch: str, file: Path) -> Checkpoint:
    backbone = build_backbone(arch, classes=len(cache.class_names), size=cache.size)
    _require_fits(state, backbone, cache=cache, file=file)
    epoch = content.get("epoch")  # a parameter of that name would be a tensor
    return Checkpoint(
        arch=arch,
        class_names=cache.class_names,
        size=cache.size,
        mean=backbone.mean,
        std=backbone.std,
        settings={"split": UNKNOWN},
        cache={"name": UNKNOWN},
        epoch=epoch if isinstance(epoch, int) else 0,
        metrics={},
        state_dict=state,
    )


def _require_fits(state: StateDict, backbone: Backbone, *, cache: CropCache, file: Path) -> None:
    """Check that a state dict fits a network; the error names both backbones, both numbers of classes, or the keys."""
    problems = mismatches(backbone.model, state)
    if not problems and (odd := odd_weights(backbone.model, state)):
        raise CheckpointError(f"{file}: {odd}; {SAVE_PLAIN}")
    if not problems:
        return
    head = _head_keys(backbone)
    body = {key: value for key, value in state.items() if not key.startswith(head)}
    outputs, classes = _outputs(state, backbone), len(cache.class_names)
    if outputs not in (None, classes) and not mismatches(backbone.model, body, ignore=head):
        raise CheckpointError(
            f"{file} tells {outputs} classes apart ({backbone.head[0]}), {cache.path} has {classes}; "
            "pass a checkpoint and a --cache of the same data set"
        )
    if (found := _recognise(state)) not in (None, backbone.arch):
        raise CheckpointError(f"{file} holds weights of {found}, not of {backbone.arch}; pass --arch {found}")
    raise CheckpointError(f"{file} does not fit {backbone.arch}: {problems}; pass the --arch that it was trained as")


def _outputs(state: StateDict, backbone: Backbone) -> int | None:
    """Number of classes of a state dict; None if it has no head of this name."""
    weight = state.get(f"{backbone.head[0]}.weight") if backbone.head else None
    return None if weight is None else len(weight)


def _head_keys(backbone: Backbone) -> tuple[str, ...]:
    return tuple(f"{layer}." for layer in backbone.head)


def _recognise(state: StateDict) -> str | None:
    """Name of the torchvision backbone that has these keys and shapes, apart from the head; None if none has."""
    shapes = {key: tuple(value.shape) for key, value in state.items() if not key.endswith(COUNTER)}
    heads = {**TORCHVISION_HEADS, **{arch: network.head for arch, network in VIDEO_NETWORKS.items()}}
    for arch, head in heads.items():
        body = {key: shape for key, shape in shapes.items() if not key.startswith(f"{head}.")}
        if body == _body_shapes(arch):
            return arch
    return None


@functools.cache
def _body_shapes(arch: str) -> Mapping[str, tuple[int, ...]]:
    with torch.device("meta"):  # shapes only: no memory, no random weights
        backbone = build_backbone(arch, classes=1, size=224)
    state = backbone.model.state_dict()
    head = _head_keys(backbone)
    return {
        key: tuple(value.shape)
        for key, value in state.items()
        if not key.startswith(head) and not key.endswith(COUNTER)
    }
