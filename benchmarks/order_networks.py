"""A small network of frames and one of clips, of the same layers, fitted to the clips of a cache of windows.

The only differences are those that there must be: kernels over three frames in place of one, and who takes the mean
over frames, which :func:`~mocrop.training.model.backbones.clip_logits` decides for both.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional

from mocrop.evaluation.scores.statistics import cluster_numbers
from mocrop.pipeline.cache.crop_cache import CropCache
from mocrop.training.data.dataset import CropDataset
from mocrop.training.model.backbones import build_backbone, clip_logits
from mocrop.training.recipe import Clip

WIDTH = 16  # channels of the first layer
SMALL = ("small frame network", "small video network")
MEAN, SPREAD = 0.45, 0.225  # of frames in [0, 1]


@dataclass(frozen=True, kw_only=True, eq=False)
class Clips:
    """The clips of a subset, in memory."""

    frames: Tensor  # uint8, (clips, frames, 3, size, size)
    labels: Tensor  # int64, (clips,)
    names: tuple[str, ...]

    groups: npt.NDArray[np.int64]  # (clips,), numbers of what goes together in UCF-101

    @property
    def sets(self) -> npt.NDArray[np.int64]:
        """Number of the set of pictures of each clip of the order scene."""
        return sets_of(self.names)


@dataclass(frozen=True, kw_only=True)
class Fitting:
    """How a network is trained."""

    epochs: int = 30
    batch_size: int = 24
    learning_rate: float = 4e-3
    shuffled: bool = False  # the frames of each clip are put into a new order, drawn at random, whenever it is seen
    seed: int = 0


@dataclass(frozen=True, kw_only=True, eq=False)
class Fitted:
    """A trained network."""

    model: nn.Module
    video: bool
    learnt: float  # share of the training clips right in the last epoch
    seconds_per_epoch: float


def load_clips(cache: Path, subset: str, clip: Clip | None) -> Clips:
    """Read a window of each clip, the middle one; of a cache without windows (None), eight frames."""
    opened = CropCache(cache)
    dataset = CropDataset.from_cache(opened, subset=subset, clip=clip, random=False)  # type: ignore[arg-type]
    samples = [dataset[number] for number in range(len(dataset))]
    labels, names = [int(sample.label) for sample in samples], [opened.clip[row] for row in dataset.rows.tolist()]
    return Clips(
        frames=torch.stack([sample.frames for sample in samples]),
        labels=torch.tensor(labels),
        names=tuple(names),
        groups=cluster_numbers(np.array(labels), opened.group[dataset.rows], names),
    )


def sets_of(names: Sequence[str]) -> npt.NDArray[np.int64]:
    """Numbers of the sets of pictures: the clips of a set have the same group and number in every class.

    >>> sets_of(["MoveUp/v_MoveUp_g01_c02", "MoveUp/v_MoveUp_g03_c01", "TurnLeft/v_TurnLeft_g01_c02"]).tolist()
    [0, 1, 0]
    """
    numbers: npt.NDArray[np.int64] = np.unique([name.rpartition("_g")[2] for name in names], return_inverse=True)[1]
    return numbers


def make_network(arch: str, *, classes: int, size: int, frames: int) -> tuple[nn.Module, bool]:
    """A network with random weights, and whether it takes clips: one of ``SMALL``, or what `mocrop train` calls so."""
    if arch in SMALL:
        video = arch == SMALL[1]
        return _layers(nn.Conv3d, nn.BatchNorm3d, classes) if video else _layers(
            nn.Conv2d, nn.BatchNorm2d, classes
        ), video
    backbone = build_backbone(arch, classes=classes, size=size, frames=frames if arch.startswith("video/") else None)
    return backbone.model, backbone.video


def fit(arch: str, clips: Clips, fitting: Fitting, *, on_epoch: Callable[[int, float], None] | None = None) -> Fitted:
    """Train a network on clips; the same on the same machine every time."""
    torch.manual_seed(fitting.seed)
    _, frames, _, size, _ = clips.frames.shape
    model, video = make_network(arch, classes=int(clips.labels.max()) + 1, size=size, frames=frames)
    steps = -(-len(clips.labels) // fitting.batch_size)
    optimizer = torch.optim.AdamW(model.parameters(), weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, fitting.learning_rate, total_steps=steps * fitting.epochs)
    start, right = time.perf_counter(), 0
    for epoch in range(1, fitting.epochs + 1):
        model.train()
        right = 0
        for rows in torch.randperm(len(clips.labels)).split(fitting.batch_size):
            logits = clip_logits(model, _pixels(clips.frames[rows], shuffled=fitting.shuffled), video=video)
            loss = functional.cross_entropy(logits, clips.labels[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            right += int((logits.argmax(dim=1) == clips.labels[rows]).sum())
        if on_epoch:
            on_epoch(epoch, right / len(clips.labels))
    seconds = (time.perf_counter() - start) / fitting.epochs
    return Fitted(model=model, video=video, learnt=right / len(clips.labels), seconds_per_epoch=seconds)


def answers(fitted: Fitted, clips: Clips, *, shuffled: bool = False, seed: int = 0) -> npt.NDArray[np.int64]:
    """The class that a network takes each clip for."""
    torch.manual_seed(seed)
    fitted.model.eval()
    with torch.no_grad():
        parts = [
            clip_logits(fitted.model, _pixels(frames, shuffled=shuffled), video=fitted.video).argmax(dim=1)
            for frames in clips.frames.split(64)
        ]
    found: npt.NDArray[np.int64] = torch.cat(parts).numpy()
    return found


def _pixels(frames: Tensor, *, shuffled: bool) -> Tensor:
    """Float32 of the same shape, with the frames of each clip in an order of its own if they are to be shuffled."""
    if shuffled:
        orders = torch.rand(frames.shape[:2]).argsort(dim=1)
        frames = torch.stack([clip[order] for clip, order in zip(frames, orders, strict=True)])
    return (frames.float() / 255 - MEAN) / SPREAD


def _layers(convolution: type[nn.Module], norm: type[nn.Module], classes: int) -> nn.Sequential:
    """Five convolutions and a head; the first looks at single frames in both networks."""
    flat = convolution is nn.Conv2d
    layers: list[nn.Module] = []
    for number, (inputs, outputs, stride) in enumerate(((3, 1, 2), (1, 2, 2), (2, 2, 1), (2, 4, 2), (4, 4, 1))):
        channels = (inputs if number == 0 else inputs * WIDTH, outputs * WIDTH)
        deep = 3 if number else 1  # frames that the kernel sees
        kernel, strides, around = (deep, 3, 3), (1, stride, stride), (deep // 2, 1, 1)
        how = {"kernel_size": kernel, "stride": strides, "padding": around}
        if flat:
            how = {name: value[1:] for name, value in how.items()}
        layers += [convolution(*channels, **how, bias=False), norm(channels[1]), nn.ReLU()]
    pool = nn.AdaptiveAvgPool2d(1) if flat else nn.AdaptiveAvgPool3d(1)
    return nn.Sequential(*layers, pool, nn.Flatten(), nn.Linear(4 * WIDTH, classes))
