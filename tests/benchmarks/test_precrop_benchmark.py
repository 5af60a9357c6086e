"""The precrop and box search benchmarks run; their figures are not tested."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"


def output_of(program: str, *options: str) -> str:
    command = [sys.executable, str(BENCHMARKS / program), *options]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_precrop_benchmark_compares_policies_and_sources_with_the_bare_loop(tmp_path: Path) -> None:
    """On clips that it makes itself, because the folder is not there."""
    small = ["--clips", "3", "--rounds", "1", "--size", "32", "--frames", "2", "--policies", "full", "motion"]
    printed = output_of("precrop.py", *small, "--motion-fields", "--data", str(tmp_path / "absent"))
    for name in ("bare loop", "mocrop precrop, full", "mocrop precrop, motion"):
        assert printed.count(f"\n{name} ") == 2
    assert printed.count("\nmotion, with fields to without: ") == 2
    assert "precrop from h264, size 32: 3 clips" in printed
    assert "precrop from original, size 32: 3 clips" in printed


def test_box_search_benchmark_finds_the_boxes_of_plain_loops() -> None:
    printed = output_of("box_search.py", "--clips", "3", "--rounds", "1")
    assert all(grid in printed for grid in ("6x8", "9x16", "36x64"))


def test_policy_benchmark_compares_moving_boxes_with_one_box(tmp_path: Path) -> None:
    small = ["--clips", "2", "--rounds", "1", "--slots", "3", "--data", str(tmp_path / "absent")]
    printed = output_of("policy_time.py", *small)
    for name in ("motion", "motion-v2", "adaptive", "follow", "adaptive, with reading", "follow, with reading"):
        assert printed.count(f"\n{name} ") == 1
