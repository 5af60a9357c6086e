"""The benchmark of caches at an address runs at a small size, and its page shows what was saved."""

from __future__ import annotations

import json
from pathlib import Path
from types import ModuleType

import pytest

from tests.benchmarks.modules import ROOT, benchmark_module

cloud = benchmark_module("cloud")


def test_a_small_run_measures_every_reader(cloud: ModuleType, tmp_path: Path) -> None:
    for package in ("s3fs", "moto"):
        pytest.importorskip(package)
    result = cloud.measure(tmp_path, clips=20, size=16, rounds=1, line=100.0)
    assert set(result["seconds"]) == {*cloud.ROWS, *cloud.COPIES}
    assert all(seconds > 0 for seconds in result["seconds"].values())
    assert cloud.table(result).count("\n| ") == len(cloud.ROWS) + len(cloud.COPIES) + 1


def test_the_page_has_the_figures_that_were_saved(cloud: ModuleType) -> None:
    saved = json.loads((ROOT / "benchmarks/results/cloud.json").read_text())
    text = (ROOT / "docs/cloud.md").read_text()
    assert cloud.page_with(text, saved) == text
