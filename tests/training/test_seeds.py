"""Random numbers of a step depend on the seed and the place of the step alone."""

from __future__ import annotations

from itertools import product

import torch

from mocrop.training.seeds import augment_generator, seed_network


def drawn(seed: int, epoch: int, step: int) -> tuple[float, float]:
    return augment_generator(seed, epoch=epoch, step=step).random(), network_draws(seed, epoch, step)


def network_draws(seed: int, epoch: int, step: int, rank: int = 0) -> float:
    seed_network(seed, epoch=epoch, step=step, rank=rank)
    return float(torch.rand(1))


def test_a_step_draws_the_same_whatever_came_before() -> None:
    alone = drawn(7, 2, 5)
    for step in range(5):
        drawn(7, 2, step)
    assert drawn(7, 2, 5) == alone


def test_no_two_of_seeds_epochs_and_steps_draw_the_same() -> None:
    everything = [drawn(*place) for place in product(range(3), repeat=3)]
    for numbers in zip(*everything, strict=True):
        assert len(set(numbers)) == 27


def test_networks_of_no_two_ranks_draw_the_same() -> None:
    assert len({network_draws(*place) for place in product(range(3), repeat=4)}) == 81
