"""Running totals of an epoch."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Iterator
from dataclasses import asdict

import torch

from mocrop.training.data.dataset import Batch
from mocrop.training.distributed import Ranks
from mocrop.training.loop.meter import Meter, Totals

CPU = torch.device("cpu")


def test_loss_and_accuracy_are_means_over_clips_not_over_batches() -> None:
    meter = Meter(2, CPU)
    meter.add(loss=torch.tensor(1.0), logits=torch.eye(3), labels=torch.tensor([0, 1, 2]))
    meter.add(loss=torch.tensor(5.0), logits=torch.tensor([[1.0, 0.0, 0.0]]), labels=torch.tensor([2]))
    totals = meter.totals()
    assert totals.mean_loss == 2.0
    assert totals.accuracy == 0.75
    assert totals.batches_done == 2


def test_before_the_first_batch_there_is_no_loss() -> None:
    assert math.isnan(Meter(1, CPU).totals().mean_loss)
    assert math.isnan(Meter(1, CPU).totals().accuracy)


def test_a_nan_loss_makes_the_mean_nan() -> None:
    meter = Meter(2, CPU)
    for loss in (float("nan"), 1.0):
        meter.add(loss=torch.tensor(loss), logits=torch.eye(2), labels=torch.tensor([0, 1]))
    assert math.isnan(meter.totals().mean_loss)


def test_waiting_is_time_in_the_loader_and_ends_with_it() -> None:
    batch = Batch(torch.zeros(1), torch.zeros(1), torch.zeros(1))

    def slow() -> Iterator[Batch]:
        time.sleep(0.01)
        yield batch

    meter = Meter(1, CPU)
    for _ in meter.timed(slow()):
        time.sleep(0.01)
    total = meter.seconds
    assert 0.01 <= meter.totals().waiting_seconds <= total - 0.01
    time.sleep(0.001)
    assert meter.seconds == total


def test_a_meter_that_goes_on_counts_from_where_it_was() -> None:
    whole, first = Meter(2, CPU), Meter(2, CPU)
    batches = [
        {"loss": torch.tensor(0.1), "logits": torch.eye(3), "labels": torch.tensor([0, 1, 1])},
        {"loss": torch.tensor(0.7), "logits": torch.eye(2), "labels": torch.tensor([0, 1])},
    ]
    for batch in batches:
        whole.add(**batch)
    first.add(**batches[0])
    before = first.totals()
    second = Meter(2, CPU, before=Totals(**json.loads(json.dumps(asdict(before)))))
    second.add(**batches[1])
    for fact in ("batches_done", "clips", "correct", "loss"):  # the loss to the bit
        assert getattr(second.totals(), fact) == getattr(whole.totals(), fact)
    assert second.seconds > before.seconds


def test_of_several_ranks_one_alone_takes_earlier_counts_along() -> None:
    before = Totals(batches_done=3, clips=6, loss=1.5, correct=4, seconds=2.0, waiting_seconds=1.0)
    meters = [Meter(5, CPU, ranks=Ranks(rank=rank, ranks=2), before=before) for rank in range(2)]
    assert [meter.batches_done for meter in meters] == [3, 3]
    assert [meter.clips for meter in meters] == [6, 0]
    assert sum(meter.totals().loss for meter in meters) == 1.5
    assert sum(meter.totals().correct for meter in meters) == 4


def test_a_bad_loss_is_named_once_wherever_it_comes_in_between() -> None:
    meter = Meter(4, CPU)
    for loss in (1.0, float("inf"), 1.0):
        meter.add(loss=torch.tensor(loss), logits=torch.eye(2), labels=torch.tensor([0, 1]))
    assert meter.first_bad_loss() == (2, float("inf"))
    meter.add(loss=torch.tensor(1.0), logits=torch.eye(2), labels=torch.tensor([0, 1]))
    assert meter.first_bad_loss() is None
