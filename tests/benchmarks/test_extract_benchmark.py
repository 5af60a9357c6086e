"""The extraction benchmark runs on clips that it makes itself; its figures are not tested."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

PROGRAM = Path(__file__).resolve().parents[2] / "benchmarks" / "extract.py"


def test_extract_benchmark_compares_both_sources_with_a_bare_loop(tmp_path: Path) -> None:
    nowhere = str(tmp_path / "nowhere")
    command = [sys.executable, str(PROGRAM), "--clips", "2", "--rounds", "1", "--data", nowhere]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("bare loop") == 4  # a heading and a row for each source
    for source in ("h264", "original"):
        assert f"extract-mv --source {source} of 2 clips" in done.stdout
