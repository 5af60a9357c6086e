"""Keep the running totals of one epoch: losses, right answers, clips, seconds and seconds spent waiting for data."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator

import torch
from torch import Tensor

from mocrop.training.dataset import Batch


class Meter:
    """Totals since it was made; those of the device are fetched only when they are read, which waits for the device."""

    def __init__(self, batches: int, device: torch.device) -> None:
        self.batches = batches  # of the whole epoch
        self.batches_done = 0
        self.clips = 0
        self.waiting_seconds = 0.0
        self._start = time.perf_counter()
        self._end: float | None = None
        self._loss = torch.zeros((), dtype=torch.float64, device=device)
        self._correct = torch.zeros((), dtype=torch.int64, device=device)

    def timed(self, batches: Iterable[Batch]) -> Iterator[Batch]:
        """Pass batches on and add up how long each let the caller wait."""
        iterator = iter(batches)
        while True:
            start = time.perf_counter()
            batch = next(iterator, None)
            self.waiting_seconds += time.perf_counter() - start
            if batch is None:
                self._end = time.perf_counter()
                return
            yield batch

    def add(self, *, loss: Tensor, logits: Tensor, labels: Tensor) -> None:
        """Add a batch: its mean loss, its logits (clips, classes) and its labels (clips,)."""
        self._loss += loss.detach() * len(labels)
        self._correct += (logits.detach().argmax(dim=1) == labels).sum()
        self.clips += len(labels)
        self.batches_done += 1

    @property
    def loss(self) -> float:
        """Mean over the clips so far; NaN before the first."""
        return float(self._loss) / self.clips if self.clips else float("nan")

    @property
    def accuracy(self) -> float:
        """Share of clips with the right answer first; NaN before the first clip."""
        return int(self._correct) / self.clips if self.clips else float("nan")

    @property
    def seconds(self) -> float:
        """Until now, or until the last batch was done with."""
        return (self._end or time.perf_counter()) - self._start

    @property
    def clips_per_second(self) -> float:
        return self.clips / max(self.seconds, 1e-9)

    @property
    def waiting_share(self) -> float:
        """Part of the time spent waiting for data."""
        return self.waiting_seconds / max(self.seconds, 1e-9)
