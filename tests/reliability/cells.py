"""All commands in all conditions, or some of them: how each may end, and what has ended in another way.

``python -m tests.reliability.cells [WORDS]`` tries all cells once, of those conditions whose name holds WORDS.
"""

from __future__ import annotations

import random
import re
import sys
import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.reliability.broken_places import COMMANDS, FORMS
from tests.reliability.conditions import Condition
from tests.reliability.errors import Ending, run_apart
from tests.reliability.matrix import CONDITIONS

TALKERS = ("bench", "ablate", "demo")  # they also say on standard error, or before the line, what they are at
TALKING_FORMS = ("train --json", "retry --json")  # say there what is not for programs
_CANNOT_BEGIN = (
    "workspace|settings:|(of|forbidden|dangling) settings"
    "|empty manifest|manifest (of|without)|full disk|(kind of|dangling) lock"
)
_DAMAGE = (
    r"(forbidden|another kind of|dangling|half|empty|garbage) "
    r"(best|last|caches?|cache-json|state-json|column|frames|h264|motion|motion-shard|motion-json|runs?|manifest)"
    r"|.* of 2\^\d+ clips"
)
BY_NAME = {condition.name: condition for condition in CONDITIONS}
CELLS_OF_A_ROUND = 40
ONE_LINE, DONE = "one line", "done, or failed clips"


def fault(ending: Ending) -> str:
    """How a command has ended otherwise than it may; empty where it has not."""
    condition, name = BY_NAME[ending.condition], ending.command.split()[0]
    said = "Traceback" in ending.err + ending.out
    errors = sum(line.startswith("error: ") for line in ending.lines)
    must_fail = _must_fail(condition, ending.command)
    if said or ending.code not in (0, 1, 3):
        return "a traceback" if said else f"exit code {ending.code}"
    if ending.code == 1 and not (errors == 1 and ending.lines[-1].startswith("error: ")):
        return "no last line with the error" if errors < 2 else "several errors"
    if ending.code == 1 and len(ending.lines) > 1 and name not in TALKERS and ending.command not in TALKING_FORMS:
        return "more than one line"
    if ending.code != 1 and (errors or not ending.out.strip()):
        return f"exit code {ending.code} and {'an error' if errors else 'nothing said'}"
    if must_fail is not None and must_fail != (ending.code == 1):
        return f"exit code {ending.code} where it {'cannot' if must_fail else 'can'} work"
    code = _verify_code(condition.name) if name == "verify" else None
    repaired = code == 3 and ending.code == 0 and "--repair" in ending.command  # all of it can be made again
    if code is not None and not repaired and (code != ending.code or (code == 3 and "damaged" not in ending.out)):
        return f"exit code {ending.code} of verify, and not {code}"
    if ending.code == 1 and must_fail and condition.says not in ending.lines[-1]:
        return f"does not say {condition.says!r}"
    if ending.code == 1 and "remove" in ending.lines[-1] and "manifest" in condition.name:
        return "says that the manifest is to be removed"
    return ""


def _must_fail(condition: Condition, command: str) -> bool | None:
    """Whether a command must end with 1 and a line; None where the table does not say."""
    if " " in command or command == "verify":  # which tells in its report what the others end with
        return None
    return command in condition.fails.split() if command in condition.tried else None


def _verify_code(name: str) -> int | None:
    """What `verify` ends with: 3 for damage, 1 where it cannot begin; None where that depends."""
    if re.search(_CANNOT_BEGIN, name):
        return 1
    if re.fullmatch(_DAMAGE, name) and name != "another kind of run":  # which may be any file
        return 3
    harmless = re.match("(forbidden|another kind of|dangling) |checkpoint:|no locks|read-only disk", name)
    return 0 if harmless else None


def all_cells(words: str = "") -> dict[str, Sequence[str]]:
    """Every command and every form of one, in each condition whose name holds some words.

    The demo, which takes half a minute, only where it cannot begin.
    """
    return {
        name: [each for each in (*COMMANDS, *FORMS) if each != "demo" or each in condition.fails.split()]
        for name, condition in BY_NAME.items()
        if words in name
    }


def some_cells(number: int, *, seed: int) -> dict[str, Sequence[str]]:
    """As many cells, drawn from all."""
    cells = [(name, command) for name, commands in all_cells().items() for command in commands]
    chosen: dict[str, list[str]] = {}
    for name, command in random.Random(seed).sample(cells, number):
        chosen.setdefault(name, []).append(command)
    return {**chosen}


def try_cells(folder: Path, seed: int) -> Counter[str]:
    """A round of the storm: some cells. Raises: AssertionError that names those that have ended otherwise."""
    endings, _ = run_apart(folder, some_cells(CELLS_OF_A_ROUND, seed=seed))
    faults = [f"{each.command} in {each.condition}: {wrong}" for each in endings if (wrong := fault(each))]
    assert not faults, "; ".join(faults)
    return Counter(ONE_LINE if each.code == 1 else DONE for each in endings)


def _main(cells: Mapping[str, Sequence[str]]) -> int:
    with tempfile.TemporaryDirectory(prefix="cells-") as folder:
        endings, _ = run_apart(Path(folder), cells)
    wrong = [(each, why) for each in endings if (why := fault(each))]
    for each, why in wrong:
        print(f"{each.condition} | {each.command} | {why} | {each.err[-300:].strip()!r}")
    print(f"{len(endings)} cells, {len(wrong)} faults")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(_main(all_cells(" ".join(sys.argv[1:]))))
