from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from mocrop.pipeline import time_limit as time_limit_module
from mocrop.pipeline.errors import ClipError, Reason
from mocrop.pipeline.time_limit import restartable_limit, time_limit


def test_a_body_that_hangs_is_stopped_with_a_reason() -> None:
    with pytest.raises(ClipError, match=r"A/b: not done after 0\.1 s") as caught, time_limit(0.1, clip="A/b"):
        time.sleep(30)
    assert caught.value.reason is Reason.TIMED_OUT


def test_a_body_in_time_leaves_no_alarm_behind() -> None:
    before = signal.getsignal(signal.SIGALRM)
    with time_limit(30, clip="A/b"):
        assert signal.getitimer(signal.ITIMER_REAL)[0] > 0
    assert signal.getitimer(signal.ITIMER_REAL) == (0, 0)
    assert signal.getsignal(signal.SIGALRM) is before


def test_zero_means_no_limit() -> None:
    with time_limit(0, clip="A/b"):
        assert signal.getitimer(signal.ITIMER_REAL) == (0, 0)


def test_a_thread_of_a_process_that_is_no_worker_has_no_limit() -> None:
    ended = threading.Event()

    def work() -> None:
        with time_limit(0.01, clip="A/b"):
            time.sleep(0.1)
        ended.set()

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert ended.is_set()


# where there is no alarm


@pytest.fixture
def without_alarm(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(signal, "setitimer")


@pytest.mark.usefixtures("without_alarm")
def test_without_an_alarm_a_body_that_hangs_is_stopped_all_the_same() -> None:
    before = signal.getsignal(signal.SIGINT)
    naps = iter(lambda: time.sleep(0.01), "never")  # a watchdog wakes nobody, but is heard between two naps
    with pytest.raises(ClipError, match=r"A/b: not done after 0\.1 s") as caught, time_limit(0.1, clip="A/b"):
        any(naps)
    assert caught.value.reason is Reason.TIMED_OUT
    assert signal.getsignal(signal.SIGINT) is before


@pytest.mark.usefixtures("without_alarm")
def test_a_body_in_time_leaves_neither_thread_nor_handler_behind() -> None:
    before, threads = signal.getsignal(signal.SIGINT), threading.active_count()
    with time_limit(30, clip="A/b"):
        assert threading.active_count() == threads + 1
    assert threading.active_count() == threads
    assert signal.getsignal(signal.SIGINT) is before


@pytest.mark.usefixtures("without_alarm")
def test_ctrl_c_is_no_time_out() -> None:
    with pytest.raises(KeyboardInterrupt), time_limit(30, clip="A/b"):
        os.kill(os.getpid(), signal.SIGINT)


@pytest.mark.usefixtures("without_alarm")
def test_ctrl_c_that_is_ignored_stays_so() -> None:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with time_limit(30, clip="A/b"):
            os.kill(os.getpid(), signal.SIGINT)
    finally:
        signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("without_alarm")
def test_a_watchdog_that_barks_as_the_body_ends_is_not_heard(monkeypatch: pytest.MonkeyPatch) -> None:
    @contextlib.contextmanager
    def late(_: float, ring: Callable[[], object]) -> Iterator[Callable[[], None]]:
        yield lambda: None
        ring()

    monkeypatch.setattr(time_limit_module, "_timer", late)
    with time_limit(30, clip="A/b"):
        pass
    time.sleep(0.01)  # where a signal that is still on its way would be heard


@pytest.mark.parametrize("alarm", [True, False])
def test_a_limit_that_is_restarted_counts_from_there(alarm: bool, request: pytest.FixtureRequest) -> None:
    if not alarm:
        request.getfixturevalue("without_alarm")
    with restartable_limit(0.3, clip="A/b") as restart:
        for _ in range(5):
            time.sleep(0.1)
            restart()
    with pytest.raises(ClipError, match=r"not done after 0\.1 s"), restartable_limit(0.1, clip="A/b") as restart:
        any(restart() if n == 0 else time.sleep(0.01) for n in range(1000))
