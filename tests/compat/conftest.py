"""The kept workspaces, each unpacked for a test to open."""

from __future__ import annotations

import json
import tarfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

KEPT = sorted(Path(__file__).parent.glob("*.tar.xz"))


@dataclass(frozen=True)
class Kept:
    """A workspace that another version of mocrop has written; the current folder holds it."""

    root: Path
    facts: dict[str, Any]  # see tests/compat/make_workspace.py


def unpack(file: Path, folder: Path) -> Kept:
    """Unpack a kept workspace into a folder that is new."""
    with tarfile.open(file) as archive:
        archive.extractall(folder, filter="data")
    return Kept(folder / "mocrop-work", json.loads((folder / "facts.json").read_text()))


@pytest.fixture(params=KEPT, ids=lambda file: file.name.removesuffix(".tar.xz"))
def kept(request: pytest.FixtureRequest, here: Path) -> Kept:
    return unpack(request.param, here)


@pytest.fixture
def latest(here: Path) -> Kept:
    """The workspace that was kept last."""
    return unpack(KEPT[-1], here)
