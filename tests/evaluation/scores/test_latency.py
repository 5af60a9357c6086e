"""Latency of batches with made-up times."""

from __future__ import annotations

import pytest
import torch

from mocrop.evaluation.scores.latency import BatchClock, BatchTime, Latency, Percentiles, latency
from mocrop.training.data.dataset import Batch


def times(*network_seconds: float, clips: int = 4, waiting_seconds: float = 0.4) -> list[BatchTime]:
    return [
        BatchTime(clips=clips, waiting_seconds=waiting_seconds, network_seconds=seconds) for seconds in network_seconds
    ]


def test_seconds_of_a_batch_become_milliseconds_of_a_clip_and_of_a_frame() -> None:
    """Batches of 4 clips in 2 s: 500 ms a clip, 100 ms more for reading, 8 frames a clip."""
    found = latency(times(99, 99, 2, 2, 2), segments=8)
    assert (found.batch_size, found.batches, found.warm_up) == (4, 3, 2)
    assert found.network == Percentiles(median=500, p95=500)
    assert found.with_reading == Percentiles(median=pytest.approx(600), p95=pytest.approx(600))
    assert found.per_frame(found.network) == Percentiles(median=62.5, p95=62.5)


def test_the_95th_percentile_shows_the_slow_batches_and_the_median_does_not() -> None:
    found = latency(times(9, 9, *[4] * 18, 8, 8), segments=1).network
    assert found == Percentiles(median=1000, p95=2000)


def test_an_incomplete_last_batch_is_not_measured_unless_it_is_alone() -> None:
    assert latency(times(9, 9, 2) + times(7, clips=3), segments=1).network.p95 == 500
    assert latency(times(3, clips=3), segments=1) == Latency(
        batch_size=3,
        segments=1,
        batches=1,
        warm_up=0,
        network=Percentiles(median=1000, p95=1000),
        with_reading=Percentiles(median=pytest.approx(1000 + 400 / 3), p95=pytest.approx(1000 + 400 / 3)),
    )


@pytest.mark.parametrize(("batches", "warm_up"), [(1, 0), (2, 1), (3, 2), (9, 2)])
def test_the_warm_up_leaves_at_least_one_batch(batches: int, warm_up: int) -> None:
    found = latency(times(*[1] * batches), segments=1)
    assert (found.warm_up, found.batches) == (warm_up, batches - warm_up)


def test_the_clock_counts_reading_and_the_body_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    ticks = iter([0.0, 1.0, 3.0, 10.0, 14.0, 22.0, 99.0])  # asked, read, done; asked, read, done; asked
    monkeypatch.setattr("time.perf_counter", lambda: next(ticks))
    clock = BatchClock()
    batches = [Batch(torch.zeros(n, 1, 3, 2, 2), torch.zeros(n), torch.zeros(n)) for n in (2, 1)]
    assert [len(batch.labels) for batch in clock.over(batches)] == [2, 1]
    assert clock.times == [
        BatchTime(clips=2, waiting_seconds=1, network_seconds=2),
        BatchTime(clips=1, waiting_seconds=4, network_seconds=8),
    ]
