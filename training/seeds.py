"""Random generators of training and of few-shot draws, with one stream number for each use.

A generator depends on the seed, the place in the run and its stream number alone. A run that goes on in the middle of
an epoch therefore draws what an uninterrupted one draws. Two things take the seed as it is: the first weights of a
network (``torch.manual_seed``) and the choice of held-out groups (a hash).
"""

from __future__ import annotations

import numpy as np
import torch

# NumPy ignores zeros at the end of a seed, so the stream number, which is never 0, comes last. 5 is not in use.
SLOTS_STREAM = 1  # which slots stand for each clip in an epoch
ORDER_STREAM = 2  # the order of the clips in an epoch
AUGMENT_STREAM = 3  # augmentation and mixup of one batch
NETWORK_STREAM = 4  # what the network draws in one step: dropout, stochastic depth
FEW_SHOT_STREAM = 6  # which groups one few-shot draw of `mocrop ablate` trains on


def slots_generator(seed: int, *, epoch: int) -> np.random.Generator:
    """Generator of the random slots of all clips in one epoch, counted from 0."""
    return np.random.default_rng((seed, epoch, SLOTS_STREAM))


def order_generator(seed: int, *, epoch: int) -> np.random.Generator:
    """Generator of the order of the clips in one epoch, counted from 0; the same on all ranks."""
    return np.random.default_rng((seed, epoch, ORDER_STREAM))


def augment_generator(seed: int, *, epoch: int, step: int) -> np.random.Generator:
    """Generator of the augmentation and mixup of one step; the same on all ranks.

    Args:
        epoch, step: counted from 0; a step is one batch.
    """
    return np.random.default_rng((seed, epoch, step, 0, AUGMENT_STREAM))


def seed_network(seed: int, *, epoch: int, step: int, rank: int = 0) -> None:
    """Seed PyTorch on every device for what the network draws in one step: dropout, stochastic depth.

    Args:
        epoch, step: counted from 0; a step is one batch.
        rank: of this process among those that train together.
    """
    drawn = np.random.default_rng((seed, epoch, step, rank, NETWORK_STREAM)).integers(2**63)
    torch.manual_seed(int(drawn))


def few_shot_generator(seed: int, *, groups: int, draw: int) -> np.random.Generator:
    """Generator of the groups that one few-shot draw trains on.

    Args:
        groups: of each class to train on.
        draw: counted from 0.
    """
    return np.random.default_rng((seed, groups, draw, FEW_SHOT_STREAM))
