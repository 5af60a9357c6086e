"""Ctrl-C and SIGTERM in the program ``mocrop``: one line, an exit code, and a second one ends it at once.

Only the program installs these handlers. In programs that import mocrop, signals are theirs.
"""

from __future__ import annotations

import atexit
import contextlib
import logging
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable
from types import FrameType
from typing import Any, NoReturn

from mocrop.pipeline.platform_calls import after_fork

SECONDS_TO_WIND_UP = 1.0  # from the first signal, if there is a second one; many launchers pass on what the terminal
# has sent already, and such an echo must leave time to record what is done
STOPPED = "stopped; the same command goes on where this one ended"
_SHOW_CURSOR = b"\r\x1b[2K\x1b[?25h"  # a progress bar has hidden it


class Interrupts:
    """What has been heard of signals.

    The first one raises KeyboardInterrupt in the main thread, so that what is done is recorded and workers are closed.
    A second one ends the process, whatever the main thread is in: a thread hears it even while FFmpeg works.
    """

    def __init__(self) -> None:
        self.number = 0  # of the first signal; 0: none
        self._exit_code: int | None = None  # of work that is done; None: it is not
        self._said = False
        self._ear, self._mouth = socket.socketpair()

    def stopped(self) -> bool:
        """Whether there was a signal."""
        return self.number != 0

    def say(self) -> None:
        """Say once that the command was stopped."""
        if not self._said:
            self._said = True
            terminal = os.isatty(sys.__stderr__.fileno()) if sys.__stderr__ else False
            os.write(2, (_SHOW_CURSOR if terminal else b"") + STOPPED.encode() + b"\n")

    def listen(self) -> None:
        """Install the handlers; in the main thread only."""
        # torchrun sends SIGTERM to the other ranks when one has failed, and says so itself
        for number in (signal.SIGINT,) if "RANK" in os.environ else (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._handle)
        self._mouth.setblocking(False)
        signal.set_wakeup_fd(self._mouth.fileno(), warn_on_full_buffer=False)
        after_fork(_forget)
        atexit.register(_ignore)  # the first to be registered is the last to be called
        threading.Thread(target=self._count, daemon=True, name="second Ctrl-C").start()

    def end(self, code: int) -> NoReturn:
        """Leave with the exit code of a command that has ended, or with the signal's if that has ended it."""
        if self.number and code == 128 + signal.SIGINT:  # as Typer says of every KeyboardInterrupt
            self.leave()
        with contextlib.suppress(OSError, ValueError):  # closed, or what it goes to is; Python tries again
            sys.stdout.flush()
        self._exit_code = code
        sys.exit(code)

    def leave(self) -> NoReturn:
        """End this process and its workers now."""
        _kill_children()
        self.say()
        os._exit(128 + self.number)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if self.number:
            return  # the thread that counts has heard it too
        self.number = number
        if self._exit_code is not None:
            os._exit(self._exit_code)  # all is done and said, the interpreter is winding up
        _hush()
        if _imports(frame):
            self.leave()  # modules that are half imported turn the exception into others, or lose it
        raise KeyboardInterrupt

    def _count(self) -> None:
        heard = 0
        first = 0.0
        while True:
            for number in self._ear.recv(64):
                # while others handle signals, as training does, they also count them
                if number in (signal.SIGINT, signal.SIGTERM) and signal.getsignal(number) == self._handle:
                    heard += 1
                    first = first or time.monotonic()
                if heard == 2:
                    time.sleep(max(0.0, first + SECONDS_TO_WIND_UP - time.monotonic()))
                    self.number = self.number or number
                    self.leave()


def run_program(load: Callable[[], Callable[..., None]]) -> NoReturn:
    """Run a program as ``mocrop`` is run, from its first import on.

    Args:
        load: imports the program and returns it; it takes ``interrupts``.
    """
    # If this process is ended at once, the one that tidies up after it need not say so.
    sys.warnoptions.append("ignore:resource_tracker")
    hold_streams()
    interrupts = Interrupts()
    interrupts.listen()
    try:
        load()(interrupts=interrupts)
    except SystemExit as end:
        if not isinstance(end.code, int | None):
            raise  # words, which Python prints
        interrupts.end(end.code or 0)
    except BaseException:
        if interrupts.stopped():
            interrupts.leave()
        raise
    interrupts.end(0)


def hold_streams() -> None:
    """Let what is said be lost where this process was started with a standard stream closed.

    Else the first file to be opened, such as a store, takes the number of that stream, and what libraries print there.
    """
    for number, name, mode in ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w")):
        try:
            os.fstat(number)
        except OSError:  # closed: the lowest number that is free
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: SIM115  # stays open
            setattr(sys, f"__{name}__", getattr(sys, name))


def _imports(frame: FrameType | None) -> bool:
    """Whether the code of a frame runs as part of an import."""
    while frame is not None:
        if frame.f_code.co_filename.startswith("<frozen importlib"):
            return True
        frame = frame.f_back
    return False


def _hush() -> None:
    """Keep what is said of work that is being given up off the screen."""

    def nothing(_: Any) -> None:
        pass

    logging.disable(logging.CRITICAL)
    threading.excepthook = nothing
    sys.unraisablehook = nothing


def _kill_children() -> None:
    """End the worker processes that this one has started; they would also notice by themselves that it is gone."""
    multiprocessing = sys.modules.get("multiprocessing")
    for child in multiprocessing.active_children() if multiprocessing else ():
        child.kill()


def _ignore() -> None:
    """Let the rest of the interpreter's end pass in peace: Python would take these handlers away before it is over."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)


def _forget() -> None:
    """Give a child process its signals back."""
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
