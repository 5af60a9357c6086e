"""All commands in all broken places: one line on standard error and exit code 1, or the work done; no traceback."""

from __future__ import annotations

import pytest
import typer.main

from mocrop.cli import app
from tests.conftest import needs_torch
from tests.reliability.broken_places import COMMANDS
from tests.reliability.conditions import Condition
from tests.reliability.errors import Ending, run_apart
from tests.reliability.matrix import CONDITIONS

TALKERS = ("bench", "ablate", "demo")  # they also say on standard error, or before the line, what they are at


@pytest.fixture(scope="module")
def endings(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[Ending], str]:
    return run_apart(tmp_path_factory.mktemp("broken"))


def test_every_command_is_tried() -> None:
    assert {*typer.main.get_command(app).commands} == {*COMMANDS}  # type: ignore[attr-defined]
    assert {name for condition in CONDITIONS for name in condition.tried} == {*COMMANDS} - {"flops"}  # reads no place


@needs_torch
@pytest.mark.parametrize("condition", CONDITIONS, ids=lambda condition: condition.name)
def test_a_command_that_cannot_work_says_why_in_one_line(
    condition: Condition, endings: tuple[list[Ending], str]
) -> None:
    found, able = endings
    if missing := set(condition.needs.split()) - set(able.split()):
        pytest.skip(f"this system gives a test no {' and no '.join(sorted(missing))} of this kind")
    mine = [each for each in found if each.condition == condition.name]
    assert [each.command for each in mine] == condition.tried
    for each in mine:
        assert "Traceback" not in each.err + each.out, each
        if each.code == 1:
            assert each.lines[-1].startswith("error: "), each
            assert len(each.lines) == 1 or each.command in TALKERS, each
        if each.command == "verify":  # tells in its report what the others end with
            assert each.code in (0, 1, 3), each
        elif each.command in condition.fails.split():
            assert each.code == 1, each
            assert condition.says in each.lines[-1], each
            assert "remove" not in each.lines[-1] or "manifest" not in condition.name, each
        else:
            assert each.code in (0, 3), each
            assert "error: " not in each.err, each
