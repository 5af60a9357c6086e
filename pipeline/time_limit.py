"""Time limit per clip: an alarm or a watchdog in the main thread, the end of the process on a Dask worker."""

from __future__ import annotations

import _thread
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import NoReturn

from mocrop.pipeline.errors import ClipError, Reason

Restart = Callable[[], None]


@contextmanager
def time_limit(seconds: float, *, clip: str) -> Iterator[None]:
    """Let the body run for ``seconds`` at most; 0: no limit. See :func:`restartable_limit`."""
    with restartable_limit(seconds, clip=clip):
        yield


@contextmanager
def restartable_limit(seconds: float, *, clip: str) -> Iterator[Restart]:
    """Let the body run for ``seconds`` at most after each call of what is yielded, and before the first; 0: no limit.

    In a main thread an alarm raises the error between two calls into FFmpeg; where the system has no alarm, a timer's
    thread has Python interrupt the main thread at the same places. Neither can end a single call that never returns. On
    a Dask worker the body runs in another thread, which Python cannot interrupt, so the process ends, whatever it is
    in: Dask starts another one, and the runner finds the clip by trying the clips of the lost unit one at a time. In
    any other thread there is no limit, because mocrop did not start the process.

    Raises: ClipError with TIMED_OUT, in a main thread.
    """
    if seconds <= 0:
        yield _nothing
    elif threading.current_thread() is threading.main_thread():
        with (_alarm if hasattr(signal, "setitimer") else _watchdog)(seconds, clip) as restart:
            yield restart
    elif multiprocessing.parent_process() is not None:
        with _timer(seconds, lambda: os._exit(1)) as restart:
            yield restart
    else:
        yield _nothing


def _nothing() -> None:
    pass


def timeout_message(clip: str, seconds: float) -> str:
    """The message for a clip that took too long."""
    return f"{clip}: not done after {seconds:g} s; pass a larger --clip-timeout and run `mocrop retry`"


@contextmanager
def _alarm(seconds: float, clip: str) -> Iterator[Restart]:
    def ring(_signal: int, _frame: FrameType | None) -> NoReturn:
        raise ClipError(Reason.TIMED_OUT, timeout_message(clip, seconds))

    def restart() -> None:
        signal.setitimer(signal.ITIMER_REAL, seconds)

    before = signal.signal(signal.SIGALRM, ring)
    restart()
    try:
        yield restart
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


@contextmanager
def _watchdog(seconds: float, clip: str) -> Iterator[Restart]:
    """As an alarm, for systems without: a timer has Python take Ctrl-C for pressed; a real one still counts."""
    in_body, rung = True, False
    before = signal.getsignal(signal.SIGINT)

    def bark() -> None:
        nonlocal rung
        rung = True
        _thread.interrupt_main()

    def hear(number: int, frame: FrameType | None) -> None:
        nonlocal rung
        if not rung:
            if before != signal.SIG_IGN:
                (before if callable(before) else signal.default_int_handler)(number, frame)
        elif in_body:
            rung = False
            raise ClipError(Reason.TIMED_OUT, timeout_message(clip, seconds))

    signal.signal(signal.SIGINT, hear)
    try:
        with _timer(seconds, bark) as restart:
            try:
                yield restart
            finally:
                in_body = False
    finally:
        signal.signal(signal.SIGINT, before)  # whatever the timer has set off was heard before, by one that knows of it


@contextmanager
def _timer(seconds: float, ring: Callable[[], object]) -> Iterator[Restart]:
    """Call ``ring`` in another thread once the body has run for ``seconds`` since its start or the last restart."""
    stopped = threading.Event()
    until = time.monotonic() + seconds

    def restart() -> None:
        nonlocal until
        until = time.monotonic() + seconds

    def wait() -> None:
        while (left := until - time.monotonic()) > 0:
            if stopped.wait(left):
                return
        if not stopped.is_set():
            ring()

    thread = threading.Thread(target=wait, daemon=True)
    thread.start()
    try:
        yield restart
    finally:
        stopped.set()
        thread.join()
