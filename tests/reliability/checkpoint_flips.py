"""Flip single bits of a checkpoint: each is refused, or what is read is as it was."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import torch

from mocrop.pipeline.errors import CheckpointError
from mocrop.training.model.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from tests.reliability.flips import Count, bits_of, flipped


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


def flip_checkpoint(folder: Path, *, flips: int | None, seed: int = 0) -> Count:
    """Load a small checkpoint with single bits flipped, one at a time.

    Args:
        flips: how many, anywhere; None: each bit of the file once, which takes minutes.
    """
    file = folder / "best.pt"
    save_checkpoint(file, small_checkpoint())
    expected, drawn, count, bits = vars(load_checkpoint(file)), random.Random(seed), Count(), range(bits_of(file))
    for bit in bits if flips is None else drawn.choices(bits, k=flips):
        with flipped(file, bit):
            count.judge(f"bit {bit}", lambda: equal(vars(load_checkpoint(file)), expected), refusal=CheckpointError)
    return count


def equal(one: Any, other: Any) -> bool:
    """Whether two values of a checkpoint are the same, tensors to the bit."""
    if isinstance(one, torch.Tensor):
        return isinstance(other, torch.Tensor) and one.dtype == other.dtype and torch.equal(one, other)
    if isinstance(one, dict):
        return isinstance(other, dict) and list(one) == list(other) and all(equal(one[key], other[key]) for key in one)
    if isinstance(one, (list, tuple)):
        return type(one) is type(other) and len(one) == len(other) and all(map(equal, one, other))
    return type(one) is type(other) and bool(one == other)
