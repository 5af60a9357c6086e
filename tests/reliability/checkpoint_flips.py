"""Flip bits of a checkpoint, and see that each file is refused or read as it was."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from mocrop.pipeline.errors import CheckpointError
from mocrop.training.model.checkpoint import Checkpoint, load_checkpoint, save_checkpoint

REFUSED, UNCHANGED, CHANGED = "refused", "read as it was", "read with other content"


def small_checkpoint() -> Checkpoint:
    """Two tensors of one shape, one of another, and a state to resume from."""
    state = {"fc.weight": torch.arange(96.0).reshape(2, 48), "fc.bias": torch.ones(2), "bn.bias": torch.zeros(2)}
    return Checkpoint(
        arch="resnet50",
        class_names=["Dig", "Run"],
        size=32,
        mean=(0.1, 0.2, 0.3),
        std=(0.5, 0.5, 0.5),
        settings={"split": "1", "lr": 0.1},
        cache={"name": "full-32"},
        epoch=3,
        metrics={"validation_top1": {"correct": 3, "total": 4}},
        state_dict=state,
        resume={"optimizer": {"momentum": [torch.full((2,), 0.5)]}, "seed": 7},
    )


def random_bits(size: int, *, count: int, seed: int) -> list[tuple[int, int]]:
    """Places in a file of ``size`` bytes: byte and bit."""
    rng = np.random.default_rng(seed)
    return list(zip(rng.integers(0, size, count).tolist(), rng.integers(0, 8, count).tolist(), strict=True))


def flip_checkpoint(
    folder: Path, *, count: int = 200, seed: int = 0, places: Iterable[tuple[int, int]] | None = None
) -> Counter[str]:
    """Load a checkpoint with one bit flipped, ``count`` times.

    Args:
        places: bytes and bits to flip; None: random ones.
    Returns: how often it was ``REFUSED``, ``UNCHANGED`` or ``CHANGED``; the last must never be.
    """
    whole, broken = folder / "whole.pt", folder / "broken.pt"
    save_checkpoint(whole, small_checkpoint())
    expected, content = vars(load_checkpoint(whole)), whole.read_bytes()
    found: Counter[str] = Counter()
    for byte, bit in random_bits(len(content), count=count, seed=seed) if places is None else places:
        flipped = bytearray(content)
        flipped[byte] ^= 1 << bit
        broken.write_bytes(flipped)
        try:
            same = equal(vars(load_checkpoint(broken)), expected)
        except CheckpointError:
            found[REFUSED] += 1
        else:
            found[UNCHANGED if same else CHANGED] += 1
    return found


def equal(one: Any, other: Any) -> bool:
    """Whether two values of a checkpoint are the same, tensors to the bit."""
    if isinstance(one, torch.Tensor):
        return isinstance(other, torch.Tensor) and one.dtype == other.dtype and torch.equal(one, other)
    if isinstance(one, dict):
        return isinstance(other, dict) and list(one) == list(other) and all(equal(one[key], other[key]) for key in one)
    if isinstance(one, (list, tuple)):
        return type(one) is type(other) and len(one) == len(other) and all(map(equal, one, other))
    return type(one) is type(other) and bool(one == other)
