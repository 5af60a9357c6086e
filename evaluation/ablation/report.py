"""The report of an ablation: Markdown and the same as a page, CSV, JSON and plots."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

from mocrop.evaluation.ablation import tables
from mocrop.evaluation.ablation.facts import facts
from mocrop.evaluation.ablation.operations import Reading
from mocrop.evaluation.ablation.result import AblationResult, FewShotResult
from mocrop.evaluation.ablation.settings import View
from mocrop.evaluation.ablation.variants import BASES
from mocrop.evaluation.ablation.verdicts import BUDGET, FEW_SHOT, FULL_DATA, answers
from mocrop.evaluation.report.format import write_json
from mocrop.evaluation.report.page import write_markdown
from mocrop.evaluation.scores.comparisons import Comparison
from mocrop.pipeline.csv_file import write_csv

CSV_HEAD = (
    *("family", "where", "variant", "base", "clips", "accuracy", "base_accuracy", "difference"),
    *("groups_95_low", "groups_95_high", "draws_95_low", "draws_95_high"),
    *("gained", "lost", "p", "p_corrected", "verdict"),
)
NOT_TESTED = "not tested"
HINDSIGHT = (
    "The picture has the best of all settings of each policy, found on the clips that it is shown for, which flatters "
    "those with many; in the tables of equal operations and accuracy, settings are chosen on other clips.\n"
)


def report_json(result: AblationResult) -> dict[str, Any]:
    """Everything as plain values; tables and plots are made of this alone."""
    settings, outcomes = result.settings, result.outcomes
    return {
        "mocrop": version("mocrop"),
        "settings": asdict(settings),
        "main": asdict(settings.main),
        "clips": len(outcomes.clips.names),
        "groups": len(set(outcomes.clips.clusters.tolist())),
        "left_out": outcomes.left_out,
        "seen_in_training": outcomes.seen_in_training,
        "failed": result.failed,
        "short": result.short,
        "areas": [asdict(area) for area in result.areas],
        "costs": [asdict(cost) for cost in result.costs],
        "conditions": [
            {
                "variant": condition.variant.name,
                "policy": condition.variant.policy,
                "train_size": condition.train_size,
                **_view_json(condition.view, result),
                "accuracy": asdict(outcome.accuracy),
            }
            for condition, outcome in outcomes.by_condition.items()
        ],
        "full_data": [comparison_json(each) for each in result.full_data],
        "streams": [comparison_json(each) for each in result.streams],
        "few_shot": _few_shot_json(result.few_shot, result) if result.few_shot else None,
        "classes": [
            {"variant": each.condition.variant.name, "where": each.condition.where, **_class_json(each)}
            for each in result.classes
        ],
        "in_words": in_words(result),
    }


def _view_json(view: View, result: AblationResult) -> dict[str, Any]:
    return {**asdict(view), "gflops": round(result.gflops(view), 6)}


def _class_json(change: Any) -> dict[str, Any]:
    return {name: getattr(change, name) for name in ("base", "name", "clips", "gained", "lost")}


def _few_shot_json(few_shot: FewShotResult, result: AblationResult) -> dict[str, Any]:
    return {
        "clips": few_shot.clips,
        "groups": few_shot.groups,
        "enough_draws": few_shot.enough_draws,
        "main_groups": result.settings.few_shot.main if result.settings.few_shot else None,
        "tested": [comparison_json(each) for each in few_shot.tested],
        "pools": [comparison_json(each) for each in few_shot.pools],
        "accuracies": [
            {
                "variant": each.variant,
                **_view_json(each.view, result),
                "groups": each.groups,
                "accuracy": round(each.accuracy, 6),
            }
            for each in few_shot.accuracies
        ],
        "equal_operations": [reading_json(each) for each in few_shot.equal_operations],
        "equal_accuracy": [reading_json(each) for each in few_shot.equal_accuracy],
        "pairs": [asdict(each) for each in few_shot.pairs],
    }


def comparison_json(comparison: Comparison) -> dict[str, Any]:
    """A comparison as plain values, its sentence included."""
    return {**asdict(comparison), "verdict": comparison.verdict.value, "sentence": comparison.sentence}


def reading_json(reading: Reading) -> dict[str, Any]:
    """A comparison of choices as plain values."""
    return {
        **comparison_json(reading.comparison),
        "choices": list(reading.choices),
        "base_choices": list(reading.base_choices),
        "gflops": reading.gflops,
        "base_gflops": reading.base_gflops,
        "reaches": reading.reaches,
    }


def in_words(result: AblationResult) -> list[str]:
    """One line a question that the comparisons can answer."""
    few_shot = result.few_shot
    return answers(
        {
            FULL_DATA: [*result.full_data, *result.streams],
            FEW_SHOT: few_shot.tested if few_shot else [],
            BUDGET: [each.comparison for each in few_shot.equal_operations] if few_shot else [],
        }
    )


def report_markdown(content: Mapping[str, Any]) -> str:
    """The report as Markdown, from what :func:`report_json` gives."""
    parts = ["# Which crop helps\n", *(f"{line}\n" for line in facts(content))]
    parts += ["## In words\n", *(f"- {line}" for line in content["in_words"]), "\n" + tables.summary_table(content)]
    if content["few_shot"]:
        parts += _few_shot_parts(content)
    parts += [
        "## Trained on the whole list\n",
        tables.condition_table(content),
        "![accuracy against operations](accuracy.png)\n",
        tables.comparison_table(content["full_data"]),
    ]
    if content["streams"]:
        parts += ["## A second stream\n", tables.stream_note(content), tables.comparison_table(content["streams"])]
    parts += ["## Classes\n", tables.class_table(content["classes"])]
    return "\n".join(parts)


def _few_shot_parts(content: Mapping[str, Any]) -> Sequence[str]:
    few_shot = content["few_shot"]
    parts = [
        f"## Trained on a few groups: {tables.view_name(content['main'])}\n",
        "![few-shot curves](few-shot.png)\n",
        "Points of top-1, with intervals for new groups to train and to test on; bold where a difference is shown.\n",
        *(tables.curve_table(few_shot["tested"], base) for base in BASES),
        tables.comparison_table(few_shot["tested"]),
    ]
    if few_shot["pools"]:
        parts += ["### Mean and standard deviation\n", tables.comparison_table(few_shot["pools"])]
    parts += ["## Accuracy and operations\n", "![few groups: accuracy against operations](operations.png)\n", HINDSIGHT]
    parts += [tables.accuracy_table(content, pool) for pool in content["settings"]["pools"]]
    parts += ["### At equal operations\n", tables.choices_table(few_shot["equal_operations"])]
    parts += [tables.curve_table(few_shot["equal_operations"], base) for base in BASES]
    parts += [tables.operations_table(few_shot["equal_operations"])]
    parts += ["### At equal accuracy\n", tables.equal_accuracy_table(few_shot["equal_accuracy"])]
    return [*parts, "## Classes taken for each other\n", tables.pair_table(few_shot["pairs"])]


def comparison_rows(result: AblationResult) -> Iterator[list[object]]:
    """One row a comparison, as CSV_HEAD names them; shares from 0 to 1, None where there is no value."""
    yield from _tested_rows("full_data", result.full_data)
    yield from _tested_rows("streams", result.streams)
    if few_shot := result.few_shot:
        yield from _tested_rows("few_shot", few_shot.tested)
        yield from _tested_rows("pools", few_shot.pools)
        yield from _tested_rows("equal_operations", [each.comparison for each in few_shot.equal_operations])
        yield from _tested_rows("equal_accuracy", [each.comparison for each in few_shot.equal_accuracy])
        for each in few_shot.differences:
            where, difference = f"{tables.groups_name(each.groups)}, {each.view.name}", each.difference
            shares = (f"{value:.5f}" for value in (difference.mean, difference.low, difference.high))
            yield [
                *("description", where, each.variant, each.base, few_shot.clips, None, None, *shares),
                *(None, None, None, None, None, None, NOT_TESTED),
            ]


def _tested_rows(family: str, comparisons: Sequence[Comparison]) -> Iterator[list[object]]:
    for each in comparisons:
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
    from mocrop.evaluation.ablation.plots import draw_accuracy, draw_few_shot, draw_operations

    content = report_json(result)
    files = {
        "report": folder / "report.md",
        "page": folder / "report.html",
        "comparisons": folder / "comparisons.csv",
        "json": folder / "report.json",
        "accuracy": folder / "accuracy.png",
    }
    write_json(content, files["json"])
    write_csv(CSV_HEAD, comparison_rows(result), files["comparisons"])
    draw_accuracy(content, files["accuracy"])
    if content["few_shot"]:
        files |= {"few-shot": folder / "few-shot.png", "operations": folder / "operations.png"}
        draw_few_shot(content, files["few-shot"])
        draw_operations(content, files["operations"])
    write_markdown(report_markdown(content), files["report"], files["page"])
    return files
