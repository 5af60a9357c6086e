"""The benchmark of dense clips runs on clips that it makes itself, and checks pixels; its figures are not tested."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

PROGRAM = Path(__file__).resolve().parents[2] / "benchmarks" / "dense.py"
SMALL = ["--clips", "2", "--data", "nowhere", "--size", "32", "--batch", "2", "--rounds", "1"]
IF_INSTALLED = ("torchcodec, windows on the fly", "WebDataset, JPEG 90, a window a sample")


def test_dense_benchmark_compares_decoding_and_reading(tmp_path: Path) -> None:
    results = tmp_path / "results.jsonl"
    environment = {**os.environ, "MOCROP_BENCHMARK_RESULTS": str(results)}
    command = [sys.executable, str(PROGRAM), *SMALL]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 0, done.stderr
    *decoding, reading = [json.loads(line) for line in results.read_text().splitlines()]
    assert len(decoding) == 6  # two kinds of windows of three kinds of files
    assert all({"mocrop", "PyAV, first to last frame"} == set(result["seconds"]["cpu"]) for result in decoding)
    assert {"mocrop FrameReader", "mocrop CropLoader"} <= set(reading["seconds"]["cpu"])
    for name in set(IF_INSTALLED) - set(reading["seconds"]["cpu"]):
        assert f"{name}: skipped, " in done.stdout
