"""The benchmark for GPUs runs in a small form on a CPU; its figures are not tested."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.benchmarks.modules import BENCHMARKS

SMALL = ("--batch", "2", "--batches", "2", "--rounds", "1", "--workers", "1", "--device", "cpu", "--amp", "off")


@pytest.mark.parametrize(
    ("case", "ranks", "titles"),
    [
        ("timm/test_resnet:32:3", "2", ["waiting, timm/test_resnet", "several devices over gloo, timm/test_resnet"]),
        ("video/r3d_18:16:2", "1", ["waiting, video/r3d_18", "several devices: skipped"]),
    ],
)
def test_it_has_a_row_for_each_loader_and_for_each_number_of_processes(
    case: str, ranks: str, titles: list[str]
) -> None:
    command = [sys.executable, str(BENCHMARKS / "gpu.py"), "--cases", case, "--ranks", ranks, *SMALL]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    said = done.stdout.splitlines()
    assert [line.startswith(title) for line, title in zip([said[0], said[5]], titles, strict=True)] == [True, True]
    assert [line.split("  ")[1] for line in said[2:5]] == ["memory", "CropLoader", "DataLoader, 1"]
    if ranks == "2":
        assert [line.split()[0] for line in said[7:]] == ["1", "2"]
