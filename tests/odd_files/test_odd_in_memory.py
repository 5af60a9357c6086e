"""Odd files read in memory, as `mocrop predict` does: the crops of the cache that the stages made, or their reason."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mocrop.pipeline import CropCache, RunOptions, run_all
from mocrop.pipeline.cache.layout import USABLE
from mocrop.pipeline.choices import Stream
from mocrop.pipeline.errors import ClipError
from mocrop.pipeline.outcome import ClipLog
from mocrop.pipeline.stages.in_memory import ReadingSettings, read_file, reading_settings
from mocrop.pipeline.workspace.manifest import Manifest
from mocrop.pipeline.workspace.paths import Workspace
from tests.odd_files.catalogue import all_files
from tests.odd_files.odd_file import make_files
from tests.odd_files.program import missing_programs

HERE = RunOptions(workers=0)
CROP = {"size": 32, "frames": 4, "motion_fields": True, "field_side": 16, "grid": "6x8", "name": "odd"}
WINDOWS = {"select": "dense", "clips": 2, "frames": 3, "stride": 2, "at": "motion"}

pytestmark = pytest.mark.skipif(bool(missing_programs()), reason=f"not installed: {missing_programs()}")


@pytest.fixture(scope="module")
def odd(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("odd")
    made = make_files([file for file in all_files() if file.quick], folder / "files")
    for name, path in made.items():  # a class for each: some have the same name but for the suffix
        target = folder / "data" / name.replace(".", "_") / name
        target.parent.mkdir(parents=True)
        path.rename(target)
    return folder / "data"


@pytest.mark.parametrize("source", ["h264", "original", "auto"])
@pytest.mark.parametrize(("policy", "how"), [("motion", {}), ("follow", {}), ("center", WINDOWS)])
def test_crops_are_those_of_the_cache(odd: Path, tmp_path: Path, source: str, policy: str, how: dict[str, Any]) -> None:
    workspace = Workspace(tmp_path / "work")
    run_all(workspace, odd, source=source, policy=policy, run=HERE, **{**CROP, **how})  # type: ignore[arg-type]
    cache = CropCache(workspace.cache("odd"))
    stages = {name: stage["settings"] for name, stage in cache.attributes["stages"].items()}
    reading = reading_settings({"name": "odd", "settings": cache.attributes["settings"], "stages": stages})
    assert reading is not None
    with Manifest(workspace.manifest_file, read_only=True) as manifest:
        paths = {clip.name: odd / clip.path for clip in manifest.clips()}
    different = [
        f"{name}: {fact}"
        for row, name in enumerate(cache.clip)
        if (fact := _difference(cache, row, paths[name], reading))
    ]
    assert different == []
    assert cache.usable.sum() >= 70


def _difference(cache: CropCache, row: int, path: Path, reading: ReadingSettings) -> str:
    """How a file that is read in memory differs from its row in a cache; empty: not at all."""
    try:
        crops = read_file(path, reading, clip=cache.clip[row], log=ClipLog(0)).crops
    except ClipError as error:
        return "" if cache.state[row] not in USABLE else f"not read: {error}"
    if cache.state[row] not in USABLE:  # it has none of its own; whoever asks for it alone wants an answer
        return "" if reading.transcode is None else "read, and it failed in the stages"
    used = len(crops.numbers)
    facts = {
        "state": (crops.state, cache.state[row]),
        "numbers": (crops.numbers, cache.frame_index[row, :used]),
        "box": (np.float32(crops.box.edges), cache.box[row]),
        "boxes": ([np.float32(box.edges) for box in crops.boxes], cache.slot_box[row, :used]),
        "frames": (crops.frames, _stored(cache, "frames", row)[:used]),
        "fields": (crops.fields, _stored(cache, "motion", row)[:used]),
    }
    if crops.windows is not None:
        facts["windows"] = (crops.windows, cache.window[row, : len(crops.windows)])
    return " ".join(name for name, (one, other) in facts.items() if not np.array_equal(one, other))


def _stored(cache: CropCache, stream: Stream, row: int) -> np.ndarray:
    return np.asarray(cache.open_stream(stream)[row].read().result())
