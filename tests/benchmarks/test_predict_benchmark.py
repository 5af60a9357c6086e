"""The benchmark of predict runs on clips that it makes itself; its figures are not tested."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.conftest import needs_torch

PROGRAM = Path(__file__).resolve().parents[2] / "benchmarks" / "predict.py"


@needs_torch
def test_predict_benchmark_compares_with_the_sum_of_the_parts(tmp_path: Path) -> None:
    small = ["--arch", "timm/test_resnet", "--size", "32", "--clips", "2", "--rounds", "1", "--threads", "1"]
    command = [sys.executable, str(PROGRAM), *small, "--data", str(tmp_path / "nowhere")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("its parts, bare") == 8  # a heading and a row, on both clocks, for each source
    assert done.stdout.count("transcoding  ") == 2  # of h264 alone, on both clocks
