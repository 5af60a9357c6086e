"""The rows on the workspace: sound or not, locked or not, with room or without; and the command as a whole."""

from __future__ import annotations

import json
import os
import re
from collections import namedtuple
from pathlib import Path

import pytest

from mocrop.pipeline.commands.doctor import disk, place, report
from mocrop.pipeline.commands.doctor.disk import DiskSpeed
from mocrop.pipeline.commands.doctor.finding import Finding, State
from mocrop.pipeline.workspace.lock import exclusive
from mocrop.pipeline.workspace.manifest import Manifest
from mocrop.pipeline.workspace.paths import Workspace
from tests.conftest import MakeVideo, mocrop

SMALL = ("--size", "16", "--frames", "2", "--workers", "0")


@pytest.fixture
def work(here: Path, make_video: MakeVideo) -> Workspace:
    """A workspace of four clips that no stage has run on."""
    for name in ("A/a", "A/b", "B/c", "B/d"):
        make_video(here / f"data/{name}.avi")
    assert mocrop("init", here / "data") == 0
    return Workspace(here / "mocrop-work")


def rows(workspace: Workspace) -> dict[str, Finding]:
    return {each.name: each for each in place.workspace(workspace)}


def free(monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    monkeypatch.setattr(place.shutil, "disk_usage", lambda _: namedtuple("Usage", "free")(number))


def test_a_sound_workspace_is_ok_and_none_is_a_note(work: Workspace, here: Path) -> None:
    assert rows(work)["workspace"].state is State.OK
    assert rows(work)["workspace"].fact == f"{work.root}: 4 clips of {here / 'data'}"
    none = rows(Workspace(here / "elsewhere"))
    assert (none["workspace"].state, none["workspace"].stops) == (State.NOTE, False)
    assert not (here / "elsewhere").exists()


@pytest.mark.parametrize("file", ["mocrop.toml", "manifest.sqlite"])
def test_a_damaged_workspace_keeps_mocrop_from_working_in_it(work: Workspace, file: str) -> None:
    (work.root / file).write_bytes(b"nonsense = ")
    found = rows(work)["workspace"]
    assert found.stops
    assert file in found.fact


def test_a_data_set_that_is_not_there_is_a_note(work: Workspace, here: Path) -> None:
    (here / "data").rename(here / "away")
    found = rows(work)["workspace"]
    assert found.state is State.NOTE
    assert str(here / "data") in found.fact


def test_a_workspace_that_is_being_written_says_by_whom(work: Workspace) -> None:
    with exclusive(work):
        found = rows(work)["workspace"]
    assert found.state is State.NOTE
    assert f"another mocrop (process {os.getpid()}) is writing" in found.fact
    assert rows(work)["workspace"].state is State.OK


def test_room_is_counted_for_what_is_to_do(work: Workspace, here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    videos = sum(file.stat().st_size for file in (here / "data").rglob("*.avi"))
    cache = 4 * 16 * 3 * 192 * 192  # none is there yet: one as `mocrop precrop` makes it
    free(monkeypatch, 10**9)
    found = rows(work)["free space"]
    assert found.facts["needed"] == int(1.3 * videos + cache)  # 7.1 MB
    assert found.state is State.OK
    free(monkeypatch, 10**6)
    assert rows(work)["free space"].way_out.startswith("free 6 MB")


def test_room_for_windows_is_that_of_all_their_frames(work: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    assert mocrop("run", *SMALL) == 0
    dense = ("--select", "dense", "--clips", "3", "--frames", "5", "--size", "16", "--policy", "full")
    assert mocrop("precrop", "--name", "windows", "--workers", "0", *dense) == 0
    with Manifest(work.manifest_file) as manifest:
        manifest.forget("precrop:windows")
    free(monkeypatch, 10**9)
    assert rows(work)["free space"].facts["needed"] == 4 * 3 * 5 * 3 * 16 * 16


def test_what_is_done_needs_no_room(work: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    assert mocrop("run", *SMALL) == 0
    free(monkeypatch, 10**9)
    assert rows(work)["free space"].facts["needed"] == 0
    assert mocrop("transcode", "--workers", "0", "--crf", "30") == 0  # vectors and crops are stale now
    assert rows(work)["free space"].facts["needed"] >= 4 * 2 * 3 * 16 * 16
    free(monkeypatch, 10**8)
    assert rows(work)["free space"].state is State.NOTE  # enough for these, and for nothing else


def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the rows that take seconds."""
    monkeypatch.setattr(disk, "measured", lambda _: DiskSpeed(write=1e9, read=1e9, from_disk=True, sync_seconds=0))
    monkeypatch.setattr("mocrop.pipeline.commands.doctor.workers.workers", lambda: [])
    monkeypatch.setattr("mocrop.training.gpu.gpu", lambda: [])


def test_the_command_ends_with_one_only_where_mocrop_cannot_work(
    work: Workspace, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    quick(monkeypatch)
    capsys.readouterr()
    assert mocrop("doctor") == 0
    said = capsys.readouterr()
    assert said.out.splitlines()[0].split()[:2] == ["ok", "Python"]
    assert said.out.splitlines()[-1].startswith("mocrop works here")
    work.settings_file.write_text("nonsense = ")
    assert mocrop("doctor", "--json") == 1
    said = capsys.readouterr()
    assert json.loads(said.out)["can_work"] is False
    assert said.err.startswith("error: mocrop cannot work here: workspace: ")
    assert said.err.count("\n") == 1


def test_a_missing_package_of_training_ends_with_zero(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    quick(monkeypatch)
    missing = Finding(name="GPU", state=State.MISSING, fact="PyTorch cannot be imported")
    monkeypatch.setattr("mocrop.training.gpu.gpu", lambda: [missing])
    assert mocrop("doctor") == 0
    said = capsys.readouterr().out
    assert re.search(r"^missing +GPU +PyTorch cannot be imported", said, flags=re.MULTILINE)
    assert re.search(r"^mocrop works here; [1-9]\d* missing, ", said, flags=re.MULTILINE)  # more where more is
    assert not list(here.iterdir())


def test_a_check_that_cannot_be_imported_is_a_row(work: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    quick(monkeypatch)

    def no_module(name: str) -> object:
        raise ImportError("No module named 'zarr'")

    monkeypatch.setattr(report, "import_module", no_module)
    from mocrop.pipeline.terminal import LineConsole

    found = report.doctor(work, console=LineConsole(quiet=True))
    assert {each.state for each in found.findings} == {State.MISSING}
    assert found.can_work
