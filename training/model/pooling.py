"""What the head of a network gets of the frames of a clip: the mean of their features, or that and their spread.

A head on the mean takes each frame alone, and the mean of its logits is the clip's. A head on mean and standard
deviation takes both at once, twice as many numbers, and answers for the clip.
"""

from __future__ import annotations

from math import prod

import torch
from torch import Tensor, nn

from mocrop.pipeline.errors import SettingsError
from mocrop.training.model.backbones import Backbone, clip_logits
from mocrop.training.recipe import Pool


def pooled(features: Tensor, pool: Pool) -> Tensor:
    """Pool the features of the frames of each clip: (clips, frames, width) to (clips, width); mean-std: twice that.

    The standard deviation is that of a sample (divided by frames - 1), so that it does not grow with the number of
    frames; of one frame it is 0.

    >>> pooled(torch.tensor([[[1.0, 5.0], [3.0, 5.0]]]), "mean-std")
    tensor([[2.0000, 5.0000, 1.4142, 0.0000]])
    """
    mean = features.mean(dim=1)
    if pool == "mean":
        return mean
    spread = features.std(dim=1) if features.shape[1] > 1 else torch.zeros_like(mean)
    return torch.cat([mean, spread], dim=1)


def widen_head(backbone: Backbone) -> nn.Linear:
    """Give a backbone whose settings say so a new head that takes pooled features; returns its head.

    Raises: SettingsError if its head is not one linear layer.
    """
    head = head_layer(backbone)
    if backbone.pool == "mean":
        return head
    wide = nn.Linear(2 * head.in_features, head.out_features, bias=head.bias is not None)
    backbone.model.set_submodule(backbone.head[0], wide)
    return wide


def head_layer(backbone: Backbone) -> nn.Linear:
    """The layer that turns features into logits.

    Raises: SettingsError if there is not exactly one, or if it is not linear.
    """
    layers = [backbone.model.get_submodule(name) for name in backbone.head]
    if len(layers) == 1 and isinstance(layers[0], nn.Linear):
        return layers[0]
    kinds = ", ".join(type(layer).__name__ for layer in layers)
    raise SettingsError(
        f"--freeze-backbone needs a network with one linear layer as its head, {backbone.arch} has {kinds}; "
        "leave --freeze-backbone out, or pass another --arch"
    )


def pooled_logits(backbone: Backbone, frames: Tensor) -> Tensor:
    """Logits of clips, or of several views of each, whichever way the head pools: as :func:`.clip_logits`."""
    if backbone.pool == "mean":
        return clip_logits(backbone.model, frames, video=backbone.video)

    def pool(_: nn.Module, inputs: tuple[Tensor, ...]) -> Tensor:
        return pooled(inputs[0].view(len(frames), prod(frames.shape[1:-3]), -1), backbone.pool)

    hook = head_layer(backbone).register_forward_pre_hook(pool)
    try:
        logits: Tensor = backbone.model(frames.flatten(0, -4))
    finally:
        hook.remove()
    return logits
