"""Plots of an ablation: accuracy against cost, and few-shot differences."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import matplotlib.axes
from matplotlib.figure import Figure

from mocrop.evaluation.ablation.few_shot_results import where
from mocrop.evaluation.ablation.outcomes import Condition, Outcomes
from mocrop.evaluation.ablation.settings import AblationSettings, Variant
from mocrop.evaluation.flops import Cost
from mocrop.evaluation.pictures.colours import COLOURS
from mocrop.evaluation.scores.comparisons import Comparison
from mocrop.training.report.figure_file import write_figure

DPI = 110
POLICY_COLOURS = {**COLOURS, "center-frame": "#56b4e9"}
SPREAD = 0.006  # sideways, of the range of costs, so that intervals do not hide each other


def draw_accuracy(outcomes: Outcomes, costs: Sequence[Cost], settings: AblationSettings, file: Path) -> None:
    """Top-1 with its interval against the GFLOPs of a clip, one panel an area of the crop.

    Filled: tested at the size trained at; hollow: trained at another one.
    """
    figure = Figure(figsize=(5.4 * len(settings.ratios), 4.6), layout="constrained")
    axes = figure.subplots(1, len(settings.ratios), squeeze=False, sharex=True, sharey=True)[0]
    clip_gflops = {cost.size: cost.clip_gflops(settings.segments) for cost in costs}
    for axis, ratio in zip(axes, settings.ratios, strict=True):
        variants = [each for each in settings.variants if each.policy == "full" or each.ratio == ratio]
        _draw_panel(axis, outcomes, variants, clip_gflops, settings)
        axis.set_title(f"area {ratio:g} of the frame", fontsize=10)
    axes[0].legend(fontsize=8, loc="center")  # between the sizes
    figure.supxlabel(f"GFLOPs a clip of {settings.segments} frames")
    figure.supylabel("top-1, %")
    write_figure(figure, file, dpi=DPI)


def _draw_panel(
    axis: matplotlib.axes.Axes,
    outcomes: Outcomes,
    variants: Sequence[Variant],
    clip_gflops: dict[int, float],
    settings: AblationSettings,
) -> None:
    width = max(clip_gflops.values())
    for number, variant in enumerate(variants):
        shift = (number - (len(variants) - 1) / 2) * SPREAD * width
        for train_size in settings.sizes:
            own = train_size == settings.sizes[-1]
            for test_size in settings.sizes:
                condition = Condition(variant=variant, train_size=train_size, test_size=test_size)
                accuracy = outcomes.by_condition[condition].accuracy
                same = train_size == test_size
                axis.errorbar(
                    [clip_gflops[test_size] + shift + (0 if same else SPREAD * width / 2)],
                    [100 * accuracy.mean],
                    [[100 * (accuracy.mean - accuracy.low)], [100 * (accuracy.high - accuracy.mean)]],
                    marker="o",
                    markersize=5,
                    linewidth=1,
                    color=POLICY_COLOURS[variant.policy],
                    markerfacecolor=POLICY_COLOURS[variant.policy] if same else "white",
                    label=variant.policy if same and own else None,
                )
    axis.grid(alpha=0.3)


def draw_few_shot(comparisons: Sequence[Comparison], settings: AblationSettings, file: Path) -> None:
    """Difference to the whole frame against the number of groups trained on, with intervals over groups of clips."""
    assert settings.few_shot is not None
    figure = Figure(figsize=(5.0 * len(settings.ratios), 3.4 * len(settings.sizes)), layout="constrained")
    axes = figure.subplots(len(settings.sizes), len(settings.ratios), squeeze=False, sharex=True, sharey=True)
    found = {(each.variant, each.where): each for each in comparisons if each.base == "full"}
    groups = sorted(settings.few_shot.groups)
    for row, size in zip(axes, settings.sizes, strict=True):
        for axis, ratio in zip(row, settings.ratios, strict=True):
            variants = [each for each in settings.variants if each.ratio == ratio and each.policy != "full"]
            for number, variant in enumerate(variants):
                points = [found[variant.name, where(count, size)].difference for count in groups]
                shift = (number - (len(variants) - 1) / 2) * 0.05
                axis.errorbar(
                    [place + shift for place in range(len(groups))],
                    [100 * point.mean for point in points],
                    [
                        [100 * (point.mean - point.low) for point in points],
                        [100 * (point.high - point.mean) for point in points],
                    ],
                    marker=".",
                    linewidth=1,
                    color=POLICY_COLOURS[variant.policy],
                    label=variant.policy,
                )
            axis.axhline(0, color="#888888", linewidth=1)
            axis.set_xticks(range(len(groups)), [str(count) for count in groups])
            axis.set_title(f"area {ratio:g}, {size} px", fontsize=10)
            axis.grid(alpha=0.3)
    axes[0][0].legend(fontsize=8)
    figure.supxlabel("groups of each class trained on")
    figure.supylabel("points of top-1 over the whole frame")
    write_figure(figure, file, dpi=DPI)
