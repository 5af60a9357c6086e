"""The report of all splits: a row for each and one for their mean, on a console, as Markdown and as JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.table import Table

from mocrop.evaluation.report.files import report_stem
from mocrop.evaluation.report.format import in_markdown, interval_cell, points, score_cells, table_lines, write_json
from mocrop.evaluation.report.page import write_markdown
from mocrop.evaluation.report.remarks import few_units
from mocrop.evaluation.scores.fusion import Fusion
from mocrop.evaluation.scores.metrics import Metrics
from mocrop.evaluation.scores.predictions import Predictions
from mocrop.evaluation.scores.split_mean import MeanGain, SplitMean, mean_gain, mean_over_splits
from mocrop.evaluation.scores.statistics import format_p
from mocrop.pipeline.terminal import LineConsole

FUSED_HEAD = ("split", "first", "second", "fused", "over the first", "p")


@dataclass(frozen=True, kw_only=True, eq=False)
class Row:
    """One network on one split."""

    name: str  # of its run
    metrics: Metrics
    predictions: Predictions
    fusion: Fusion | None = None


@dataclass(frozen=True, kw_only=True, eq=False)
class SplitTable:
    """Scores of each split by its own network, and their means."""

    title: str
    rows: tuple[Row, ...]
    notes: tuple[str, ...]
    mean: SplitMean
    fused: Mapping[str, SplitMean]  # "first", "second" and "fused"; empty without a fusion
    gain: MeanGain | None  # of the fusions over the first

    def to_json(self) -> dict[str, Any]:
        """The means; the splits have reports of their own."""
        return {
            "runs": {row.predictions.split: row.name for row in self.rows},
            "mean": self.mean.to_json(),
            "fusion": {name: mean.to_json() for name, mean in self.fused.items()},
            "fused_over_first": self.gain
            and {
                "difference": self.gain.difference.mean,
                "interval_95": [self.gain.difference.low, self.gain.difference.high],
                "p_value": self.gain.p_value,
            },
            "notes": list(self.notes),
        }


def split_table(title: str, rows: Sequence[Row], notes: Sequence[str]) -> SplitTable:
    """Average over the splits, and over their fusions if each has one."""
    fusions = [row.fusion for row in rows if row.fusion]
    mean = mean_over_splits([row.predictions for row in rows])
    streams = {name: [getattr(each, name).predictions for each in fusions] for name in ("first", "second", "fused")}
    return SplitTable(
        title=title,
        rows=tuple(rows),
        notes=(*notes, *explanation(mean, fused=bool(fusions))),
        mean=mean,
        fused={name: mean_over_splits(each) for name, each in streams.items() if fusions},
        gain=mean_gain(streams["first"], streams["fused"]) if fusions else None,
    )


def explanation(mean: SplitMean, *, fused: bool) -> list[str]:
    """What intervals and tests are about."""
    test = f"; p is from flipping the signs of whole {mean.units.kind}, not corrected" if fused else ""
    return [
        f"the mean's interval is by {mean.units}, those of all splits together, and about these networks: other "
        f"trainings might differ{test}",
        *few_units(mean.units),
    ]


def head(table: SplitTable) -> tuple[str, ...]:
    """Heads of the columns of :func:`table_rows`."""
    return ("split", "right", "correct / total", f"95 % interval by {table.mean.units.kind}", "top-5", "mean class")


def table_rows(table: SplitTable) -> list[tuple[str, ...]]:
    """A row a split, and the mean."""
    rows = []
    for row in table.rows:
        mean_class = _percent(row.metrics.mean_class.mean)
        cells = score_cells(row.metrics.top1)
        rows.append((row.predictions.split, *cells, _percent(row.metrics.top5.share), mean_class))
    mean = table.mean
    last = (_percent(mean.top1.mean), "", interval_cell(mean.top1), _percent(mean.top5.mean))
    return [*rows, ("mean", *last, _percent(mean.mean_class.mean))]


def fusion_rows(table: SplitTable) -> list[tuple[str, ...]]:
    """A row a split, and the mean; empty without a fusion."""
    rows = []
    for row in table.rows:
        if row.fusion and (over := row.fusion.fused.over_first):
            shares = [_percent(stream.metrics.top1.share) for stream in row.fusion.streams]
            rows.append((row.predictions.split, *shares, points(over.difference), format_p(over.p_value)))
    if table.gain is None:
        return []
    means = [_percent(mean.top1.mean) for mean in table.fused.values()]
    return [*rows, ("mean", *means, points(table.gain.difference), format_p(table.gain.p_value))]


def print_splits(console: LineConsole, table: SplitTable) -> None:
    """Print the tables and the notes on them."""
    console.print(_rich(table.title, head(table), table_rows(table)))
    if fused := fusion_rows(table):
        console.print(_rich("late fusion, top-1", FUSED_HEAD, fused))
    for line in table.notes:
        console.print(line)


def write_splits(table: SplitTable, folder: Path, stem: str) -> dict[str, Path]:
    """Write the means as Markdown, page and JSON; returns the files by suffix."""
    files = {suffix: folder / f"{report_stem(stem)}{suffix}" for suffix in (".json", ".md", ".html")}
    fused = fusion_rows(table)
    lines = [
        f"# {in_markdown(table.title)}\n",
        *table_lines(head(table), table_rows(table)),
        *(["\n## Late fusion, top-1\n", *table_lines(FUSED_HEAD, fused)] if fused else []),
        "",
        *(f"- {in_markdown(line)}" for line in table.notes),
    ]
    write_markdown("\n".join(lines) + "\n", files[".md"], files[".html"])
    write_json(table.to_json(), files[".json"])
    return files


def _rich(title: str, head: Sequence[str], rows: Sequence[Sequence[str]]) -> Table:
    table = Table(title=title)
    table.add_column(head[0], overflow="fold")
    for column in head[1:]:
        table.add_column(column, justify="right")
    for number, row in enumerate(rows):
        table.add_row(*row, end_section=number == len(rows) - 2)
    return table


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"
