"""Plots of an ablation, from the plain values of its report.json: accuracy against operations, and differences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib.axes
from matplotlib.figure import Figure

from mocrop.evaluation.ablation.families import policy_of
from mocrop.evaluation.ablation.tables import groups_name, view_name
from mocrop.evaluation.ablation.variants import FULL, PICTURE, POLICIES
from mocrop.evaluation.pictures.colours import style_of
from mocrop.training.report.figure_file import write_figure

Content = Mapping[str, Any]  # of report.json, or a part of it

DPI = 110
APART = 1.1  # ratio of operations from which on both have a label
SPREAD = 0.012  # sideways, as a factor of the operations, so that intervals do not hide each other


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
    axis.legend(fontsize=8, loc="center left", bbox_to_anchor=(1, 0.5), handlelength=4)
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
            shift = 1 + (number - (len(policies) - 1) / 2) * SPREAD
            _draw_intervals(axis, policy, [shift * e["gflops"] for e in chosen], [e["accuracy"] for e in chosen])
        _gflops_axis(axis, sorted({each["gflops"] for each in conditions}))
        axis.set_title(f"area {ratio:g} of the frame", fontsize=10)
    axes[0][0].legend(fontsize=8, handlelength=4)
    figure.supxlabel(f"GFLOPs a clip of {main['frames']} frames")
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
            shift = (number - (len(policies) - 1) / 2) * 0.06
            _draw_intervals(axis, policy, [n + shift for n in range(len(places))], [found[place] for place in places])
        axis.axhline(0, color="#888888", linewidth=1)
        axis.set_xticks(range(len(places)), places)
        axis.set_title(f"area {ratio:g} of the frame", fontsize=10)
        axis.grid(alpha=0.3)
    axes[0][0].legend(fontsize=8, handlelength=4)
    figure.supxlabel(f"trained on so many groups of each class; {view_name(content['main'])}")
    figure.supylabel(f"points of top-1 over {base}")
    write_figure(figure, file, dpi=DPI)


def _policies(content: Content) -> list[str]:
    return [policy for policy in POLICIES if policy in content["settings"]["policies"]]


def _panels(ratios: Sequence[float], *, rows: int) -> tuple[Figure, Any]:
    figure = Figure(figsize=(4.9 * len(ratios), 4.4 * rows), layout="constrained")
    return figure, figure.subplots(rows, len(ratios), squeeze=False, sharex=True, sharey=True)


def _draw_line(axis: matplotlib.axes.Axes, policy: str, x: Sequence[float], y: Sequence[float]) -> None:
    style = style_of(policy)
    axis.plot(x, y, color=style.colour, linestyle=style.linestyle, marker=style.marker, markersize=5, label=policy)


def _draw_intervals(axis: matplotlib.axes.Axes, policy: str, x: Sequence[float], estimates: Sequence[Content]) -> None:
    style = style_of(policy)
    axis.errorbar(
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


def _gflops_axis(axis: matplotlib.axes.Axes, values: Sequence[float]) -> None:
    axis.set_xscale("log")
    labelled = [value for number, value in enumerate(values) if not number or value > APART * values[number - 1]]
    axis.set_xticks(labelled, [f"{value:.2g}" for value in labelled], fontsize=8)
    axis.set_xticks([], minor=True)
    axis.grid(alpha=0.3)
