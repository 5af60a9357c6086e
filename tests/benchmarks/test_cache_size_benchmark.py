"""The table of codecs is made, and its frames are checked; its figures are not tested."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

PROGRAM = Path(__file__).resolve().parents[2] / "benchmarks" / "cache_size.py"
SMALL = ["--clips", "3", "--data", "nowhere", "--size", "32", "--batch", "2", "--rounds", "1"]


def test_codecs_are_compared_and_the_table_is_saved(tmp_path: Path) -> None:
    environment = {**os.environ, "MOCROP_BENCHMARK_RESULTS": str(tmp_path / "results.jsonl")}
    command = [sys.executable, str(PROGRAM), *SMALL]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 0, done.stderr
    saved = json.loads((tmp_path / "results.jsonl").read_text())
    sizes = {row[0]: float(row[2]) for row in saved["rows"]}
    assert sizes["uncompressed"] >= 1  # its frames, their checksums and an index
    assert sizes["zstd level 1"] < 1
    assert saved["title"] in done.stdout
