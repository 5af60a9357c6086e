"""Workspaces that other versions have written are opened by this one, and nothing in them is done again."""

from __future__ import annotations

import json
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mocrop.pipeline.cache.crop_cache import CropCache
from mocrop.pipeline.motion.store import MotionReader
from mocrop.pipeline.motion.store_group import VECTOR_COLUMNS
from tests.compat.conftest import KEPT, Kept
from tests.compat.make_workspace import checksum
from tests.conftest import mocrop, needs_torch

CACHES = ("center", "compressed", "motion", "original")
STAGES = ("transcode", "extract-mv", *(f"precrop:{name}" for name in CACHES))
COMMANDS = ("transcode", "extract-mv", *(f"precrop --name {name}" for name in CACHES))


def run(command: str, *more: str) -> int:
    return mocrop(*command.split(), *more)


def printed(capsys: pytest.CaptureFixture[str]) -> Any:
    return json.loads(capsys.readouterr().out)


def contents(folder: Path) -> dict[str, bytes]:
    """Every file below a folder, but for locks, the manifest, whose layout may be brought up to date, and what caches
    say of themselves: of the software, too.
    """
    files = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()}
    others = {"manifest.sqlite", *(f"caches/{name}.zarr/zarr.json" for name in CACHES)}
    return {name: file.read_bytes() for name, file in files.items() if file.name != ".lock" and name not in others}


def outcomes(kept: Kept) -> list[Any]:
    """What the manifest knows of every clip and stage, the time that it took among it."""
    columns = "stage, position, settings, size, mtime_ns, status, reasons, message, seconds"
    with closing(sqlite3.connect(kept.root / "manifest.sqlite")) as database:
        return database.execute(f"SELECT {columns} FROM outcomes ORDER BY stage, position").fetchall()


def made_of(kept: Kept) -> list[Any]:
    """What caches say of the settings that they were made with."""
    caches = [CropCache(kept.root / f"caches/{name}.zarr").attributes for name in CACHES]
    return [(cache["settings"], cache["stages"]) for cache in caches]


def test_a_workspace_of_the_first_schema_is_kept() -> None:
    assert "0.1-schema1.tar.xz" in {file.name for file in KEPT}
    assert all(file.stat().st_size < 150_000 for file in KEPT)


def test_all_is_current(kept: Kept, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("status --json") == 0
    stages = {stage.pop("stage"): stage for stage in printed(capsys)["stages"]}
    assert tuple(stages) == STAGES
    for counts in stages.values():
        assert (counts["done"], counts["to_do"], counts["stale"], counts["failed"]) == (8, 0, 0, {})
    for command in COMMANDS:
        assert run(command, "--dry-run") == 0
        assert capsys.readouterr().out.strip() == f"{command.split()[0]}: 0 clips would run"


def test_no_stage_does_anything_again(kept: Kept) -> None:
    before, described, known = contents(kept.root), made_of(kept), outcomes(kept)
    assert len(known) == 8 * len(STAGES)
    for command in (*COMMANDS, "run --size 24 --name motion", "retry"):
        assert run(command, "--workers", "0") == 0
    assert contents(kept.root) == before
    assert made_of(kept) == described
    assert outcomes(kept) == known


def test_all_is_sound(kept: Kept, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("verify --deep --json") == 0
    parts = {part["part"]: (part["clips"], part["damaged"]) for part in printed(capsys)["parts"]}
    assert parts.pop("runs") == (len(list(kept.root.glob("runs/*/*.pt"))), 0)
    assert parts.pop("features") == (len(list(kept.root.glob("caches/*.features/*.npy"))), 0)
    assert parts == dict.fromkeys(("h264", "motion.zarr", *(f"cache {name}" for name in CACHES)), (8, 0))


def test_caches_hold_the_values_that_were_written(kept: Kept) -> None:
    assert tuple(kept.facts["caches"]) == CACHES
    for name, facts in kept.facts["caches"].items():
        cache = CropCache(kept.root / f"caches/{name}.zarr")
        assert cache.has_motion == ("motion" in facts)
        for array, written in facts.items():
            stream = array in ("frames", "motion")
            values = cache.open_stream(array).read().result() if stream else getattr(cache, array)
            assert checksum(values) == written, (name, array)


def test_the_motion_store_holds_the_values_that_were_written(kept: Kept) -> None:
    reader = MotionReader(kept.root / "motion.zarr")
    clips = [motion for position in range(8) if (motion := reader.read(position)) is not None]
    assert len(clips) == 8
    (facts,) = kept.facts["motion"].values()
    columns = [np.concatenate([getattr(clip, name) for clip in clips]).astype(np.int16) for name in VECTOR_COLUMNS]
    assert checksum(np.stack(columns, axis=1)) == facts["vectors"]
    assert all((clip.seconds is None) == ("seconds" not in facts) for clip in clips)
    for name in set(facts) - {"vectors", "position", "frames"}:
        assert checksum(np.concatenate([getattr(clip, name) for clip in clips])) == facts[name]


def test_what_their_motion_lacks_is_one_error_whose_way_out_leads_there(
    kept: Kept, capsys: pytest.CaptureFixture[str]
) -> None:
    if "seconds" in next(iter(kept.facts["motion"].values())):
        pytest.skip("its motion lacks nothing")
    assert run("precrop --name center --policy follow --overwrite", "--workers", "0") == 1
    assert CropCache(kept.root / "caches/center.zarr").usable.all()  # nothing is replaced
    capsys.readouterr()
    commands = ("precrop --size 24 --policy follow", "precrop --size 24 --policy center --bars cut --name cut")
    for command in commands:
        assert run(command, "--workers", "0") == 1
        (line,) = capsys.readouterr().err.splitlines()
        assert line.endswith("remove the folder motion.zarr and run `mocrop extract-mv` again")
    shutil.rmtree(kept.root / "motion.zarr")
    assert run(commands[0], "--workers", "0") == 1  # half of the way
    for command in ("extract-mv", *commands):
        assert run(command, "--workers", "0") == 0
    capsys.readouterr()
    assert run("status --json") == 0
    assert {stage["done"] for stage in printed(capsys)["stages"]} == {8}


def test_clips_can_be_shown(kept: Kept) -> None:
    assert run("show v_Fish_g04_c01 --output clip.png") == 0
    assert run("gallery --clips 2 --cache motion --output crops.png") == 0
    assert Path("clip.png").stat().st_size > 0 < Path("crops.png").stat().st_size


def test_density_maps_are_exported(kept: Kept) -> None:
    assert run("export-npy maps") == 0
    assert len(list(Path("maps").rglob("*.npy"))) == 8


@needs_torch
def test_a_finished_run_is_finished(kept: Kept, capsys: pytest.CaptureFixture[str]) -> None:
    before = contents(kept.root)
    assert run(kept.facts["train"], "--name", "frozen") == 0
    assert "all 3 epochs are done already" in capsys.readouterr().out
    after = contents(kept.root)
    same = {name for name in before if after[name] == before[name]}
    assert {f"runs/frozen/{name}" for name in ("best.pt", "last.pt", "log.jsonl", "metrics.json")} <= same
    assert {name for name in after if ".features/" in name} == {name for name in same if ".features/" in name} != set()


@needs_torch
def test_a_stopped_run_goes_on_to_the_end_of_one_that_was_not(kept: Kept, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(kept.facts["train"], "--name", "stopped") == 0
    assert "going on after batch 1 of epoch 2" in capsys.readouterr().out
    ends = [json.loads((kept.root / f"runs/{name}/metrics.json").read_text()) for name in ("stopped", "frozen")]
    for end in ends:
        assert end["last"]["epoch"] == 3
    losses = [(end["last"]["train_loss"], end["last"]["validation_loss"]) for end in ends]
    assert losses[0] == pytest.approx(losses[1], rel=1e-3)  # of another version of torch, perhaps


@needs_torch
def test_an_evaluation_gives_the_numbers_of_then(kept: Kept, capsys: pytest.CaptureFixture[str]) -> None:
    from mocrop.evaluation.scores.alignment import align
    from mocrop.evaluation.scores.predictions import read_predictions

    then = read_predictions(kept.root / f"reports/{kept.facts['report']}.npz")
    assert then.clips == tuple(kept.facts["clips"])
    assert np.allclose(then.logits, kept.facts["logits"], rtol=1e-6)
    assert run(kept.facts["eval"], "--json") == 0
    scores = printed(capsys)
    count = {name: scores["top1"][name] for name in ("correct", "total", "share")}
    assert count == {name: kept.facts["top1"][name] for name in count}  # its interval counts groups now
    _, now = align(then, read_predictions(kept.root / f"reports/{kept.facts['report']}.npz"))
    assert np.allclose(now.logits, then.logits, rtol=1e-3, atol=1e-3)


@needs_torch
def test_features_are_taken_where_it_is_known_which_pixels_they_are_of(
    kept: Kept, capsys: pytest.CaptureFixture[str]
) -> None:
    """Caches of the first schema have no checksums of their clips, so their features are computed anew."""
    assert run(kept.facts["train"], "--name", "another") == 0
    computed = "features: 16/16 frames" in capsys.readouterr().out
    assert computed != CropCache(kept.root / "caches/motion.zarr").checked


def test_clips_are_exported_from_their_own_files_by_the_boxes_of_a_kept_cache(kept: Kept) -> None:
    assert run("export crops --to mp4 --cache motion --workers 0") == 0
    assert len(list(Path("crops").rglob("*.mp4"))) == 8
    assert run("verify crops") == 0
