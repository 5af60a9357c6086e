"""Plots of an ablation, from the plain values of its report.json: accuracy against operations, and differences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib.axes
from matplotlib.figure import Figure
from matplotlib.transforms import ScaledTranslation

from mocrop.evaluation.ablation.families import policy_of
from mocrop.evaluation.ablation.tables import groups_name, view_name
from mocrop.evaluation.ablation.variants import FULL, PICTURE, POLICIES
from mocrop.evaluation.pictures.colours import style_of
from mocrop.training.report.figure_file import write_figure

Content = Mapping[str, Any]  # of report.json, or a part of it

DPI = 110
APART = 1.1  # ratio of operations from which on both have a label
SPREAD_PT = 5.0  # sideways on paper, so that intervals of equal operations do not hide each other
MARGIN = 1.25  # least factor of the operations left free on both sides


def draw_operations(content: Content, file: Path) -> None:
    """Few groups: the best top-1 of each policy within so many GFLOPs a clip, of all its settings."""
    few_shot = content["few_shot"]
    chosen = [each for each in few_shot["accuracies"] if each["groups"] == few_shot["main_groups"]]
    figure = Figure(figsize=(7.4, 5.0), layout="constrained")
    axis = figure.subplots()
    for policy in _policies(content):
        steps = best_within([each for each in chosen if policy_of(each["variant"]) == policy])
        _draw_line(axis, policy, [gflops for gflops, _ in steps], [100 * accuracy for _, accuracy in steps])
    _gflops_axis(axis, sorted({each["gflops"] for each in chosen}))
    axis.set_xlabel("GFLOPs a clip, at most")
    axis.set_ylabel(f"top-1 with {groups_name(few_shot['main_groups'])} of each class, %")
    _legend(figure, axis)
    write_figure(figure, file, dpi=DPI)


def best_within(accuracies: Sequence[Content]) -> list[tuple[float, float]]:
    """The best accuracy within each budget, ascending.

    >>> best_within([{"gflops": 2.0, "accuracy": 0.5}, {"gflops": 1.0, "accuracy": 0.6}])
    [(1.0, 0.6), (2.0, 0.6)]
    """
    budgets = sorted({each["gflops"] for each in accuracies})
    return [(each, max(e["accuracy"] for e in accuracies if e["gflops"] <= each)) for each in budgets]


def draw_accuracy(content: Content, file: Path) -> None:
    """Whole list: top-1 with its interval against the GFLOPs of a clip, with the most frames; one panel an area."""
    settings, main = content["settings"], content["main"]
    figure, axes = _panels(settings["ratios"], rows=1)
    conditions = [
        each
        for each in content["conditions"]
        if each["train_size"] == each["size"] and (each["frames"], each["pool"]) == (main["frames"], main["pool"])
    ]
    for axis, ratio in zip(axes[0], settings["ratios"], strict=True):
        policies = _policies(content)
        for number, policy in enumerate(policies):
            chosen = [each for each in conditions if each["variant"] in (policy, f"{policy} {ratio:g}")]
            beside = _points_beside(number, of=len(policies))
            gflops, accuracies = [each["gflops"] for each in chosen], [each["accuracy"] for each in chosen]
            _draw_intervals(axis, policy, gflops, accuracies, points_beside=beside)
        _gflops_axis(axis, sorted({each["gflops"] for each in conditions}))
        axis.set_title(f"area {ratio:g} of the frame", fontsize=10)
    _legend(figure, axes[0][0])
    remark = "(points of equal cost stand side by side)"
    figure.supxlabel(f"GFLOPs a clip of {main['frames']} frames\n{remark}", fontsize=10)
    figure.supylabel("top-1, %")
    write_figure(figure, file, dpi=DPI)


def draw_few_shot(content: Content, file: Path) -> None:
    """Difference to the whole picture, or frame, against the number of groups trained on; one panel an area."""
    settings, tested = content["settings"], content["few_shot"]["tested"]
    base = PICTURE if PICTURE in settings["policies"] else FULL
    places = list(dict.fromkeys(each["where"] for each in tested))
    figure, axes = _panels(settings["ratios"], rows=1)
    for axis, ratio in zip(axes[0], settings["ratios"], strict=True):
        policies = [policy for policy in _policies(content) if policy not in (FULL, PICTURE)]
        for number, policy in enumerate(policies):
            name = f"{policy} {ratio:g}"
            chosen = (each for each in tested if (each["variant"], each["base"]) == (name, base))
            found = {each["where"]: each["difference"] for each in chosen}
            beside = _points_beside(number, of=len(policies))
            estimates = [found[place] for place in places]
            _draw_intervals(axis, policy, range(len(places)), estimates, points_beside=beside)
        axis.axhline(0, color="#888888", linewidth=1)
        axis.set_xticks(range(len(places)), places)
        axis.set_xlim(-0.5, len(places) - 0.5)
        axis.set_title(f"area {ratio:g} of the frame", fontsize=10)
        axis.grid(alpha=0.3)
    _legend(figure, axes[0][0])
    figure.supxlabel(f"trained on so many groups of each class; {view_name(content['main'])}")
    figure.supylabel(f"points of top-1 over {base}")
    write_figure(figure, file, dpi=DPI)


def _policies(content: Content) -> list[str]:
    return [policy for policy in POLICIES if policy in content["settings"]["policies"]]


def _panels(ratios: Sequence[float], *, rows: int) -> tuple[Figure, Any]:
    figure = Figure(figsize=(4.9 * len(ratios), 4.4 * rows), layout="constrained")
    return figure, figure.subplots(rows, len(ratios), squeeze=False, sharex=True, sharey=True)


def _legend(figure: Figure, axis: matplotlib.axes.Axes) -> None:
    """One legend for all panels, outside of them: within it would lie over points."""
    figure.legend(*axis.get_legend_handles_labels(), fontsize=8, loc="outside right center", handlelength=4)


def _points_beside(number: int, *, of: int) -> float:
    """Where one of several points of the same place stands, in points of the paper; 0 in the middle.

    >>> [_points_beside(number, of=3) for number in range(3)]
    [-5.0, 0.0, 5.0]
    """
    return (number - (of - 1) / 2) * SPREAD_PT


def _draw_line(axis: matplotlib.axes.Axes, policy: str, x: Sequence[float], y: Sequence[float]) -> None:
    style = style_of(policy)
    axis.plot(x, y, color=style.colour, linestyle=style.linestyle, marker=style.marker, markersize=5, label=policy)


def _draw_intervals(
    axis: matplotlib.axes.Axes, policy: str, x: Sequence[float], estimates: Sequence[Content], *, points_beside: float
) -> None:
    """Draw means with intervals; they are moved on paper alone, never in the numbers that the axis shows."""
    style, inch = style_of(policy), axis.figure.dpi_scale_trans
    drawn = axis.errorbar(
        x,
        [100 * each["mean"] for each in estimates],
        [
            [100 * (each["mean"] - each["low"]) for each in estimates],
            [100 * (each["high"] - each["mean"]) for each in estimates],
        ],
        color=style.colour,
        linestyle=style.linestyle,
        marker=style.marker,
        markersize=5,
        linewidth=1.2,
        elinewidth=0.8,
        label=policy,
    )
    for part in drawn.get_children():
        part.set_transform(axis.transData + ScaledTranslation(points_beside / 72, 0, inch))


def _gflops_axis(axis: matplotlib.axes.Axes, values: Sequence[float]) -> None:
    axis.set_xscale("log")
    axis.set_xlim(values[0] / MARGIN, values[-1] * MARGIN)
    labelled = [value for number, value in enumerate(values) if not number or value > APART * values[number - 1]]
    axis.set_xticks(labelled, [f"{value:.2g}" for value in labelled], fontsize=8)
    axis.set_xticks([], minor=True)
    axis.grid(alpha=0.3)
