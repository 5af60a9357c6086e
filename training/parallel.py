"""Train one network with several processes: a network goes in, one whose gradients are averaged over all comes out."""

from __future__ import annotations

import torch
from timm.layers.norm_act import convert_sync_batchnorm  # PyTorch's own loses timm's activations
from torch import distributed, nn
from torch.nn.parallel import DistributedDataParallel

from mocrop.pipeline.errors import SettingsError
from mocrop.training.ranks import Ranks
from mocrop.training.recipe import TrainSettings


def require_parallel(settings: TrainSettings, ranks: Ranks, *, clips: int, device: torch.device) -> None:
    """Check that the settings are some that several processes can share.

    Raises: SettingsError saying what to change.
    """
    if not ranks.several:
        return
    if settings.freeze_backbone:
        raise SettingsError(
            "--freeze-backbone trains one layer, on features that one process computes; run it without torchrun"
        )
    if settings.batch_size % ranks.ranks:
        raise SettingsError(
            f"--batch-size {settings.batch_size}, which counts the clips of all processes, cannot be shared evenly by "
            f"{ranks.ranks}; pass a multiple of {ranks.ranks}"
        )
    if clips < ranks.ranks:
        raise SettingsError(f"{clips} clips to train on are too few for {ranks.ranks} processes; start fewer")
    if settings.sync_batchnorm and device.type != "cuda":
        raise SettingsError(f"--sync-batchnorm: PyTorch has it for GPUs only, not for {device}; leave it out")


def averaging(model: nn.Module, ranks: Ranks, *, device: torch.device) -> nn.Module:
    """A network that shares the weights of ``model`` and averages gradients over the ranks; by itself, ``model``.

    All ranks start from the weights of the first.
    """
    if not ranks.several:
        return model
    return DistributedDataParallel(model, device_ids=[device.index] if device.type == "cuda" else None)


def synchronised(model: nn.Module) -> nn.Module:
    """The same network, with batch statistics over the clips of all ranks; parameters and their names stay."""
    network: nn.Module = convert_sync_batchnorm(model)  # type: ignore[no-untyped-call]
    return network


def share_buffers(model: nn.Module, ranks: Ranks) -> None:
    """Give all ranks the running statistics of the first, which are those that are saved."""
    if ranks.several:
        for buffer in model.buffers():
            distributed.broadcast(buffer, 0)
