"""Latency of an evaluation: milliseconds per clip and per frame, with and without reading."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from mocrop.training.data.dataset import Batch

WARM_UP_BATCHES = 2  # left out if there are others


@dataclass(frozen=True, kw_only=True)
class BatchTime:
    """Times of one batch."""

    clips: int
    waiting_seconds: float  # waiting until it was read
    network_seconds: float  # to the device, normalised, through the network and back


@dataclass(frozen=True, kw_only=True)
class Percentiles:
    """Median and 95th percentile over batches."""

    median: float
    p95: float


@dataclass(frozen=True, kw_only=True)
class Latency:
    """Milliseconds per clip in whole batches; a single clip takes longer on a device made for many."""

    batch_size: int  # clips
    segments: int  # frames per clip
    batches: int  # measured
    warm_up: int  # batches left out before them
    network: Percentiles  # reading excluded
    with_reading: Percentiles  # reading goes on in the background: only waiting for it counts

    def to_json(self) -> dict[str, Any]:
        """Plain values, per clip and per frame."""
        spreads = {"network": self.network, "with_reading": self.with_reading}
        return {
            **{name: getattr(self, name) for name in ("batch_size", "segments", "batches", "warm_up")},
            "ms_per_clip": {name: asdict(spread) for name, spread in spreads.items()},
            "ms_per_frame": {name: asdict(self.per_frame(spread)) for name, spread in spreads.items()},
        }

    def per_frame(self, spread: Percentiles) -> Percentiles:
        """Milliseconds per frame instead of per clip."""
        return Percentiles(median=spread.median / self.segments, p95=spread.p95 / self.segments)


class BatchClock:
    """Times each batch of a loop; the loop's body counts as the network's time."""

    def __init__(self) -> None:
        self.times: list[BatchTime] = []

    def over(self, batches: Iterable[Batch]) -> Iterator[Batch]:
        """Yield the batches; the loop's body must wait for its device before it asks for the next."""
        iterator = iter(batches)
        while True:
            asked = time.perf_counter()
            batch = next(iterator, None)
            if batch is None:
                return
            read = time.perf_counter()
            yield batch
            self.times.append(
                BatchTime(
                    clips=len(batch.labels), waiting_seconds=read - asked, network_seconds=time.perf_counter() - read
                )
            )


def latency(times: Sequence[BatchTime], *, segments: int) -> Latency:
    """Percentiles over whole batches after a warm-up; an incomplete last batch counts only if there is no other."""
    size = max(each.clips for each in times)
    whole = [each for each in times if each.clips == size]
    warm_up = min(WARM_UP_BATCHES, len(whole) - 1)
    network = np.array([each.network_seconds for each in whole[warm_up:]]) * 1000 / size
    waiting = np.array([each.waiting_seconds for each in whole[warm_up:]]) * 1000 / size
    return Latency(
        batch_size=size,
        segments=segments,
        batches=len(network),
        warm_up=warm_up,
        network=_percentiles(network),
        with_reading=_percentiles(network + waiting),
    )


def _percentiles(values: np.ndarray[Any, np.dtype[np.float64]]) -> Percentiles:
    median, p95 = np.percentile(values, [50, 95]).tolist()
    return Percentiles(median=median, p95=p95)
