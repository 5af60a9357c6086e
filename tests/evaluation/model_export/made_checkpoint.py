"""Checkpoints of networks that have learned nothing, but whose answers differ from frame to frame."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from mocrop.evaluation.model_export.classifier import random_frames
from mocrop.pipeline.choices import Stream
from mocrop.training.data.inputs import normalise
from mocrop.training.model.backbones import build_backbone
from mocrop.training.model.checkpoint import Checkpoint, save_checkpoint
from mocrop.training.model.pooling import head_layer, pooled_logits, widen_head
from mocrop.training.recipe import Pool

NAMES = ["Dig", "Run", "=cmd()\n\x1b[red]", "日本 😀"]


def made_checkpoint(
    file: Path,
    arch: str,
    *,
    size: int = 32,
    input: Stream = "frames",
    pool: Pool = "mean",
    cache: dict[str, Any] | None = None,
    metrics: dict[str, Any] | None = None,
    largest_logit: float = 3.0,  # so that few probabilities are 0 or 1 whatever the logits
    **settings: Any,
) -> Path:
    """Write a checkpoint of a network with random weights, at home in random frames, and logits about 0."""
    torch.manual_seed(0)
    backbone = build_backbone(arch, classes=len(NAMES), size=size, input=input)
    backbone = replace(backbone, pool=pool)
    widen_head(backbone)
    frames = normalise(random_frames(backbone.input, 8, 4, size=size, seed=99), mean=backbone.mean, std=backbone.std)
    with torch.no_grad():
        for layer in backbone.model.modules():
            if isinstance(layer, nn.modules.batchnorm._BatchNorm):
                layer.momentum = None  # statistics of these frames alone
        pooled_logits(replace(backbone, model=backbone.model.train()), frames)
        backbone.model.eval()
        logits = pooled_logits(backbone, frames)
        largest = (logits - logits.mean(dim=0)).abs().max()
        head = head_layer(backbone)
        head.weight.mul_(largest_logit / largest)
        head.bias.sub_(logits.mean(dim=0)).mul_(largest_logit / largest)
    save_checkpoint(
        file,
        Checkpoint(
            arch=arch,
            class_names=NAMES,
            size=size,
            mean=backbone.mean,
            std=backbone.std,
            settings={"split": "1", "loss": "ce", "pool": pool, "validation_segments": 4, **settings},
            cache={"name": "made", "settings": {"ratio": 0.5}, **(cache or {})},
            epoch=3,
            metrics=metrics or {},
            state_dict=backbone.model.state_dict(),
            input=input,
        ),
    )
    return file
