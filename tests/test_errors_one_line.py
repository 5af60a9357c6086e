"""All commands in all broken places: one line on standard error and exit code 1, or the work done; no traceback."""

from __future__ import annotations

import pytest
import typer.main

from mocrop.cli import app
from tests.conftest import needs_torch
from tests.reliability.broken_places import COMMANDS
from tests.reliability.cells import fault
from tests.reliability.conditions import Condition
from tests.reliability.errors import Ending, run_apart
from tests.reliability.matrix import CONDITIONS

SUITE = [condition for condition in CONDITIONS if condition.tried]  # the others are for the storm


@pytest.fixture(scope="module")
def endings(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[Ending], str]:
    return run_apart(tmp_path_factory.mktemp("broken"), {condition.name: condition.tried for condition in SUITE})


def test_every_command_is_tried() -> None:
    assert {*typer.main.get_command(app).commands} == {*COMMANDS}  # type: ignore[attr-defined]
    assert {name for condition in SUITE for name in condition.tried} == {*COMMANDS} - {"flops"}  # reads no place


@needs_torch
@pytest.mark.parametrize("condition", SUITE, ids=lambda condition: condition.name)
def test_a_command_that_cannot_work_says_why_in_one_line(
    condition: Condition, endings: tuple[list[Ending], str]
) -> None:
    found, able = endings
    if missing := set(condition.needs.split()) - set(able.split()):
        pytest.skip(f"this system gives a test no {' and no '.join(sorted(missing))} of this kind")
    mine = [each for each in found if each.condition == condition.name]
    assert [each.command for each in mine] == condition.tried
    assert not [(each, wrong) for each in mine if (wrong := fault(each))]
