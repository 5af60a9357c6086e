"""The first signal requests a stop, a second one stops at once."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading

import pytest

from mocrop.training.loop import signals
from mocrop.training.loop.signals import StopRequest, stop_on_signals


def test_a_signal_becomes_a_request() -> None:
    with stop_on_signals() as request:
        assert not request
        os.kill(os.getpid(), signal.SIGTERM)
        assert request
        assert request.signal == signal.SIGTERM


def test_handlers_are_put_back() -> None:
    before = [signal.getsignal(number) for number in signals.SIGNALS]
    with stop_on_signals():
        assert [signal.getsignal(number) for number in signals.SIGNALS] != before
    assert [signal.getsignal(number) for number in signals.SIGNALS] == before


def test_an_echo_of_the_first_signal_is_not_a_second_one() -> None:
    with stop_on_signals() as request:
        for _ in range(2):
            os.kill(os.getpid(), signal.SIGINT)
    assert request.signal == signal.SIGINT


def test_a_second_interrupt_stops_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(signals, "ECHO_SECONDS", 0.0)
    with stop_on_signals() as request:
        os.kill(os.getpid(), signal.SIGINT)
        assert request
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)


def test_a_second_sigterm_kills() -> None:
    code = (
        "import os, signal; from mocrop.training.loop import signals; signals.ECHO_SECONDS = 0.0\n"
        "with signals.stop_on_signals():\n"
        "    for _ in range(2): os.kill(os.getpid(), signal.SIGTERM)"
    )
    assert subprocess.run([sys.executable, "-c", code]).returncode == -signal.SIGTERM


def test_outside_the_main_thread_nothing_is_handled() -> None:
    before, seen = signal.getsignal(signal.SIGTERM), []

    def body() -> None:
        with stop_on_signals() as request:
            seen.append((request, signal.getsignal(signal.SIGTERM)))

    thread = threading.Thread(target=body)
    thread.start()
    thread.join()
    request, handler = seen[0]
    assert isinstance(request, StopRequest)
    assert handler is before
