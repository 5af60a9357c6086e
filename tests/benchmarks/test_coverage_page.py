"""Pages about coverage are made from saved results; comparisons of boxes inside and with black bars agree by hand."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from mocrop.evaluation.coverage.measure import measure_coverage
from mocrop.evaluation.coverage.settings import CoverageSettings
from tests.benchmarks.modules import ROOT, benchmark_module
from tests.evaluation.coverage.test_coverage import CLIPS, clip

actor_coverage, coverage_bars, adaptive_constants, coverage_tables, coverage_page = (
    benchmark_module(name)
    for name in ("actor_coverage", "coverage_bars", "adaptive_constants", "coverage_tables", "coverage_page")
)
DOCS = ROOT / "docs"


def test_the_pages_are_what_the_saved_results_say(
    coverage_page: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So that nobody edits figures by hand: the pages without their tables become the pages again."""
    for name in coverage_page.PAGES:
        page = re.sub(r"^\|.*\n", "", (DOCS / name).read_text(), flags=re.MULTILINE)
        (tmp_path / name).write_text(page)
    monkeypatch.setattr(sys, "argv", ["coverage_page.py", "--pages", str(tmp_path)])
    coverage_page.main()
    for name in coverage_page.PAGES:
        assert (tmp_path / name).read_text() == (DOCS / name).read_text()
    assert (tmp_path / "coverage.png").read_bytes().startswith(b"\x89PNG")


def test_the_sentences_of_the_pages_hold_in_the_saved_results(actor_coverage: ModuleType) -> None:
    """They are written by hand: what they say of `follow` and `adaptive`, at slots, from H.264 files."""
    rows = actor_coverage.read_rows(actor_coverage.RESULTS / "coverage.json")
    found = {(row["of"], row["set"], row["variant"], row["ratio"]): row for row in rows if row["at"] == "slots"}

    def inside(of: str, clips: str, variant: str, ratio: float) -> float:
        return float(found[of, clips, variant, ratio]["inside"][0])

    def over(of: str, clips: str, variant: str, base: str, ratio: float) -> list[float]:
        """Mean, low, high."""
        return list(found[of, clips, variant, ratio]["over"][base])

    assert inside("made", "class cross", "follow", 0.1) >= 0.94
    assert inside("made", "class cross", "follow", 0.25) >= 0.99
    for ratio in (0.75, 0.5, 0.25, 0.1):
        low, high = over("real", "camera moves", "follow", "adaptive", ratio)[1:]
        assert low <= 0 <= high
        assert over("crossing", "all", "follow", "adaptive", ratio)[1] > 0
        short = inside("made", "class cross", "best moving box", ratio) - inside("made", "class cross", "follow", ratio)
        assert short < 0.005
    for ratio in (0.75, 0.5):
        assert over("real", "camera moves", "follow", "adaptive", ratio)[0] >= -0.003
    for ratio in (0.5, 0.25):
        assert over("crossing", "all", "adaptive", "motion", ratio)[2] < 0
    for ratio in (0.5, 0.25, 0.1):
        assert over("real", "camera moves", "motion", "center", ratio)[2] < 0
        assert over("real", "camera moves", "adaptive", "motion", ratio)[1] > 0
    assert over("real", "camera still", "follow", "adaptive", 0.1)[1] > 0


def test_every_table_of_the_pages_stands_between_marks(coverage_page: ModuleType) -> None:
    for name in coverage_page.PAGES:
        text = (DOCS / name).read_text()
        assert text.count("<!-- table: ") == text.count(coverage_page.END) > 0
        assert "|" not in re.sub(r"<!-- table: .*?<!-- end of table -->", "", text, flags=re.DOTALL)


def test_a_mark_that_names_no_table_is_an_error(coverage_page: ModuleType) -> None:
    with pytest.raises(KeyError, match="typo"):
        coverage_page.filled("<!-- table: typo -->\n<!-- end of table -->\n", {"table": "|"})


def test_rows_are_saved_and_shown(
    actor_coverage: ModuleType, coverage_tables: ModuleType, coverage_page: ModuleType, tmp_path: Path
) -> None:
    """Two clips of a still camera with the actor at the top left, which half of the frame about the middle misses."""
    measured = measure_coverage(CLIPS[:2], CoverageSettings(ratios=(0.5, 0.25)))
    actor_coverage.write_rows(actor_coverage.saved_rows("real", measured), tmp_path / "rows.json")
    rows = actor_coverage.read_rows(tmp_path / "rows.json")
    assert coverage_tables.sets_of(rows) == [("real", "camera still")]
    at_slots = coverage_tables.of_set(rows, ("real", "camera still"), at="slots")
    shown = coverage_tables.inside_table(at_slots)
    assert shown.startswith("| 2 clips of 2 groups; fewer than 8 groups")
    assert "| follow | 1.000 [0.000, 1.000] | 1.000 [0.000, 1.000] |" in shown
    assert "| picture, area 0.80 | 1.000 [0.000, 1.000] |  |" in shown
    assert "| follow over adaptive | +0.000 [-1.000, +1.000] |" in coverage_tables.gains_table(at_slots)
    assert {coverage_page.plotted(row).clips for row in rows} == {2}


def test_boxes_that_are_compared_have_the_same_area(coverage_bars: ModuleType) -> None:
    """A picture of 0.8 of the frame; what would be larger than it is the whole picture, in both."""
    assert coverage_bars.asked(0.9, share_of="frame", area=0.8) == {"keep": 0.8, "cut": 1}
    assert coverage_bars.asked(0.9, share_of="picture", area=0.8) == {"keep": pytest.approx(0.72), "cut": 0.9}


def test_only_clips_with_bars_are_compared(coverage_bars: ModuleType) -> None:
    import dataclasses

    whole = dataclasses.replace(CLIPS[0], motion=dataclasses.replace(CLIPS[0].motion, picture=(0, 0, 320, 240)))
    rows: list[dict[str, Any]] = list(coverage_bars.rows_of("real", "1-12", [whole, clip("Dig/c"), clip("Dig/d")]))
    assert {tuple(row["counts"]) for row in rows} == {(2, 2)}
    assert {row["picture"] for row in rows} == {0.8}
    (follow,) = (row for row in rows if (row["policy"], row["shares_of"], row["ratio"]) == ("follow", "frame", 0.25))
    assert follow["keep"] == follow["cut"] == 1
    assert list(coverage_bars.rows_of("real", "1-12", [whole])) == []


def test_constants_are_varied_one_at_a_time(adaptive_constants: ModuleType) -> None:
    variants = adaptive_constants.variants()
    assert variants["adaptive (blur_cells x0.7)"].blur_cells == pytest.approx(1.4)
    assert variants["follow (prior_moving x1.3)"].prior_moving == pytest.approx(3.9)
    assert variants["follow (window 0.24 s)"] == variants["follow"]
    settings = CoverageSettings(variants={name: variants[name] for name in ("center", "adaptive")}, ratios=(0.5, 0.25))
    rows = list(adaptive_constants.rows_of("real", measure_coverage(CLIPS, settings)))
    (still,) = (row for row in rows if (row["set"], row["variant"]) == ("camera still", "adaptive"))
    assert (still["clips"], still["inside"]) == (2, [1, 1])
    assert np.isfinite([row["inside"] for row in rows]).all()
    only = next(adaptive_constants.at_slots([clip("Dig/a")], settings))  # of two frames, the key frame has a slot
    assert (only.frames.tolist(), len(only.truth)) == ([0, 0], 2)
