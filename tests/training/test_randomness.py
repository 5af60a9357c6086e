"""Random numbers of a step depend on the seed and the place of the step alone."""

from __future__ import annotations

from itertools import product

import torch

from mocrop.training.randomness import augment_generator, seed_network


def drawn(seed: int, epoch: int, step: int, rank: int = 0) -> tuple[float, float]:
    seed_network(seed, epoch=epoch, step=step, rank=rank)
    return augment_generator(seed, epoch=epoch, step=step, rank=rank).random(), float(torch.rand(1))


def test_a_step_draws_the_same_whatever_came_before() -> None:
    alone = drawn(7, 2, 5)
    for step in range(5):
        drawn(7, 2, step)
    assert drawn(7, 2, 5) == alone


def test_no_two_of_seeds_epochs_steps_and_ranks_draw_the_same() -> None:
    everything = [drawn(*place) for place in product(range(3), repeat=4)]
    for numbers in zip(*everything, strict=True):
        assert len(set(numbers)) == 81
