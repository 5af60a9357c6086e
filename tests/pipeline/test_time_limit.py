from __future__ import annotations

import signal
import threading
import time

import pytest

from mocrop.pipeline.errors import ClipError, Reason
from mocrop.pipeline.time_limit import time_limit


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
