"""Pretrained weights: a download or a file goes in, parameters of a network come out, all but its head."""

from __future__ import annotations

import pickle
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import cast

import torch
import torchvision  # type: ignore[import-untyped]
from torch import Tensor, nn

from mocrop.pipeline.errors import WeightsError

StateDict = Mapping[str, Tensor]
WRAPPINGS = ("state_dict", "model_state_dict")  # keys that programs save a state dict under, beside others
PREFIXES = ("module.", "base_model.", "backbone.")  # of DataParallel, and of the reference's training and test scripts
MAX_NAMES = 6  # of keys in a message


def torchvision_imagenet(arch: str) -> StateDict:
    """Fetch torchvision's first ImageNet weights, from its own download folder if they are there.

    Raises: WeightsError naming the file and the ways out if they cannot be had.
    """
    weights = torchvision.models.get_model_weights(arch).IMAGENET1K_V1
    file = Path(torch.hub.get_dir()) / "checkpoints" / Path(weights.url).name
    try:
        state = weights.get_state_dict(progress=sys.stderr.isatty(), check_hash=True, weights_only=True)
    except (OSError, RuntimeError, EOFError, pickle.UnpicklingError) as error:
        reason = getattr(error, "reason", None) or error
        raise WeightsError(
            f"--arch {arch}: the ImageNet weights cannot be had from {weights.url} ({reason}); pass --weights none to "
            f"start from random ones, or fetch {file.name} elsewhere and pass --weights FILE (or put it at {file})"
        ) from error
    return cast(StateDict, state)


def read_state_dict(file: Path) -> StateDict:
    """Read a state dict, see :func:`find_state_dict`, from a PyTorch or safetensors file.

    Nothing but tensors and plain values is ever unpickled.
    Raises: WeightsError if the file is missing, unreadable or holds something else.
    """
    try:
        if file.suffix == ".safetensors":
            from safetensors.torch import load_file  # comes with timm

            content: object = load_file(file)
        else:
            content = torch.load(file, map_location="cpu", weights_only=True)
    except FileNotFoundError as error:
        raise WeightsError(f"--weights {file}: there is no such file") from error
    except Exception as error:  # torch, pickle, zipfile and safetensors have many words for a file that is not theirs
        reason = str(error).strip().partition("\n")[0]
        raise WeightsError(
            f"--weights {file} cannot be read as a state dict ({reason}); save one with torch.save(model.state_dict())"
        ) from error
    if (state := find_state_dict(content)) is None:
        raise WeightsError(f"--weights {file} holds no state dict; save one with torch.save(model.state_dict())")
    return state


def find_state_dict(content: object) -> StateDict | None:
    """Take a state dict out of what a file holds: out of its wrappings, its keys out of their prefixes.

    Returns: None if there is none.

    >>> find_state_dict({"state_dict": {"module.fc.bias": torch.zeros(1)}, "epoch": 3})
    {'fc.bias': tensor([0.])}
    """
    while isinstance(content, Mapping) and (inner := [content[key] for key in WRAPPINGS if key in content]):
        content = inner[0]
    if not isinstance(content, Mapping) or not content or not all(isinstance(v, Tensor) for v in content.values()):
        return None
    return _without_prefixes(content)


def _without_prefixes(state: StateDict) -> StateDict:
    """Remove what a network is called as a part of another; a prefix that only some keys have is no such name."""
    shared = [prefix for prefix in PREFIXES if all(key.startswith(prefix) for key in state)]
    if not shared:
        return state
    return _without_prefixes({key.removeprefix(shared[0]): value for key, value in state.items()})


def load_except_head(model: nn.Module, state: StateDict, *, head: Sequence[str], source: str) -> None:
    """Load every parameter and buffer but those of the head, which stays as it is.

    Raises: WeightsError listing what is missing, unexpected, or of another shape.
    """
    prefixes = tuple(f"{layer}." for layer in head)
    body = {key: value for key, value in state.items() if not key.startswith(prefixes)}
    if problems := mismatches(model, body, ignore=prefixes):
        raise WeightsError(f"{source}: not of this architecture: {problems}; pass the --arch that they belong to")
    model.load_state_dict(body, strict=False)


def mismatches(model: nn.Module, state: StateDict, *, ignore: tuple[str, ...] = ()) -> str:
    """Say in which keys and shapes a state dict differs from a network; empty if in none.

    >>> mismatches(nn.Linear(2, 3), {"weight": torch.zeros(3, 4), "scale": torch.zeros(1)})
    '1 missing (bias), 1 unexpected (scale), 1 of another shape (weight: 3x4 instead of 3x2)'
    """
    own = {key: value for key, value in model.state_dict().items() if not (ignore and key.startswith(ignore))}
    shapes = [
        f"{key}: {_shape(state[key])} instead of {_shape(value)}"
        for key, value in own.items()
        if key in state and state[key].shape != value.shape
    ]
    kinds = (
        (sorted(own.keys() - state.keys()), "missing"),
        (sorted(state.keys() - own.keys()), "unexpected"),
        (shapes, "of another shape"),
    )
    return ", ".join(f"{len(keys)} {kind} ({_some(keys)})" for keys, kind in kinds if keys)


def _shape(tensor: Tensor) -> str:
    return "x".join(map(str, tensor.shape)) or "scalar"


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:MAX_NAMES]) + (", ..." if len(names) > MAX_NAMES else "")
