"""The cache that a command names: how far the columns of one at an address are is shown while they are fetched."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from mocrop.pipeline.cache import named
from mocrop.pipeline.cache.named import MirrorChoice, named_cache
from mocrop.pipeline.terminal import LineConsole
from mocrop.pipeline.workspace.paths import Workspace
from tests.cloud import put_folder
from tests.conftest import MakeCache
from tests.reliability.flips import files_below


@pytest.fixture
def address(make_cache: MakeCache, tmp_path: Path) -> str:
    cache = make_cache(tmp_path / "c.zarr", label=[0, 1, 0])
    address = f"memory://{tmp_path.as_posix().strip('/')}/c.zarr"
    put_folder(cache, address)
    return address


def test_lines_count_the_files_of_columns(
    address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(named, "SECONDS_BETWEEN_LINES", 0)
    folder = named_cache(Workspace(tmp_path), address, MirrorChoice(folder=tmp_path / "mirror"))
    files = sum(1 for file in files_below(folder) if "/c/" in file.as_posix())
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == f"columns of the cache: 1 of {files} files"
    assert lines[-1] == f"columns of the cache: {files} of {files} files"


def test_few_files_are_no_reason_for_a_line(address: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    named_cache(Workspace(tmp_path), address, MirrorChoice(folder=tmp_path / "mirror"))
    assert capsys.readouterr().err == ""


def test_a_terminal_shows_a_bar(address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said = io.StringIO()
    console = LineConsole(stderr=True, file=said, force_terminal=True, width=80)
    monkeypatch.setattr(named, "LineConsole", lambda **_: console)
    named_cache(Workspace(tmp_path), address, MirrorChoice(folder=tmp_path / "mirror"))
    assert "columns of the cache" in said.getvalue()
    assert "100%" in said.getvalue()
