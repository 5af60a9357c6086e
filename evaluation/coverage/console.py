"""The short form of a coverage on a console; all sets of clips, intervals and metrics are in the report."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from rich.table import Table

from mocrop.evaluation.coverage.measure import Coverage
from mocrop.evaluation.coverage.report import remarks
from mocrop.evaluation.coverage.rows import At, CoverageRow
from mocrop.evaluation.coverage.settings import BASE
from mocrop.pipeline.terminal import LineConsole, count

KEY = (
    f"+ and -: the 95 % interval of the difference to {BASE}, clip by clip and by groups, lies above or below 0; it is "
    "not corrected for the number of policies"
)


def print_coverage(console: LineConsole, coverage: Coverage, files: Mapping[str, Path]) -> None:
    """Print how much of the actor each policy keeps at each area, what is left out and why, and the report's files."""
    at: At = "slots" if any(row.at == "slots" for row in coverage.rows) else "frames"
    rows = [row for row in coverage.rows if (row.clips_of, row.at) == ("all", at)]
    frames = "the annotated frames that a crop cache keeps" if at == "slots" else "all annotated frames"
    clips, groups = count(rows[0].clips, "clip"), count(rows[0].groups, "group")
    console.print(f"share of the actor inside the box, in %: mean over {clips} of {groups}, in {frames}")
    console.print(_table(rows, coverage.settings.ratios))
    console.print(KEY, style="dim")
    for line in remarks(coverage):
        console.print(line)
    console.print(f"report, with intervals, classes and cameras: {files['md']}")
    console.print(f"  beside it: {', '.join(files[kind].name for kind in files if kind != 'md')}")


def _table(rows: list[CoverageRow], ratios: tuple[float, ...]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column("policy")
    whole = any(row.ratio not in ratios for row in rows)
    for title in (*(["whole"] if whole else []), *(f"area {ratio:g}" for ratio in ratios)):
        table.add_column(title, justify="right")
    found = {(row.variant, row.ratio): row for row in rows}
    for variant in dict.fromkeys(row.variant for row in rows):
        columns = (*([1.0] if whole else []), *ratios)
        table.add_row(variant, *(_cell(found.get((variant, ratio))) for ratio in columns))
    return table


def _cell(row: CoverageRow | None) -> str:
    """A mean share in %, and whether it is above or below the centre crop's."""
    if row is None:
        return ""
    mean = row.estimates["inside"].mean
    if np.isnan(mean):
        return "no box  "
    over = row.over[BASE]["inside"] if BASE in row.over else None
    mark = " " if over is None or not over.low * over.high > 0 else "+" if over.low > 0 else "-"
    return f"{100 * mean:.1f} {mark}"
