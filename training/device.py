"""Where and how precisely to compute: a name goes in, a device and its mixed-precision type come out."""

from __future__ import annotations

import torch

from mocrop.pipeline.errors import SettingsError
from mocrop.training.recipe import Amp


def choose_device(name: str) -> torch.device:
    """Find a device by name; "auto" is the current CUDA device where there is one, else the CPU.

    Raises: SettingsError if there is no such device.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).partition("\n")[0]
        raise SettingsError(f"--device {name} cannot be used ({reason}); pass auto or cpu") from error
    return device


def mixed_precision(device: torch.device, amp: Amp) -> torch.dtype | None:
    """Type for the expensive layers: None for float32, else bfloat16 where the device has it and float16 elsewhere."""
    if amp == "off" or device.type != "cuda":
        return None
    return torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float16


def autocast(device: torch.device, precision: torch.dtype | None) -> torch.autocast:
    """Compute in ``precision`` within a ``with`` block; None changes nothing."""
    return torch.autocast(device.type, dtype=precision or torch.bfloat16, enabled=precision is not None)


def precision_name(precision: torch.dtype | None) -> str:
    """Name of a mixed-precision type, as reports have it.

    >>> precision_name(torch.bfloat16), precision_name(None)
    ('bfloat16', 'float32')
    """
    return str(precision or torch.float32).removeprefix("torch.")
