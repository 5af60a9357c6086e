"""The page of black bars is made from saved results, and its shares agree with sums by hand."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from tests.benchmarks.modules import ROOT, benchmark_module

bars = benchmark_module("bars")


def test_the_page_is_what_the_saved_results_say(
    bars: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So that nobody edits figures by hand."""
    monkeypatch.setattr(sys, "argv", ["bars.py", "--only-saved", "--page", str(tmp_path / "bars.md")])
    bars.main()
    assert (tmp_path / "bars.md").read_text() == (ROOT / "docs" / "bars.md").read_text()


def clip(name: str, h264: list[int], original: list[int], recipe: list[int]) -> dict[str, Any]:
    return {"clip": "v", "class": name, "size": [320, 240], "h264": h264, "original": original, "recipe": recipe}


def test_shares_are_of_the_frame_and_over_the_clips_that_have_bars(bars: ModuleType) -> None:
    whole, letterbox = [0, 0, 320, 240], [0, 30, 320, 210]
    clips = [
        clip("Dig", letterbox, [0, 30, 320, 213], [0, 32, 320, 208]),
        clip("Dig", whole, whole, whole),
        clip("Run", [64, 0, 320, 240], [65, 0, 320, 240], whole),
        clip("Run", whole, whole, whole),
    ]
    where = {"command": "python benchmarks/bars.py", "date": "2026-01-01", "machine": "m", "load": 1.0}
    seconds = {"with": [1.1, 1.2], "without": [1.0, 1.0]}
    text = bars.tables({**where, "clips": clips, "seconds": {"h264": seconds, "original": seconds}})
    assert "| Dig | 2 | 1 (50%) | 25.0% | 1 (50%) | 23.8% | 1 (50%) | 26.7% |" in text
    assert "| all | 4 | 2 (50%) | 22.5% | 2 (50%) | 22.0% | 1 (25%) | 26.7% |" in text
    assert "In 2 clips the two files give other pictures, in 1 by more than two pixels at a side." in text
    assert "h264 1.150 (1.100 to 1.200, 2 rounds)" in text


def test_clips_are_looked_at_in_both_files_and_timed(bars: ModuleType, tmp_path: Path) -> None:
    """On clips that are made on the spot: a square on a texture, without bars."""
    page = tmp_path / "bars.md"
    page.write_text("\n".join(bars.MARKS))
    arguments = ["bars.py", "--data", "nowhere", "--clips", "2", "--timed", "1", "--rounds", "1"]
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(bars, "PAGE", page)
        patched.setattr(sys, "argv", [*arguments, "--saved", str(tmp_path / "bars.json"), "--page", str(page)])
        bars.main()
    result = json.loads((tmp_path / "bars.json").read_text())
    assert [found["h264"] for found in result["clips"]] == [[0, 0, 320, 240]] * 2
    assert "| all | 2 | 0 (0%) |  | 0 (0%) |" in page.read_text()


def test_the_plain_recipe_takes_two_lines_more_and_no_more_than_two_thirds(
    bars: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    frame = np.full((240, 320), 200, np.uint8)
    monkeypatch.setattr(bars, "_brightest_of_eight", lambda _: frame)
    assert bars.recipe(Path()) == (0, 0, 320, 240)
    frame[:30] = 27
    assert bars.recipe(Path()) == (0, 32, 320, 240)
    frame[:, :230] = 0
    assert bars.recipe(Path()) == (0, 0, 320, 240)
