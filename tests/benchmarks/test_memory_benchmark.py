"""The memory benchmark runs; of its figures only rough bounds are tested."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

BENCHMARK = Path(__file__).resolve().parents[2] / "benchmarks/memory.py"


def test_memory_benchmark_measures_each_stage_on_clips_of_both_lengths() -> None:
    phases = ["transcode", "extract-mv", "precrop center, motion fields"]
    small = ["--sizes", "64x48", "--short", "8", "--times", "3", "--clips", "2", "--phases", *phases]
    done = subprocess.run([sys.executable, str(BENCHMARK), *small], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "| 64x48 | before | peak, 8 frames | peak, 24 frames | growth, KiB a frame |" in done.stdout
    rows = re.findall(r"^\| (.+?) \| (\d+) \| (\d+) \| (\d+) \| -?[\d.]+ \|$", done.stdout, re.MULTILINE)
    assert [name for name, *_ in rows] == phases
    for _, before, short, long in rows:
        assert 20 < int(before) <= min(int(short), int(long))
