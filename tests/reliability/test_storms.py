"""One small round of the storms that other tests do not have, and how their results are counted and shown."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

from tests.reliability.__main__ import weather
from tests.reliability.full_disk import can_mount, fill_disk
from tests.reliability.kills import kill_stages
from tests.reliability.mutated_videos import mutate_videos
from tests.reliability.page import BEGIN, END, PAGE, RESULTS, page, table
from tests.reliability.storms import STORMS, Storm


def storm(*, broken: bool, possible: bool = True) -> Storm:
    def one_round(_: Path, seed: int) -> Counter[str]:
        if broken:
            raise AssertionError("bytes differ")  # no assert, to whose message pytest adds a line
        return Counter({"whole": 2})

    return Storm(name="stores", harm="a hammer", must="whole", round=one_round, possible=lambda: possible)


def test_a_fault_is_counted_and_told_with_its_seed(capsys: pytest.CaptureFixture[str]) -> None:
    row = weather(storm(broken=True), seconds=0, seed=7)
    assert (row.tried, list(row.faults), dict(row.ended)) == (1, ["seed 7: bytes differ"], {})
    assert "Traceback" in capsys.readouterr().err


def test_what_holds_is_counted_by_how_it_ended() -> None:
    row = weather(storm(broken=False), seconds=0, seed=0)
    assert (row.tried, list(row.faults), dict(row.ended)) == (2, [], {"whole": 2})
    assert table([row]).splitlines()[2] == "| stores | a hammer | whole | 2 | whole 2 | 0 |"


def test_a_storm_that_this_machine_cannot_have_is_said_to_be_left_out() -> None:
    row = weather(storm(broken=True, possible=False), seconds=0, seed=0)
    assert table([row]).splitlines()[2] == "| stores | a hammer | whole | 0 | not run here | - |"


def test_the_page_has_the_saved_table_of_all_storms_and_no_fault() -> None:
    results = json.loads(RESULTS.read_bytes())
    text = PAGE.read_text(encoding="utf-8")
    assert page(text, results) == text
    assert [(row["name"], row["harm"]) for row in results["rows"]] == [(each.name, each.harm) for each in STORMS]
    assert not any(row["faults"] for row in results["rows"])
    assert text.count(BEGIN) == text.count(END) == 1


def test_a_killed_run_is_completed(tmp_path: Path) -> None:
    assert kill_stages(tmp_path, 0).total() == 1


def test_damaged_videos_end_no_process(tmp_path: Path) -> None:
    assert mutate_videos(tmp_path, 0).total() == 24


@pytest.mark.skipif(not can_mount(), reason="needs Linux, and the right to mount a file system in memory")
def test_a_full_disk_is_one_line(tmp_path: Path) -> None:
    assert fill_disk(tmp_path, 1).total() == 1
