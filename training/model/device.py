"""The device to train on, and how a network runs on it: mixed precision, threads, compilation."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from mocrop.pipeline.errors import SettingsError
from mocrop.training.distributed import Ranks
from mocrop.training.recipe import Amp

BACKEND = "inductor"  # of torch.compile


def choose_device(name: str, ranks: Ranks | None = None) -> torch.device:
    """Find a device by name; "auto" is the current CUDA device where there is one, else the CPU.

    Args:
        ranks: this process among those that train together; each takes the CUDA device of its number on its machine.
    Raises: SettingsError if there is no such device.
    """
    if ranks is not None and ranks.several and name != "cpu" and torch.cuda.is_available():
        return _device_of_rank(name, ranks)
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).partition("\n")[0]
        raise SettingsError(f"--device {name} cannot be used ({reason}); pass auto or cpu") from error
    return device


def _device_of_rank(name: str, ranks: Ranks) -> torch.device:
    if name not in ("auto", "cuda"):
        raise SettingsError(f"--device {name}: each process of torchrun takes a GPU of its own; pass cuda, auto or cpu")
    if ranks.local_rank >= (there := torch.cuda.device_count()):
        raise SettingsError(
            f"process {ranks.local_rank + 1} of this machine has no GPU of its own, there are {there}; start as many "
            "processes (--nproc-per-node) as there are GPUs, or pass --device cpu"
        )
    device = torch.device("cuda", ranks.local_rank)
    torch.cuda.set_device(device)  # else page-locked memory would take room on the first GPU too
    return device


def mixed_precision(device: torch.device, amp: Amp) -> torch.dtype | None:
    """Type that the expensive layers compute in; None: float32.

    "auto" is float32, except on a CUDA device: bfloat16 where it has that, else float16.

    Raises: SettingsError if the device lacks the type that was asked for.
    """
    if amp == "off" or (amp == "auto" and device.type != "cuda"):
        return None
    has_bfloat16 = device.type != "cuda" or torch.cuda.is_bf16_supported(including_emulation=False)
    if amp == "bf16" and not has_bfloat16:
        raise SettingsError(f"--amp bf16: {torch.cuda.get_device_name(device)} has none; pass --amp fp16 or auto")
    return torch.bfloat16 if amp == "bf16" or (amp == "auto" and has_bfloat16) else torch.float16


def precision_name(precision: torch.dtype | None) -> str:
    """Name of a mixed-precision type for reports.

    >>> precision_name(torch.bfloat16), precision_name(None)
    ('bfloat16', 'float32')
    """
    return str(precision or torch.float32).removeprefix("torch.")


def autocast(device: torch.device, precision: torch.dtype | None) -> torch.autocast:
    """Compute in ``precision`` within a ``with`` block; None changes nothing."""
    return torch.autocast(device.type, dtype=precision or torch.bfloat16, enabled=precision is not None)


def is_convolutional(model: nn.Module) -> bool:
    """Whether a network consists of convolutions; transformers have one only, which cuts the frame into patches."""
    return sum(isinstance(layer, nn.Conv2d) for layer in model.modules()) > 1


def takes_channels_last(model: nn.Module) -> bool:
    """Whether a network can have that memory order: PyTorch refuses it to weights of five dimensions."""
    return all(tensor.ndim != 5 for tensor in (*model.parameters(), *model.buffers()))


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error says that a device, or the machine, has no memory left."""
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    return isinstance(error, RuntimeError) and "DefaultCPUAllocator" in str(error)


@contextmanager
def one_thread() -> Iterator[None]:
    """Compute on one thread within a ``with`` block: on little work, several threads wait longer than they compute."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def compiled(model: nn.Module, *, device: torch.device) -> nn.Module:
    """Compile a network on its first batch; its parameters and their names stay those of ``model``.

    Raises: SettingsError if this machine cannot compile.
    """
    try:
        torch.compile(_probe, backend=BACKEND)(torch.ones(8, device=device))
    except Exception as error:  # torch.compile raises many types, some of them private
        reason = str(error).strip().partition("\n")[0]
        raise SettingsError(
            f"--compile: PyTorch cannot compile for {device} on this machine ({type(error).__name__}: {reason}); "
            "install a C++ compiler (on Debian: apt install g++), or leave --compile out"
        ) from error
    network: nn.Module = torch.compile(model, backend=BACKEND)  # type: ignore[assignment]
    return network


def _probe(values: Tensor) -> Tensor:
    return values.sin() + 1
