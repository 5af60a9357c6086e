"""The benchmarks of whole stages in a small form, on clips they make themselves, so that they cannot rot."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"


def run(name: str, *options: str) -> str:
    command = [sys.executable, str(BENCHMARKS / name), "--data", "nowhere", "--rounds", "1", *options]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="compares with the ffmpeg program")
def test_transcode_is_compared_with_ffmpeg() -> None:
    said = run("transcode.py", "--clips", "2").splitlines()
    assert said[0].startswith("transcode: 120 frames, 1 rounds")
    assert [line.split("  ")[0] for line in said[3:]] == ["mocrop transcode", "ffmpeg"]


def test_one_and_two_workers_are_compared_for_every_stage() -> None:
    said = run("workers.py", "--clips", "1", "--copies", "2").splitlines()
    assert said[0].startswith("2 clips, 1 rounds")
    assert [line.split()[0] for line in said[2:]] == ["transcode", "extract-mv", "precrop"]


def test_scale_goes_through_every_phase() -> None:
    command = [sys.executable, str(BENCHMARKS / "scale.py"), "--clips", "50", "--workers", "0"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    phases = [line.split()[2] for line in done.stdout.splitlines()[1:]]
    assert phases == ["init", "transcode", "extract-mv", "precrop", "status", "training"]
