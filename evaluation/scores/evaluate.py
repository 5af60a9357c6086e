"""Evaluate a checkpoint on the test list of a split of a crop cache."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, fields
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from mocrop.evaluation.scores.alignment import differing_classes
from mocrop.evaluation.scores.chosen_look import look_of, stored_in
from mocrop.evaluation.scores.label_metrics import LabelMetrics, measure_labels
from mocrop.evaluation.scores.latency import Latency, latency
from mocrop.evaluation.scores.metrics import Accuracy, Metrics, measure
from mocrop.evaluation.scores.predict import OnBatch, Outputs, predict
from mocrop.evaluation.scores.predictions import Origin, Predictions, file_hash
from mocrop.evaluation.scores.seen import SeenInTraining, seen_in_training
from mocrop.evaluation.views import Look, Views, require_views
from mocrop.pipeline.cache.crop_cache import CropCache
from mocrop.pipeline.choices import Stream
from mocrop.pipeline.errors import CheckpointError, SettingsError
from mocrop.pipeline.limits import require_whole
from mocrop.training.data.frame_reader import require_shards
from mocrop.training.data.selection import (
    LeftOut,
    Subset,
    classes_of,
    require_labelled,
    select_clips,
    split_index,
)
from mocrop.training.distributed import Ranks
from mocrop.training.model.backbones import Backbone
from mocrop.training.model.checkpoint import Checkpoint, describe_cache, restore_backbone
from mocrop.training.model.device import choose_device
from mocrop.training.model.external_checkpoint import load_any_checkpoint
from mocrop.training.recipe import FRAMES_WITH_SPREAD

IntArray = npt.NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class EvalSettings:
    """Settings of one evaluation, which runs in float32."""

    split: str = "1"  # name, or number from 1; an int is taken, too
    segments: int | None = None  # middle frames per clip, at most the slots of the cache; None: see `tested_frames`
    views: Views | None = None  # windows of a clip, and crops of each; None: all its windows, and one crop
    batch_size: int = 32  # clips
    device: str = "auto"  # "auto", "cpu", "cuda", "cuda:1", ...
    ranks: Ranks = field(default_factory=Ranks)  # processes that share the clips

    def __post_init__(self) -> None:
        object.__setattr__(self, "split", str(self.split))  # it may be an int
        require_whole("batch_size", self.batch_size, least=1)
        if self.segments is not None:
            require_whole("segments", self.segments, least=1)
        if self.views is not None:
            object.__setattr__(self, "views", require_views(self.views))


@dataclass(frozen=True, kw_only=True)
class EvalResult:
    """Scores of one checkpoint on the test list of one split of one cache."""

    checkpoint: Path
    arch: str
    epoch: int  # of the checkpoint
    split: str
    segments: int  # frames per clip, of all its windows together where it was tested on windows
    input: Stream  # of the network
    metrics: Metrics | LabelMetrics  # the latter where a clip may have several labels
    left_out: LeftOut
    classes: int  # outputs of the head
    classes_tested: int  # classes with a clip in the test list
    seen_in_training: int | None  # test clips trained on or validated on, else those in the list; None: unknown
    cache: dict[str, Any]  # evaluated on; see describe_cache
    trained_on: dict[str, Any]  # cache that the checkpoint was trained on
    device: str
    seconds: float  # in all, reading included
    latency: Latency
    predictions: Predictions = field(repr=False)  # clip by clip
    trained_on_clips: int | None = None  # test clips that were trained on; None: the checkpoint does not say
    validated_on_clips: int | None = None  # test clips that chose the best epoch
    look: Look  # what the network got of each clip

    @property
    def seen(self) -> SeenInTraining:
        return SeenInTraining(
            trained_on=self.trained_on_clips, validated_on=self.validated_on_clips, listed=self.seen_in_training
        )

    @property
    def accuracies(self) -> Metrics:
        """The metrics of clips with one label. Raises: ValueError if they may have several."""
        if isinstance(self.metrics, LabelMetrics):
            raise ValueError("a clip may have several labels: there are average precisions, and no accuracies")
        return self.metrics

    @property
    def top1(self) -> Accuracy:
        return self.accuracies.top1

    @property
    def top5(self) -> Accuracy:
        return self.accuracies.top5

    @property
    def clips_per_second(self) -> float:
        return len(self.predictions) / max(self.seconds, 1e-9)

    def to_json(self) -> dict[str, Any]:
        """Everything but the logits and the confusion matrix as plain values, intervals and versions included."""
        structured = ("metrics", "predictions")
        plain = {each.name: getattr(self, each.name) for each in fields(self) if each.name not in structured}
        return {
            **plain,
            "checkpoint": str(self.checkpoint),
            "left_out": asdict(self.left_out),
            "look": asdict(self.look),
            "clips_per_second": self.clips_per_second,
            "latency": self.latency.to_json(),
            **self.metrics.to_json(),
            "versions": {name: version(name) for name in ("mocrop", "torch", "torchvision", "timm")},
        }


def evaluate(
    cache_path: Path | str,
    checkpoint_path: Path | str,
    settings: EvalSettings | None = None,
    *,
    arch: str | None = None,
    on_batch: OnBatch | None = None,
) -> EvalResult:
    """Score a checkpoint on the test list of a split, by the mean logits of the middle frames of each clip's segments.

    A checkpoint that was trained on windows of neighbouring frames is tested on windows, by the mean logits of the
    views of each clip. One that was trained on a crop of each frame sees the middle of it, or three crops.

    The cache may have another policy or size than the one trained on; its classes must be the same.

    Args:
        cache_path: a crop cache.
        checkpoint_path: best.pt or last.pt of a run, or weights that another program has saved.
        arch: the backbone, if the checkpoint does not say.
        on_batch: called after each batch with the clips done, and of all.
    Raises: SettingsError for a split without usable test clips or more segments than slots; CheckpointError for a
        checkpoint that does not fit; CacheError for a cache that cannot be read, or has no motion fields for a
        checkpoint that takes them.
    """
    settings, checkpoint_path = settings or EvalSettings(), Path(checkpoint_path)
    cache = CropCache(cache_path)
    require_labelled(cache)
    checkpoint = load_any_checkpoint(checkpoint_path, cache=cache, arch=arch)
    require_same_classes(checkpoint, cache, source=checkpoint_path)
    stored = stored_in(cache, checkpoint)
    look = look_of(checkpoint, stored, segments=settings.segments, views=settings.views, source=checkpoint_path)
    tested = select_clips(cache, split=settings.split, subset=Subset.TEST)
    require_shards(cache, checkpoint.input)
    device = choose_device(settings.device, settings.ranks)
    backbone = restore_backbone(checkpoint, size=look.crop or stored.size, source=checkpoint_path, frames=look.frames)
    require_frames(backbone, look.frames, source=checkpoint_path)
    outputs = predict(
        cache,
        tested.rows,
        backbone,
        look=look,
        batch_size=settings.batch_size,
        device=device,
        on_batch=on_batch,
        ranks=settings.ranks,
    )
    predictions = predictions_of(cache, checkpoint, checkpoint_path, outputs, split=settings.split, look=look)
    seen = seen_in_training(cache, tested.rows, checkpoint)
    return EvalResult(
        checkpoint=checkpoint_path,
        arch=checkpoint.arch,
        epoch=checkpoint.epoch,
        split=predictions.split,
        segments=look.stored_frames,
        look=look,
        input=checkpoint.input,
        metrics=measure(predictions) if predictions.marks is None else measure_labels(predictions),
        left_out=tested.left_out,
        classes=len(cache.class_names),
        classes_tested=len(classes_of(cache, tested.rows)),
        seen_in_training=seen.listed,
        trained_on_clips=seen.trained_on,
        validated_on_clips=seen.validated_on,
        cache=predictions.origin.cache,
        trained_on=checkpoint.cache,
        device=str(device),
        seconds=outputs.seconds,
        latency=latency(outputs.times, segments=look.seen_frames),
        predictions=predictions,
    )


def require_frames(backbone: Backbone, segments: int, *, source: Path) -> None:
    """Check that a clip is tested on frames enough for the head.

    Raises: SettingsError.
    """
    if backbone.pool != "mean" and segments < FRAMES_WITH_SPREAD:
        raise SettingsError(
            f"{source} was trained with --pool {backbone.pool}, which needs {FRAMES_WITH_SPREAD} frames a clip; pass "
            "larger --segments"
        )


def require_same_classes(checkpoint: Checkpoint, cache: CropCache, *, source: Path) -> None:
    """Check that the outputs of a checkpoint mean the classes of a cache.

    Raises: CheckpointError that shows both lists from where they differ.
    """
    theirs, ours = checkpoint.class_names, cache.class_names
    if theirs == ours:
        return
    there, here = differing_classes(theirs, ours)
    raise CheckpointError(
        f"{source} was trained on {there}, {cache.path} has {here}; "
        "pass a checkpoint and a --cache of the same data set"
    )


def predictions_of(
    cache: CropCache, checkpoint: Checkpoint, source: Path, outputs: Outputs, *, split: str, look: Look
) -> Predictions:
    """Logits of a network with the names of clips and classes, and their origin.

    Args:
        source: the checkpoint's file.
        look: what the network got of each clip.
    Raises: CheckpointError if a logit is not finite.
    """
    if not torch.isfinite(outputs.logits).all():
        raise CheckpointError(f"{source} answers with NaN or infinity: its training has diverged; train it again")
    return Predictions(
        clips=tuple(cache.clip[row] for row in outputs.rows.tolist()),
        labels=cache.label[outputs.rows].astype(np.int64),
        marks=None if cache.labels is None else outputs.labels.numpy(),
        groups=cache.group[outputs.rows],
        logits=outputs.logits.numpy(),
        class_names=tuple(cache.class_names),
        split=cache.split_names[split_index(cache, split)],
        origin=Origin(
            checkpoint=str(source),
            checkpoint_hash=file_hash(source),
            arch=checkpoint.arch,
            epoch=checkpoint.epoch,
            trained_on=checkpoint.cache,
            cache=describe_cache(cache),
            segments=look.stored_frames,
            look=look,
            seen_in_training=seen_in_training(cache, outputs.rows, checkpoint).any,
        ),
    )
