"""What `mocrop advise` rests on is made of the saved results, and of nothing else."""

from __future__ import annotations

import json
from types import ModuleType
from typing import Any

import pytest

from mocrop.evaluation.advice.measured import measured_tables, tables_from
from mocrop.evaluation.scores.comparisons import Verdict
from tests.benchmarks.modules import benchmark_module

advice_tables = benchmark_module("advice_tables")

REPORT: dict[str, Any] = {
    "settings": {"training": {"arch": "lite0"}},
    "main": {"size": 160, "frames": 4, "pool": "mean"},
    "few_shot": {
        "clips": 300,
        "main_groups": 2,
        "tested": [
            {
                "variant": "follow 0.25",
                "base": "full",
                "where": f"{groups} groups",
                "difference": {"mean": 0.0312345, "low": None if groups == 4 else 0.01, "high": 0.05},
                "verdict": "better",
            }
            for groups in (2, 4)
        ],
        "accuracies": [
            {
                "variant": "follow 0.25",
                "size": 160,
                "frames": 4,
                "pool": pool,
                "groups": groups,
                "gflops": 0.8123456,
                "accuracy": 0.7654321,
            }
            for pool in ("mean", "mean-std")
            for groups in (2, 4)
        ],
    },
}
ROW = {"of": "crossing", "set": "all", "at": "slots", "variant": "follow", "ratio": 0.25, "inside": [0.96, 0.95, 0.97]}


def test_the_file_of_the_package_is_what_the_saved_results_give(advice_tables: ModuleType) -> None:
    assert advice_tables.TARGET.read_bytes() == advice_tables.content(), "run python benchmarks/advice_tables.py"


def test_every_ablation_that_is_saved_has_facts_and_its_place(advice_tables: ModuleType) -> None:
    ablations, facts, _ = advice_tables.saved_results()
    assert {*ablations} <= {*facts}, "run python benchmarks/advice_tables.py --of NAME WORKSPACE WORDS"
    assert len(measured_tables().accuracy) == len(ablations)


def test_of_a_report_the_main_groups_and_the_main_pool_are_kept(advice_tables: ModuleType) -> None:
    facts = {"made": {"data": "made clips", "still": 1.0, "spread": 0.1}}
    others = [{**ROW, "at": "frames"}, {**ROW, "set": "class Walk"}, {**ROW, "variant": "center (frame's shape)"}]
    made = advice_tables.measured_json({"made": REPORT, "no facts": REPORT}, facts, [ROW, *others])
    tables = tables_from(json.loads(json.dumps(made)))
    (table,) = tables.accuracy
    assert (
        table.conditions
        == "made clips: heads on the frozen lite0, trained on 2 groups of clips a class, 160 px, 4 frames"
    )
    (test,) = table.tested
    assert (test.variant, test.base, test.verdict) == ("follow 0.25", "full", Verdict.BETTER)
    assert (test.difference.mean, test.difference.low, test.difference.high) == (0.0312, 0.01, 0.05)
    (accuracy,) = table.measured
    assert (accuracy.accuracy, accuracy.gflops) == (0.7654, 0.8123)
    assert [entry.variant for entry in tables.coverage] == ["follow 0.25", "center-frame 0.25"]


def test_an_interval_without_ends_is_kept_as_one(advice_tables: ModuleType) -> None:
    report = {**REPORT, "few_shot": {**REPORT["few_shot"], "main_groups": 4}}
    made = advice_tables.measured_json({"made": report}, {"made": {"data": "x", "still": 1.0, "spread": 0.1}}, [])
    assert tables_from(made).accuracy[0].tested[0].difference.low == pytest.approx(float("-inf"))
