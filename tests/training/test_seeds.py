"""Random numbers depend on the seed, the place in the run and their use alone."""

from __future__ import annotations

from itertools import product

import numpy as np
import torch

from mocrop.training import seeds
from mocrop.training.seeds import (
    augment_generator,
    few_shot_generator,
    order_generator,
    seed_network,
    slots_generator,
)


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


def test_no_two_uses_share_a_stream_number_and_none_is_0() -> None:
    streams = [value for name, value in vars(seeds).items() if name.endswith("_STREAM")]
    assert len(streams) == len(set(streams)) == 5
    assert 0 not in streams  # NumPy ignores zeros at the end of a seed


def test_the_parts_of_each_seed_stay_so_that_runs_of_earlier_versions_go_on() -> None:
    generators = {
        (9, 4, 1): slots_generator(9, epoch=4),
        (9, 4, 2): order_generator(9, epoch=4),
        (9, 4, 7, 0, 3): augment_generator(9, epoch=4, step=7),
        (9, 2, 5, 6): few_shot_generator(9, groups=2, draw=5),
    }
    for parts, generator in generators.items():
        assert generator.random() == np.random.default_rng(parts).random()


def test_networks_of_no_two_ranks_draw_the_same() -> None:
    assert len({network_draws(*place) for place in product(range(3), repeat=4)}) == 81
