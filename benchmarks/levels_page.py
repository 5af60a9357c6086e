"""The page docs/statistics.md: prose, and tables of the studies that benchmarks/levels.py has saved."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from mocrop.evaluation.report.format import table_lines
from mocrop.pipeline.files import write_whole

NOTICE = (
    "<!-- Made by `python benchmarks/levels.py` from benchmarks/results/levels-*.json and "
    "benchmarks/levels_prose.md; change those, not this. -->"
)
PROSE = Path(__file__).with_name("levels_prose.md")
MODELS = {"additive_draws": "sums", "few_shot_answers": "answers"}
Row = Mapping[str, Any]
Saved = Mapping[str, Any]


def write_page(results: Mapping[str, Path], page: Path) -> None:
    """Write the page; a study that has not been run is said to be missing."""
    saved = {name: json.loads(file.read_text()) for name, file in results.items() if file.exists()}
    write_whole(page, markdown(saved, PROSE.read_text(encoding="utf-8")).encode())


def markdown(saved: Mapping[str, Saved], prose: str) -> str:
    """The prose with a table in the place of each line ``{name of a table}``."""
    lines = list[str]()
    for line in prose.rstrip().splitlines():
        name = line.strip("{}")
        if line.startswith("{") and name in TABLES:
            lines += _table(name, saved)
        else:
            lines.append(line)
    title, *rest = lines
    return "\n".join([title, "", NOTICE, *rest]) + "\n"


def _table(name: str, saved: Mapping[str, Saved]) -> list[str]:
    study, head, rows = TABLES[name]
    if study not in saved:
        return [f"(not run yet: `python benchmarks/levels.py --study {study}`)"]
    result = saved[study]
    made = f"`{result['command']}`, {result['date']}"
    return [made, "", *table_lines(head, rows(result["rows"]))]


def _few_shot(rows: Sequence[Row]) -> Iterator[tuple[str, ...]]:
    nulls = [row for row in rows if "shift" not in row]
    for shape in dict.fromkeys(row["shape"] for row in nulls):
        by_model = {MODELS[row["model"]]: row for row in nulls if row["shape"] == shape}
        cells = [f"{_percent(by_model[model][of])}" for of in ("rejected", "flips_rejected") for model in by_model]
        yield shape, *cells, *(f"{each['width_to_ideal']:.2f}" for each in by_model.values())


def _power(rows: Sequence[Row]) -> Iterator[tuple[str, ...]]:
    for row in rows:
        if "shift" in row:
            points = f"{100 * row['difference']:+.1f}"
            yield row["shape"], points, _percent(row["rejected"]), _percent(row["covered"])


def _pipeline(rows: Sequence[Row]) -> Iterator[tuple[str, ...]]:
    for row in rows:
        yield (
            str(row["train"]),
            str(row["sets"]),
            _percent(row["accuracy"]),
            _percent(row["rejected"]),
            _percent(row["flips_rejected"]),
            f"{row['width_to_ideal']:.2f}",
            f"{row['width_to_test_groups_alone']:.1f}",
        )


def _lists(rows: Sequence[Row]) -> Iterator[tuple[str, ...]]:
    for row in rows:
        shares = (row[name] for name in ("flips_rejected", "interval_excludes_zero", "both", "mcnemar_rejected"))
        difference = f"{100 * row['difference']:+.1f}" if row["difference"] > 0.02 else "0"
        yield str(row["groups"]), f"{row['together']:g}", difference, *map(_percent, shares)


def _differences(rows: Sequence[Row]) -> Iterator[tuple[str, ...]]:
    for groups in dict.fromkeys(row["groups"] for row in rows):
        cells = [_percent(row[of]) for row in rows if row["groups"] == groups for of in ("covered", "by_clips")]
        yield str(groups), *cells


def _accuracies(rows: Sequence[Row]) -> Iterator[tuple[str, ...]]:
    for row in rows:
        yield (
            str(row["groups"]),
            f"{100 * row['accuracy']:g} %",
            f"{row['together']:g}",
            *(_percent(row[name]) for name in ("covered", "by_clips", "mean_class")),
            f"{100 * row['width']:.0f}",
            f"{100 * row['width_by_clips']:.0f}",
        )


def _splits(rows: Sequence[Row]) -> Iterator[tuple[str, ...]]:
    for row in rows:
        yield row["lists"], f"{100 * row['accuracy']:g} %", _percent(row["covered"]), f"{100 * row['width']:.0f}"


def _precisions(rows: Sequence[Row]) -> Iterator[tuple[str, ...]]:
    for row in rows:
        yield (
            str(row["groups"]),
            str(row["classes"]),
            f"{100 * row['share']:g} %",
            f"{row['together']:g}",
            *(_percent(row[name]) for name in ("precision", "covered", "by_clips", "endless", "endless_covered")),
            f"{100 * row['width']:.0f}",
        )


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"


TABLES = {  # by name: study, head, and what makes the rows
    "few-shot": (
        "few-shot",
        ("", "rejected, sums", "answers", "test groups alone, sums", "answers", "width to ideal, sums", "answers"),
        _few_shot,
    ),
    "power": ("few-shot", ("trained on, of each class", "difference, points", "found", "covered"), _power),
    "pipeline": (
        "pipeline",
        (
            "groups trained on",
            "sets",
            "accuracy",
            "rejected",
            "test groups alone",
            "width to ideal",
            "as wide as test groups alone",
        ),
        _pipeline,
    ),
    "lists": (
        "lists",
        ("groups", "together", "difference, points", "flips", "interval", "both: a verdict", "McNemar"),
        _lists,
    ),
    "differences": (
        "differences",
        ("groups", "by groups", "by clips", "by groups, skewed", "by clips, skewed"),
        _differences,
    ),
    "accuracies": (
        "accuracies",
        (
            "groups",
            "accuracy",
            "together",
            "covered",
            "Wilson by clips",
            "mean class, covered",
            "width, points",
            "Wilson's width",
        ),
        _accuracies,
    ),
    "splits": ("splits", ("three lists of", "accuracy", "covered", "width, points"), _splits),
    "precisions": (
        "precisions",
        (
            "groups",
            "classes",
            "clips of a class",
            "together",
            "mean of such lists",
            "covered",
            "by clips",
            "of endless clips",
            "that covered",
            "width, points",
        ),
        _precisions,
    ),
}
