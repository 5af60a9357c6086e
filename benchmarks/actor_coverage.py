"""Measure the coverage of all policies on annotated clips, for docs/coverage.md, docs/adaptive.md and docs/follow.md.

    python benchmarks/actor_coverage.py --of real real-work actor-boxes.json --of made static-work static/boxes.json

Each workspace must hold motion vectors (`mocrop init`, `mocrop transcode`, `mocrop extract-mv`). Of the clips those of
groups 13 to 25 count, which no constant was found on. ``coverage_page.py`` writes the pages.
"""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

from mocrop.evaluation.coverage.actor_boxes import read_actor_boxes
from mocrop.evaluation.coverage.clips import AnnotatedClip, annotated_clips
from mocrop.evaluation.coverage.measure import Coverage, measure_coverage
from mocrop.evaluation.coverage.rows import CoverageRow
from mocrop.evaluation.coverage.settings import CoverageSettings
from mocrop.evaluation.scores.statistics import Estimate
from mocrop.pipeline.files import write_whole
from mocrop.pipeline.workspace.paths import Workspace

RESULTS = Path(__file__).resolve().parent / "results"
TUNED, HELD_OUT = range(1, 13), range(13, 26)  # UCF groups: constants were found on the first
SHOWN = {
    "real": ("camera moves", "camera still"),
    "made": ("class drift", "class cross"),
    "crossing": ("all",),
}  # sets of clips to keep, by the first word of the name that they go by
DIGITS = 5
Row = dict[str, Any]


def arguments(description: str, *, file: str) -> argparse.ArgumentParser:
    """The options of all programs that measure coverage."""
    parser = argparse.ArgumentParser(description=description)
    names = ("NAME", "WORKSPACE", "BOXES")
    parser.add_argument("--of", nargs=3, action="append", required=True, metavar=names, help="clips to measure")
    parser.add_argument("--results", type=Path, default=RESULTS / file, help="file to write")
    return parser


def clips_of(workspace: str, boxes: str, *, groups: range) -> Iterator[AnnotatedClip]:
    """Annotated clips of a workspace."""
    return annotated_clips(Workspace(Path(workspace)).require(), read_actor_boxes(Path(boxes)), groups=groups)


def saved_rows(name: str, coverage: Coverage) -> Iterator[Row]:
    """The rows of the sets that are shown, as plain values."""
    for shown in SHOWN[name.split()[0]]:
        yield from (saved_row(name, row) for row in coverage.rows if row.clips_of == shown)


def saved_row(name: str, row: CoverageRow) -> Row:
    """What the pages show of a row."""
    return {
        "of": name,
        "set": row.clips_of,
        "counts": [row.clips, row.groups],
        "at": row.at,
        "variant": row.variant,
        "ratio": row.ratio,
        "area": interval(row.estimates["area"])[0],
        "whole": interval(row.estimates["whole"])[0],
        "inside": interval(row.estimates["inside"]),
        "over": {base: interval(estimates["inside"]) for base, estimates in row.over.items()},
    }


def interval(estimate: Estimate) -> list[float | None]:
    """Mean and both ends; None for what is not known."""
    values = (estimate.mean, estimate.low, estimate.high)
    return [None if math.isnan(value) else round(value, DIGITS) for value in values]


def write_rows(rows: Iterable[Mapping[str, Any]], file: Path) -> None:
    """Write rows, one a line, with the day."""
    lines = ",\n".join(json.dumps(row) for row in rows)
    write_whole(file, f'{{"date": "{date.today().isoformat()}",\n"rows": [\n{lines}\n]}}\n'.encode())


def read_rows(file: Path) -> Sequence[Row]:
    """What :func:`write_rows` wrote."""
    rows: list[Row] = json.loads(file.read_text(encoding="utf-8"))["rows"]
    return rows


def main() -> None:
    given = arguments(__doc__.splitlines()[0] if __doc__ else "", file="coverage.json").parse_args()
    rows: list[Row] = []
    for name, workspace, boxes in given.of:
        coverage = measure_coverage(clips_of(workspace, boxes, groups=HELD_OUT), CoverageSettings())
        if coverage.left_out:
            raise SystemExit("\n".join(coverage.left_out.values()))
        rows += saved_rows(name, coverage)
        print(f"{name}: {len(coverage.clips)} clips")
    write_rows(rows, given.results)


if __name__ == "__main__":
    main()
