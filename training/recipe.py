"""Everything that a training run depends on besides its data, and the learning rate that follows from it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Literal

Amp = Literal["auto", "off"]

SAME_PIXELS: Mapping[str, Any] = MappingProxyType({"flip": False, "crop_scales": (1.0,), "color_jitter": 0.0})


@dataclass(frozen=True, kw_only=True)
class TrainSettings:
    """Settings of one training run; the defaults are the reference's, where it tells them.

    What it does not tell, and what is ours: the weight decay, how much of the training list is held out, and the
    strength of the colour jitter.
    """

    arch: str = "resnet50"  # see mocrop.training.backbones
    weights: str = "imagenet"  # "imagenet", "none", a name in key_maps.SHIPPED or a file
    split: str = "1"  # name or number from 1
    epochs: int = 100
    batch_size: int = 32  # clips
    learning_rate: float = 1e-3
    learning_rate_steps: tuple[float, ...] = (0.4, 0.8)  # divided by 10 at these fractions of the epochs
    weight_decay: float = 0.01  # of AdamW
    segments: int = 3  # random frames per clip and epoch
    validation_segments: int = 8  # middle frames per clip
    validation_share: float = 0.1  # of the groups of each class in the training list; 0: train on all of it
    flip: bool = True  # half of the clips, left to right
    crop_scales: tuple[float, ...] = (1.0, 0.875, 0.75, 0.66)  # sides of the multi-scale crop, of the frame's
    color_jitter: float = 0.2  # brightness, contrast and saturation by a factor of 1 plus or minus this; 0: none
    mixup: float = 0.2  # alpha of the Beta distribution; 0: none
    freeze_backbone: bool = (
        False  # train the head alone, on features that are computed once; see mocrop.training.features
    )
    seed: int = 0
    device: str = "auto"  # "auto", "cpu", "cuda", "cuda:1", ...
    amp: Amp = "auto"  # mixed precision on a CUDA device: bfloat16 if it has it, else float16

    def __post_init__(self) -> None:
        for name in ("epochs", "batch_size", "segments", "validation_segments"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, not {getattr(self, name)}")
        for name in ("weight_decay", "mixup", "seed"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name} must not be negative, as {getattr(self, name)} is")
        for name in ("validation_share", "color_jitter"):
            if not 0 <= getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 0 and below 1, not {getattr(self, name)}")
        if not self.learning_rate > 0:
            raise ValueError(f"learning_rate must be above 0, not {self.learning_rate}")
        for name in ("crop_scales", "learning_rate_steps"):
            if not all(0 < value <= 1 for value in getattr(self, name)):
                raise ValueError(f"{name} must be above 0 and at most 1, not {getattr(self, name)}")
        if not self.crop_scales:
            raise ValueError("crop_scales must hold one value at least; 1.0 stands for no crop")
        if self.freeze_backbone and any(getattr(self, name) != value for name, value in SAME_PIXELS.items()):
            raise ValueError(
                "freeze_backbone computes the features of each frame once, so its pixels must stay the same: "
                "no flip, no multi-scale crop, no colour jitter"
            )
        if self.amp not in ("auto", "off"):
            raise ValueError(f"amp must be auto or off, not {self.amp!r}")


def learning_rate(settings: TrainSettings, *, epoch: int) -> float:
    """Learning rate of an epoch, counted from 0.

    >>> [learning_rate(TrainSettings(epochs=5), epoch=epoch) for epoch in range(5)]
    [0.001, 0.001, 0.0001, 0.0001, 1e-05]
    """
    passed = sum(epoch >= step * settings.epochs for step in settings.learning_rate_steps)
    return settings.learning_rate / 10.0**passed
