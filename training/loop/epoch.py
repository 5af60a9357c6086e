"""One epoch: training, validation, and the checks that losses and weights are finite."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from mocrop.pipeline.errors import TrainingError
from mocrop.training.average_precision import mean_average_precision
from mocrop.training.data.crops import cropped_views
from mocrop.training.data.inputs import normalise
from mocrop.training.distributed import share_buffers
from mocrop.training.loop.callbacks import TrainCallback
from mocrop.training.loop.job import Job
from mocrop.training.loop.meter import Meter
from mocrop.training.loop.objective import summed_loss
from mocrop.training.loop.optim import StepPosition
from mocrop.training.loop.saver import Saver
from mocrop.training.loop.step import train_step
from mocrop.training.model.backbones import clip_logits
from mocrop.training.model.device import autocast
from mocrop.training.scores import Score, count_correct

STEPS_BETWEEN_CHECKS = 20  # of all losses since the last check; each waits for the device, except on a CPU
NO_NUMBER_WAY_OUT = "pass a lower --lr, or --amp off, and another --name (what was saved earlier in this one is sound)"


@dataclass(frozen=True, kw_only=True)
class Validation:
    """Loss and scores on the clips held out of training."""

    loss: float  # mean over the clips
    top1: Score | None = None  # where a clip has one label
    top5: Score | None = None
    mean_precision: float | None = None  # where it may have several: the mean average precision over classes


def train_epoch(job: Job, epoch: int, meter: Meter, callback: TrainCallback, saver: Saver) -> None:
    """Train on all clips once, or on those that ``meter`` has not counted yet.

    Args:
        epoch: counted from 0.
    Raises: TrainingError if a loss or, before a save, a weight is not finite; StoppedError.
    """
    job.loader.set_epoch(epoch, first_batch=meter.batches_done)
    job.model.train()
    steps_between_checks = 1 if job.device.type == "cpu" else STEPS_BETWEEN_CHECKS
    for step, batch in enumerate(meter.timed(job.loader), start=meter.batches_done):
        done = train_step(job, batch, StepPosition(epoch=epoch, step=step, steps=meter.batches))
        meter.add(loss=done.loss, logits=done.logits, labels=done.labels)
        if meter.batches_done % steps_between_checks == 0 or meter.batches_done == meter.batches:
            require_numbers(meter, epoch=epoch)
        callback.step(epoch + 1, meter)
        if done.updated:  # gradients are not saved
            saver.after_batch(epoch, meter)


@torch.inference_mode()
def validate(job: Job, *, after_batch: Callable[[], None]) -> Validation | None:
    """Score the held-out clips with the moving average if there is one; each clip on one rank.

    They are seen by their middle frames, or in the middle of their middle window, and cropped in the middle.

    Args:
        after_batch: called equally often on every rank.
    Returns: None if no clips are held out.
    Raises: TrainingError if the loss is not finite; what ``after_batch`` raises.
    """
    model = job.scored.eval()
    share_buffers(model, job.ranks)
    loss, top1, top5, total, several = 0.0, 0, 0, 0, job.validation.dataset.labels.ndim == 2
    scores = [torch.empty(0, job.classes)]  # of several labels: average precision looks at all clips together
    clips_of_all, batch_size = len(job.validation.dataset) // job.ranks.ranks, job.validation.batch_size
    for number, batch in enumerate(job.validation):
        frames, labels = batch.frames.to(job.device, non_blocking=True), batch.labels.to(job.device)
        with autocast(job.device, job.precision):
            if not job.frozen:
                frames = cropped_views(frames, job.settings.crop)[:, 0]  # the middle window is the only view
                frames = normalise(frames, mean=job.backbone.mean, std=job.backbone.std)
            logits = clip_logits(model, frames, video=job.backbone.video).float()
        loss += float(summed_loss(logits, labels, loss=job.loss))
        if several:
            scores.append(logits.cpu())
        else:
            top1 += count_correct(logits, labels)
            top5 += count_correct(logits, labels, k=5)
        total += len(labels)
        if number * batch_size < clips_of_all:  # after that, other ranks may have no batch left
            after_batch()
    loss, *counts = job.ranks.sums([loss, top1, top5, total])
    top1, top5, total = map(int, counts)
    if not total:
        return None
    if not math.isfinite(loss):
        raise TrainingError(f"the validation loss is {loss}; {NO_NUMBER_WAY_OUT}")
    if several:
        return Validation(loss=loss / total, mean_precision=_mean_precision(job, torch.cat(scores)))
    return Validation(loss=loss / total, top1=Score(correct=top1, total=total), top5=Score(correct=top5, total=total))


def _mean_precision(job: Job, scores: Tensor) -> float:
    """Mean average precision of the clips of all ranks, whose part here has these logits, (clips, classes)."""
    labels = job.validation.dataset.labels
    return mean_average_precision(job.ranks.in_order(scores, total=len(labels)).numpy(), labels)


def require_numbers(meter: Meter, *, epoch: int) -> None:
    """Check every loss since the last check; waits for the device.

    Args:
        epoch: counted from 0, for the message.
    Raises: TrainingError that names the first batch whose loss is not finite.
    """
    if bad := meter.first_bad_loss():
        raise TrainingError(
            f"the training loss of epoch {epoch + 1}, batch {bad.batch} is {bad.loss}; {NO_NUMBER_WAY_OUT}"
        )


def require_finite_weights(job: Job) -> None:
    """Check the weights before a save: the loss of the last step is that of the weights before it.

    Raises: TrainingError if a weight is not finite.
    """
    if not torch.stack([weights.isfinite().all() for weights in job.model.parameters()]).all():
        raise TrainingError(f"weights of {job.settings.arch} are no finite numbers any more; {NO_NUMBER_WAY_OUT}")
