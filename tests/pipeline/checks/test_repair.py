"""`mocrop verify --repair` and the commands that it names bring back every byte, and run on nothing that is sound."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mocrop.pipeline.commands.preprocess import precrop, run_all
from mocrop.pipeline.commands.verify import VerifyReport, verify
from mocrop.pipeline.errors import CacheError, SettingsError
from mocrop.pipeline.run.session import RunOptions, open_session
from mocrop.pipeline.terminal import LineConsole
from mocrop.pipeline.workspace.paths import Workspace
from tests.conftest import mocrop

MakeVideo = Callable[..., Path]
Capture = pytest.CaptureFixture[str]
LOOP = RunOptions(workers=0, console=LineConsole(quiet=True))
CLIPS = [f"Dig/v_Dig_g01_c{number:02d}" for number in range(34)]  # 32 and 2 in motion.zarr, 16, 16 and 2 in a cache
FAILED = "Dig/v_Dig_g01_c34"  # the 35th, which is no video


def check(workspace: Workspace, **options: Any) -> VerifyReport:
    return verify(workspace, console=LineConsole(quiet=True), **options)


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory, make_video: MakeVideo) -> Workspace:
    """A workspace with two caches, one with motion fields."""
    folder = tmp_path_factory.mktemp("sound")
    for name in CLIPS:
        make_video(folder / f"data/{name}.avi", frames=13, size=(32, 32))
    (folder / f"data/{FAILED}.avi").write_bytes(b"no video")
    workspace = Workspace(folder / "work")
    run_all(workspace, folder / "data", run=LOOP, size=16, frames=2, motion_fields=True, field_side=4)
    precrop(workspace, size=16, frames=2, policy="center", run=LOOP)
    return workspace


@pytest.fixture
def workspace(sound: Workspace, tmp_path: Path) -> Workspace:
    """A copy that may be damaged."""
    shutil.copytree(sound.root, tmp_path / "work")
    return Workspace(tmp_path / "work")


def content(workspace: Workspace) -> dict[str, bytes]:
    """Every byte that the stages have written, by path."""
    folders = (workspace.h264, workspace.motion, workspace.caches)
    files = (file for folder in folders for file in folder.rglob("*") if file.is_file())
    return {file.relative_to(workspace.root).as_posix(): file.read_bytes() for file in files}


def outcomes(workspace: Workspace) -> list[tuple[Any, ...]]:
    with sqlite3.connect(workspace.manifest_file) as database:
        query = "SELECT stage, position, settings, size, mtime_ns, status, reasons, message, checksum FROM outcomes"
        return sorted(database.execute(query), key=repr)


def flip(file: Path) -> None:
    """Invert the bits of the byte in the middle."""
    changed = bytearray(file.read_bytes())
    changed[len(changed) // 2] ^= 0xFF
    file.write_bytes(changed)


def only(folder: Path) -> Path:
    (file,) = (file for file in folder.rglob("*") if file.is_file())
    return file


def follow(report: VerifyReport, capsys: Capture) -> dict[str, int]:
    """Run the commands that a report names; how many clips each stage has worked on."""
    worked: dict[str, int] = {}
    for line in report.repair:
        capsys.readouterr()
        mocrop(*shlex.split(line)[1:], "--workers", "0", "--json")
        for stage in json.loads(capsys.readouterr().out)["stages"]:
            worked[stage["stage"]] = stage["plan"]["to_run"]
    return {stage: clips for stage, clips in worked.items() if clips}


H264 = {"transcode": 1}
FIRST_SHARD, LAST_SHARD = {"extract-mv": 32}, {"extract-mv": 3}  # the clip that failed is tried again with its shard
SHARD_OF_CACHE = {"precrop:motion-16": 16}
HARMS: dict[str, tuple[Callable[[Workspace], object], dict[str, int]]] = {
    "h264 changed": (lambda w: flip(w.h264_file(CLIPS[5])), H264),
    "h264 gone": (lambda w: w.h264_file(CLIPS[5]).unlink(), H264),
    "motion changed": (lambda w: flip(only(w.motion / "shard-00000/vectors/c")), FIRST_SHARD),
    "camera changed": (lambda w: flip(only(w.motion / "shard-00001/camera/c")), LAST_SHARD),
    "motion metadata": (lambda w: flip(w.motion / "shard-00001/vectors/zarr.json"), LAST_SHARD),
    "motion description": (lambda w: flip(w.motion / "shard-00001/zarr.json"), LAST_SHARD),
    "motion shard gone": (lambda w: shutil.rmtree(w.motion / "shard-00000"), FIRST_SHARD),
    "frames changed": (lambda w: flip(w.cache("motion-16") / "frames/c/1/0/0/0/0"), SHARD_OF_CACHE),
    "frames gone": (lambda w: (w.cache("motion-16") / "frames/c/1/0/0/0/0").unlink(), SHARD_OF_CACHE),
    "fields gone": (lambda w: (w.cache("motion-16") / "motion/c/1/0/0/0/0").unlink(), SHARD_OF_CACHE),
    "box changed": (lambda w: flip(w.cache("motion-16") / "box/c/1/0"), SHARD_OF_CACHE),
    "state gone": (lambda w: (w.cache("motion-16") / "state/c/1").unlink(), SHARD_OF_CACHE),
    "label changed": (lambda w: flip(w.cache("motion-16") / "label/c/0"), {}),
    "names gone": (lambda w: (w.cache("motion-16") / "clip/c/0").unlink(), {}),
    "metadata of an array": (lambda w: flip(w.cache("motion-16") / "frames/zarr.json"), {}),
    "metadata of a cache": (lambda w: flip(w.cache("motion-16") / "zarr.json"), {}),
    "no metadata of a cache": (lambda w: (w.cache("motion-16") / "zarr.json").unlink(), {}),
    "cache gone": (lambda w: shutil.rmtree(w.cache("motion-16")), {"precrop:motion-16": 35}),
    "caches gone": (lambda w: shutil.rmtree(w.caches), {"precrop:motion-16": 35, "precrop:center-16": 35}),
    "motion.zarr gone": (lambda w: shutil.rmtree(w.motion), {"extract-mv": 35}),
    "h264 gone as a whole": (lambda w: shutil.rmtree(w.h264), {"transcode": 34}),
}


@pytest.mark.parametrize("harm", HARMS)
def test_what_is_damaged_is_made_again_to_the_same_bytes(
    harm: str, workspace: Workspace, sound: Workspace, capsys: Capture
) -> None:
    harm_it, expected = HARMS[harm]
    harm_it(workspace)
    found = check(workspace)
    assert found.damage
    assert not found.is_sound
    assert found.repair[0] == f"mocrop verify --repair -w {workspace.root}"
    report = check(workspace, repair=True)
    assert report.damage[: len(found.damage)] == found.damage
    assert report.is_sound
    assert report.repair == found.repair[1:]
    assert follow(report, capsys) == expected
    assert content(workspace) == content(sound)
    assert outcomes(workspace) == outcomes(sound)
    assert check(workspace, deep=True).damage == ()


def test_damage_that_other_damage_hides_is_repaired_with_it(
    workspace: Workspace, sound: Workspace, capsys: Capture
) -> None:
    for path in map(workspace.cache, ("motion-16", "center-16")):
        flip(path / "frames/c/0/0/0/0/0")
    flip(workspace.cache("motion-16") / "frames/zarr.json")
    (workspace.cache("center-16") / "zarr.json").unlink()
    (workspace.motion / "zarr.json").unlink()
    flip(workspace.h264_file(CLIPS[0]))
    found = check(workspace)
    assert [(damage.part, damage.clip) for damage in found.damage] == [
        ("h264", CLIPS[0]),
        ("motion.zarr", ""),
        ("cache center-16", ""),
        ("cache motion-16", ""),
    ]
    report = check(workspace, repair=True)
    assert [(each.stage, each.clips) for each in report.marked or ()] == [
        ("transcode", 1),
        ("precrop:center-16", 16),
        ("precrop:motion-16", 16),
    ]
    # A cache stays damaged for its readers until its shards are replaced: none of them trains without those clips.
    assert {damage.part for damage in check(workspace).damage} == {"cache center-16", "cache motion-16"}
    assert follow(report, capsys) == {"transcode": 1, "precrop:center-16": 16, "precrop:motion-16": 16}
    assert content(workspace) == content(sound)
    assert outcomes(workspace) == outcomes(sound)


def test_one_cache_may_be_repaired_alone(workspace: Workspace, capsys: Capture) -> None:
    for name in ("motion-16", "center-16"):
        flip(workspace.cache(name) / "frames/c/0/0/0/0/0")
    found = check(workspace, cache="center-16")
    assert found.repair[0] == f"mocrop verify center-16 --repair -w {workspace.root}"
    report = check(workspace, cache="center-16", repair=True)
    assert [each.stage for each in report.marked or ()] == ["precrop:center-16"]
    assert follow(report, capsys) == {"precrop:center-16": 16}
    assert [damage.part for damage in check(workspace).damage] == ["cache motion-16"]


def test_only_a_file_that_nothing_may_read_any_more_is_deleted(workspace: Workspace) -> None:
    before = set(content(workspace))
    flip(workspace.h264_file(CLIPS[0]))
    flip(only(workspace.motion / "shard-00000/vectors/c"))
    flip(workspace.cache("motion-16") / "frames/c/0/0/0/0/0")
    check(workspace, repair=True)
    assert before - set(content(workspace)) == {f"h264/{CLIPS[0]}.mp4"}


def test_the_last_copy_of_a_clip_is_not_deleted(workspace: Workspace, sound: Workspace) -> None:
    data = sound.root.parent / "data"
    flip(workspace.h264_file(CLIPS[0]))
    flip(workspace.h264_file(CLIPS[1]))
    own = data / f"{CLIPS[0]}.avi"
    own.rename(data.parent / "aside.avi")
    report = check(workspace, repair=True)
    (data.parent / "aside.avi").rename(own)
    assert [(damage.clip, damage.repair) for damage in report.damage] == [
        (CLIPS[0], ""),
        (CLIPS[1], "mocrop transcode"),
    ]
    assert report.damage[0].fact.endswith(f"; {own}, which it was made from, is not there")
    assert not report.is_sound
    assert workspace.h264_file(CLIPS[0]).exists()
    assert not workspace.h264_file(CLIPS[1]).exists()


def test_nothing_is_marked_in_a_sound_workspace(workspace: Workspace) -> None:
    before = outcomes(workspace)
    report = check(workspace, repair=True)
    assert (report.damage, report.marked, report.repair) == ((), (), ())
    assert outcomes(workspace) == before


def test_clips_that_a_killed_run_was_at_work_on_are_no_damage(workspace: Workspace) -> None:
    with open_session(workspace, LOOP) as session:
        session.manifest.doubt("transcode", [0])
        session.manifest.doubt("precrop:motion-16", range(16))
    workspace.h264_file(CLIPS[0]).write_bytes(b"another")
    (workspace.cache("motion-16") / "frames/c/0/0/0/0/0").unlink()
    found = check(workspace)
    assert {damage.part for damage in found.damage} <= {"cache motion-16"}


def test_a_cache_that_was_removed_on_purpose_can_be_forgotten(workspace: Workspace, capsys: Capture) -> None:
    name = ["-w", str(workspace.root)]
    with pytest.raises(SettingsError, match=r"center-16\.zarr is there; remove that folder first"):
        check(workspace, cache="center-16", forget=True)
    shutil.rmtree(workspace.cache("center-16"))
    assert mocrop("verify", *name) == 3
    assert "34 of its clips are done; if you have removed it, `mocrop verify center-16 --forget` says so" in (
        " ".join(capsys.readouterr().out.split())
    )
    assert mocrop("verify", "center-16", *name) == 3
    assert mocrop("verify", "center-16", "--forget", *name) == 0
    assert mocrop("verify", *name) == 0
    assert mocrop("verify", "center-16", "--forget", *name) == 1
    assert mocrop("verify", "--forget", *name) == 1


def test_a_cache_whose_settings_are_not_known_is_left_and_said_to_be(workspace: Workspace) -> None:
    """As in a workspace of a mocrop that did not remember caches."""
    with sqlite3.connect(workspace.manifest_file) as database:
        database.execute("DELETE FROM facts WHERE key LIKE 'cache:%'")
    flip(workspace.cache("motion-16") / "zarr.json")
    flip(workspace.cache("center-16") / "frames/zarr.json")  # its settings are in its own zarr.json
    flip(workspace.h264_file(CLIPS[0]))
    report = check(workspace, repair=True)
    assert not report.is_sound
    (left,) = (damage for damage in report.damage if not damage.repair)
    assert left.part == "cache motion-16"
    assert "`mocrop precrop --name motion-16 --overwrite` and the options that it was made with" in left.fact
    assert [damage.part for damage in check(workspace).damage] == ["cache motion-16"]


def test_the_frames_of_other_clips_do_not_get_the_names_of_these(workspace: Workspace) -> None:
    """As in a cache that was copied from elsewhere."""
    flip(workspace.cache("motion-16") / "frames/c/0/0/0/0/0")
    with sqlite3.connect(workspace.manifest_file) as database:
        database.execute("UPDATE clips SET name = replace(name, 'g01', 'g02'), label = 1 - label")
    for name in ("h264", "motion.zarr"):
        shutil.rmtree(workspace.root / name)
    before = content(workspace)
    report = check(workspace, cache="motion-16", repair=True)
    assert {damage.fact for damage in report.damage} >= {"its rows are other clips than those of the manifest"}
    assert report.repair == (f"mocrop precrop --name motion-16 --overwrite -w {workspace.root}",)
    assert report.marked == ()
    with pytest.raises(CacheError, match="is of other clips than those of this workspace; move it away, or replace it"):
        precrop(workspace, name="motion-16", run=LOOP)
    assert content(workspace) == before


@pytest.mark.parametrize("store", ["caches/motion-16.zarr/zarr.json", "motion.zarr/shard-00000/zarr.json"])
def test_what_a_newer_mocrop_wrote_is_not_made_again(store: str, workspace: Workspace) -> None:
    file = workspace.root / store
    group = json.loads(file.read_bytes())
    group["attributes"]["mocrop"]["schema"] = 99
    file.write_text(json.dumps(group))
    before = content(workspace)
    report = check(workspace, repair=True)
    assert {damage.fact for damage in report.damage} == {report.damage[0].fact}
    assert re.search(r"schema 99, this mocrop reads \d: a newer mocrop wrote it; use that one", report.damage[0].fact)
    assert (report.repair, report.marked, report.is_sound) == ((), (), False)
    assert content(workspace) == before


def test_a_cache_goes_by_the_name_of_its_folder(workspace: Workspace, capsys: Capture) -> None:
    """One that was renamed is repaired under its new name, and nothing appears under the old one."""
    before = content(workspace)
    renamed = workspace.cache("center-16").rename(workspace.caches / "mine.zarr")
    (renamed / "label/c/0").unlink()
    report = check(workspace, cache="mine", repair=True)
    assert report.is_sound
    assert not check(workspace, cache="mine").damage
    assert not workspace.cache("center-16").exists()
    mocrop("precrop", "--name", "mine", "-w", str(workspace.root), "--workers", "0")  # of which nothing was known
    mocrop("verify", "center-16", "--forget", "-w", str(workspace.root))
    assert not check(workspace).damage
    frames = "caches/{}.zarr/frames/c/1/0/0/0/0"
    assert content(workspace)[frames.format("mine")] == before[frames.format("center-16")]
