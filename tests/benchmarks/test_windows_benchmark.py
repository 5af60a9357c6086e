"""The benchmark of windows runs on clips that it makes itself; its figures are not tested."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

PROGRAM = Path(__file__).resolve().parents[2] / "benchmarks" / "windows.py"


def test_windows_benchmark_compares_with_the_video_as_one_clip(tmp_path: Path) -> None:
    small = ["--clips", "1", "--rounds", "1", "--frames", "120", "--data", str(tmp_path / "nowhere")]
    done = subprocess.run([sys.executable, str(PROGRAM), *small], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "the video as one clip" in done.stdout
    assert "windows of 2 s, one every s" in done.stdout
