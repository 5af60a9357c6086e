"""Train a backbone: a crop cache and settings go in, a run folder with checkpoints and records comes out."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional

from mocrop.pipeline.crop_cache import CropCache
from mocrop.pipeline.errors import TrainingError
from mocrop.training.augment import normalise
from mocrop.training.backbones import clip_logits
from mocrop.training.checkpoint import Checkpoint, describe_cache, plain_settings
from mocrop.training.device import autocast, precision_name
from mocrop.training.job import Clips, Job, choose_clips, set_up
from mocrop.training.meter import Meter, Totals
from mocrop.training.parallel import share_buffers
from mocrop.training.recipe import TrainSettings
from mocrop.training.run_folder import RunFolder, best_epoch, record_from_json, record_json
from mocrop.training.saver import RunControl, Saver
from mocrop.training.schedule import Place
from mocrop.training.scores import Score, count_correct
from mocrop.training.step import train_step
from mocrop.training.watch import EpochRecord, RunFacts, TrainWatch

STEPS_BETWEEN_CHECKS = 20  # of all losses since the last one; each waits for the device, which on a CPU costs nothing
NO_NUMBER_WAY_OUT = "pass a lower --lr, or --amp off, and another --name (what was saved earlier in this one is sound)"
HEAD_SECONDS_BETWEEN_SAVES = 30.0  # an epoch of a head alone is over sooner than a checkpoint is written


@dataclass(frozen=True, kw_only=True)
class TrainResult:
    """What a finished run came to."""

    checkpoint: Path  # of the best epoch
    best: EpochRecord
    last: EpochRecord
    facts: RunFacts


@dataclass(frozen=True, kw_only=True)
class Validation:
    """How a network does on the clips held out of training."""

    loss: float
    top1: Score
    top5: Score


def train(
    cache_path: Path,
    run_dir: Path,
    settings: TrainSettings,
    *,
    watch: TrainWatch | None = None,
    control: RunControl | None = None,
) -> TrainResult:
    """Train on the training list of one split, and choose the best epoch on groups held out of that list.

    Clips of the test list are never looked at. The head has an output for every class that the cache names, also for
    those without a clip. With ``freeze_backbone`` the head alone is trained, on features that the first epoch computes,
    or finds where an earlier run has left them; the checkpoint is of the whole network all the same. An interrupted
    run goes on after the last batch that was saved when it is called again with the same settings; on a CPU it comes
    to the same weights and losses, bit by bit, as an undisturbed one.

    Args:
        cache_path: a crop cache.
        run_dir: the run's folder; made where missing.
        watch: hears of the progress.
        control: when to save within an epoch, and how to ask the run to stop.
    Raises: TrainingError if the folder holds another run, or if the loss is no number any more; StoppedError if it was
        asked to stop and is saved; CacheError, SettingsError, WeightsError or CheckpointError for what the files and
        settings cause; DiskFullError.
    """
    watch, control = watch or TrainWatch(), control or RunControl()
    ranks = control.ranks
    cache = CropCache(cache_path)
    described = describe_cache(cache)
    folder = RunFolder(run_dir, seconds_between_saves=HEAD_SECONDS_BETWEEN_SAVES if settings.freeze_backbone else 0)
    earlier = folder.unfinished(plain_settings(settings), described)
    clips = choose_clips(cache, settings)
    weights = "none" if earlier else settings.weights
    job = set_up(cache, clips, settings, weights=weights, on_frames=watch.features, ranks=ranks)
    history: list[EpochRecord] = []
    if earlier:
        job.restore(earlier)
        history = [record_from_json(values) for values in earlier.resume["history"]]
    under_way = Totals(**earlier.resume["meter"]) if earlier and "meter" in earlier.resume else None
    batches_done = under_way.batches_done if under_way else 0
    ranks.require_same(f"{len(history)} epochs and {batches_done} batches done", what=f"what {run_dir} holds")
    facts = _facts(cache, clips, job, run_dir, epochs_done=len(history), batches_done=batches_done)
    if ranks.first:
        folder.start(_config(cache, described, facts, settings))
    watch.started(facts)
    if history:
        watch.resumed(history)

    def checkpoint() -> Checkpoint:
        _require_finite_weights(job)
        return Checkpoint(
            arch=settings.arch,
            class_names=cache.class_names,
            size=cache.item_shape(settings.input)[-1],
            input=settings.input,
            mean=tuple(job.backbone.mean),
            std=tuple(job.backbone.std),
            settings=plain_settings(settings),
            cache=described,
            epoch=len(history),
            metrics=record_json(history[-1]) if history else {},
            state_dict=job.scored_state(),
        )

    def save_within_epoch(meter: Meter) -> None:
        _require_numbers(meter, epoch=len(history))
        totals, now = asdict(meter.totals().over(ranks)), checkpoint()
        if ranks.first:
            folder.save_within_epoch(now, history, resume={**job.training_state(), "meter": totals})

    saver = Saver(control, save_within_epoch)
    try:
        for epoch in range(len(history), settings.epochs):
            meter = Meter(len(job.loader), job.device, ranks=ranks, before=under_way)
            under_way = None
            saver.begin_epoch(epoch + 1, meter)
            train_epoch(job, epoch, meter, watch, saver)
            start = time.perf_counter()
            validation = validate(job, after_batch=saver.after_batch)
            seconds = meter.seconds + time.perf_counter() - start
            history.append(_record(job, epoch, meter, validation, seconds))
            now = checkpoint()
            if ranks.first:
                folder.save(now, history, resume=job.training_state(), final=epoch + 1 == settings.epochs)
            watch.epoch(history[-1])
    finally:
        watch.ended()
    if ranks.first:
        folder.write_records(history)
    return TrainResult(checkpoint=folder.best, best=history[best_epoch(history) - 1], last=history[-1], facts=facts)


def train_epoch(job: Job, epoch: int, meter: Meter, watch: TrainWatch, saver: Saver) -> None:
    """Go through the training clips once, or through what ``meter`` has not seen of them; ``epoch`` counts from 0.

    Raises: TrainingError if the loss is no number any more; StoppedError.
    """
    job.loader.set_epoch(epoch, first_batch=meter.batches_done)
    job.model.train()
    steps_between_checks = 1 if job.device.type == "cpu" else STEPS_BETWEEN_CHECKS
    for step, batch in enumerate(meter.timed(job.loader), start=meter.batches_done):
        done = train_step(job, batch, Place(epoch=epoch, step=step, steps=meter.batches))
        meter.add(loss=done.loss, logits=done.logits, labels=done.labels)
        if meter.batches_done % steps_between_checks == 0 or meter.batches_done == meter.batches:
            _require_numbers(meter, epoch=epoch)
        watch.step(epoch + 1, meter)
        if done.updated:  # gradients are not saved
            saver.after_batch()


@torch.inference_mode()
def validate(job: Job, *, after_batch: Callable[[], None]) -> Validation | None:
    """Score the held-out clips on their middle frames, each on one rank, by the moving average if there is one.

    None where there are no such clips.

    Args:
        after_batch: called equally often on every rank.
    Raises: TrainingError if the loss is no number; what ``after_batch`` raises.
    """
    model = job.scored.eval()
    share_buffers(model, job.ranks)
    loss, top1, top5, total = 0.0, 0, 0, 0
    clips_of_all, batch_size = len(job.validation.dataset) // job.ranks.ranks, job.validation.batch_size
    for number, batch in enumerate(job.validation):
        frames, labels = batch.frames.to(job.device, non_blocking=True), batch.labels.to(job.device)
        with autocast(job.device, job.precision):
            if not job.frozen:
                frames = normalise(frames, mean=job.backbone.mean, std=job.backbone.std)
            logits = clip_logits(model, frames).float()
        loss += float(functional.cross_entropy(logits, labels, reduction="sum"))
        top1 += count_correct(logits, labels)
        top5 += count_correct(logits, labels, k=5)
        total += len(labels)
        if number * batch_size < clips_of_all:  # others may have no clip any more
            after_batch()
    loss, *counts = job.ranks.sums([loss, top1, top5, total])
    top1, top5, total = map(int, counts)
    if not total:
        return None
    if not math.isfinite(loss):
        raise TrainingError(f"the validation loss is {loss}; {NO_NUMBER_WAY_OUT}")
    return Validation(loss=loss / total, top1=Score(correct=top1, total=total), top5=Score(correct=top5, total=total))


def _require_numbers(meter: Meter, *, epoch: int) -> None:
    """Check every loss since the last check, which waits for the device."""
    if bad := meter.first_bad_loss():
        raise TrainingError(
            f"the training loss of epoch {epoch + 1}, batch {bad.batch} is {bad.loss}; {NO_NUMBER_WAY_OUT}"
        )


def _require_finite_weights(job: Job) -> None:
    """Check that the last step has not spoilt what its own loss could not show yet; before each save."""
    if not torch.stack([weights.isfinite().all() for weights in job.model.parameters()]).all():
        raise TrainingError(f"weights of {job.settings.arch} are no finite numbers any more; {NO_NUMBER_WAY_OUT}")


def _record(job: Job, epoch: int, meter: Meter, validation: Validation | None, seconds: float) -> EpochRecord:
    totals = meter.totals().over(job.ranks)
    return EpochRecord(
        epoch=epoch + 1,
        learning_rate=job.optimizer.param_groups[0]["lr"],
        train_loss=totals.mean_loss,
        train_accuracy=totals.accuracy,
        validation_loss=validation.loss if validation else None,
        validation_top1=validation.top1 if validation else None,
        validation_top5=validation.top5 if validation else None,
        seconds=seconds,
        clips_per_second=meter.clips_per_second,
        waiting_share=totals.waiting_share,
    )


def _facts(cache: CropCache, clips: Clips, job: Job, run_dir: Path, *, epochs_done: int, batches_done: int) -> RunFacts:
    return RunFacts(
        run_dir=run_dir,
        arch=job.settings.arch,
        device=str(job.device),
        precision=precision_name(job.precision),
        train_clips=len(clips.train),
        validation_clips=len(clips.validate),
        left_out=clips.left_out,
        classes=job.classes,
        classes_with_clips=len(np.unique(cache.label[clips.train])),
        epochs=job.settings.epochs,
        epochs_done=epochs_done,
        batches_done=batches_done,
        processes=job.ranks.ranks,
    )


def _config(
    cache: CropCache, described: dict[str, object], facts: RunFacts, settings: TrainSettings
) -> dict[str, object]:
    return {
        "settings": plain_settings(settings),
        "cache": described,
        "class_names": cache.class_names,
        "clips": {
            "train": facts.train_clips,
            "validation": facts.validation_clips,
            "left_out": asdict(facts.left_out),
        },
        "device": facts.device,
        "precision": facts.precision,
        "processes": facts.processes,
        "versions": {name: version(name) for name in ("mocrop", "torch", "torchvision", "timm")},
    }
