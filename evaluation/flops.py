"""Operations and parameters of a network at one size of frames.

As fvcore and the paper count: one multiplication with its addition is one operation, and convolutions, matrix products,
norms and resampling count. Other operations of the network (activations, additions, pooling) are listed, not counted.

Networks of clips are counted as in torchvision's table of them: convolutions and matrix products alone, of a whole
clip, with norms among the others.
"""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode, flop_registry

from mocrop.pipeline.errors import SettingsError
from mocrop.pipeline.limits import MAX_SIDE_PX, require_whole
from mocrop.training.model.backbones import TORCHVISION_HEADS, Backbone, build_backbone, require_known, require_takes
from mocrop.training.model.device import one_thread
from mocrop.training.model.motion_input import input_shape
from mocrop.training.model.video import is_video, takes_clips
from mocrop.training.recipe import VIDEO_FRAMES

ATTENTION = "aten::scaled_dot_product_attention"  # two matrix products that fvcore does not know by this name
USUAL_SIZES = (224, 192)  # sides of the frames, pixels
USUAL_FRAMES = 8  # per clip


@dataclass(frozen=True, kw_only=True)
class FlopsSettings:
    """Which networks to count, and at which sizes."""

    archs: tuple[str, ...] = tuple(TORCHVISION_HEADS)
    sizes: tuple[int, ...] | None = None  # sides of the frames, pixels; None: those of USUAL_SIZES that each takes
    classes: int = 101  # outputs of the head; 101 as in UCF-101
    segments: int | None = None  # frames per clip; None: USUAL_FRAMES, of a network of clips VIDEO_FRAMES

    def __post_init__(self) -> None:
        if not self.archs or (self.sizes is not None and not self.sizes):
            raise SettingsError("nothing to count; pass at least one --arch and one --size")
        for size in self.sizes or ():
            require_whole("--size", size, least=1, most=MAX_SIDE_PX)
        require_whole("--classes", self.classes, least=1)
        if self.segments is not None:
            require_whole("--segments", self.segments, least=1)
        for arch in self.archs:
            require_known(arch)

    def frames_of(self, arch: str) -> int:
        """Frames per clip of one of the networks."""
        return self.segments or (VIDEO_FRAMES if is_video(arch) else USUAL_FRAMES)

    def sizes_of(self, arch: str) -> tuple[int, ...]:
        """Sizes to count one of the networks at."""
        if self.sizes is not None or not is_video(arch):
            return self.sizes or USUAL_SIZES
        taken = tuple(size for size in USUAL_SIZES if takes_clips(arch, size=size, frames=self.frames_of(arch)))
        return taken or USUAL_SIZES[:1]  # the number of frames is wrong then, which counting says


@dataclass(frozen=True, kw_only=True)
class Cost:
    """Cost of one network at one size of frames, and, of a network of clips, at one number of them."""

    arch: str
    size: int  # pixels
    classes: int
    parameters: int
    frame_gflops: float  # 1e9 operations; of a network of clips, the share of a frame in that of a clip
    uncounted: dict[str, int]  # calls of operations that do not count
    frames: int | None = None  # of the clip that was counted; None: of a network of frames, one after the other

    def clip_gflops(self, segments: int) -> float:
        """Cost of a clip in 1e9 operations.

        Raises: ValueError for a network of clips that was counted on another number of frames.
        """
        if self.frames not in (None, segments):
            raise ValueError(f"{self.arch} was counted on clips of {self.frames} frames, not of {segments}")
        return self.frame_gflops * segments


def count_costs(settings: FlopsSettings, *, on_count: Callable[[str, int], None] = lambda *_: None) -> list[Cost]:
    """Count every network at every size, in the order of the settings.

    Args:
        on_count: called with name and size before each count.
    Raises: SettingsError if a network cannot take frames of a size.
    """
    costs = []
    for arch in dict.fromkeys(settings.archs):
        for size in dict.fromkeys(settings.sizes_of(arch)):
            on_count(arch, size)
            costs.append(count_cost(arch, size=size, classes=settings.classes, frames=settings.frames_of(arch)))
    return costs


def count_cost(arch: str, *, size: int, classes: int = 101, frames: int = VIDEO_FRAMES) -> Cost:
    """Count one network on one frame of ``size`` pixels; a network of clips on one clip of ``frames`` of them.

    Raises: SettingsError for an unknown architecture, or one that cannot take frames or clips of this size.
    """
    if is_video(arch):
        return _clip_cost(arch, size=size, classes=classes, frames=frames)
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


def _clip_cost(arch: str, *, size: int, classes: int, frames: int) -> Cost:
    with torch.device("meta"):  # shapes are all that counts
        model = build_backbone(arch, classes=classes, size=size, frames=frames).model.eval()
        clip = torch.zeros(input_shape(1, "frames", size, frames=frames))
    with torch.no_grad(), _Calls() as seen, FlopCounterMode(display=False) as counted:
        model(clip)
    return Cost(
        arch=arch,
        size=size,
        classes=classes,
        parameters=sum(parameter.numel() for parameter in model.parameters()),
        frame_gflops=counted.get_total_flops() / 2 / frames / 1e9,  # it counts multiplications and additions
        uncounted=dict(seen.uncounted),
        frames=frames,
    )


class _Calls(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Counts calls of operations that PyTorch's counter does not know, but for those that only view a tensor."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.uncounted: Counter[str] = Counter()

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        if func.overloadpacket not in flop_registry and not func.is_view:
            self.uncounted[func.overloadpacket._qualified_op_name] += 1
        return func(*args, **(kwargs or {}))


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
