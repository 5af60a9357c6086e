"""The result of an evaluation on a console."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from mocrop.evaluation.report.format import (
    MAX_CLASSES,
    WORST_CLASSES,
    class_cells,
    interval_cell,
    interval_head,
    score_cells,
)
from mocrop.evaluation.report.remarks import cache_words, remarks
from mocrop.evaluation.report.several_labels import class_words, print_precisions
from mocrop.evaluation.scores.calibration import CALIBRATION_BINS
from mocrop.evaluation.scores.evaluate import EvalResult
from mocrop.evaluation.scores.label_metrics import LabelMetrics
from mocrop.evaluation.scores.latency import Latency, Percentiles
from mocrop.evaluation.scores.metrics import Metrics
from mocrop.evaluation.scores.predict import OnBatch
from mocrop.pipeline.terminal import LineConsole


def print_result(console: LineConsole, result: EvalResult) -> None:
    """Print scores with counts and intervals, and what a reader needs to judge them."""
    if isinstance(result.metrics, LabelMetrics):
        print_precisions(console, result.metrics, title=headline(result))
    else:
        console.print(scores_table(result.metrics, title=headline(result)))
        console.print(worst_classes_table(result.metrics))
    print_facts(console, facts(result))
    for line in remarks(result):
        console.print(line)


def headline(result: EvalResult) -> str:
    """The network, and the list and cache that it was tested on."""
    return f"{result.arch} on {result.cache['name']}, test list of split {result.split}"


def scores_table(metrics: Metrics, *, title: str) -> Table:
    """Top-1, top-5 and mean class accuracy with their intervals."""
    table = Table(title=title)
    table.add_column("")
    for column in ("right", "correct / total", interval_head(metrics.units)):
        table.add_column(column, justify="right")
    for name, *cells in score_rows(metrics):
        table.add_row(name, *cells)
    return table


def score_rows(metrics: Metrics) -> list[tuple[str, str, str, str]]:
    """Name, share, counts and interval of each score."""
    return [
        ("top-1", *score_cells(metrics.top1)),
        ("top-5", *score_cells(metrics.top5)),
        ("mean class", f"{100 * metrics.mean_class.mean:.1f} %", "", interval_cell(metrics.mean_class)),
    ]


def worst_classes_table(metrics: Metrics) -> Table:
    """One row a class; of many classes, those with the lowest accuracy."""
    tested = [each for each in metrics.classes if each.clips]
    shown, title = tested, "by class"
    if len(tested) > MAX_CLASSES:
        shown = sorted(tested, key=lambda each: (each.share or 0.0, each.name))[:WORST_CLASSES]
        title = f"the {WORST_CLASSES} worst of {len(tested)} classes"
    table = Table(title=title)
    table.add_column("class", overflow="fold")
    for column in ("right", "correct / total"):
        table.add_column(column, justify="right")
    table.add_column("wrong ones most often taken for")
    for each in shown:
        table.add_row(*class_cells(each))
    return table


def print_facts(console: LineConsole, lines: dict[str, str]) -> None:
    """Print labelled sentences, wrapped beside their labels."""
    grid = Table.grid(padding=(0, 2))
    grid.add_column()
    grid.add_column(overflow="fold")
    for label, text in lines.items():
        grid.add_row(label, text)
    console.print(grid)


def facts(result: EvalResult) -> dict[str, str]:
    """How the scores were made, by label."""
    epoch = f"epoch {result.epoch} of " if result.epoch else ""  # other programs may not say
    kind = "motion fields per clip" if result.input == "motion" else "per clip"
    return {
        "clips": f"{len(result.predictions)} of {result.classes_tested} classes (the head tells {result.classes} "
        f"apart), left out: {result.left_out}",
        **scores_facts(result.metrics),
        "frames": f"{result.look.words(of_each=kind)}, of {cache_words(result.cache)}",
        "network": f"{epoch}{result.checkpoint}, trained on {cache_words(result.trained_on)}",
        "time": f"{result.clips_per_second:.1f} clips/s on {result.device} in all, reading included",
        "latency": latency_words(result.latency),
    }


def scores_facts(metrics: Metrics | LabelMetrics) -> dict[str, str]:
    """What is to be said of the scores beside their tables, by label."""
    if isinstance(metrics, LabelMetrics):
        return {"classes": class_words(metrics)}
    return {
        "calibration": f"expected calibration error {100 * metrics.calibration.error:.1f} % "
        f"({CALIBRATION_BINS} equal bins of the confidence; few clips make it look worse than it is)"
    }


def latency_words(latency: Latency) -> str:
    """Milliseconds per clip and frame, and how they were measured."""
    network, whole = latency.network, latency.with_reading
    frame = latency.per_frame(network), latency.per_frame(whole)
    return (
        f"network alone {_ms(network)} a clip, {_ms(frame[0])} a frame; waiting for frames included {_ms(whole)} a "
        f"clip, {_ms(frame[1])} a frame. Median and 95th percentile of batches of {latency.batch_size} clips: "
        f"{latency.batches} measured after {latency.warm_up} to warm up"
    )


def _ms(spread: Percentiles) -> str:
    median, p95 = (f"{each:.3g}" if each < 1000 else f"{each:,.0f}" for each in (spread.median, spread.p95))
    return f"{median} ms ({p95})"


@contextmanager
def evaluation_progress(console: LineConsole, what: str = "eval", *, unit: str = "clips") -> Iterator[OnBatch]:
    """A progress bar on a terminal, nothing elsewhere; yields ``on_batch`` for
    :func:`~mocrop.evaluation.scores.evaluate.evaluate`."""
    columns = (
        TextColumn(what),
        BarColumn(),
        TextColumn(f"{{task.completed}}/{{task.total}} {unit}"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task(what, total=None)
        yield lambda done, total: progress.update(task, completed=done, total=total)
