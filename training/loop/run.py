"""The state of a training run, and how it is restored and saved."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from mocrop.pipeline.cache.crop_cache import CropCache
from mocrop.pipeline.settings import plain_settings
from mocrop.training.loop.callbacks import EpochRecord
from mocrop.training.loop.clips import seen_size
from mocrop.training.loop.epoch import Validation, require_finite_weights, require_numbers
from mocrop.training.loop.extension import Extension, plain
from mocrop.training.loop.job import Job
from mocrop.training.loop.meter import Meter, Totals
from mocrop.training.loop.run_folder import RunFolder, record_from_json, record_json
from mocrop.training.model.checkpoint import Checkpoint
from mocrop.training.model.trained_on import SeenClips


class Run:
    """Records of a run, and how they are saved with its weights; only the first rank writes.

    Args:
        described: the cache, see :func:`~mocrop.training.model.checkpoint.describe_cache`.
        earlier: the checkpoint to resume from; None: a new run.
        seen: the clips that it trains on and validates on.
        extensions: how it was made longer, if it was.
    Attributes:
        history: records of whole epochs.
        begun: totals of the epoch after those, if it is under way.
    Raises: SettingsError if other ranks see another state of the run.
    """

    def __init__(
        self,
        cache: CropCache,
        job: Job,
        folder: RunFolder,
        *,
        described: Mapping[str, Any],
        earlier: Checkpoint | None,
        seen: SeenClips,
        extensions: tuple[Extension, ...] = (),
    ) -> None:
        self._cache = cache
        self._described = dict(described)
        self._job = job
        self._folder = folder
        self._seen = seen
        self._extensions = extensions
        self.history: list[EpochRecord] = []
        self.begun = Totals(batches_done=0)
        if earlier:
            job.restore(earlier)
            self.history = [record_from_json(values) for values in earlier.resume["history"]]
            self.begun = Totals(**earlier.resume.get("meter", {"batches_done": 0}))
        state = f"{len(self.history)} epochs and {self.begun.batches_done} batches done"
        job.ranks.require_same(state, what=f"what {folder.path} holds")
        job.ranks.require_same(str(described["hash"]), what="the cache, which may have been written again meanwhile,")

    def meter(self) -> Meter:
        """Meter of the next epoch; it starts from the totals of what is done of it."""
        return Meter(len(self._job.loader), self._job.device, ranks=self._job.ranks, before=self.begun)

    def save_within_epoch(self, meter: Meter) -> None:
        """Save an unfinished epoch.

        Raises: TrainingError, with nothing saved, if a loss or a weight is not finite.
        """
        require_numbers(meter, epoch=len(self.history))
        totals, checkpoint = asdict(meter.totals().over(self._job.ranks)), self._checkpoint()
        if self._job.ranks.first:
            self._folder.save_within_epoch(checkpoint, self.history, resume={**self._resume(), "meter": totals})

    def save_epoch(self, meter: Meter, validation: Validation | None, *, seconds: float) -> EpochRecord:
        """Add and save a whole epoch, which took ``seconds`` in all.

        Raises: TrainingError, with nothing saved, if a weight is not finite.
        """
        self.history.append(self._record(meter, validation, seconds))
        self.begun = Totals(batches_done=0)
        checkpoint, final = self._checkpoint(), len(self.history) == self._job.settings.epochs
        if self._job.ranks.first:
            self._folder.save(checkpoint, self.history, resume=self._resume(), final=final)
        return self.history[-1]

    def _resume(self) -> dict[str, Any]:
        return {**self._job.training_state(), **plain(self._extensions)}

    def _record(self, meter: Meter, validation: Validation | None, seconds: float) -> EpochRecord:
        totals = meter.totals().over(self._job.ranks)
        return EpochRecord(
            epoch=len(self.history) + 1,
            learning_rate=self._job.optimizer.param_groups[0]["lr"],
            train_loss=totals.mean_loss,
            train_accuracy=totals.accuracy,
            validation_loss=validation.loss if validation else None,
            validation_top1=validation.top1 if validation else None,
            validation_top5=validation.top5 if validation else None,
            seconds=seconds,
            clips_per_second=meter.clips_per_second,
            waiting_share=totals.waiting_share,
            validation_map=validation.mean_precision if validation else None,
        )

    def _checkpoint(self) -> Checkpoint:
        require_finite_weights(self._job)
        settings, backbone = self._job.settings, self._job.backbone
        return Checkpoint(
            arch=settings.arch,
            class_names=self._cache.class_names,
            size=seen_size(self._cache, settings),
            input=settings.input,
            mean=tuple(backbone.mean),
            std=tuple(backbone.std),
            settings=plain_settings(settings, keep_none=True),
            cache=self._described,
            epoch=len(self.history),
            metrics=record_json(self.history[-1]) if self.history else {},
            state_dict=self._job.scored_state(),
            trained_on=self._seen.trained_on,
            validated_on=self._seen.validated_on,
        )
