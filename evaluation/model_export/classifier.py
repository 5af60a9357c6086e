"""A network as one module from stored frames to probabilities: what is exported, and what it is compared with."""

from __future__ import annotations

from copy import deepcopy

import torch
from torch import Tensor, nn

from mocrop.pipeline.choices import Stream
from mocrop.training.data.inputs import normalise
from mocrop.training.model.activation import probabilities_of
from mocrop.training.model.backbones import Backbone, clip_logits
from mocrop.training.model.motion_input import CHANNELS
from mocrop.training.model.pooling import head_layer, pooled_logits
from mocrop.training.recipe import Activation

BLOCKS = 4  # of one colour along each side of a random frame
LOWEST = {"frames": 0, "motion": -128}


class ClipClassifier(nn.Module):
    """Stored frames of clips to the probabilities of their classes and to logits, as `mocrop eval` has them.

    Takes uint8, shape (batch, frames, 3, size, size), RGB, or motion fields, int8, (batch, frames, 2, side, side), of
    any number of clips, and of frames unless it is a video network. Nothing in it depends on these numbers but by
    tensors, so that a trace of one batch holds for all.
    """

    def __init__(self, backbone: Backbone, activation: Activation) -> None:
        super().__init__()
        self._mean, self._std = backbone.mean, backbone.std
        self._activation: Activation = activation
        self.video = backbone.video
        self.network = deepcopy(backbone.model).eval()
        self.pooled_head: nn.Linear | None = None
        if backbone.pool != "mean":  # the head has to wait for all frames of a clip
            self.pooled_head = head_layer(backbone)
            self.network.set_submodule(backbone.head[0], nn.Identity())

    def forward(self, frames: Tensor) -> tuple[Tensor, Tensor]:
        """Probabilities and logits, float32, shape (batch, classes) each."""
        pixels = normalise(frames, mean=self._mean, std=self._std)
        if self.pooled_head is None:
            logits = clip_logits(self.network, pixels, video=self.video)
        else:
            features = self.network(pixels.flatten(0, 1)).view(*frames.shape[:2], -1)
            logits = self.pooled_head(_mean_and_spread(features))
        return probabilities_of(logits, self._activation), logits


def _mean_and_spread(features: Tensor) -> Tensor:
    """As :func:`~mocrop.training.model.pooling.pooled`, which asks for the number of frames, and a trace cannot ask."""
    mean = features.mean(dim=1)
    frames = torch.ones_like(features[:, :, :1]).sum(dim=1)
    squares = (features - mean.unsqueeze(1)).square().sum(dim=1)
    return torch.cat([mean, (squares / (frames - 1).clamp(min=1)).sqrt()], dim=1)


@torch.no_grad()
def expected_answers(backbone: Backbone, activation: Activation, frames: Tensor) -> tuple[Tensor, Tensor]:
    """Probabilities and logits by the functions that `mocrop eval` calls."""
    backbone.model.eval()
    logits = pooled_logits(backbone, normalise(frames, mean=backbone.mean, std=backbone.std))
    return probabilities_of(logits, activation), logits


def random_frames(input: Stream, clips: int, frames: int, *, size: int, seed: int) -> Tensor:
    """Frames of large blocks of random colours, which networks tell apart better than noise: what the network takes.

    Returns: uint8, shape (clips, frames, 3, size, size), or int8, (clips, frames, 2, size, size).
    """
    drawn = torch.Generator().manual_seed(seed)
    shape = (clips, frames, CHANNELS[input], BLOCKS, BLOCKS)
    blocks = torch.randint(256, shape, generator=drawn) + LOWEST[input]
    place = torch.arange(size) * BLOCKS // size
    return blocks[..., place, :][..., place].to(torch.uint8 if input == "frames" else torch.int8)
