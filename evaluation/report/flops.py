"""Costs of networks as a table on a console, and as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from rich.table import Table
from rich.text import Text

from mocrop.evaluation.flops import Cost, FlopsSettings, count_costs, savings
from mocrop.pipeline.terminal import LineConsole


def count_with_status(settings: FlopsSettings, console: LineConsole) -> list[Cost]:
    """Count, and show on a terminal what is being counted."""
    with console.status("counting") as status:
        return count_costs(settings, on_count=lambda arch, size: status.update(Text(f"counting {arch} at {size} px")))


def print_costs(console: LineConsole, costs: Sequence[Cost], *, segments: int) -> None:
    """Print one row per network and size."""
    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column("backbone", overflow="fold")  # long names wrap, numbers do not
    for column in ("size", "GFLOPs/frame", "GFLOPs/clip", "parameters", "saved"):
        table.add_column(column, justify="right", no_wrap=True)
    for cost, saved in zip(costs, savings(costs), strict=True):
        table.add_row(
            cost.arch,
            str(cost.size),
            f"{cost.frame_gflops:.3f}",
            f"{cost.clip_gflops(segments):.2f}",
            f"{cost.parameters / 1e6:.2f} M",
            "" if saved is None else f"{100 * saved:.1f} %",
        )
    console.print(table)
    remark = f"clip of {segments} frames, head of {costs[0].classes} classes; saved: against the largest size"
    console.print(remark, style="dim")


def costs_json(costs: Sequence[Cost], *, segments: int) -> list[dict[str, Any]]:
    """One dictionary per network and size, as plain values."""
    return [
        asdict(cost) | {"segments": segments, "clip_gflops": cost.clip_gflops(segments), "saved": saved}
        for cost, saved in zip(costs, savings(costs), strict=True)
    ]
