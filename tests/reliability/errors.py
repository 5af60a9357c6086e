"""Try every command in every broken place, in one process, and say how each has ended.

``python -m tests.reliability.errors FOLDER ABLE`` tries FOLDER/cells.json and writes FOLDER/endings.json. It is to be
run by :func:`run_apart`, in a process that may read nothing that is forbidden, and mount disks,
where the system allows it.
"""

from __future__ import annotations

import contextlib
import io
import json
import shutil
import subprocess
import sys
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from os import scandir  # the system's own, whatever a condition makes of it
from pathlib import Path

from mocrop.cli import main
from tests.reliability.broken_places import ASKING, READING, Place, copied, make_place
from tests.reliability.conditions import Condition
from tests.reliability.matrix import CONDITIONS

NO_OVERRIDE = ["setpriv", "--bounding-set=-dac_override,-dac_read_search", "--inh-caps=-all"]  # for root
WAYS = {  # to start a process, best first: what such a process can do, and the words before its command
    "rights mounts": ["unshare", "-rm", *NO_OVERRIDE],
    "rights": NO_OVERRIDE,
    "": [],
}


@dataclass(frozen=True, kw_only=True)
class Ending:
    """How a command has ended; ``code`` is -1 if it raised what `main` lets through: a traceback."""

    condition: str
    command: str
    code: int
    out: str
    err: str

    @property
    def lines(self) -> list[str]:
        """The lines on standard error."""
        return [line for line in self.err.splitlines() if line]  # an older rich ends a progress bar with an empty one


def run_apart(folder: Path, cells: Mapping[str, Sequence[str]]) -> tuple[list[Ending], str]:
    """Run this module in a process of its own.

    Args:
        cells: commands by the name of the condition to try them in.
    Returns: all endings, and what such a process could do here; conditions that need more are left out.
    """
    able, words = next((able, words) for able, words in WAYS.items() if _works([*words, sys.executable, "-c", _PROBE]))
    (folder / "cells.json").write_text(json.dumps({name: list(commands) for name, commands in cells.items()}))
    command = [*words, sys.executable, "-m", "tests.reliability.errors", str(folder), able]
    done = subprocess.run(command, cwd=Path(__file__).parents[2], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return [Ending(**each) for each in json.loads((folder / "endings.json").read_text())], able


_PROBE = """
import os, sys, tempfile
with tempfile.NamedTemporaryFile() as file:
    os.chmod(file.name, 0)
    sys.exit(os.access(file.name, os.R_OK) and os.name != "nt")
"""


def _works(command: list[str]) -> bool:
    try:
        return subprocess.run(command, capture_output=True, check=False).returncode == 0 or command[0] == sys.executable
    except OSError:  # there is no such program
        return False


def try_all(base: Place, folder: Path, cells: Sequence[tuple[Condition, Sequence[str]]]) -> list[Ending]:
    """Try commands in conditions; one that has changed anything leaves a new copy of the place to the next."""
    endings = []
    for condition, commands in cells:
        waiting = list(commands)
        while waiting:
            place = copied(base, folder / "copy")
            with condition.apply(place):
                while waiting:
                    name = waiting.pop(0)
                    before = _state(place.work)
                    endings.append(ending_of(condition.name, name, place.command(name)))
                    if name not in (*READING, *ASKING) and _state(place.work) != before:
                        break
            _remove(place.root)
    return endings


def _state(folder: Path) -> dict[str, tuple[int, ...]]:
    """What one can see of all files in a folder without reading them; a lock that was held and let go is as it was."""
    seen: dict[str, tuple[int, ...]] = {}
    try:
        entries = [*scandir(folder)]
    except OSError:  # forbidden, or none
        return seen
    for entry in entries:
        status = entry.stat(follow_symlinks=False)
        if entry.is_dir(follow_symlinks=False):
            seen |= {entry.path: (status.st_mode,), **_state(Path(entry.path))}
        else:
            kept = () if entry.name == ".lock" else (status.st_size, status.st_mtime_ns, status.st_ino)
            seen[entry.path] = (status.st_mode, *kept)
    return seen


def ending_of(condition: str, name: str, command: Sequence[str]) -> Ending:
    """Run a command in this process."""
    code, out, err = 0, io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            main(list(command))
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else 0
        except Exception:
            code = -1
            traceback.print_exc()
    return Ending(condition=condition, command=name, code=code, out=out.getvalue(), err=err.getvalue())


def _remove(folder: Path) -> None:
    """Remove a folder in which there may be forbidden ones."""
    for path in [folder, *folder.rglob("*")]:
        if path.is_dir() and not path.is_symlink():
            path.chmod(0o755)
    shutil.rmtree(folder)


def _main(folder: Path, able: str) -> None:
    import torch

    torch.set_num_threads(1)

    def mocrop(*command: str) -> int:
        return ending_of("", command[0], command).code

    base = Place(folder / "base")
    if not base.root.exists():
        make_place(base.root, mocrop)
    cells = json.loads((folder / "cells.json").read_text())
    possible = {each.name: each for each in CONDITIONS if set(each.needs.split()) <= set(able.split())}
    endings = try_all(base, folder, [(possible[name], cells[name]) for name in cells if name in possible])
    (folder / "endings.json").write_text(json.dumps([asdict(each) for each in endings]))


if __name__ == "__main__":
    _main(Path(sys.argv[1]), sys.argv[2])
