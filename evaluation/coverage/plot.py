"""Plots of coverage against the area of the box."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import matplotlib
import matplotlib.axes
import numpy as np

from mocrop.evaluation.coverage.rows import CoverageRow
from mocrop.evaluation.coverage.settings import BEST_MOVING, BEST_STATIC, policy_of
from mocrop.evaluation.pictures.colours import COLOURS
from mocrop.training.report.figure_file import write_figure
from mocrop.training.report.figure_names import short_name

PANELS_ACROSS = 4  # two a set of clips: at slots, and at all frames
TITLES = {"slots": "at slots", "frames": "all annotated frames"}
CEILING_STYLES = {BEST_STATIC: ":", BEST_MOVING: "-."}


def draw_coverage(rows: Sequence[CoverageRow], file: Path) -> None:
    """Plot the mean share of the actor inside against the mean area of the box, two panels per set of clips."""
    from matplotlib.figure import Figure

    panels = list(dict.fromkeys((row.clips_of, at) for row in rows for at in TITLES))
    across = min(PANELS_ACROSS, len(panels))
    down = -(-len(panels) // across)
    figure = Figure(figsize=(3.8 * across, 3.6 * down), layout="constrained")
    axes = figure.subplots(down, across, squeeze=False, sharex=True, sharey=True).ravel()
    for axis, (name, at) in zip(axes, panels, strict=False):
        _draw_panel(
            axis, [row for row in rows if row.clips_of == name and row.at == at], f"{short_name(name)}, {TITLES[at]}"
        )
    for axis in axes[len(panels) :]:
        axis.set_visible(False)
    axes[0].legend(fontsize=7, loc="lower right")
    figure.supxlabel("area of the box, share of the frame")
    figure.supylabel("mean share of the actor inside")
    write_figure(figure, file, dpi=110)


def _draw_panel(axis: matplotlib.axes.Axes, rows: Sequence[CoverageRow], title: str) -> None:
    for variant in dict.fromkeys(row.variant for row in rows):
        points = sorted(
            (row.estimates["area"].mean, inside.mean, inside.low, inside.high)
            for row in rows
            if row.variant == variant and not np.isnan((inside := row.estimates["inside"]).mean)
        )
        area, mean, low, high = np.array(points).reshape(-1, 4).T
        style = CEILING_STYLES.get(variant, "--" if variant != policy_of(variant) else "-")
        colour = COLOURS.get(policy_of(variant), "black")
        axis.plot(area, mean, style, color=colour, marker=".", label=variant)
        axis.fill_between(area, low, high, color=colour, alpha=0.12, linewidth=0)
    clips = f", {rows[0].clips} clips" if rows else ", no clip"
    axis.set_title(title + clips, fontsize=9)
    axis.grid(alpha=0.3)
