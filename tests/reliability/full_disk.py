"""Full disks: one line, exit 1, and nothing lost. Needs Linux and the right to mount file systems in memory."""

from __future__ import annotations

import contextlib
import random
import shutil
import subprocess
from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from tests.reliability.commands import CROP, comparable, make_dataset, require_same, run, undisturbed


@cache
def can_mount() -> bool:
    """Whether this process may mount a file system in memory."""
    if shutil.which("mount") is None or shutil.which("unshare") is None:
        return False
    attempt = ["unshare", "--mount", "mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", "/mnt"]
    return subprocess.run(attempt, capture_output=True, check=False).returncode == 0


@contextlib.contextmanager
def small_disk(folder: Path, kilobytes: int) -> Iterator[Path]:
    """A disk of this size at a folder, while the body runs."""
    folder.mkdir(parents=True, exist_ok=True)
    _mount("-t", "tmpfs", "-o", f"size={kilobytes}k", "tmpfs", folder)
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", folder], check=True)


def resize(folder: Path, kilobytes: int) -> None:
    """Give a small disk another size."""
    _mount("-o", f"remount,size={kilobytes}k", folder)


def _mount(*arguments: str | Path) -> None:
    subprocess.run(["mount", *map(str, arguments)], check=True, capture_output=True)


def fill_disk(folder: Path, seed: int) -> Counter[str]:
    """Run all stages on a disk that is too small, then give it room and run them again.

    Raises: AssertionError unless the first run ends with one line about the disk, and the second completes the work.
    """
    rng = random.Random(seed)
    dataset = make_dataset(folder / "data")
    expected = undisturbed(folder, dataset)
    with small_disk(folder / "disk", rng.randrange(60, 260)) as disk:
        command = ("run", dataset, *CROP, "--workers", str(rng.choice((0, 1))), "-w", disk / "work")
        first = run(*command)
        first.require(0, 1)
        if first.code:
            (line,) = [line for line in first.said.splitlines() if line.startswith("error:")]
            assert "no space is left on the disk" in line
        resize(disk, 64 << 10)
        run(*command).require(0)
        require_same(comparable(disk / "work"), expected)
    return Counter({"one line, completed later" if first.code else "fitted": 1})
