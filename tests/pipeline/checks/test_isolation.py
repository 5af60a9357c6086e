"""A part that cannot be checked is damage, and keeps no other part of a workspace from being checked."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mocrop.pipeline.array_file import MAGIC, TRAILER
from mocrop.pipeline.checks import caches
from mocrop.pipeline.checks.runs import check_features, check_runs
from mocrop.pipeline.checksums import checksum
from mocrop.pipeline.commands.preprocess import precrop, run_all
from mocrop.pipeline.commands.verify import VerifyReport, verify
from mocrop.pipeline.errors import WorkspaceError
from mocrop.pipeline.run.session import RunOptions, open_session
from mocrop.pipeline.terminal import LineConsole
from mocrop.pipeline.workspace.lock import exclusive_if_writable
from mocrop.pipeline.workspace.paths import Workspace

MakeVideo = Callable[..., Path]
LOOP = RunOptions(workers=0, console=LineConsole(quiet=True))
CLIPS = ("Dig/a_g01_c01", "Dig/a_g02_c01")
NOBODY = 65534


def check(workspace: Workspace, **options: Any) -> VerifyReport:
    return verify(workspace, console=LineConsole(quiet=True), **options)


def damaged(report: VerifyReport) -> dict[str, set[str]]:
    """The clips that are damaged, by part; "" is the whole part."""
    found: dict[str, set[str]] = {}
    for damage in report.damage:
        found.setdefault(damage.part, set()).add(damage.clip)
    return found


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory, make_video: MakeVideo) -> Workspace:
    """A workspace with three caches and a checkpoint."""
    folder = tmp_path_factory.mktemp("sound")
    for name in CLIPS:
        make_video(folder / f"data/{name}.avi", frames=13, size=(32, 32))
    workspace = Workspace(folder / "work")
    run_all(workspace, folder / "data", run=LOOP, size=16, frames=2)
    for policy in ("center", "full"):
        precrop(workspace, size=16, frames=2, policy=policy, run=LOOP)
    write_checkpoint(workspace.runs / "first/best.pt")
    return workspace


def write_checkpoint(file: Path) -> None:
    """A file of the form that `torch.save` writes."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(file, "w") as archive:
        for number in range(3):
            archive.writestr(f"best/data/{number}", bytes(range(256)) * 4)


@pytest.fixture
def workspace(sound: Workspace, tmp_path: Path) -> Workspace:
    """A copy that may be damaged."""
    shutil.copytree(sound.root, tmp_path / "work")
    return Workspace(tmp_path / "work")


ALL_OTHERS = {"h264": {CLIPS[0]}, "motion.zarr": set(CLIPS), "cache full-16": set(CLIPS), "runs": {"first/best.pt"}}


def damage_everything(workspace: Workspace) -> None:
    """Damage one file of every part but two caches."""
    workspace.h264_file(CLIPS[0]).write_bytes(b"cut off")
    (workspace.motion / "shard-00000/camera/zarr.json").unlink()
    (workspace.cache("full-16") / "frames/c/0/0/0/0/0").write_bytes(b"cut off")
    (workspace.runs / "first/best.pt").write_bytes(b"cut off")


def test_an_exception_that_nobody_thought_of_is_damage_to_that_part(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    damage_everything(workspace)
    really = caches.verify_cache

    def fails(path: Path, *more: Any, **options: Any) -> Any:
        if path.stem == "center-16":
            raise RuntimeError("a bug,\nin two lines")
        return really(path, *more, **options)

    monkeypatch.setattr(caches, "verify_cache", fails)
    report = check(workspace)
    assert damaged(report) == {**ALL_OTHERS, "cache center-16": {""}}
    (damage,) = (each for each in report.damage if each.part == "cache center-16")
    assert damage.fact == "it cannot be checked (RuntimeError: a bug, in two lines)"
    assert not check(workspace, repair=True).is_sound  # nothing is known of how that cache is repaired


@pytest.mark.parametrize("harm", ["changed", "cut off", "no database", "gone"])
def test_all_files_are_checked_without_the_manifest_if_that_is_damaged(harm: str, workspace: Workspace) -> None:
    file = workspace.manifest_file
    content = file.read_bytes()
    if harm == "gone":
        file.unlink()
    else:
        half = len(content) // 2
        spoilt = {"changed": content[:half] + bytes(half), "cut off": content[:half], "no database": b"x" * 5000}[harm]
        file.write_bytes(spoilt)
    report = check(workspace)
    assert damaged(report) == {"manifest.sqlite": {""}}
    assert {part.part for part in report.parts} == {
        "manifest.sqlite",
        "h264",
        "motion.zarr",
        "cache center-16",
        "cache full-16",
        "cache motion-16",
        "runs",
    }
    assert all("\n" not in damage.fact for damage in report.damage)
    workspace.h264_file(CLIPS[0]).write_bytes(b"cut off")
    (workspace.motion / "shard-00000/camera/zarr.json").unlink()
    found = damaged(check(workspace))
    assert set(found) == {"manifest.sqlite", "h264", "motion.zarr"}
    assert found["h264"] == {CLIPS[0]}
    report = check(workspace, repair=True)
    assert (report.marked, report.repair, report.is_sound) == ((), (), False)
    assert workspace.h264_file(CLIPS[0]).exists()  # nothing may be deleted that cannot be marked


def test_every_flipped_byte_in_the_content_of_a_checkpoint_is_found(tmp_path: Path) -> None:
    file = tmp_path / "first/best.pt"
    write_checkpoint(file)
    sound = file.read_bytes()
    assert check_runs(tmp_path).damage == ()
    assert check_runs(tmp_path).clips == 1
    start = sound.index(bytes(range(256)))
    for place in range(start, start + 1024, 40):
        file.write_bytes(sound[:place] + bytes([sound[place] ^ 1]) + sound[place + 1 :])
        (damage,) = check_runs(tmp_path).damage
        assert damage.clip == "first/best.pt"
        assert damage.fact.startswith("the checksum of best/data/0 in it differs; copy it again")
    file.write_bytes(sound[: len(sound) // 2])
    (damage,) = check_runs(tmp_path).damage
    assert damage.fact.startswith("it is damaged or cut off")
    (tmp_path / "first/.best.pt.partial").write_bytes(b"being written")
    (tmp_path / "notes.txt").write_text("of the user")
    file.write_bytes(sound)
    assert check_runs(tmp_path).damage == ()


def test_every_flipped_bit_of_features_is_found(tmp_path: Path) -> None:
    file = tmp_path / "motion-192.features/resnet50.npy"
    file.parent.mkdir()
    np.save(file, np.ones((6, 4), "<f4"))
    plain = file.read_bytes()
    assert check_features(tmp_path).without_checksum == 1  # made before there were checksums
    sound = plain + TRAILER.pack(MAGIC, checksum(b"resnet50.npy", plain))
    file.write_bytes(sound)
    assert (check_features(tmp_path).damage, check_features(tmp_path).without_checksum) == ((), 0)
    for place in range(len(sound)):
        file.write_bytes(sound[:place] + bytes([sound[place] ^ 1]) + sound[place + 1 :])
        (damage,) = check_features(tmp_path).damage
        assert damage.clip == "motion-192.features/resnet50.npy"
    file.write_bytes(plain[:-8])
    (damage,) = check_features(tmp_path).damage
    assert damage.fact == "it is cut off or damaged; delete it, to have it computed again"


def test_a_workspace_that_another_process_writes_is_not_checked_even_where_nothing_can_be_written(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    with open_session(workspace, LOOP):
        monkeypatch.setattr(os, "access", lambda *_, **__: False)
        with pytest.raises(WorkspaceError, match="another mocrop is writing"), exclusive_if_writable(workspace):
            pass
    with exclusive_if_writable(workspace):
        pass
    (workspace.root / ".lock").unlink()
    with exclusive_if_writable(workspace):
        assert not (workspace.root / ".lock").exists()


@contextlib.contextmanager
def without_privileges() -> Iterator[None]:
    """Run the body as a user whom permissions hold back, which they do not root."""
    root = os.geteuid() == 0
    if root:
        os.seteuid(NOBODY)
    try:
        yield
    finally:
        if root:
            os.seteuid(0)


@pytest.fixture
def readable(sound: Workspace) -> Iterator[Workspace]:
    """A copy that nobody may write to, in a folder that everybody can reach."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    shutil.copytree(sound.root, folder / "work")
    for path in folder.rglob("*"):
        path.chmod(0o555 if path.is_dir() else 0o444)
    (folder / "work").chmod(0o555)
    check(Workspace(folder / "work"))  # what is imported late is, before there are no privileges
    yield Workspace(folder / "work")
    for path in (folder / "work", *(each for each in folder.rglob("*") if each.is_dir())):
        path.chmod(0o755)
    shutil.rmtree(folder)


needs_users = pytest.mark.skipif(not hasattr(os, "seteuid"), reason="this system has other permissions")


@needs_users
def test_a_workspace_on_a_disk_that_can_only_be_read_is_checked_without_a_lock(readable: Workspace) -> None:
    with without_privileges():
        report = check(readable)
    assert report.damage == ()
    assert sum(part.clips for part in report.parts) == 2 + 2 + 3 * 2 + 1
    with without_privileges(), pytest.raises((WorkspaceError, OSError)):
        check(readable, repair=True)


@needs_users
@pytest.mark.parametrize(
    ("forbidden", "found"),
    [
        ("manifest.sqlite", {"manifest.sqlite": {""}}),
        ("h264", {"h264": set(CLIPS)}),
        ("h264/Dig", {"h264": set(CLIPS)}),
        ("motion.zarr", {"motion.zarr": {"", *CLIPS}}),
        ("motion.zarr/shard-00000", {"motion.zarr": set(CLIPS)}),
        ("motion.zarr/shard-00000/camera", {"motion.zarr": set(CLIPS)}),
        ("caches", {"caches": {""}, "features": {""}}),
        ("caches/center-16.zarr", {"cache center-16": {""}}),
        ("caches/center-16.zarr/zarr.json", {"cache center-16": {""}}),
        ("caches/center-16.zarr/box/zarr.json", {"cache center-16": {""}}),
        ("caches/center-16.zarr/frames", {"cache center-16": {""}}),
        ("caches/center-16.zarr/box/c", {"cache center-16": {""}}),
        ("caches/center-16.zarr/frames/c/0/0/0/0/0", {"cache center-16": set(CLIPS)}),
        ("runs", {"runs": {""}}),
        ("runs/first", {"runs": {""}}),
        ("runs/first/best.pt", {"runs": {"first/best.pt"}}),
    ],
)
def test_what_may_not_be_read_is_damage_that_nothing_is_made_again_for(
    forbidden: str, found: dict[str, set[str]], readable: Workspace
) -> None:
    (readable.root / forbidden).chmod(0)
    with without_privileges():
        report = check(readable)
    assert damaged(report) == found
    assert report.repair == ()
    for damage in report.damage:
        assert "permission denied" in damage.fact.lower().replace("_", " ") or "unable to open" in damage.fact, damage
        assert "\n" not in damage.fact
