"""Pretrained weights from a download or a file, and how a network loads them, except for its head."""

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
WRAPPINGS = ("state_dict", "model_state_dict")  # keys under which programs save a state dict beside other values
PREFIXES = ("module.", "base_model.", "backbone.")  # of DataParallel, and of the reference's training and test scripts
MAX_NAMES = 6  # of keys in a message


def torchvision_imagenet(arch: str) -> StateDict:
    """Fetch torchvision's first published ImageNet weights, from its download folder if they are there.

    Raises: WeightsError that names the file and the ways out if the download fails.
    """
    weights = torchvision.models.get_model_weights(arch).IMAGENET1K_V1
    file = Path(torch.hub.get_dir()) / "checkpoints" / Path(weights.url).name
    try:
        state = weights.get_state_dict(progress=sys.stderr.isatty(), check_hash=True, weights_only=True)
    except (OSError, RuntimeError, EOFError, pickle.UnpicklingError) as error:
        reason = getattr(error, "reason", None) or error
        raise WeightsError(
            f"--arch {arch}: the ImageNet weights cannot be fetched from {weights.url} ({reason}); pass --weights none "
            f"to start from random ones, or fetch {file.name} elsewhere and pass --weights FILE (or put it at {file})"
        ) from error
    return cast(StateDict, state)


def read_state_dict(file: Path) -> StateDict:
    """Read a state dict from a PyTorch or safetensors file; see :func:`find_state_dict`.

    Nothing but tensors and plain values is unpickled.

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
    except Exception as error:  # torch, pickle, zipfile and safetensors raise many types for a damaged or foreign file
        reason = str(error).strip().partition("\n")[0]
        raise WeightsError(
            f"--weights {file} cannot be read as a state dict ({reason}); save one with torch.save(model.state_dict())"
        ) from error
    if (state := find_state_dict(content)) is None:
        raise WeightsError(f"--weights {file} holds no state dict; save one with torch.save(model.state_dict())")
    return state


def find_state_dict(content: object) -> StateDict | None:
    """Find the state dict in the content of a file, and remove the prefixes that all its keys share.

    Returns: the state dict; None if there is none.

    >>> find_state_dict({"state_dict": {"module.fc.bias": torch.zeros(1)}, "epoch": 3})
    {'fc.bias': tensor([0.])}
    """
    while isinstance(content, Mapping) and (inner := [content[key] for key in WRAPPINGS if key in content]):
        content = inner[0]
    if not isinstance(content, Mapping) or not content or not all(isinstance(v, Tensor) for v in content.values()):
        return None
    return _without_prefixes(content)


def _without_prefixes(state: StateDict) -> StateDict:
    # a prefix that only some keys have belongs to the network itself
    shared = [prefix for prefix in PREFIXES if all(key.startswith(prefix) for key in state)]
    if not shared:
        return state
    return _without_prefixes({key.removeprefix(shared[0]): value for key, value in state.items()})


def load_except_head(model: nn.Module, state: StateDict, *, head: Sequence[str], source: str) -> None:
    """Load every parameter and buffer except those of the head, which stays as it is.

    Args:
        head: names of the layers whose outputs are the classes.
        source: of the weights, for messages.
    Raises: WeightsError that lists what is missing, unexpected, or of another shape.
    """
    prefixes = tuple(f"{layer}." for layer in head)
    body = {key: value for key, value in state.items() if not key.startswith(prefixes)}
    if problems := mismatches(model, body, ignore=prefixes):
        raise WeightsError(f"{source}: not of this architecture: {problems}; pass the --arch that they belong to")
    model.load_state_dict(body, strict=False)


def mismatches(model: nn.Module, state: StateDict, *, ignore: tuple[str, ...] = ()) -> str:
    """Describe in which keys and shapes a state dict differs from a network; empty if in none.

    Args:
        ignore: prefixes of keys of the network that the state dict may lack.

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
