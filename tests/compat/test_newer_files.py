"""What a newer version has stored in another layout is refused in one line that says so, and stays as it is."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.compat.conftest import Kept
from tests.compat.test_kept_workspaces import contents
from tests.conftest import mocrop, needs_torch

NEWER = 99  # of any layout


def _describe_group(folder: Path) -> None:
    file = folder / "zarr.json"
    document = json.loads(file.read_text())
    document["attributes"]["mocrop"]["schema"] = NEWER
    file.write_text(json.dumps(document))


def _cache(kept: Kept) -> Path:
    _describe_group(kept.root / "caches/motion.zarr")
    return kept.root / "caches/motion.zarr/zarr.json"


def _motion(kept: Kept) -> Path:
    _describe_group(kept.root / "motion.zarr/shard-00000")
    return kept.root / "motion.zarr/shard-00000/zarr.json"


def _manifest(kept: Kept) -> Path:
    with closing(sqlite3.connect(kept.root / "manifest.sqlite")) as database:
        database.execute(f"PRAGMA user_version = {NEWER}")
    return kept.root / "manifest.sqlite"


def _checkpoint(kept: Kept) -> Path:
    import torch

    file = kept.root / "runs/frozen/best.pt"
    content = torch.load(file, map_location="cpu", weights_only=True)
    torch.save({**content, "format": NEWER}, file)
    file.with_name("last.pt").write_bytes(file.read_bytes())
    return file


def _predictions(kept: Kept, **changes: Any) -> Path:
    file = kept.root / f"reports/{kept.facts['report']}.npz"
    with np.load(file, allow_pickle=False) as arrays:
        content = dict(arrays)
    about = json.loads(str(content["about"]))
    content["about"] = np.array(json.dumps({**about, **(changes or {"format": NEWER})}))
    np.savez(file, **content)
    return file


def refused(command: str, capsys: pytest.CaptureFixture[str]) -> str:
    """The one line of an error with exit code 1."""
    capsys.readouterr()
    assert mocrop(*command.split()) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert "Traceback" not in line
    return line


@pytest.mark.parametrize(
    ("store", "commands"),
    [
        (_cache, ("status", "precrop --name motion", "precrop --name motion --overwrite", "gallery --cache motion")),
        (_motion, ("show v_Fish_g04_c01", "precrop --size 20 --frames 1 --name other --workers 0")),
        (_manifest, ("status", "init videos", "run --size 24", "precrop --name motion", "retry")),
    ],
)
def test_a_store_of_a_newer_layout_is_refused(
    latest: Kept, capsys: pytest.CaptureFixture[str], store: Callable[[Kept], Path], commands: tuple[str, ...]
) -> None:
    file = store(latest)
    before = file.read_bytes()
    for command in commands:
        line = refused(command, capsys)
        assert "newer mocrop" in line
        assert str(NEWER) in line
        assert "again" not in line  # the newer mocrop reads it: there is nothing to make again
    assert file.read_bytes() == before


@pytest.mark.parametrize("store", [_cache, _motion, _manifest])
def test_verify_repairs_nothing_of_a_newer_layout(
    latest: Kept, capsys: pytest.CaptureFixture[str], store: Callable[[Kept], Path]
) -> None:
    store(latest)
    before = contents(latest.root)
    for command in ("verify", "verify --repair"):
        capsys.readouterr()
        assert mocrop(*command.split()) in (1, 3)
        assert "newer mocrop" in "".join(capsys.readouterr())
    assert contents(latest.root) == before


@needs_torch
def test_a_checkpoint_of_a_newer_layout_is_refused(latest: Kept, capsys: pytest.CaptureFixture[str]) -> None:
    file = _checkpoint(latest)
    before = file.read_bytes()
    for command in (latest.facts["eval"], f"{latest.facts['train']} --name frozen"):
        line = refused(command, capsys)
        assert "has checkpoint format 99, this mocrop reads 1: a newer mocrop wrote it; use that one" in line
    assert file.read_bytes() == before


@needs_torch
def test_predictions_of_a_newer_layout_are_refused(latest: Kept) -> None:
    from mocrop.evaluation.scores.predictions import read_predictions
    from mocrop.pipeline.errors import PredictionsError

    with pytest.raises(PredictionsError, match="predictions of format 99, this mocrop reads 2: a newer mocrop wrote"):
        read_predictions(_predictions(latest))
    with pytest.raises(PredictionsError, match="is of a newer mocrop, with 'crops', which this one does not know"):
        read_predictions(_predictions(latest, format=1, crops=3))
