"""Show and keep the result of an evaluation: a table on a console, JSON in a file."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from mocrop.evaluation.evaluate import EvalResult
from mocrop.evaluation.predict import OnBatch
from mocrop.pipeline.workspace import write_whole
from mocrop.training.foreign_checkpoint import UNKNOWN
from mocrop.training.scores import Score


def print_result(console: Console, result: EvalResult) -> None:
    """Print scores with counts and intervals, and everything a reader must know to trust them."""
    table = Table(title=f"{result.arch} on {result.cache['name']}, test list of split {result.split}")
    table.add_column("")
    for column in ("right", "correct / total", "95 % interval"):
        table.add_column(column, justify="right")
    for name, score in (("top-1", result.top1), ("top-5", result.top5)):
        table.add_row(name, *score_cells(score))
    console.print(table)
    for line in remarks(result):
        console.print(line, highlight=False, markup=False, soft_wrap=True)


def score_cells(score: Score) -> tuple[str, str, str]:
    """Share, counts and interval of a score as text.

    >>> score_cells(Score(correct=8, total=10))
    ('80.0 %', '8 / 10', '49.0 to 94.3 %')
    """
    low, high = (100 * end for end in score.interval)
    return f"{100 * score.share:.1f} %", f"{score.correct} / {score.total}", f"{low:.1f} to {high:.1f} %"


def remarks(result: EvalResult) -> list[str]:
    """What a reader must know to trust the scores, in lines."""
    lines = [
        f"{result.segments} frames per clip, {result.top1.total} clips of {result.classes_tested} classes "
        f"(the head tells {result.classes} apart), left out: {result.left_out}; "
        f"{result.clips_per_second:.1f} clips/s on {result.device}",
        f"checkpoint {result.checkpoint}, epoch {result.epoch}, trained on {result.trained_on['name']}",
    ]
    if result.classes_tested < 2:
        lines.append("only one class is tested: the scores say nothing about telling classes apart")
    if result.classes <= 5:
        lines.append(f"with {result.classes} classes top-5 is always right")
    if result.seen_in_training:
        lines.append(
            f"WARNING: {result.seen_in_training} of these clips are in the training list of the split that the "
            "checkpoint was trained on; the scores are too good"
        )
    if result.trained_on["name"] == UNKNOWN:
        lines.append(
            "the checkpoint does not say what it was trained on: its outputs are taken for the classes in the order of "
            "the cache, and clips may have been seen in training"
        )
    elif result.seen_in_training is None:
        lines.append("the cache does not have the split that was trained on, so clips may have been seen in training")
    return lines


def write_report(result: EvalResult, file: Path) -> None:
    """Write the result as JSON."""
    write_whole(file, (json.dumps(result.to_json(), indent=2) + "\n").encode())


@contextmanager
def evaluation_progress(console: Console) -> Iterator[OnBatch]:
    """A bar on a terminal, nothing elsewhere; the body passes what it gets to :func:`~.evaluate.evaluate`."""
    columns = (
        TextColumn("eval"),
        BarColumn(),
        TextColumn("{task.completed}/{task.total} clips"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task("eval", total=None)
        yield lambda done, total: progress.update(task, completed=done, total=total)
