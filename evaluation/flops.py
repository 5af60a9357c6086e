"""Operations and parameters of a network at one size of frames.

As fvcore and the paper count: one multiplication with its addition is one operation, and convolutions, matrix products,
norms and resampling count. Other operations of the network (activations, additions, pooling) are listed, not counted.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import torch

from mocrop.pipeline.errors import SettingsError
from mocrop.pipeline.limits import MAX_SIDE_PX, require_whole
from mocrop.training.model.backbones import TORCHVISION_HEADS, Backbone, build_backbone, require_known, require_takes
from mocrop.training.model.device import one_thread

ATTENTION = "aten::scaled_dot_product_attention"  # two matrix products that fvcore does not know by this name


@dataclass(frozen=True, kw_only=True)
class FlopsSettings:
    """Which networks to count, and at which sizes."""

    archs: tuple[str, ...] = tuple(TORCHVISION_HEADS)
    sizes: tuple[int, ...] = (224, 192)  # sides of the frames, pixels
    classes: int = 101  # outputs of the head; 101 as in UCF-101
    segments: int = 8  # frames per clip

    def __post_init__(self) -> None:
        if not self.archs or not self.sizes:
            raise SettingsError("nothing to count; pass at least one --arch and one --size")
        for size in self.sizes:
            require_whole("--size", size, least=1, most=MAX_SIDE_PX)
        require_whole("--classes", self.classes, least=1)
        require_whole("--segments", self.segments, least=1)
        for arch in self.archs:
            require_known(arch)


@dataclass(frozen=True, kw_only=True)
class Cost:
    """Cost of one network at one size of frames."""

    arch: str
    size: int  # pixels
    classes: int
    parameters: int
    frame_gflops: float  # 1e9 operations
    uncounted: dict[str, int]  # calls of operations that do not count

    def clip_gflops(self, segments: int) -> float:
        """Cost of a clip in 1e9 operations: every frame goes through the network on its own."""
        return self.frame_gflops * segments


def count_costs(settings: FlopsSettings, *, on_count: Callable[[str, int], None] = lambda *_: None) -> list[Cost]:
    """Count every network at every size, in the order of the settings.

    Args:
        on_count: called with name and size before each count.
    Raises: SettingsError if a network cannot take frames of a size.
    """
    costs = []
    for arch in dict.fromkeys(settings.archs):
        for size in dict.fromkeys(settings.sizes):
            on_count(arch, size)
            costs.append(count_cost(arch, size=size, classes=settings.classes))
    return costs


def count_cost(arch: str, *, size: int, classes: int = 101) -> Cost:
    """Count one network on one frame of ``size`` pixels.

    Raises: SettingsError for an unknown architecture, or one that cannot take frames of this size.
    """
    backbone = build_backbone(arch, classes=classes, size=size)
    backbone.model.eval()
    with one_thread():  # one frame is little work
        require_takes(backbone.model, arch=arch, size=size)
        operations, uncounted = _trace(backbone, size)
    return Cost(
        arch=arch,
        size=size,
        classes=classes,
        parameters=sum(parameter.numel() for parameter in backbone.model.parameters()),
        frame_gflops=operations / 1e9,
        uncounted=uncounted,
    )


def savings(costs: Sequence[Cost]) -> list[float | None]:
    """Share that each saves against the same network at its largest size; None at that size."""
    largest = {cost.arch: cost for cost in sorted(costs, key=lambda cost: cost.size)}  # the last of each network stays
    return [
        None if cost is largest[cost.arch] else 1 - cost.frame_gflops / largest[cost.arch].frame_gflops
        for cost in costs
    ]


def _trace(backbone: Backbone, size: int) -> tuple[int, dict[str, int]]:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*torch.jit", category=FutureWarning)  # fvcore's own, at its import
        warnings.filterwarnings("ignore", message=".*torch.jit", category=DeprecationWarning)
        from fvcore.nn import FlopCountAnalysis  # type: ignore[import-untyped]

        analysis = FlopCountAnalysis(backbone.model, torch.zeros(1, 3, size, size))
        analysis.unsupported_ops_warnings(False).uncalled_modules_warnings(False)  # they are part of the result
        analysis.set_op_handle(ATTENTION, _attention)
        return int(analysis.total()), {str(name): int(calls) for name, calls in analysis.unsupported_ops().items()}


def _attention(inputs: Sequence[Any], _: Sequence[Any]) -> int:
    """Two products: queries (..., n, d) with keys (..., m, d); weights (..., n, m) with values (..., m, e)."""
    queries, _keys, values = (value.type().sizes() for value in inputs[:3])
    return int(prod(queries) * values[-2] + prod(queries[:-1]) * prod(values[-2:]))
