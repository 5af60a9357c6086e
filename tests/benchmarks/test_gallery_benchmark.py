"""The benchmark of the gallery in a browser runs; its figures are not tested."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

PROGRAM = Path(__file__).resolve().parents[2] / "benchmarks" / "gallery.py"


@pytest.mark.skipif(find_spec("playwright") is None, reason="Playwright is not installed")
@pytest.mark.skipif(not (shutil.which("chromium") or shutil.which("google-chrome")), reason="there is no Chromium")
def test_a_gallery_is_opened_and_used_and_the_table_is_saved(tmp_path: Path) -> None:
    environment = {**os.environ, "MOCROP_BENCHMARK_RESULTS": str(tmp_path / "results.jsonl")}
    command = [sys.executable, str(PROGRAM), "--clips", "30", "--rounds", "1"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 0, done.stderr
    saved = json.loads((tmp_path / "results.jsonl").read_text())
    assert [row[0] for row in saved["rows"]] == [
        "cards that answer",
        "clips sorted by motion",
        "a class alone",
        "a name found",
    ]
    assert saved["note"].startswith("30 clips, 4 ways")
