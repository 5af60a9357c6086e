"""Running totals of an epoch."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator

import torch

from mocrop.training.dataset import Batch
from mocrop.training.meter import Meter

CPU = torch.device("cpu")


def test_loss_and_accuracy_are_means_over_clips_not_over_batches() -> None:
    meter = Meter(2, CPU)
    meter.add(loss=torch.tensor(1.0), logits=torch.eye(3), labels=torch.tensor([0, 1, 2]))
    meter.add(loss=torch.tensor(5.0), logits=torch.tensor([[1.0, 0.0, 0.0]]), labels=torch.tensor([2]))
    assert meter.loss == 2.0
    assert meter.accuracy == 0.75
    assert meter.batches_done == 2


def test_before_the_first_batch_there_is_no_loss() -> None:
    assert math.isnan(Meter(1, CPU).loss)
    assert math.isnan(Meter(1, CPU).accuracy)


def test_a_loss_that_is_no_number_stays_one() -> None:
    meter = Meter(2, CPU)
    for loss in (float("nan"), 1.0):
        meter.add(loss=torch.tensor(loss), logits=torch.eye(2), labels=torch.tensor([0, 1]))
    assert math.isnan(meter.loss)


def test_waiting_is_time_in_the_loader_and_ends_with_it() -> None:
    batch = Batch(torch.zeros(1), torch.zeros(1), torch.zeros(1))

    def slow() -> Iterator[Batch]:
        time.sleep(0.01)
        yield batch

    meter = Meter(1, CPU)
    for _ in meter.timed(slow()):
        time.sleep(0.01)
    total = meter.seconds
    assert 0.01 <= meter.waiting_seconds <= total - 0.01
    time.sleep(0.001)
    assert meter.seconds == total
