"""The benchmark of a training step runs and names the parts; its figures are nobody's business here."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

PROGRAM = Path(__file__).resolve().parents[2] / "benchmarks" / "training_step.py"
SMALL = ["--arch", "timm/test_resnet", "--steps", "2", "--size", "32", "--batch", "2", "--rounds", "1"]


def test_training_step_benchmark_times_each_part() -> None:
    command = [sys.executable, str(PROGRAM), *SMALL, "--device", "cpu", "--recipe", "modern"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    for line in ("augment", "forward", "backward", "optimiser", "waiting for data"):
        assert any(text.startswith(line) for text in done.stdout.splitlines()), done.stdout
