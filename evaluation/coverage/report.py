"""The report of a coverage: JSON, a Markdown table, and a plot against the area of the box."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

import matplotlib
import matplotlib.axes
import numpy as np

from mocrop.evaluation.coverage.actor_boxes import read_actor_boxes
from mocrop.evaluation.coverage.measure import Coverage, CoverageRow, annotated_clips, measure_coverage
from mocrop.evaluation.coverage.settings import BASE, CoverageSettings, policy_of
from mocrop.evaluation.pictures.colours import COLOURS
from mocrop.evaluation.report.format import in_markdown, markdown_table, write_json
from mocrop.evaluation.scores.statistics import Estimate
from mocrop.pipeline.files import write_whole
from mocrop.pipeline.workspace.paths import Workspace
from mocrop.training.report.figure_file import write_figure
from mocrop.training.report.figure_names import short_name


def coverage_in_workspace(
    workspace: Workspace,
    settings: CoverageSettings,
    *,
    boxes: Path,
    on_clip: Callable[[str], None] = lambda _: None,
) -> tuple[Coverage, dict[str, Path]]:
    """Measure the annotated clips of a workspace and write the report to its ``reports/``.

    Args:
        boxes: the box file, see :func:`~mocrop.evaluation.coverage.actor_boxes.read_actor_boxes`.
        on_clip: called with the name of each clip that is done.
    Raises: WorkspaceError without a workspace; DatasetError if the box file cannot be read or fits no clip;
        MotionStoreError if the motion store is damaged.
    """
    clips = annotated_clips(workspace.require(), read_actor_boxes(boxes), groups=settings.groups)
    coverage = measure_coverage(clips, settings, on_clip=on_clip)
    return coverage, write_coverage(coverage, workspace.reports)


def coverage_table(coverage: Coverage, *, clips_of: str = "all") -> str:
    """Markdown table of one set of clips: each metric with its interval, and what it gains over the centre crop."""
    rows = [row for row in coverage.rows if row.clips_of == clips_of]
    header = (f"policy, {rows[0].clips} clips", "area", "inside", f"over {BASE}", "whole actor", "IoU")
    return markdown_table(header, map(_cells, rows))


def _cells(row: CoverageRow) -> tuple[str, ...]:
    shown = row.estimates
    over = "-" if row.variant == BASE else _signed(row.over_base["inside"])
    return row.variant, f"{row.ratio:g}", _plain(shown["inside"]), over, _plain(shown["whole"]), _plain(shown["iou"])


def _plain(estimate: Estimate) -> str:
    if np.isnan(estimate.mean):
        return "no box"
    return f"{estimate.mean:.3f} [{estimate.low:.3f}, {estimate.high:.3f}]"


def _signed(estimate: Estimate) -> str:
    if np.isnan(estimate.mean):
        return "-"
    return f"{estimate.mean:+.3f} [{estimate.low:+.3f}, {estimate.high:+.3f}]"


def coverage_json(coverage: Coverage) -> dict[str, Any]:
    """Everything as plain values; NaN where a policy has no box."""
    return {
        "mocrop": version("mocrop"),
        "base": BASE,
        "clips": list(coverage.clips),
        "rows": [asdict(row) for row in coverage.rows],
    }


def write_coverage(coverage: Coverage, folder: Path) -> dict[str, Path]:
    """Write ``coverage.json``, ``.md`` and ``.png``, each whole or not at all; returns the files by suffix."""
    files = {suffix: folder / f"coverage.{suffix}" for suffix in ("json", "md", "png")}
    tables = [f"## {in_markdown(name)}\n\n{coverage_table(coverage, clips_of=name)}" for name in coverage.sets]
    write_json(coverage_json(coverage), files["json"], indent=1)
    write_whole(files["md"], ("# Actor coverage\n\n" + "\n".join(tables)).encode())
    draw_coverage(coverage, files["png"])
    return files


def draw_coverage(coverage: Coverage, file: Path) -> None:
    """Plot the mean share of the actor inside against the mean area of the box, one panel per set of clips."""
    from matplotlib.figure import Figure

    columns = min(3, len(coverage.sets))
    rows = -(-len(coverage.sets) // columns)
    figure = Figure(figsize=(4.6 * columns, 3.6 * rows), layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False, sharex=True, sharey=True).ravel()
    for axis, name in zip(axes, coverage.sets, strict=False):
        _draw_set(axis, coverage, name)
    for axis in axes[len(coverage.sets) :]:
        axis.set_visible(False)
    axes[0].legend(fontsize=8, loc="lower right")
    figure.supxlabel("area of the box, share of the frame")
    figure.supylabel("mean share of the actor inside")
    write_figure(figure, file, dpi=110)


def _draw_set(axis: matplotlib.axes.Axes, coverage: Coverage, name: str) -> None:
    rows = [row for row in coverage.rows if row.clips_of == name]
    for variant in coverage.variants:
        points = sorted(
            (row.estimates["area"].mean, *asdict(row.estimates["inside"]).values())
            for row in rows
            if row.variant == variant and not np.isnan(row.estimates["area"].mean)
        )
        area, mean, low, high = np.array(points).reshape(-1, 4).T
        style = "--" if variant != policy_of(variant) else "-"
        colour = COLOURS.get(policy_of(variant), "black")
        axis.plot(area, mean, style, color=colour, marker=".", label=variant)
        axis.fill_between(area, low, high, color=colour, alpha=0.12, linewidth=0)
    axis.set_title(f"{short_name(name)}, {rows[0].clips} clips", fontsize=9)
    axis.grid(alpha=0.3)
