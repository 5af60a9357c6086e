"""Memory is used again, but never while anybody sees it."""

from __future__ import annotations

import gc

import numpy as np

from mocrop.training.data.loader import BufferPool


def test_memory_comes_back_when_the_tensor_is_gone() -> None:
    pool = BufferPool(24)
    first = pool.take((2, 12))
    address = first.data_ptr()
    del first
    gc.collect()
    assert pool.take((2, 12)).data_ptr() == address


def test_memory_that_is_still_seen_is_not_given_out_again() -> None:
    pool = BufferPool(24)
    slice_of_a_view = pool.take((2, 12)).reshape(24)[3:5]
    array = pool.take((4, 6)).numpy()[1:].T
    slice_of_a_view.fill_(1)
    array[...] = 2
    gc.collect()
    for _ in range(3):
        pool.take((24,)).fill_(9)
    assert slice_of_a_view.tolist() == [1, 1]
    assert np.all(array == 2)


def test_smaller_shapes_use_the_same_memory() -> None:
    pool = BufferPool(24)
    address = pool.take((24,)).data_ptr()
    gc.collect()
    small = pool.take((1, 5))
    assert small.data_ptr() == address
    assert small.shape == (1, 5)
    assert small.is_contiguous()
