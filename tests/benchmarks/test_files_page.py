"""The page of odd files is made from saved results, and the benchmarks behind it count what they say."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import av
import numpy as np
import pytest

from tests.benchmarks.modules import BENCHMARKS, ROOT, benchmark_module
from tests.odd_files.compare import StoredClip
from tests.odd_files.h264_bits import Form
from tests.odd_files.h264_streams import in_order, units, write_h264
from tests.odd_files.picture import draw

files_page, mutate, mutations = (benchmark_module(name) for name in ("files_page", "mutate", "mutations"))


def test_the_page_is_what_the_saved_results_say(
    files_page: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So that nobody edits figures by hand."""
    monkeypatch.setattr(sys, "argv", ["files_page.py", "--pages", str(tmp_path)])
    files_page.main()
    assert (tmp_path / "files.md").read_text() == (ROOT / "docs" / "files.md").read_text()


def odd_file(name: str, *found: str, kind: str = "order") -> dict[str, Any]:
    ways = zip((("h264", "uniform"), ("original", "uniform")), found, strict=True)
    others = [
        {"source": source, "select": select, "found": each, "what": "why"}
        for (source, select), each in ways
        if each != "right"
    ]
    what = {"codec": "h264", "container": "mp4", "pix_fmt": "yuv420p", "what": "odd"}
    return {"name": name, "kind": kind, **what, "right": found.count("right"), "notes": [], "others": others}


def test_a_file_that_is_wrong_in_one_way_is_wrong(files_page: ModuleType) -> None:
    files = [
        odd_file("a.mp4", "right", "right"),
        odd_file("b.mp4", "right", "wrong"),
        odd_file("c.mp4", "refused", "refused"),
    ]
    versions = {"ffmpeg": "5.1", "av": "18.1.0", "avcodec": "62"}
    results = {"files": files, "versions": versions, "left_out": [], "command": "python a.py", "date": "2026-01-01"}
    text = files_page.page(results, None)
    assert "| order | 3 | 1 | 1 | 1 |" in text
    assert "| `b.mp4` | original/uniform | why |" in text
    assert "1 right; 1 refused: `why`; **1 wrong**" in text


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    return write_h264(tmp_path / "intact.mp4", units(Form(), in_order(12)))


def packets(path: Path) -> int:
    with av.open(str(path)) as container:
        return sum(1 for packet in container.demux(video=0) if packet.size)


@pytest.mark.parametrize("name", ["one bit flipped", "a run of zeros", "a run of bytes missing", "cut off"])
def test_a_seed_damages_a_clip_the_same_way(mutate: ModuleType, clip: Path, tmp_path: Path, name: str) -> None:
    made = []
    for seed in (1, 1, 2):
        mutate.MUTATIONS[name](clip, tmp_path / "damaged.mp4", np.random.default_rng(seed))
        made.append((tmp_path / "damaged.mp4").read_bytes())
    assert made[0] == made[1] != made[2]
    assert made[0] != clip.read_bytes()


def test_one_bit_is_one_bit(mutate: ModuleType, clip: Path, tmp_path: Path) -> None:
    mutate.MUTATIONS["one bit flipped"](clip, tmp_path / "damaged.mp4", np.random.default_rng(0))
    pairs = zip(clip.read_bytes(), (tmp_path / "damaged.mp4").read_bytes(), strict=True)
    assert sum((a ^ b).bit_count() for a, b in pairs) == 1


def test_packets_go_missing_or_come_twice(mutate: ModuleType, clip: Path, tmp_path: Path) -> None:
    """One to three of twelve."""
    for name, possible in (("packets missing", range(9, 12)), ("packets twice", range(13, 16))):
        mutate.MUTATIONS[name](clip, tmp_path / "damaged.mp4", np.random.default_rng(0))
        assert packets(tmp_path / "damaged.mp4") in possible


def test_a_frame_is_wrong_if_it_looks_like_none_near_its_number(mutations: ModuleType) -> None:
    """The bars of frames 0, 3 and 19 stand at 0, 1 and 2: the last is too far away; a grey block is seen too."""
    intact = np.array([draw(number, width=64, height=64) for number in range(20)])
    crops = intact[[0, 3, 19, 3]].copy()
    crops[3, 40:56, 40:56] = 255
    stored = StoredClip(numbers=[0, 1, 2, 3], crops=crops, motion_frames=20, failed=None, notes=())
    assert mutations.wrong_frames(stored, intact) == 2


def test_silent_runs_with_wrong_frames_are_said(files_page: ModuleType) -> None:
    row = {"form": "avi", "source": "h264"}
    rows = [
        {**row, "mutation": "", "clips": 4, "silent right": 3, "noted right": 1},
        {**row, "mutation": "packets missing", "clips": 5, "silent wrong": 2, "silent right": 3},
        {**row, "mutation": "cut off", "clips": 5, "silent wrong": 1, "noted wrong": 4},
    ]
    found = {
        "rows": rows,
        "clips": 1,
        "intact": {"clips": 9, "alarms": 0},
        "command": "python a.py",
        "date": "2026-01-01",
    }
    versions = {"ffmpeg": "5.1", "av": "18.1.0", "avcodec": "62"}
    results = {"files": [], "versions": versions, "left_out": [], "command": "python a.py", "date": "2026-01-01"}
    text = files_page.page(results, found)
    assert "So 3 of the 7 runs that are done with wrong frames say nothing, 2 of them" in text
    assert "1 of 4 runs failed, had the note" in text
    assert "| cut off | 5 | 0 | 4 | 0 | 1 | 0 |" in text


def test_outcomes_are_counted(mutations: ModuleType) -> None:
    both = {"form": "avi", "mutation": "cut off", "source": "h264"}
    found = [
        mutations.Damaged(**both, failed="", noted=False, wrong=2),
        mutations.Damaged(**both, failed="", noted=True, wrong=2),
        mutations.Damaged(**both, failed="truncated", noted=False, wrong=0),
    ]
    assert mutations.counts(found) == [{**both, "clips": 3, "silent wrong": 1, "noted wrong": 1, "failed": 1}]


def test_saved_results_hold_every_file_once() -> None:
    names = [file["name"] for file in json.loads((BENCHMARKS / "results" / "files.json").read_text())["files"]]
    assert len(set(names)) == len(names) > 600
