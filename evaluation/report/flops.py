"""Costs of networks as a table on a console, and as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from rich.table import Table
from rich.text import Text

from mocrop.evaluation.flops import USUAL_FRAMES, Cost, FlopsSettings, count_costs, savings
from mocrop.pipeline.terminal import LineConsole

VIDEO_REMARK = "video/...: a clip at once, without norms, as torchvision's table of them counts"


def count_with_status(settings: FlopsSettings, console: LineConsole) -> list[Cost]:
    """Count, and show on a terminal what is being counted."""
    with console.status("counting") as status:
        return count_costs(settings, on_count=lambda arch, size: status.update(Text(f"counting {arch} at {size} px")))


def print_costs(console: LineConsole, costs: Sequence[Cost], *, segments: int | None) -> None:
    """Print one row per network and size.

    Args:
        segments: frames per clip, for networks of frames; None: as many as usual.
    """
    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column("backbone", overflow="fold")  # long names wrap, numbers do not
    for column in ("size", "GFLOPs/frame", "GFLOPs/clip", "parameters", "saved"):
        table.add_column(column, justify="right", no_wrap=True)
    for cost, saved in zip(costs, savings(costs), strict=True):
        table.add_row(
            cost.arch,
            str(cost.size),
            f"{cost.frame_gflops:.3f}",
            f"{cost.clip_gflops(_frames(cost, segments)):.2f}",
            f"{cost.parameters / 1e6:.2f} M",
            "" if saved is None else f"{100 * saved:.1f} %",
        )
    console.print(table)
    clips = " or ".join(dict.fromkeys(str(_frames(cost, segments)) for cost in costs))
    remark = f"clip of {clips} frames, head of {costs[0].classes} classes; saved: against the largest size"
    console.print(remark, style="dim")
    if any(cost.frames for cost in costs):
        console.print(VIDEO_REMARK, style="dim")


def costs_json(costs: Sequence[Cost], *, segments: int | None) -> list[dict[str, Any]]:
    """One dictionary per network and size, as plain values; ``segments`` as for :func:`print_costs`."""
    return [
        asdict(cost) | {"segments": frames, "clip_gflops": cost.clip_gflops(frames), "saved": saved}
        for cost, saved in zip(costs, savings(costs), strict=True)
        for frames in [_frames(cost, segments)]
    ]


def _frames(cost: Cost, segments: int | None) -> int:
    return cost.frames or segments or USUAL_FRAMES
