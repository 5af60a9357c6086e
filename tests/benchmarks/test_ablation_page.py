"""docs/ablation.md has the tables that its program makes of saved reports, and no figure of its own making."""

from __future__ import annotations

import json
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


def found(name: str, variant: str, base: str, *, list_: str = "few_shot") -> list[tuple[float, str]]:
    """Differences in points and verdicts of a saved report, few groups first."""
    report = json.loads((ROOT / f"benchmarks/results/ablation-{name}.json").read_text())
    tested = report["few_shot"]["tested"] if list_ == "few_shot" else report["full_data"]
    chosen = [
        each for each in tested if (each["variant"].startswith(variant), each["base"].startswith(base)) == (True,) * 2
    ]
    return [(100 * each["difference"]["mean"], each["verdict"]) for each in chosen]


def test_the_readme_says_what_the_saved_reports_show() -> None:
    text = " ".join((ROOT / "README.md").read_text().split())
    for sentence, values in (
        ("beats all of it by {} to {} points", found("crossing", "follow 0.1", "full")),
        ("our best static box by {} to {}", found("crossing", "follow 0.1", "adaptive 0.1")),
        ("cutting black bars off buys {} to {} points", found("real", "picture", "full")),
        ("buys {} to {} more", found("real", "follow 0.25", "picture")),
    ):
        assert len(values) == 3
        assert {verdict for _, verdict in values} == {"better"}
        least, most = (round(ends(value for value, _ in values)) for ends in (min, max))
        assert sentence.format(least, most) in text
    assert {verdict for _, verdict in found("real", "follow 0.25", "adaptive")} == {"no difference shown"}
    of_the_paper = [*found("real", "motion ", "picture"), *found("real", "motion ", "center ")]
    assert "better" not in {verdict for _, verdict in of_the_paper}
    assert len(of_the_paper) == 18
    on_all_clips = found("real", "", "", list_="full_data")
    assert "better" not in {verdict for _, verdict in on_all_clips}
