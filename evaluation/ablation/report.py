"""The report of an ablation: Markdown, CSV, JSON and plots."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

from mocrop.evaluation.ablation.result import AblationResult
from mocrop.evaluation.ablation.settings import BASES
from mocrop.evaluation.ablation.tables import (
    class_table,
    comparison_table,
    condition_table,
    curve_table,
    facts,
    pair_table,
    stream_note,
    summary_table,
)
from mocrop.evaluation.ablation.verdicts import answers
from mocrop.evaluation.report.format import write_csv, write_json
from mocrop.evaluation.scores.comparisons import Comparison
from mocrop.pipeline.files import write_whole

CSV_HEAD = (
    *("family", "where", "variant", "base", "clips", "accuracy", "base_accuracy", "difference"),
    *("groups_95_low", "groups_95_high", "draws_95_low", "draws_95_high"),
    *("gained", "lost", "p", "p_corrected", "verdict"),
)


def report_markdown(result: AblationResult) -> str:
    """The report as Markdown."""
    parts = [
        "# Which crop helps\n",
        *(f"{line}\n" for line in facts(result)),
        "## In words\n",
        *(f"- {line}" for line in in_words(result)),
        "\n" + summary_table(result),
        "## Accuracy and cost\n",
        condition_table(result),
        "![accuracy against cost](accuracy.png)\n",
        "## Trained on the whole list\n",
        comparison_table(result.full_data),
    ]
    if result.streams:
        parts += ["## A second stream\n", stream_note(result), comparison_table(result.streams)]
    if result.few_shot:
        parts += [
            "## Trained on a few groups\n",
            "![few-shot curves](few-shot.png)\n",
            "Points of top-1, intervals over groups of test clips; bold where a difference is shown.\n",
            *(curve_table(result.few_shot, base) for base in BASES),
            comparison_table(result.few_shot),
            "## Classes taken for each other\n",
            pair_table(result.pairs),
        ]
    parts += ["## Classes\n", class_table(result.classes)]
    return "\n".join(parts)


def in_words(result: AblationResult) -> list[str]:
    """One line a question that the comparisons can answer."""
    return answers([*result.full_data, *result.streams], result.few_shot)


def report_json(result: AblationResult) -> dict[str, Any]:
    """Everything as plain values."""
    return {
        "mocrop": version("mocrop"),
        "settings": asdict(result.settings),
        "clips": len(result.outcomes.clips.names),
        "left_out": result.outcomes.left_out,
        "seen_in_training": result.outcomes.seen_in_training,
        "failed": result.failed,
        "areas": [asdict(area) for area in result.areas],
        "costs": [asdict(cost) for cost in result.costs],
        "conditions": [
            {**asdict(condition), "accuracy": asdict(outcome.accuracy)}
            for condition, outcome in result.outcomes.by_condition.items()
        ],
        "full_data": [comparison_json(each) for each in result.full_data],
        "streams": [comparison_json(each) for each in result.streams],
        "few_shot": [comparison_json(each) for each in result.few_shot],
        "pairs": [asdict(each) for each in result.pairs],
        "classes": [asdict(each) for each in result.classes],
        "in_words": in_words(result),
    }


def comparison_json(comparison: Comparison) -> dict[str, Any]:
    """A comparison as plain values, its sentence included."""
    return {**asdict(comparison), "sentence": comparison.sentence}


def comparison_rows(result: AblationResult) -> Iterator[list[object]]:
    """One row a comparison, as CSV_HEAD names them; shares from 0 to 1, None where there is no value."""
    for family in ("full_data", "streams", "few_shot"):
        for each in getattr(result, family):
            difference, draws = each.difference, each.over_draws
            shares = (each.accuracy, each.base_accuracy, difference.mean, difference.low, difference.high)
            over_draws = (draws.low, draws.high) if draws else (None, None)
            yield [
                *(family, each.where, each.variant, each.base, each.clips),
                *(None if value is None else f"{value:.5f}" for value in (*shares, *over_draws)),
                *(each.gained, each.lost, f"{each.p_value:.3g}", f"{each.p_corrected:.3g}", each.verdict.value),
            ]


def write_result(result: AblationResult, folder: Path) -> dict[str, Path]:
    """Write the files of the report to ``folder``, each whole or not at all; returns them by kind."""
    from mocrop.evaluation.ablation.plots import draw_accuracy, draw_few_shot

    files = {
        "report": folder / "report.md",
        "comparisons": folder / "comparisons.csv",
        "json": folder / "report.json",
        "accuracy": folder / "accuracy.png",
    }
    write_json(report_json(result), files["json"])
    write_csv(CSV_HEAD, comparison_rows(result), files["comparisons"])
    draw_accuracy(result.outcomes, result.costs, result.settings, files["accuracy"])
    if result.few_shot:
        files["few-shot"] = folder / "few-shot.png"
        draw_few_shot(result.few_shot, result.settings, files["few-shot"])
    write_whole(files["report"], report_markdown(result).encode())
    return files
