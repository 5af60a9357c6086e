"""Plots of coverage against the area of the box."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

import matplotlib
import matplotlib.axes
import numpy as np

from mocrop.evaluation.coverage.rows import At, CoverageRow
from mocrop.evaluation.coverage.settings import BEST_MOVING, BEST_STATIC
from mocrop.evaluation.pictures.colours import Style, style_of
from mocrop.training.report.figure_file import write_figure
from mocrop.training.report.figure_names import short_name

PANELS_ACROSS = 4  # two a set of clips: at slots, and at all frames
TITLES: Mapping[At, str] = MappingProxyType({"slots": "at slots", "frames": "all annotated frames"})
CEILINGS = MappingProxyType(
    {
        BEST_STATIC: Style(colour="#6b6b6b", dashes=(1, 3), marker="_"),
        BEST_MOVING: Style(colour="#000000", dashes=(1, 1.5), marker="|"),
    }
)


def draw_coverage(rows: Sequence[CoverageRow], file: Path) -> None:
    """Plot the mean share of the actor inside against the mean area of the box, two panels per set of clips."""
    from matplotlib.figure import Figure

    panels = [(name, at) for name in dict.fromkeys(row.clips_of for row in rows) for at in TITLES]
    across = min(PANELS_ACROSS, len(panels))
    down = -(-len(panels) // across)
    figure = Figure(figsize=(3.8 * across, 3.6 * down), layout="constrained")
    axes = figure.subplots(down, across, squeeze=False, sharex=True, sharey=True).ravel()
    for axis, (name, at) in zip(axes, panels, strict=False):
        shown = [row for row in rows if row.clips_of == name and row.at == at]
        _draw_panel(axis, shown, f"{short_name(name)}\n{TITLES[at]}")
    for axis in axes[len(panels) :]:
        axis.set_visible(False)
    for axis in axes[: len(panels)]:  # panels share their axes, of which matplotlib labels the outer ones alone
        axis.tick_params(labelbottom=True, labelleft=True)
    handles = axes[0].get_legend_handles_labels()
    figure.legend(*handles, fontsize=8, loc="outside upper center", ncols=min(6, 3 * across))
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
        style = CEILINGS.get(variant) or style_of(variant)
        look: dict[str, Any] = {"linestyle": style.linestyle, "marker": style.marker, "markersize": 4, "linewidth": 1.2}
        axis.plot(area, mean, color=style.colour, label=variant, **look)
        axis.fill_between(area, low, high, color=style.colour, alpha=0.1, linewidth=0)
    clips = f", {rows[0].clips} clips" if rows else ", no clip"
    axis.set_title(title + clips, fontsize=9)
    axis.grid(alpha=0.3)
