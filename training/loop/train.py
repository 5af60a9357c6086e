"""Train a backbone on a crop cache, into a run folder with checkpoints and records."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import asdict, dataclass
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

from mocrop.pipeline.cache.crop_cache import CropCache
from mocrop.pipeline.errors import TrainingError
from mocrop.pipeline.settings import plain_settings
from mocrop.training.data.selection import classes_of, require_labelled
from mocrop.training.loop.callbacks import EpochRecord, RunFacts, TrainCallback
from mocrop.training.loop.clips import Clips, choose_clips, with_clip
from mocrop.training.loop.epoch import train_epoch, validate
from mocrop.training.loop.extension import Extension, extended, plain
from mocrop.training.loop.job import Job, set_up
from mocrop.training.loop.optim import learning_rate
from mocrop.training.loop.run import Run
from mocrop.training.loop.run_folder import RunFolder, best_epoch
from mocrop.training.loop.saver import RunControl, Saver
from mocrop.training.model.checkpoint import describe_cache
from mocrop.training.model.device import is_out_of_memory, precision_name
from mocrop.training.model.trained_on import checkpoint_of_weights, seen_clips
from mocrop.training.recipe import TrainSettings

HEAD_SECONDS_BETWEEN_SAVES = 30.0  # an epoch of a head alone takes less time than writing a checkpoint


@dataclass(frozen=True, kw_only=True)
class TrainResult:
    """Result of a finished run."""

    checkpoint: Path  # of the best epoch
    best: EpochRecord
    last: EpochRecord
    facts: RunFacts


def train(
    cache_path: Path | str,
    run_dir: Path | str,
    settings: TrainSettings | None = None,
    *,
    callback: TrainCallback | None = None,
    control: RunControl | None = None,
    extend: bool = False,
) -> TrainResult:
    """Train on the training list of one split, and choose the best epoch on its validation list.

    Without a validation list, groups of the training list are held out for that.

    Clips of the test list are never used. The head has an output for every class that the cache names, also for those
    without a clip. With ``freeze_backbone`` only the head is trained, on features that the first epoch computes, or
    loads if an earlier run has stored them; the checkpoint still holds the whole network.

    Called again with the same settings, an interrupted run resumes after the last batch that was saved; on a CPU it
    ends with the same weights and losses, bit by bit, as an uninterrupted one.

    Args:
        cache_path: a crop cache.
        run_dir: the run's folder; created if missing.
        callback: called as the run goes on.
        control: when to save within an epoch, and how to ask the run to stop.
        extend: a run that is there may be made longer, if nothing but ``epochs`` is larger. Its learning rate is from
            then on that of a run of so many epochs, so the result is not that of one which had them from the start.
    Raises: TrainingError if the folder holds another run, if a loss or a weight is not finite, or if a device has not
        enough memory; StoppedError if it was asked to stop and is saved; CacheError, SettingsError, WeightsError or
        CheckpointError for what files and settings cause; DiskFullError.
    """
    callback, control = callback or TrainCallback(), control or RunControl()
    settings, run_dir = settings or TrainSettings(), Path(run_dir)
    cache = CropCache(cache_path)
    require_labelled(cache)
    settings = with_clip(settings, cache)
    folder = RunFolder(run_dir, seconds_between_saves=HEAD_SECONDS_BETWEEN_SAVES if settings.freeze_backbone else 0)
    described = describe_cache(cache)
    earlier = folder.unfinished(plain_settings(settings, keep_none=True), described, extend=extend)
    settings, extensions = extended(settings, earlier)
    clips = choose_clips(cache, settings)
    weights = "none" if earlier else settings.weights

    def on_frames(done: int, total: int) -> None:
        callback.features(done, total)
        control.stop_while("features were computed")

    job = set_up(cache, clips, settings, weights=weights, on_frames=on_frames, ranks=control.ranks)
    seen = seen_clips(
        [cache.clip[row] for row in clips.train.tolist()],
        [cache.clip[row] for row in clips.validate.tolist()],
        before=earlier or checkpoint_of_weights(settings.weights),
    )
    run = Run(cache, job, folder, described=described, earlier=earlier, seen=seen, extensions=extensions)
    facts = _facts(cache, clips, job, run, run_dir, extensions)
    with folder.held() if control.ranks.first else nullcontext():
        if control.ranks.first:
            if earlier:
                folder.settle(earlier, epochs=settings.epochs)
            folder.start(_config(cache, described, facts, settings))
        with _calling_ended(callback):
            callback.started(facts)
            if run.history:
                callback.resumed(run.history)
            with _memory_errors(job):
                train_epochs(job, run, callback, Saver(control, run.save_within_epoch))
        if control.ranks.first:
            folder.write_records(run.history)
            folder.require_best(run.history)
    best = run.history[best_epoch(run.history) - 1]
    return TrainResult(checkpoint=folder.best, best=best, last=run.history[-1], facts=facts)


@contextmanager
def _calling_ended(callback: TrainCallback) -> Iterator[None]:
    """Call ``callback.ended`` after the body, also when that fails."""
    try:
        yield
    except BaseException:
        with suppress(Exception):  # why the run has ended matters more than a picture that cannot be drawn
            callback.ended()
        raise
    callback.ended()


@contextmanager
def _memory_errors(job: Job) -> Iterator[None]:
    """Raises: TrainingError that says the way out if the body finds no memory left."""
    try:
        yield
    except Exception as error:
        if not is_out_of_memory(error):
            raise
        settings = job.settings
        raise TrainingError(
            f"{job.device} has not enough memory to train {settings.arch} on {settings.batch_size} clips of "
            f"{settings.segments} frames at a time; pass a smaller --batch-size, with --accumulate for as many "
            "clips per update, and another --name if this run has saved an epoch"
        ) from error


def train_epochs(job: Job, run: Run, callback: TrainCallback, saver: Saver) -> None:
    """Train, validate and save the epochs that are left; the first may be half done."""
    for epoch in range(len(run.history), job.settings.epochs):
        meter = run.meter()
        saver.begin_epoch()
        with saver.saving_if_data_vanish(epoch, meter):
            train_epoch(job, epoch, meter, callback, saver)
            start = time.perf_counter()
            validation = validate(job, after_batch=partial(saver.after_batch, epoch, meter))
        seconds = meter.seconds + time.perf_counter() - start
        callback.epoch(run.save_epoch(meter, validation, seconds=seconds))


def _facts(
    cache: CropCache, clips: Clips, job: Job, run: Run, run_dir: Path, extensions: tuple[Extension, ...]
) -> RunFacts:
    return RunFacts(
        run_dir=run_dir,
        arch=job.settings.arch,
        device=str(job.device),
        precision=precision_name(job.precision),
        channels_last=job.channels_last,
        train_clips=len(clips.train),
        validation_clips=len(clips.validate),
        left_out=clips.left_out,
        classes=job.classes,
        classes_with_clips=len(classes_of(cache, clips.train)),
        epochs=job.settings.epochs,
        epochs_done=len(run.history),
        batches_done=run.begun.batches_done,
        processes=job.ranks.ranks,
        clips_left_out=job.loader.clips_left_out,
        validation_listed=clips.listed,
        validation_left_out=clips.validation_left_out,
        loss=job.loss,
        extensions=extensions,
        rate_before=run.history[-1].learning_rate if run.history else 0.0,
        rate_now=learning_rate(job.settings, epochs_passed=len(run.history)),
        clip=job.settings.clip,
        crop=job.settings.crop,
    )


def _config(
    cache: CropCache, described: Mapping[str, Any], facts: RunFacts, settings: TrainSettings
) -> dict[str, object]:
    return {
        "settings": plain_settings(settings, keep_none=True),
        "cache": described,
        **({} if cache.mirror is None else {"address": str(cache.mirror.place.address)}),
        "class_names": cache.class_names,
        "clips": {
            "train": facts.train_clips,
            "validation": facts.validation_clips,
            "left_out": asdict(facts.left_out),
            **(_by_list(facts) if facts.validation_listed else {}),
        },
        **({"loss": facts.loss} if facts.loss != "ce" else {}),
        **plain(facts.extensions),
        "device": facts.device,
        "precision": facts.precision,
        "channels_last": facts.channels_last,
        "processes": facts.processes,
        "versions": {name: version(name) for name in ("mocrop", "torch", "torchvision", "timm")},
    }


def _by_list(facts: RunFacts) -> dict[str, object]:
    """What config.json says of a validation list."""
    return {
        "validation_list": facts.validation_listed,
        "validation_by": "list" if facts.validation_clips else "nothing",
        "validation_left_out": asdict(facts.validation_left_out),
    }
