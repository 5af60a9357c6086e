"""Hear SIGTERM and SIGINT: a signal goes in, a request to stop after the step in progress comes out.

Schedulers send SIGTERM before they take a machine away (Slurm at the end of the time limit, Kubernetes when a pod is
evicted), and people press Ctrl-C. The first signal is a request, the second ends the process at once.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

SIGNALS = (signal.SIGTERM, signal.SIGINT)
ECHO_SECONDS = 1.0  # a signal so soon after the first is the same one, which a launcher got too and has passed on


class StopRequest:
    """Whether a run has been asked to stop, and by which signal."""

    def __init__(self) -> None:
        self.signal = 0  # number of the signal; 0: go on

    def __bool__(self) -> bool:
        return self.signal != 0


@contextmanager
def stop_on_signals() -> Iterator[StopRequest]:
    """Turn the first SIGTERM or SIGINT within the body into a request; the handlers of before come back afterwards.

    Outside the main thread, where Python lets nobody handle signals, the request never comes.
    """
    request = StopRequest()
    if threading.current_thread() is not threading.main_thread():
        yield request
        return
    first = 0.0

    def handle(number: int, frame: FrameType | None) -> None:
        nonlocal first
        if not request:
            request.signal, first = number, time.monotonic()
        elif time.monotonic() - first >= ECHO_SECONDS:
            _stop_at_once(number)

    before = {number: signal.signal(number, handle) for number in SIGNALS}
    try:
        yield request
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def exit_code(number: int) -> int:
    """What a process ends with that a signal has ended, as shells and schedulers count.

    >>> exit_code(signal.SIGTERM), exit_code(signal.SIGINT)
    (143, 130)
    """
    return 128 + number


def _stop_at_once(number: int) -> None:
    if number == signal.SIGINT:
        raise KeyboardInterrupt  # lets the terminal be put in order
    signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)
