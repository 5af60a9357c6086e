"""Set up a training run: its network, optimiser and loaders."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from mocrop.pipeline.cache.crop_cache import CropCache
from mocrop.pipeline.errors import SettingsError
from mocrop.training.data.dataset import CropDataset
from mocrop.training.data.feature_dataset import FeatureDataset, LazyFeatures
from mocrop.training.data.feature_file import OnFrames
from mocrop.training.data.frame_reader import require_shards
from mocrop.training.data.loader import CropLoader
from mocrop.training.distributed import Ranks, averaging, require_parallel, synchronised
from mocrop.training.loop.clips import Clips, seen_size
from mocrop.training.loop.ema import Ema
from mocrop.training.loop.objective import chosen_loss
from mocrop.training.loop.optim import make_optimizer
from mocrop.training.loop.trial import Trial, require_features, require_trainable
from mocrop.training.model.backbones import Backbone, build_backbone, require_known
from mocrop.training.model.checkpoint import Checkpoint
from mocrop.training.model.device import choose_device, compiled, is_convolutional, mixed_precision, takes_channels_last
from mocrop.training.model.pooling import widen_head
from mocrop.training.model.video import is_video, require_clips, require_slots
from mocrop.training.recipe import Loss, TrainSettings


@dataclass(frozen=True, kw_only=True, eq=False)
class Job:
    """Everything that the epochs of a run work with."""

    settings: TrainSettings
    backbone: Backbone
    trained: nn.Module  # on the device: all of the backbone, or its head
    model: nn.Module  # the same as called in training: its gradients averaged over the ranks, compiled if set so
    ema: Ema | None  # of `trained`
    optimizer: torch.optim.Optimizer
    scaler: torch.amp.GradScaler  # without effect except in float16
    loader: CropLoader
    validation: CropLoader
    device: torch.device
    precision: torch.dtype | None  # of mixed precision; None: float32 throughout
    channels_last: bool  # memory format of the network
    classes: int
    loss: Loss
    ranks: Ranks  # this process among those that train together

    @property
    def frozen(self) -> bool:
        """Whether only the head is trained; batches then hold features in place of frames."""
        return self.settings.freeze_backbone

    @property
    def scored(self) -> nn.Module:
        """The network that is validated: the moving average where there is one; never compiled."""
        return self.ema.model if self.ema else self.trained

    def gradients(self, *, averaged: bool) -> AbstractContextManager[None]:
        """Context in which backward passes average gradients over the ranks, or add them up on each rank."""
        context: AbstractContextManager[None] = nullcontext()
        if self.ranks.several and not averaged:
            context = self.model.no_sync()  # type: ignore[operator]  # of DistributedDataParallel
        return context

    def scored_state(self) -> dict[str, Tensor]:
        """State dict of the whole network, with the weights that are validated.

        Of a frozen backbone it stays as it is while training goes on, since only the head is trained, and that is a
        copy; else the tensors are those that the next update changes.
        """
        state: dict[str, Tensor] = self.backbone.model.state_dict()
        if self.frozen:
            head = self.backbone.head[0]
            return state | {f"{head}.{name}": value.clone() for name, value in self.scored.state_dict().items()}
        return state | (self.ema.model.state_dict() if self.ema else {})

    def training_state(self) -> dict[str, Any]:
        """What an interrupted run needs to resume besides :meth:`scored_state`."""
        # no random state: order and random numbers follow from seed, epoch and step
        # no gradients: a run resumes where an update of the weights begins
        state: dict[str, Any] = {"optimizer": self.optimizer.state_dict(), "scaler": self.scaler.state_dict()}
        if self.ema:
            state |= {"weights": self.trained.state_dict(), "ema_updates": self.ema.updates}
        return state

    def restore(self, checkpoint: Checkpoint) -> None:
        """Resume from ``checkpoint``."""
        self.backbone.model.load_state_dict(checkpoint.state_dict, strict=True)
        if self.ema:
            self.ema.restore(self.trained.state_dict(), updates=checkpoint.resume["ema_updates"])
            self.trained.load_state_dict(checkpoint.resume["weights"], strict=True)
        self.optimizer.load_state_dict(checkpoint.resume["optimizer"])
        self.scaler.load_state_dict(checkpoint.resume["scaler"])


def set_up(
    cache: CropCache,
    clips: Clips,
    settings: TrainSettings,
    *,
    weights: str,
    on_frames: OnFrames = lambda done, total: None,
    ranks: Ranks | None = None,
) -> Job:
    """Make the network, with a new head over every class that the cache names, and everything that trains it.

    Args:
        weights: in place of those of the settings, since a run that resumes need not fetch them again.
        on_frames: called in the first epoch with the frames that a frozen backbone has processed, and those in all.
        ranks: this process among those that train together, each on its part of every batch.
    Raises: CacheError if a shard file is missing; SettingsError or WeightsError for settings that this machine, this
        network, or several processes cannot have.
    """
    ranks = ranks or Ranks()
    size = seen_size(cache, settings)
    require_shards(cache, settings.input)
    device = choose_device(settings.device, ranks)
    require_parallel(settings, ranks, clips=len(clips.train), device=device)
    _require_clips(cache, settings, size=size)
    precision = mixed_precision(device, settings.amp)
    classes, loss = len(cache.class_names), chosen_loss(cache, settings.loss)
    torch.manual_seed(settings.seed)  # of random first weights
    backbone = build_backbone(
        settings.arch, classes=classes, size=size, weights=weights, input=settings.input, frames=settings.segments
    )
    if frozen := settings.freeze_backbone:
        require_features(backbone, size=size)
        backbone = replace(backbone, pool=settings.pool)
    trained = (widen_head(backbone) if frozen else backbone.model).to(device)
    channels_last = _channels_last(trained, settings)
    if channels_last:
        trained = trained.to(memory_format=torch.channels_last)
    if not frozen:
        clips_at_once = min(settings.batch_size, len(clips.train)) // (1 if settings.sync_batchnorm else ranks.ranks)
        trial = Trial(
            arch=settings.arch,
            input=settings.input,
            size=size,
            frames=clips_at_once * (1 if backbone.video else settings.segments),
            clip_frames=settings.segments if backbone.video else None,
            classes=classes,
            device=device,
            precision=precision,
            channels_last=channels_last,
            several_processes=ranks.several,
        )
        require_trainable(trained, trial)
    if settings.sync_batchnorm and ranks.several:
        trained = synchronised(trained)
    features = LazyFeatures(cache, backbone, device=device, on_frames=on_frames) if frozen else None
    loader, validation = _loaders(*_datasets(cache, clips, settings, features), settings, ranks)
    model = averaging(trained, ranks, device=device)
    return Job(
        settings=settings,
        backbone=backbone,
        trained=trained,
        model=compiled(model, device=device) if settings.compile else model,
        ema=Ema(trained, decay=settings.ema) if settings.ema else None,
        optimizer=make_optimizer(trained, settings),
        scaler=torch.amp.GradScaler(device.type, enabled=precision is torch.float16),
        loader=loader,
        validation=validation,
        device=device,
        precision=precision,
        channels_last=channels_last,
        classes=classes,
        loss=loss,
        ranks=ranks,
    )


def _require_clips(cache: CropCache, settings: TrainSettings, *, size: int) -> None:
    """Raises: SettingsError if a video network cannot take the clips that it is to train or be validated on."""
    if not is_video(settings.arch):
        return
    require_known(settings.arch)
    asked = {"--segments": settings.segments, "--validation-segments": settings.validation_segments}
    for option, frames in asked.items():
        require_clips(settings.arch, size=size, frames=frames, input=settings.input)
        slots = cache.frames_per_clip
        require_slots(settings.arch, frames=frames, slots=slots, option=option, cache=cache.path)


def _channels_last(model: nn.Module, settings: TrainSettings) -> bool:
    """Whether the network is to have that memory order. Raises: SettingsError if it cannot, but should."""
    able = takes_channels_last(model)
    if settings.channels_last and not able:
        raise SettingsError(f"--channels-last: {settings.arch} has weights of five dimensions; leave it out")
    return able and is_convolutional(model) if settings.channels_last is None else settings.channels_last


def _datasets(
    cache: CropCache, clips: Clips, settings: TrainSettings, features: LazyFeatures | None
) -> tuple[CropDataset, CropDataset]:
    """Clips to train on and to validate on: of frames or fields, or of features if there are any."""
    segments, validation_segments, seed = settings.segments, settings.validation_segments, settings.seed
    if settings.clip is not None:
        clip, stream = settings.clip, settings.input
        train = CropDataset(cache, clips.train, clip=clip, random=True, seed=seed, stream=stream)
        return train, CropDataset(cache, clips.validate, clip=clip, stream=stream)
    if features is None:
        stream = settings.input
        train = CropDataset(cache, clips.train, segments=segments, random=True, seed=seed, stream=stream)
        return train, CropDataset(cache, clips.validate, segments=validation_segments, stream=stream)
    pool = settings.pool
    train = FeatureDataset(cache, clips.train, features, segments=segments, random=True, seed=seed, pool=pool)
    return train, FeatureDataset(cache, clips.validate, features, segments=validation_segments, pool=pool)


def _loaders(
    train: CropDataset, validate: CropDataset, settings: TrainSettings, ranks: Ranks
) -> tuple[CropLoader, CropLoader]:
    size = settings.batch_size // ranks.ranks
    loader = CropLoader(
        train,
        batch_size=size,
        shuffle=True,
        drop_last=True,
        seed=settings.seed,
        rank=ranks.rank,
        ranks=ranks.ranks,
    )
    return loader, CropLoader(validate, batch_size=size, rank=ranks.rank, ranks=ranks.ranks)
