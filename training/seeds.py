"""Random numbers of one training step: seed, epoch and step go in, generators that depend on nothing else come out.

A run that goes on in the middle of an epoch therefore draws what an undisturbed one draws, whatever came before.
"""

from __future__ import annotations

import numpy as np
import torch

AUGMENT_STREAM, NETWORK_STREAM = 3, 4  # last part of the seed, so that no two uses share random numbers


def augment_generator(seed: int, *, epoch: int, step: int) -> np.random.Generator:
    """Generator of what one step draws about its clips: views, and partners and shares of mixup; for all ranks alike.

    Args:
        epoch, step: counted from 0; a step is one batch.
    """
    return np.random.default_rng((seed, epoch, step, 0, AUGMENT_STREAM))


def seed_network(seed: int, *, epoch: int, step: int, rank: int = 0) -> None:
    """Seed PyTorch on every device for what the network draws in one step: dropout, stochastic depth.

    Args:
        rank: of this process among those that train together.
    """
    drawn = np.random.default_rng((seed, epoch, step, rank, NETWORK_STREAM)).integers(2**63)
    torch.manual_seed(int(drawn))
