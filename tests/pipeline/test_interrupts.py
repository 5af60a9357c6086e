"""Ctrl-C and SIGTERM in real processes: at any import, while workers start and work, twice, and when all is done."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest

from mocrop.pipeline.interrupts import STOPPED
from tests.conftest import MakeVideo

pytestmark = pytest.mark.skipif(not hasattr(os, "killpg"), reason="this system sends no signals to groups of processes")

LINE = f"{STOPPED}\n"
AT_AN_IMPORT = """
import os, signal, sys
class Trap:
    def find_spec(self, name, path=None, target=None):
        if name == trap:
            sys.meta_path.remove(self)
            os.kill(os.getpid(), signal.SIGINT)
trap = sys.argv.pop(1)
sys.meta_path.insert(0, Trap())
from mocrop.__main__ import main
main()
"""
PROGRAM = """
import hashlib, os, signal, sys, time
from mocrop.pipeline.interrupts import run_program
def program(*, interrupts):
{body}
run_program(lambda: program)
"""


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory, make_video: MakeVideo) -> Path:
    """Two hundred clips, which take two processes some seconds."""
    folder = tmp_path_factory.mktemp("interrupts") / "data"
    first = make_video(folder / "A/000.avi", frames=40, size=(160, 120))
    for n in range(1, 200):
        shutil.copyfile(first, folder / f"A/{n:03}.avi")
    return folder


@contextmanager
def started(*command: str | Path) -> Iterator[subprocess.Popen[str]]:
    """A process in a group of its own, as a terminal makes one; it and its children are ended."""
    pipes: dict[str, Any] = dict.fromkeys(("stdout", "stderr"), subprocess.PIPE)
    with subprocess.Popen(list(map(str, command)), text=True, start_new_session=True, **pipes) as process:
        try:
            yield process
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)


def until(holds: Any) -> None:
    give_up = time.monotonic() + 120
    while not holds():
        assert time.monotonic() < give_up
        time.sleep(0.01)


def run_body(body: str) -> tuple[int, str, str]:
    """Exit code and output of a program of which this is the body."""
    indented = "".join(f"    {line}\n" for line in body.splitlines())
    with started(sys.executable, "-c", PROGRAM.format(body=indented)) as process:
        out, err = process.communicate(timeout=120)
    return process.returncode, out, err


@pytest.mark.parametrize(
    "module", ["mocrop.cli", "typer", "mocrop.training.recipe", "mocrop.pipeline.commands.status", "sqlite3"]
)
def test_an_import_that_is_interrupted_ends_in_one_line(module: str, tmp_path: Path) -> None:
    with started(sys.executable, "-c", AT_AN_IMPORT, module, "status", "-w", tmp_path) as process:
        out, err = process.communicate(timeout=120)
    assert (process.returncode, out, err) == (130, "", LINE)


@pytest.mark.parametrize(
    ("workers", "files", "number"),
    [(0, 1, signal.SIGINT), (2, 0, signal.SIGINT), (2, 9, signal.SIGINT), (2, 9, signal.SIGTERM)],
)
def test_a_stage_that_is_interrupted_ends_in_one_line_and_leaves_no_process(
    workers: int, files: int, number: signal.Signals, dataset: Path, tmp_path: Path
) -> None:
    """At work, or while its workers start; all processes get the signal, as from a terminal or a scheduler."""
    with started(
        sys.executable, "-m", "mocrop", "transcode", dataset, "-w", tmp_path, "--workers", str(workers)
    ) as process:
        begun = psutil.Process(process.pid)
        if files:
            until(lambda: len(list(tmp_path.rglob("h264/**/*.mp4"))) >= files)
        else:
            until(lambda: len(begun.children()) > 1)
        children = begun.children(recursive=True)
        os.killpg(process.pid, number)
        _, err = process.communicate(timeout=120)
    assert (process.returncode, err) == (128 + number, LINE)
    assert bool(children) is bool(workers)
    assert psutil.wait_procs(children, timeout=60)[1] == []
    with started(sys.executable, "-m", "mocrop", "status", "-w", tmp_path) as status:
        assert status.wait(timeout=120) == 0


def test_a_second_one_ends_a_process_that_is_in_a_call_which_hears_no_signals() -> None:
    with started(
        sys.executable, "-c", PROGRAM.format(body="    hashlib.pbkdf2_hmac('sha256', b'', b'', 10**9)")
    ) as process:
        used = psutil.Process(process.pid).cpu_times
        until(lambda: used().user > 1.0)  # in the call, with the handlers long in place
        os.killpg(process.pid, signal.SIGINT)
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(timeout=1)
        os.killpg(process.pid, signal.SIGINT)
        assert process.communicate(timeout=120) == ("", LINE)
        assert process.returncode == 130


def test_an_echo_of_the_first_one_leaves_time_to_record_what_is_done() -> None:
    body = """
try:
    os.kill(os.getpid(), signal.SIGINT)
finally:
    os.kill(os.getpid(), signal.SIGINT)
    time.sleep(0.1)
    print("recorded", flush=True)"""
    assert run_body(body) == (130, "recorded\n", LINE)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_error_that_comes_of_it_is_not_told(number: signal.Signals) -> None:
    body = f"""
try:
    os.kill(os.getpid(), {number})
except KeyboardInterrupt as interrupt:
    raise RuntimeError("a library makes something else of it") from interrupt"""
    assert run_body(body) == (128 + number, "", LINE)


def test_an_error_without_a_signal_is_told() -> None:
    code, _, err = run_body("raise RuntimeError('a bug')")
    assert code == 1
    assert err.rstrip().endswith("RuntimeError: a bug")


LATE = """
class Late:
    def __del__(self, kill=os.kill, me=os.getpid(), number=signal.SIGINT):
        kill(me, number)
"""


@pytest.mark.parametrize("code", [0, 3])
@pytest.mark.parametrize("held", ["import atexit\natexit.register(Late().__del__)", "sys.late = Late()"])
def test_one_that_comes_when_all_is_done_changes_nothing(code: int, held: str) -> None:
    """While Python calls what is to be done at the end, and when it has taken its handlers away."""
    assert run_body(f"{LATE}{held}\nprint('done', end='')\nsys.exit({code})") == (code, "done", "")


def test_an_exit_with_words_says_them() -> None:
    assert run_body("sys.exit('words')") == (1, "", "words\n")


def test_a_forked_process_has_its_signals_back_and_says_nothing() -> None:
    body = """
import warnings; warnings.simplefilter("ignore")  # from 3.12 on Python warns of forks where there are threads
if (child := os.fork()) == 0:
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL
    assert signal.getsignal(signal.SIGINT) == signal.default_int_handler
    os.kill(os.getpid(), signal.SIGTERM)
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))"""
    assert run_body(body) == (0, f"-{int(signal.SIGTERM)}\n", "")


def test_a_rank_of_torchrun_leaves_sigterm_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RANK", "1")
    assert run_body("print(signal.getsignal(signal.SIGTERM) == signal.SIG_DFL)") == (0, "True\n", "")
