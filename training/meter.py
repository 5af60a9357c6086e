"""Keep the running totals of one epoch: losses, right answers, clips, seconds and seconds spent waiting for data."""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

import torch
from torch import Tensor

from mocrop.training.dataset import Batch


class BadLoss(NamedTuple):
    """A loss that is no finite number, and the batch that had it."""

    batch: int  # from 1
    loss: float


class Meter:
    """Totals since it was made; those of the device are fetched only when they are read, which waits for the device."""

    def __init__(self, batches: int, device: torch.device) -> None:
        self.batches = batches  # of the whole epoch
        self.batches_done = 0
        self.clips = 0
        self.waiting_seconds = 0.0
        self._earlier_seconds = 0.0  # of the process that began the epoch
        self._unchecked: list[Tensor] = []  # losses of the latest batches
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
        self._unchecked.append(loss.detach())
        self._correct += (logits.detach().argmax(dim=1) == labels).sum()
        self.clips += len(labels)
        self.batches_done += 1

    def first_bad_loss(self) -> BadLoss | None:
        """The first of the batches since the last call whose loss is no finite number; waits for the device."""
        losses: list[float] = torch.stack(self._unchecked).tolist() if self._unchecked else []
        first = self.batches_done - len(losses) + 1
        self._unchecked.clear()
        return next((BadLoss(first + n, loss) for n, loss in enumerate(losses) if not math.isfinite(loss)), None)

    def totals(self) -> dict[str, float]:
        """Everything that it has come to, as plain values, for a checkpoint in the middle of an epoch."""
        return {
            "batches_done": self.batches_done,
            "clips": self.clips,
            "loss": float(self._loss),
            "correct": int(self._correct),
            "seconds": self.seconds,
            "waiting_seconds": self.waiting_seconds,
        }

    def go_on_from(self, totals: Mapping[str, float]) -> None:
        """Start from what :meth:`totals` gave, to the bit, rather than from nothing."""
        self.batches_done, self.clips = int(totals["batches_done"]), int(totals["clips"])
        self.waiting_seconds, self._earlier_seconds = totals["waiting_seconds"], totals["seconds"]
        self._loss.fill_(totals["loss"])
        self._correct.fill_(totals["correct"])

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
        return self._earlier_seconds + (self._end or time.perf_counter()) - self._start

    @property
    def clips_per_second(self) -> float:
        return self.clips / max(self.seconds, 1e-9)

    @property
    def waiting_share(self) -> float:
        """Part of the time spent waiting for data."""
        return self.waiting_seconds / max(self.seconds, 1e-9)
