"""Running totals of one epoch: losses, right answers, clips, seconds, and seconds spent waiting for data."""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from mocrop.training.data.dataset import Batch
from mocrop.training.distributed import Ranks


class BadLoss(NamedTuple):
    """A loss that is not finite, and its batch."""

    batch: int  # from 1
    loss: float


@dataclass(frozen=True, kw_only=True)
class Totals:
    """Totals of an epoch so far, as plain values."""

    batches_done: int
    clips: int = 0
    loss: float = 0.0  # summed over the clips
    correct: int = 0  # clips whose first answer is right; of several labels, one of them
    seconds: float = 0.0
    waiting_seconds: float = 0.0  # part of them, spent waiting for data

    @property
    def mean_loss(self) -> float:
        """NaN before the first clip."""
        return self.loss / self.clips if self.clips else float("nan")

    @property
    def accuracy(self) -> float:
        """Share of clips whose first answer is right; NaN before the first clip."""
        return self.correct / self.clips if self.clips else float("nan")

    @property
    def waiting_share(self) -> float:
        """Share of the time spent waiting for data."""
        return self.waiting_seconds / max(self.seconds, 1e-9)

    def over(self, ranks: Ranks) -> Totals:
        """Totals over all ranks: sums of counts, means of times. Every rank must call this."""
        counts = ranks.sums([self.clips, self.loss, self.correct, self.seconds, self.waiting_seconds])
        clips, loss, correct, seconds, waiting_seconds = counts
        return Totals(
            batches_done=self.batches_done,
            clips=int(clips),
            loss=loss,
            correct=int(correct),
            seconds=seconds / ranks.ranks,
            waiting_seconds=waiting_seconds / ranks.ranks,
        )


class Meter:
    """Totals of an epoch on one rank. Loss and right answers stay on the device; reading them waits for it.

    Args:
        batches: of the whole epoch.
        ranks: this process among those that train together, on as many clips each.
        before: totals over all ranks when the run was interrupted; only the first rank adds the counts to its own.
    """

    def __init__(
        self, batches: int, device: torch.device, *, ranks: Ranks | None = None, before: Totals | None = None
    ) -> None:
        self._ranks = ranks or Ranks()
        self._before = before or Totals(batches_done=0)
        counted = self._before if self._ranks.first else Totals(batches_done=0)
        self.batches = batches
        self.batches_done = self._before.batches_done
        self.clips = counted.clips
        self._clips_here = 0  # without those before
        self._waiting_seconds = 0.0
        self._unchecked: list[Tensor] = []  # losses of the latest batches
        self._start = time.perf_counter()
        self._end: float | None = None
        self._loss = torch.tensor(counted.loss, dtype=torch.float64, device=device)
        self._correct = torch.tensor(counted.correct, dtype=torch.int64, device=device)

    def timed(self, batches: Iterable[Batch]) -> Iterator[Batch]:
        """Pass batches on, and add up how long the caller waits for them."""
        iterator = iter(batches)
        while True:
            start = time.perf_counter()
            batch = next(iterator, None)
            self._waiting_seconds += time.perf_counter() - start
            if batch is None:
                self._end = time.perf_counter()
                return
            yield batch

    def add(self, *, loss: Tensor, logits: Tensor, labels: Tensor) -> None:
        """Add a batch.

        Args:
            loss: scalar, mean over the clips.
            logits: shape (clips, classes).
            labels: int64, shape (clips,), or 1 for each class of a clip, shape (clips, classes).
        """
        self._loss += loss.detach() * len(labels)
        self._unchecked.append(loss.detach())
        first = logits.detach().argmax(dim=1)
        right = first == labels if labels.ndim == 1 else labels.gather(1, first.unsqueeze(1)) > 0
        self._correct += right.sum()
        self.clips += len(labels)
        self._clips_here += len(labels)
        self.batches_done += 1

    def first_bad_loss(self) -> BadLoss | None:
        """The first batch since the last call whose loss is not finite; waits for the device."""
        losses: list[float] = torch.stack(self._unchecked).tolist() if self._unchecked else []
        first = self.batches_done - len(losses) + 1
        self._unchecked.clear()
        return next((BadLoss(first + n, loss) for n, loss in enumerate(losses) if not math.isfinite(loss)), None)

    def totals(self) -> Totals:
        """Totals so far; waits for the device."""
        return Totals(
            batches_done=self.batches_done,
            clips=self.clips,
            loss=float(self._loss),
            correct=int(self._correct),
            seconds=self.seconds,
            waiting_seconds=self._before.waiting_seconds + self._waiting_seconds,
        )

    @property
    def seconds(self) -> float:
        """Seconds until now, or until the end of the last batch."""
        return self._before.seconds + self._seconds_here

    @property
    def clips_per_second(self) -> float:
        """Clips per second of all ranks together, without those before."""
        return self._clips_here * self._ranks.ranks / max(self._seconds_here, 1e-9)

    @property
    def _seconds_here(self) -> float:
        return (self._end or time.perf_counter()) - self._start
