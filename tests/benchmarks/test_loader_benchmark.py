"""The loader benchmark runs, and checks the pixels of every peer; its figures are not tested."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = Path(__file__).resolve().parents[2] / "benchmarks" / "loader.py"
SMALL = ["--clips", "3", "--data", "nowhere", "--size", "32", "--batch", "2", "--rounds", "1"]
ALWAYS = ("numpy memmap gather", "mocrop FrameReader", "mocrop CropLoader", "TensorStore vindex", "zarr-python, oindex")
IF_INSTALLED = ("zarrs, oindex", "WebDataset, JPEG 90", "torchcodec", "OpenCV, the reference's pattern")


@pytest.mark.parametrize(("compression", "state"), [("none", "cold"), ("zstd", "warm")])
def test_loader_benchmark_compares_all_peers_or_prints_which_are_absent(
    compression: str, state: str, tmp_path: Path
) -> None:
    command = [sys.executable, str(PROGRAM), *SMALL, "--compression", compression, "--states", state]
    results = tmp_path / "results.jsonl"
    environment = {**os.environ, "MOCROP_BENCHMARK_RESULTS": str(results)}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 0, done.stderr
    saved = [json.loads(line) for line in results.read_text().splitlines()]
    assert [result["title"].partition(" ")[0] for result in saved] == ["training", "evaluation"]
    for result in saved:
        measured = result["seconds"]["cpu"]
        assert set(ALWAYS) <= set(measured)
        for name in set(IF_INSTALLED) - set(measured):
            assert f"{name}: skipped, " in done.stdout
