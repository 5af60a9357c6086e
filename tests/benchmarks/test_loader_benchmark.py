"""The loader benchmark runs, and checks every reader's pixels on the way; its figures are nobody's business here."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = Path(__file__).resolve().parents[2] / "benchmarks" / "loader.py"
SMALL = ["--clips", "5", "--size", "16", "--batch", "3", "--batches", "1", "--rounds", "1"]


@pytest.mark.parametrize("compression", ["none", "zstd"])
def test_loader_benchmark_compares_every_reader(compression: str) -> None:
    command = [sys.executable, str(PROGRAM), *SMALL, "--compression", compression]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    for name in ("numpy memmap gather", "mocrop FrameReader", "TensorStore vindex", "zarr-python", "mocrop CropLoader"):
        assert done.stdout.count(name) >= 2
