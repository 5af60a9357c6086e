"""Try every command in every broken place, in one process, and say how each has ended.

``python -m tests.reliability.errors FOLDER [CONDITION...]`` writes FOLDER/endings.json. It is to be run by
:func:`run_apart`, in a process that may read nothing that is forbidden, and mount disks, where the system allows it.
"""

from __future__ import annotations

import contextlib
import io
import json
import shutil
import subprocess
import sys
import traceback
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from mocrop.cli import main
from tests.reliability.broken_places import READING, Place, copied, make_place
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
        return self.err.splitlines()


def run_apart(folder: Path, conditions: Sequence[str] = ()) -> tuple[list[Ending], str]:
    """Run this module in a process of its own; returns all endings, and what such a process could do here."""
    able, words = next((able, words) for able, words in WAYS.items() if _works([*words, sys.executable, "-c", _PROBE]))
    command = [*words, sys.executable, "-m", "tests.reliability.errors", str(folder), able, *conditions]
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


def try_all(base: Place, folder: Path, conditions: Sequence[Condition]) -> list[Ending]:
    """Each command that a condition is tried with; each that may write gets a new copy of the place after it."""
    endings = []
    for condition in conditions:
        waiting = condition.tried
        while waiting:
            place = copied(base, folder / "copy")
            with condition.apply(place):
                while waiting:
                    name = waiting.pop(0)
                    endings.append(ending_of(condition.name, name, place.command(name)))
                    if name not in READING and not (condition.early and endings[-1].code == 1):
                        break
            _remove(place.root)
    return endings


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


def _main(folder: Path, able: str, names: Sequence[str]) -> None:
    import torch

    torch.set_num_threads(1)

    def mocrop(*command: str) -> int:
        return ending_of("", command[0], command).code

    base = make_place(folder / "base", mocrop)
    chosen = [each for each in CONDITIONS if set(each.needs.split()) <= set(able.split())]
    endings = try_all(base, folder, [each for each in chosen if not names or each.name in names])
    (folder / "endings.json").write_text(json.dumps([asdict(each) for each in endings]))


if __name__ == "__main__":
    _main(Path(sys.argv[1]), sys.argv[2], sys.argv[3:])
