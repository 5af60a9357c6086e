"""Pretrained weights from a download or a file, and how a network loads them, except for its head."""

from __future__ import annotations

import pickle
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import cast

import torch
import torchvision  # type: ignore[import-untyped]
from torch import Tensor, nn

from mocrop.pipeline.errors import WeightsError
from mocrop.training.model.file_kinds import UnreadableError
from mocrop.training.model.torch_file import SAVE_WEIGHTS, has_named_hash, read_torch_file
from mocrop.training.model.video import is_video, torchvision_name

StateDict = Mapping[str, Tensor]
WRAPPINGS = (  # keys under which programs save a state dict beside other values; the first that is there counts
    *("state_dict", "model_state_dict", "model_state", "model", "module", "net", "network", "weights", "params"),
    *("model_ema", "state_dict_ema", "ema_state_dict", "model_ema_state_dict", "ema", "params_ema", "shadow"),
)
# of DataParallel; of the reference's training and test scripts; and of Lightning and others, after the attribute of
# their own module that holds the network
PREFIXES = ("module.", "base_model.", "backbone.", "model.", "net.", "network.")
# torch.compile, sharded training and checkpointed activations give the modules that they wrap a name of their own
_WRAPPERS = re.compile(r"(^|\.)(?:(?:_orig_mod|_fsdp_wrapped_module|_checkpoint_wrapped_module)\.)+")
COUNTER = ".num_batches_tracked"  # of a BatchNorm
AVERAGES = "n_averaged"  # a counter beside weights that PyTorch has averaged
SAVE_PLAIN = "save them as plain floating-point tensors, with the program that made the file"
MAX_WRAPPINGS = 4  # one in the other; a file may hold a dictionary that holds itself
MAX_NAMES = 6  # of keys in a message


def torchvision_weights(arch: str) -> StateDict:
    """Fetch torchvision's first published weights, from its download folder if they are there.

    They are of ImageNet, those of video networks of Kinetics-400.

    Raises: WeightsError that names the file and the ways out if the download fails, or if the file is damaged.
    """
    published = torchvision.models.get_model_weights(torchvision_name(arch))
    kind, weights = ("Kinetics", published.KINETICS400_V1) if is_video(arch) else ("ImageNet", published.IMAGENET1K_V1)
    file = Path(torch.hub.get_dir()) / "checkpoints" / Path(weights.url).name
    try:
        if file.is_file() and not has_named_hash(file):  # torch.hub compares what it fetches, and never again
            raise WeightsError(f"{file} is damaged: its SHA-256 is not that in its name; delete it, to fetch it again")
        state = weights.get_state_dict(progress=sys.stderr.isatty(), check_hash=True, weights_only=True)
    except (OSError, RuntimeError, EOFError, pickle.UnpicklingError) as error:
        reason = getattr(error, "reason", None) or error
        raise WeightsError(
            f"--arch {arch}: the {kind} weights cannot be fetched from {weights.url} ({reason}); pass --weights none "
            f"to start from random ones, or fetch {file.name} elsewhere and pass --weights FILE (or put it at {file})"
        ) from error
    return cast(StateDict, state)


def read_state_dict(file: Path) -> StateDict:
    """Read a state dict from a PyTorch or safetensors file; see :func:`find_state_dict`.

    Nothing but tensors and plain values is unpickled.

    Raises: WeightsError if the file is missing, unreadable or holds something else.
    """
    try:
        content = read_torch_file(file).value
    except FileNotFoundError as error:
        raise WeightsError(f"--weights {file}: there is no such file") from error
    except UnreadableError as error:
        raise WeightsError(f"--weights {file} {error.fact}; {error.way_out}") from error
    if (state := find_state_dict(content)) is None:
        raise WeightsError(f"--weights {file} holds no state dict; {SAVE_WEIGHTS}")
    return state


def find_state_dict(content: object) -> StateDict | None:
    """Find the state dict in the content of a file, and remove what programs put before the names of all parameters.

    Returns: the state dict; None if there is none. Weights that were averaged while training (EMA) are taken only if
        there are no others.

    >>> find_state_dict({"state_dict": {"module.fc.bias": torch.zeros(1)}, "epoch": 3})
    {'fc.bias': tensor([0.])}
    """
    return _find(content, depth=MAX_WRAPPINGS)


def _find(content: object, *, depth: int) -> StateDict | None:
    if not isinstance(content, Mapping) or not content or not depth:
        return None
    if all(isinstance(key, str) and isinstance(value, Tensor) for key, value in content.items()):
        return _plain_names(content)
    return next(filter(None, (_find(content[key], depth=depth - 1) for key in WRAPPINGS if key in content)), None)


def _plain_names(state: StateDict) -> StateDict:
    """Names as the network itself has them."""
    unwrapped = {_WRAPPERS.sub(r"\1", key): value for key, value in state.items()}
    if len(unwrapped) < len(state):
        return state  # two parameters would get one name
    if all(key == AVERAGES or key.startswith("module.") for key in unwrapped):  # torch.optim.swa_utils.AveragedModel
        unwrapped.pop(AVERAGES, None)
    plain = _without_prefixes(unwrapped)
    return state if plain.keys() == state.keys() else plain  # it may have more than its keys: versions of modules


def _without_prefixes(state: StateDict) -> StateDict:
    # a prefix that only some keys have belongs to the network itself
    shared = [prefix for prefix in PREFIXES if all(key.startswith(prefix) for key in state)]
    if not state or not shared:
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
    if odd := odd_weights(model, body):
        raise WeightsError(f"{source}: {odd}; {SAVE_PLAIN}")
    if broken := not_finite(model, body):
        raise WeightsError(f"{source}: NaN or infinity in {broken}: its training has diverged; pass other weights")
    model.load_state_dict(body, strict=False)


def mismatches(model: nn.Module, state: StateDict, *, ignore: tuple[str, ...] = ()) -> str:
    """Describe in which keys and shapes a state dict differs from a network; empty if in none.

    Counters of batches may be missing: PyTorch had none before 0.4.1, and no answer of a network depends on them.

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
        (sorted(key for key in own.keys() - state.keys() if not key.endswith(COUNTER)), "missing"),
        (sorted(state.keys() - own.keys()), "unexpected"),
        (shapes, "of another shape"),
    )
    return ", ".join(f"{len(keys)} {kind} ({_some(keys)})" for keys, kind in kinds if keys)


def odd_weights(model: nn.Module, state: StateDict) -> str:
    """Describe the weights that are no plain numbers as a network has them, which a copy would turn into others.

    Args:
        state: of the network's keys and shapes.
    Returns: empty if there are none.

    >>> odd_weights(nn.Linear(2, 1), {"weight": torch.zeros(1, 2, dtype=torch.int8), "bias": torch.zeros(1)})
    'weight holds int8 in place of float32'
    """
    own = model.state_dict()
    odd = {key: words for key in sorted(own.keys() & state.keys()) if (words := _oddity(state[key], own[key]))}
    more = f", and {len(odd) - 1} more are like it" if len(odd) > 1 else ""
    return next((f"{key} {words}{more}" for key, words in odd.items()), "")


def not_finite(model: nn.Module, state: StateDict) -> str:
    """Names of the weights that hold NaN or infinity where those of a network are finite; empty if none does."""
    own = model.state_dict()
    there = (key for key in sorted(own.keys() & state.keys()) if own[key].is_floating_point())
    return _some([key for key in there if own[key].isfinite().all() and not state[key].float().isfinite().all()])


def _oddity(value: Tensor, own: Tensor) -> str:
    """What a tensor is that cannot be copied into one of a network as it is; empty if it can."""
    if value.is_meta:
        return "has a shape, and no values"
    if value.is_quantized:
        return "is quantised"
    if value.layout != torch.strided:
        return "is sparse"
    floats = own.is_floating_point() and not value.is_floating_point()
    if floats or (value.is_complex() and not own.is_complex()):  # averages of counters are floating-point
        return f"holds {_dtype(value)} in place of {_dtype(own)}"
    return ""


def _dtype(tensor: Tensor) -> str:
    return str(tensor.dtype).removeprefix("torch.")


def _shape(tensor: Tensor) -> str:
    return "x".join(map(str, tensor.shape)) or "scalar"


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:MAX_NAMES]) + (", ..." if len(names) > MAX_NAMES else "")
