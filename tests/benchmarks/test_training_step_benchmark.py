"""The benchmarks of training steps run in a small form; their figures are not tested."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"


def run(name: str, *options: str) -> list[str]:
    command = [sys.executable, str(BENCHMARKS / name), "--arch", "timm/test_resnet", "--size", "32", "--rounds", "1"]
    done = subprocess.run([*command, *options], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_training_step_benchmark_times_each_part() -> None:
    said = run("training_step.py", "--steps", "2", "--batch", "2", "--device", "cpu", "--recipe", "modern")
    for line in ("augment", "forward", "backward", "optimiser", "waiting for data"):
        assert any(text.startswith(line) for text in said), said


def test_memory_orders_are_compared() -> None:
    said = run("memory_order.py", "--frames", "2")
    assert [line.split("  ")[0] for line in said[3:]] == ["channels first", "channels last"]
