"""Ctrl-C and SIGTERM in all stages, once or twice: one line, an exit code, no process left, and work that goes on."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import time
from collections import Counter
from pathlib import Path

from mocrop.pipeline.interrupts import STOPPED
from tests.reliability.commands import (
    ended,
    new_stages,
    start,
    wait_for_group,
)

PYTHON_STARTS = 0.3  # seconds until Python itself is up, which has its own way with Ctrl-C
ENDS_WITHIN = 5.0  # seconds after a second signal; about one on a machine that has time


def interrupt_stages(folder: Path, seed: int) -> Counter[str]:
    """Interrupt `mocrop run` at a random moment, and run it again.

    Raises: AssertionError unless it ends as it should, and then goes on to the bytes of an undisturbed run.
    """
    rng = random.Random(seed)
    stages = new_stages(folder, rng)
    number = rng.choice((signal.SIGINT, signal.SIGINT, signal.SIGTERM))
    process = start(*stages.command)
    time.sleep(rng.uniform(PYTHON_STARTS, stages.seconds))
    _send(process, number, group=rng.random() < 0.7)
    if twice := rng.random() < 0.5:
        time.sleep(rng.uniform(0, 1))
        _send(process, number, group=True)
    last = time.monotonic()
    end = ended(process)
    took = time.monotonic() - last
    wait_for_group(process.pid)
    end.require(0, 128 + number)
    if end.code:
        assert end.said.endswith(f"{STOPPED}\n"), end.said
        assert end.said.count(STOPPED) == 1, end.said
        assert not twice or took < ENDS_WITHIN, f"{took:.1f} s after the second signal"
    stages.complete()
    return Counter({"one line, completed later" if end.code else "was done before": 1})


def _send(process: subprocess.Popen[str], number: signal.Signals, *, group: bool) -> None:
    if process.poll() is not None:
        return
    if group:
        os.killpg(process.pid, number)
    else:
        process.send_signal(number)
