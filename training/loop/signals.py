"""Turn SIGTERM and SIGINT into a request to stop after the step in progress.

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
ECHO_SECONDS = 1.0  # a signal so soon after the first is the same one, passed on by a launcher that got it too


class StopRequest:
    """Whether a run has been asked to stop, and by which signal."""

    def __init__(self) -> None:
        self.signal = 0  # number of the signal; 0: go on

    def __bool__(self) -> bool:
        return self.signal != 0


@contextmanager
def stop_on_signals() -> Iterator[StopRequest]:
    """Within the body, turn the first SIGTERM or SIGINT into a request; afterwards, restore the earlier handlers.

    Outside the main thread, where Python allows no signal handlers, there is never a request.
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
    """Exit code of a process that a signal has ended, by the convention of shells and schedulers.

    >>> exit_code(signal.SIGTERM), exit_code(signal.SIGINT)
    (143, 130)
    """
    return 128 + number


def _stop_at_once(number: int) -> None:
    if number == signal.SIGINT:
        raise KeyboardInterrupt  # the live line still restores the terminal
    signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)
