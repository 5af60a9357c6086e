"""The page of benchmarks is what the suite makes of its saved results; aims are judged as one would with a pencil."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
BENCHMARKS = ROOT / "benchmarks"


@pytest.fixture
def page(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    return importlib.import_module("page")


@pytest.fixture
def aims(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    return importlib.import_module("aims")


def result(title: str, **seconds: list[float]) -> dict[str, Any]:
    """Seconds for two clips, on both clocks."""
    cases = {name.replace("_", " "): values for name, values in seconds.items()}
    return {
        "command": "python benchmarks/loader.py",
        "date": "2026-01-01",
        "machine": "a machine",
        "load": 1.0,
        "title": title,
        "unit": "clips",
        "count": 2,
        "peer": "mocrop FrameReader",
        "seconds": {"cpu": cases, "wall": cases},
        "versions": {"numpy": "2.0"},
    }


def test_the_page_is_what_the_suite_makes_of_its_saved_results(tmp_path: Path) -> None:
    """So that nobody edits figures by hand; prose is changed in benchmarks/reasons.md."""
    made = tmp_path / "benchmarks.md"
    command = [sys.executable, str(BENCHMARKS / "report.py"), "--only-saved", "--page", str(made)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert made.read_text() == (ROOT / "docs" / "benchmarks.md").read_text()
    plots = {path.name for path in tmp_path.glob("*.png")}
    assert plots == {path.name for path in (ROOT / "docs").glob("benchmarks-*.png")}


def test_an_aim_is_met_from_its_limit_on(aims: ModuleType) -> None:
    title = "training batch of 2 clips x 3 frames, 8 px, uncompressed, in memory"
    saved = [result(title, mocrop_FrameReader=[1.0, 1.0, 1.0], numpy_memmap_gather=[0.5, 0.6, 0.7], OpenCV=[299.0] * 3)]
    rows = {row.aim.compared: row for row in aims.rows({"loader": saved})}
    share = rows["throughput of a memory map, share"]
    assert (share.found.median, share.wanted, share.met) == (0.6, "at least 0.6", True)
    assert not rows["the reference's pattern (OpenCV)"].met
    assert "the quickest of the others" not in rows  # nobody of them took part


def test_the_quickest_of_the_others_counts(aims: ModuleType) -> None:
    title = "evaluation batch of 2 clips x 8 frames, 8 px, uncompressed, evicted from memory"
    others = {"TensorStore_vindex": [4.0], "zarrs,_by_chunk": [9.0], "torchcodec": [3.5], "zarr-python,_oindex": [1.0]}
    (row,) = (
        row
        for row in aims.rows({"loader": [result(title, mocrop_FrameReader=[1.0], **others)]})
        if row.aim.compared == "the quickest of the others"
    )
    assert (row.found.median, row.aim.work) == (3.5, "evaluation batch, evicted from memory (wall)")


def test_the_box_search_is_judged_by_its_table(aims: ModuleType) -> None:
    saved = [
        {"title": "box search, 3 maps", "rows": [["9x16, ratio 0.5", "169", "199x"], ["9x16, ratio 0.25", "9", "200x"]]}
    ]
    found = aims.rows({"box search": saved})
    assert [(row.found.median, row.met) for row in found] == [(199, False), (200, True)]


@pytest.mark.parametrize("state", ["in memory", "in memory again, after cold reads", "evicted from memory"])
def test_each_state_of_the_page_cache_has_its_own_aims(aims: ModuleType, state: str) -> None:
    saved = [result(f"training batch of 2, {state}", mocrop_FrameReader=[1.0], OpenCV=[300.0])]
    rows = aims.rows({"loader": saved})
    assert [row.aim.work.partition(" (")[0] for row in rows] == [f"training batch, {state.partition(', after')[0]}"]


def test_times_are_given_for_one_of_what_is_counted(page: ModuleType) -> None:
    """Two clips in 10 ms are 5 ms a clip; twice as long as the peer is a ratio of 2."""
    made = page.timings_table(result("any", mocrop_FrameReader=[0.005, 0.005, 0.005], slow=[0.010, 0.010, 0.020]))
    assert "| mocrop FrameReader | 2.50 | 1.00 |" in made
    assert "| slow | 5.00 (5.00 to 10.0) | 2.00 (2.00 to 4.00) |" in made


def test_a_program_that_saves_nothing_is_shown_as_it_prints(page: ModuleType) -> None:
    where = {"command": "python benchmarks/x.py", "date": "2026-01-01", "machine": "m", "load": 1.0}
    made = page.markdown({"x": [{**where, "title": "x", "printed": "3 of 4\n"}]}, {"x": "Why."}, plots={})
    assert "## X\n\n`python benchmarks/x.py`, 2026-01-01, load 1\n\nWhy.\n\n```\n3 of 4\n```" in made


def test_results_that_were_saved_name_no_folder_of_a_machine() -> None:
    for file in (BENCHMARKS / "results").glob("*.jsonl"):
        for line in file.read_text().splitlines():
            assert "/" not in json.loads(line)["command"].replace("benchmarks/", "")
