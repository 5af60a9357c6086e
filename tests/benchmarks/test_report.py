"""The pages of benchmarks are made from saved results; aims and costs agree with sums by hand."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from tests.benchmarks.modules import BENCHMARKS, ROOT, benchmark_module

page, aims, scaling, cost_model = (benchmark_module(name) for name in ("page", "aims", "scaling", "cost_model"))


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


def test_the_pages_are_what_the_suite_makes_of_its_saved_results(tmp_path: Path) -> None:
    """So that nobody edits figures by hand; prose is changed in benchmarks/reasons.md."""
    readme = tmp_path / "README.md"
    readme.write_text(re.sub(r"^\|.*\n", "", (ROOT / "README.md").read_text(), flags=re.MULTILINE))  # without its table
    where = ["--pages", str(tmp_path), "--readme", str(readme)]
    command = [sys.executable, str(BENCHMARKS / "report.py"), "--only-saved", *where]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    for name in ("benchmarks.md", "scaling.md"):
        assert (tmp_path / name).read_text() == (ROOT / "docs" / name).read_text()
    assert readme.read_text() == (ROOT / "README.md").read_text()
    plots = {path.name for path in tmp_path.glob("*.png")}
    assert plots == {"scaling.png", *(path.name for path in (ROOT / "docs").glob("benchmarks-*.png"))}


def test_an_aim_is_met_from_its_limit_on(aims: ModuleType) -> None:
    title = "training batch of 2 clips x 3 frames, 8 px, uncompressed, in memory"
    saved = [result(title, mocrop_FrameReader=[1.0, 1.0, 1.0], numpy_memmap_gather=[0.5, 0.6, 0.7], OpenCV=[299.0] * 3)]
    rows = {row.aim.compared: row for row in aims.rows({"loader": saved})}
    share = rows["throughput of a memory map, share"]
    assert (share.found.median, share.wanted, share.met) == (0.6, "at least 0.6", True)
    assert not rows["the reference's pattern (OpenCV)"].met
    assert "the quickest of the others" not in rows  # none of them took part


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


def test_two_workers_are_judged_by_half_their_speed_up(aims: ModuleType) -> None:
    facts = [{"stage": "precrop", "workers": workers, "speed-up": speed} for workers, speed in ((1, 1.0), (2, 1.9))]
    (row,) = aims.rows({"workers": [{"title": "workers: 9 clips", "facts": facts}]})
    assert (row.found.median, row.met) == (0.95, True)


def scale_facts(clips: int, *, seconds: float) -> dict[str, Any]:
    """Every action takes ``seconds``."""
    times = {f"{what}, {clock}": seconds for what in ("run", "again", "create") for clock in ("cpu", "wall")}
    phases = ("init", "transcode", "extract-mv", "precrop", "status", "training")
    return {"clips": clips, **{phase: {**times, "MB": 100.0, "before MB": 50.0} for phase in phases}}


def test_scheduling_is_judged_for_one_clip_of_the_most(aims: ModuleType) -> None:
    """4 s for 1000 clips are 4 ms each, 4 s for 2000 are 2."""
    facts = [scale_facts(1000, seconds=4.0), scale_facts(2000, seconds=4.0)]
    rows = aims.rows({"scale": [{"title": "scale", "facts": facts}]})
    found = {row.aim.work: (row.found.median, row.met) for row in rows}
    assert found["scheduling transcode, ms a clip (CPU)"] == (2.0, True)
    assert found["`mocrop status`, s (CPU)"] == (4.0, False)
    assert found["start of training, s (wall)"] == (4.0, True)


def test_taking_in_is_judged_by_the_slowest_and_by_the_largest_form(aims: ModuleType) -> None:
    facts = [{"CPU": 5.0, "wall": 9.0, "MB": 1100.0}, {"CPU": 7.0, "wall": 16.0, "MB": 300.0}]
    rows = aims.rows({"forms": [{"title": "init of 240,000 rows in each form", "facts": facts}]})
    assert [(row.found.median, row.met) for row in rows] == [(7.0, True), (16.0, False), (1100.0, False)]
    assert not aims.rows({"forms": [{"title": "init of 50 rows in each form", "facts": facts}]})


@pytest.fixture
def measured() -> dict[str, Any]:
    """Two clips of 100 frames of 320x240 in 2 s of CPU time, and 1000 clips that the client spent 1 s a stage on."""
    preprocessing = result("preprocessing", all_stages=[2.0], **{"all_stages,_--source_original": [0.2]})
    common = {"frames": 100, "pixels": 100 * 320 * 240, "motion": 10e3, "slots": 16, "frame bytes": 1000}
    disk = [
        {**common, "source": "h264", "h264": 50e3, "cached frames": 9.0},
        {**common, "source": "original", "h264": 0, "cached frames": 6.0},
    ]
    facts = [scale_facts(500, seconds=0.5), scale_facts(1000, seconds=1.0)]
    scale = {**result("scale"), "columns": ["clips", "1,000"], "rows": [["init, s", "1.00"]], "facts": facts}
    return {"preprocessing": [preprocessing, {**result("on the disk"), "facts": disk}], "scale": [scale]}


def test_a_clip_twice_as_long_costs_the_workers_twice_and_the_client_the_same(
    cost_model: ModuleType, measured: dict[str, Any]
) -> None:
    del measured["preprocessing"][1]["seconds"]
    cost = cost_model.measured_cost("h264", **measured)
    assert (cost.worker_seconds, cost.client_seconds, cost.most_workers) == (1.0, 0.003, pytest.approx(1000 / 3))
    longer = cost.of(cost_model.DataSet(name="longer", clips=1, frames=200, width=320, height=240))
    assert (longer.worker_seconds, longer.client_seconds) == (2.0, 0.003)
    assert longer.bytes == {"h264": 100e3, "motion": 20e3, "cache": 16e3}  # 18 frames, of which 16 have a slot
    direct = cost_model.measured_cost("original", **measured)
    assert (direct.worker_seconds, direct.client_seconds) == (0.1, 0.002)
    assert direct.bytes == {"motion": 10e3, "cache": 6e3}


def test_clips_of_kinetics_are_86_per_cent_larger_than_those_of_ucf_101(cost_model: ModuleType) -> None:
    """300 x 340 x 256 pixels against 183 x 320 x 240."""
    assert cost_model.KINETICS400.pixels / cost_model.UCF101.pixels == pytest.approx(1.858, abs=0.001)


def test_the_page_of_scaling_says_where_a_limit_is_reached_and_what_a_million_clips_cost(
    scaling: ModuleType, measured: dict[str, Any]
) -> None:
    """A second at 1000 clips and half of it at 500 are two seconds at 2000; memory has not grown."""
    del measured["preprocessing"][1]["seconds"]
    made = scaling.markdown(measured, {"scaling: limits": "Why."}, picture="scaling.png")
    assert "## The first bottleneck\n\nWhy.\n\n|" in made
    assert "| `mocrop status`, CPU s | 1.00 | 2.00 | 2,000 |" in made
    assert "| memory of the client, MB | 100 | 2,000 | does not grow |" in made
    assert f"| UCF-101, through H.264 | 13,320 | {13320 * 1.83 / 3600:.2f} |" in made
    assert f"| {(1.83 + 0.003) * 1e6 / 3600:.0f} p |" in made


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
