"""The scores of an evaluation where a clip may have several labels, on a console, as Markdown and as rows of a CSV."""

from __future__ import annotations

from collections.abc import Iterator

from rich.table import Table

from mocrop.evaluation.report.format import MAX_CLASSES, WORST_CLASSES, interval_cell, interval_head, table_lines
from mocrop.evaluation.scores.label_metrics import LabelMetrics, LabelScore
from mocrop.pipeline.terminal import LineConsole

CLASS_COLUMNS = ("class", "clips", "average_precision")


def print_precisions(console: LineConsole, metrics: LabelMetrics, *, title: str) -> None:
    """Print the mean average precision, and that of each class; of many classes, the lowest."""
    table = Table(title=title)
    for number, column in enumerate(_head(metrics)):
        table.add_column(column, justify="right" if number else "left")
    table.add_row(*_mean_cells(metrics))
    console.print(table)
    shown, title = [each for each in metrics.classes if each.clips], "by class"
    if len(shown) > MAX_CLASSES:
        title = f"the {WORST_CLASSES} worst of {len(shown)} classes"
        shown = sorted(shown, key=lambda each: (each.precision or 0.0, each.name))[:WORST_CLASSES]
    by_class = Table(title=title)
    by_class.add_column("class", overflow="fold")
    for column in ("average precision", "clips"):
        by_class.add_column(column, justify="right")
    for each in shown:
        by_class.add_row(*_class_cells(each))
    console.print(by_class)


def class_words(metrics: LabelMetrics) -> str:
    """How many classes the mean is over, and that the others count nowhere."""
    there = len(metrics.classes) - metrics.without_clips
    others = f"; {metrics.without_clips} without a test clip count nowhere" if metrics.without_clips else ""
    return f"the mean is over {there} of {len(metrics.classes)}, those with a test clip{others}"


def precision_lines(metrics: LabelMetrics) -> list[str]:
    """The mean as lines of a Markdown table."""
    return ["", *table_lines(_head(metrics), [_mean_cells(metrics)]), ""]


def by_class_lines(metrics: LabelMetrics) -> list[str]:
    """Classes as lines of a Markdown table; those without a test clip are left out."""
    rows = [_class_cells(each) for each in metrics.classes if each.clips]
    return ["\n## By class\n", *table_lines(("class", "average precision", "clips"), rows)]


def class_rows(metrics: LabelMetrics) -> Iterator[tuple[str, int, float | None]]:
    """Rows of the CSV of classes, under :data:`CLASS_COLUMNS`."""
    return ((each.name, each.clips, each.precision) for each in metrics.classes)


def _head(metrics: LabelMetrics) -> tuple[str, ...]:
    return ("", "mean", "classes", interval_head(metrics.units))


def _mean_cells(metrics: LabelMetrics) -> tuple[str, ...]:
    there = len(metrics.classes) - metrics.without_clips
    mean = f"{100 * metrics.mean_precision.mean:.1f} %"
    return "average precision", mean, f"{there} / {len(metrics.classes)}", interval_cell(metrics.mean_precision)


def _class_cells(score: LabelScore) -> tuple[str, str, str]:
    share = "-" if score.precision is None else f"{100 * score.precision:.1f} %"
    return score.name, share, f"{score.clips}"
