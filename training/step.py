"""One training step: a batch of uint8 frames goes in, the network is a little better, its loss and logits come out."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from mocrop.training.augment import augment, draw_views, mixup
from mocrop.training.backbones import clip_logits
from mocrop.training.dataset import Batch
from mocrop.training.device import autocast
from mocrop.training.job import Job
from mocrop.training.randomness import augment_generator, seed_network


class StepResult(NamedTuple):
    """What a step came to, on the device, at the weights before it."""

    loss: Tensor  # scalar, mean over the clips
    logits: Tensor  # float32, (clips, classes)
    labels: Tensor  # int64, (clips,)


def train_step(job: Job, batch: Batch, *, epoch: int, step: int) -> StepResult:
    """Vary a batch, send it through the network and back, and change the weights.

    All random numbers follow from the seed, the epoch and the step, so a run may go on at any step.

    Args:
        epoch, step: counted from 0; ``step`` is the place of the batch in its epoch.
    """
    settings, backbone = job.settings, job.backbone
    rng = augment_generator(settings.seed, epoch=epoch, step=step)
    seed_network(settings.seed, epoch=epoch, step=step)
    pixels, labels = (part.to(job.device, non_blocking=True) for part in (batch.frames, batch.labels))
    if job.frozen:
        frames = pixels  # features, which no longer change
    else:
        views = draw_views(len(labels), settings, rng, device=job.device)
        frames = augment(pixels, views, mean=backbone.mean, std=backbone.std)
    mixed = mixup(frames, labels, classes=job.classes, alpha=settings.mixup, rng=rng)
    with autocast(job.device, job.precision):
        logits = clip_logits(job.model, mixed.frames).float()
        loss = functional.cross_entropy(logits, mixed.targets)
    job.optimizer.zero_grad()
    torch.autograd.backward(job.scaler.scale(loss))
    job.scaler.step(job.optimizer)
    job.scaler.update()
    return StepResult(loss.detach(), logits.detach(), labels)
