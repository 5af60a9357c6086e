"""Ctrl-C while threads read files: one line, exit code 130, and nobody waits for a file that may be long."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from mocrop.pipeline.interrupts import STOPPED
from tests.conftest import MakeVideo
from tests.evaluation.answers.conftest import Train

PATIENCE_SECONDS = 60
PROGRAM = f"""
import sys, time
from mocrop.evaluation.answers import predictor, window_readers

def reads_for_ever(*_, **__):
    print("reading", flush=True)
    time.sleep({10 * PATIENCE_SECONDS})

predictor.read_file = window_readers.read_windows = reads_for_ever
from mocrop.__main__ import main
sys.argv[0] = "mocrop"
main()
"""


@pytest.mark.parametrize("options", [[], ["--window", "1"]], ids=["whole", "windows"])
def test_ctrl_c_ends_it_at_once(trained: Train, here: Path, make_video: MakeVideo, options: list[str]) -> None:
    for name in "abc":
        make_video(here / f"{name}.mp4", frames=3)
    checkpoint = str(trained("center", policy="center", fit="pad") / "best.pt")
    command = [sys.executable, "-c", PROGRAM, "predict", "a.mp4", "b.mp4", "c.mp4", "--checkpoint", checkpoint]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    process = subprocess.Popen([*command, *options], text=True, **pipes)  # type: ignore[call-overload]
    try:
        assert process.stdout.readline() == "reading\n"
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=PATIENCE_SECONDS)
    finally:
        process.kill()
    assert (process.returncode, said) == (130, f"{STOPPED}\n")
