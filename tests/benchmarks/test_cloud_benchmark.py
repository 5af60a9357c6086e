"""The benchmark of caches at an address runs at a small size, and its page shows what was saved."""

from __future__ import annotations

import json
from pathlib import Path
from types import ModuleType

import pytest

from tests.benchmarks.modules import ROOT, benchmark_module

cloud = benchmark_module("cloud")


def test_a_small_run_measures_every_reader(cloud: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for package in ("s3fs", "moto"):
        pytest.importorskip(package)
    for name in ("AWS_ENDPOINT_URL", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "")  # restored afterwards
    for name in ("AWS_DEFAULT_REGION", "AWS_EC2_METADATA_DISABLED"):
        monkeypatch.setenv(name, "")
    result = cloud.measure(tmp_path, clips=20, size=16, rounds=1)
    assert set(result["seconds"]) == set(cloud.ROWS)
    assert all(seconds > 0 for seconds in result["seconds"].values())
    assert cloud.table(result).count("\n| ") == len(cloud.ROWS)


def test_the_page_has_the_figures_that_were_saved(cloud: ModuleType) -> None:
    saved = json.loads((ROOT / "benchmarks/results/cloud.json").read_text())
    text = (ROOT / "docs/cloud.md").read_text()
    assert cloud.page_with(text, saved) == text
