"""Run `mocrop` as a process of its own, for storms that kill it, and compare what is left on the disk."""

from __future__ import annotations

import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mocrop.evaluation.demo.sprites import SpriteSettings, make_sprites
from tests.test_commands import stores

ROOT = Path(__file__).resolve().parents[2]
LIMIT_SECONDS = 600
CROP = ("--size", "32", "--frames", "4", "--motion-fields", "--field-side", "4")


@dataclass(frozen=True, kw_only=True)
class Ended:
    """How a command has ended."""

    code: int  # negative: by that signal
    said: str  # on standard output and standard error

    def require(self, *codes: int) -> None:
        """Raises: AssertionError for another exit code, or a traceback."""
        assert self.code in codes, f"exit {self.code}: {self.said[-2000:]}"
        assert "Traceback" not in self.said, self.said[-2000:]


def start(*arguments: str | Path) -> subprocess.Popen[str]:
    """Start a command in a process group of its own."""
    environment = {**os.environ, "PYTHONPATH": os.fspath(ROOT), "COLUMNS": "80"}
    return subprocess.Popen(
        [sys.executable, "-m", "mocrop", *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=environment,
        start_new_session=True,
    )


def ended(process: subprocess.Popen[str]) -> Ended:
    """Wait for a command."""
    said, _ = process.communicate(timeout=LIMIT_SECONDS)
    return Ended(code=process.returncode, said=said)


def run(*arguments: str | Path) -> Ended:
    """Run a command to its end."""
    return ended(start(*arguments))


def kill_after(process: subprocess.Popen[str], seconds: float, *, group: bool) -> bool:
    """Kill a command, or all its processes, after some time; return whether it was still at work."""
    try:
        process.wait(timeout=seconds)
    except subprocess.TimeoutExpired:
        if group:
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()
    at_work = process.wait() == -signal.SIGKILL
    assert process.stdout is not None
    process.stdout.close()
    wait_for_group(process.pid)
    return at_work


def wait_for_group(group: int) -> None:
    """Wait until no process of a group is left: the workers of a killed client end by themselves.

    Raises: AssertionError if they do not.
    """
    for _ in range(600):
        try:
            os.killpg(group, 0)
        except ProcessLookupError:
            return
        time.sleep(0.1)
    raise AssertionError(f"processes of group {group} did not end")


def make_dataset(folder: Path) -> Path:
    """Six short clips of sprites."""
    if not folder.exists():
        make_sprites(folder, SpriteSettings(classes=2, groups=3, clips_per_group=1, frames=24, width=64, height=48))
    return folder


def undisturbed(folder: Path, dataset: Path) -> dict[str, str]:
    """What all stages write for the data set when nothing disturbs them; made once in a folder."""
    workspace = folder / "undisturbed"
    if not workspace.exists():
        run("run", dataset, *CROP, "--workers", "0", "-w", workspace).require(0)
    return comparable(workspace)


def usual_seconds(note: Path, *arguments: str | Path) -> float:
    """How long a command takes that nothing disturbs; it is run once, and the time noted in a file."""
    if not note.exists():
        start_time = time.monotonic()
        run(*arguments).require(0)
        note.write_text(str(time.monotonic() - start_time))
    return float(note.read_text())


@dataclass(frozen=True, kw_only=True)
class Stages:
    """`mocrop run` in a new workspace, to be cut short and given again."""

    command: tuple[str | Path, ...]
    workspace: Path
    seconds: float  # that it usually takes
    expected: dict[str, str]  # what it writes when nothing disturbs it, see :func:`comparable`

    def complete(self) -> None:
        """Run it again. Raises: AssertionError unless it ends well, with the bytes that are expected."""
        once_more(self.command)
        require_same(comparable(self.workspace), self.expected)


def new_stages(folder: Path, rng: random.Random) -> Stages:
    """All stages over six clips, in this process or on two workers."""
    dataset, workspace, workers = make_dataset(folder / "data"), folder / "cut-short", str(rng.choice((0, 2)))
    expected = undisturbed(folder, dataset)
    shutil.rmtree(workspace, ignore_errors=True)
    command = ("run", dataset, *CROP, "--workers", workers, "-w")
    seconds = usual_seconds(folder / f"seconds-{workers}", *command, folder / f"timed-{workers}")
    return Stages(command=(*command, workspace), workspace=workspace, seconds=seconds, expected=expected)


def comparable(workspace: Path) -> dict[str, str]:
    """Hash of each file that the stages write, by its path; without what a killed process has left under a dot."""
    left_out = re.compile(r"/\.|\.features/")
    return {name: digest for name, digest in stores(workspace).items() if not left_out.search(name)}


def require_same(found: dict[str, str], expected: dict[str, str]) -> None:
    """Raises: AssertionError naming the files that differ."""
    differing = sorted(name for name in found.keys() | expected.keys() if found.get(name) != expected.get(name))
    assert not differing, f"{len(differing)} files differ: {', '.join(differing[:5])}"


def once_more(arguments: Sequence[str | Path]) -> None:
    """Run a command that was cut short again. Raises: AssertionError unless it ends well."""
    run(*arguments).require(0)
