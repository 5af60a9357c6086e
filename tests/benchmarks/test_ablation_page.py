"""docs/ablation.md has the tables that its program makes of saved reports, and no figure of its own making."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from types import ModuleType

from tests.benchmarks.modules import ROOT, benchmark_module

ablation_page = benchmark_module("ablation_page")
PAGE = ROOT / "docs" / "ablation.md"
MAX_BYTES = {"json": 400_000, "png": 200_000}


def test_the_page_is_what_the_saved_reports_give(ablation_page: ModuleType, tmp_path: Path) -> None:
    """Prose is changed in the page itself, figures of tables never."""
    copy = tmp_path / PAGE.name
    shutil.copy(PAGE, copy)
    ablation_page.write_page(copy)
    assert copy.read_text() == PAGE.read_text()
    drawn = {path.name for path in tmp_path.glob("*.png")}
    assert drawn == {path.name for path in PAGE.parent.glob("ablation-*.png")}
    assert drawn >= set(re.findall(r"\((ablation-[^)]+\.png)\)", PAGE.read_text()))


def test_results_and_pictures_are_small(ablation_page: ModuleType) -> None:
    for name in ablation_page.NAMES:
        assert (ablation_page.RESULTS / f"ablation-{name}.json").stat().st_size < MAX_BYTES["json"]
    for picture in PAGE.parent.glob("ablation-*.png"):
        assert picture.stat().st_size < MAX_BYTES["png"]


def test_what_is_kept_of_a_report_has_short_numbers(ablation_page: ModuleType) -> None:
    report = {"few_shot": {"tested": [{"p_value": 0.012345678, "gained": 12345678}]}, "classes": ["long"]}
    assert ablation_page.kept(report) == {"few_shot": {"tested": [{"p_value": 0.0123457, "gained": 12345678}]}}
