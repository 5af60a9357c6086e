"""Compile networks: a network goes in, one that shares its weights and runs faster comes out, or a clear refusal."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from mocrop.pipeline.errors import SettingsError

BACKEND = "inductor"  # of torch.compile


def compiled(model: nn.Module, *, device: torch.device) -> nn.Module:
    """Compile a network when it first sees frames; its parameters, and their names, stay those of ``model``.

    Raises: SettingsError if this machine cannot compile.
    """
    try:
        torch.compile(_probe, backend=BACKEND)(torch.ones(8, device=device))
    except Exception as error:  # the layers of torch.compile have exceptions of their own, public and not
        reason = str(error).strip().partition("\n")[0]
        raise SettingsError(
            f"--compile: PyTorch cannot compile for {device} on this machine ({type(error).__name__}: {reason}); "
            "install a C++ compiler (on Debian: apt install g++), or leave --compile out"
        ) from error
    network: nn.Module = torch.compile(model, backend=BACKEND)  # type: ignore[assignment]
    return network


def _probe(values: Tensor) -> Tensor:
    return values.sin() + 1
