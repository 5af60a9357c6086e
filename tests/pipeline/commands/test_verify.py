"""`mocrop verify` on files damaged in many ways: the damage is found, named by clip, and can be repaired."""

from __future__ import annotations

import json
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import zarr

from mocrop.pipeline.arrays import open_array
from mocrop.pipeline.bitstream.mp4 import mp4_fault
from mocrop.pipeline.cache.crop_cache import CropCache
from mocrop.pipeline.cache.layout import column_file, shard_file
from mocrop.pipeline.checks.crop_cache import verify_cache
from mocrop.pipeline.checks.h264_files import check_h264, made_files
from mocrop.pipeline.checks.manifest_rows import done_rows
from mocrop.pipeline.commands.preprocess import precrop, run_all
from mocrop.pipeline.commands.verify import VerifyReport, verify
from mocrop.pipeline.errors import CacheError, WorkspaceError
from mocrop.pipeline.run.session import RunOptions, open_session
from mocrop.pipeline.terminal import LineConsole
from mocrop.pipeline.workspace.manifest import Manifest
from mocrop.pipeline.workspace.paths import Workspace
from tests.conftest import mocrop

MakeVideo = Callable[..., Path]
MakeCache = Callable[..., Path]
LOOP = RunOptions(workers=0, console=LineConsole(quiet=True))
WHOLE, NONE = [0, 0, 1, 1], [0, 0, 0, 0]  # boxes
CLIPS = [f"{label}/v_{label}_g0{group}_c01" for label in ("Dig", "Run") for group in (1, 2)]


def check(workspace: Workspace, **options: object) -> VerifyReport:
    return verify(workspace, console=LineConsole(quiet=True), **options)  # type: ignore[arg-type]


def facts(report: VerifyReport) -> dict[str, str]:
    """What is wrong, by clip."""
    return {damage.clip: damage.fact for damage in report.damage}


def flip(file: Path, place: int, *, count: int = 1) -> None:
    """Invert bytes from a position on; a negative one counts from the end."""
    content = bytearray(file.read_bytes())
    place %= len(content)
    content[place : place + count] = bytes(byte ^ 0xFF for byte in content[place : place + count])
    file.write_bytes(content)


def cut(file: Path, share: float) -> None:
    content = file.read_bytes()
    file.write_bytes(content[: int(len(content) * share)])


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory, make_video: MakeVideo) -> Path:
    """A workspace with two caches, one with motion fields; the last clip is no video and has failed."""
    folder = tmp_path_factory.mktemp("sound")
    for name in CLIPS:
        make_video(folder / f"data/{name}.avi", frames=26)
    (folder / "data/Run/v_Run_g03_c01.avi").write_bytes(b"no video")
    workspace = Workspace(folder / "work")
    options = {"size": 16, "frames": 3, "motion_fields": True, "field_side": 4}
    run_all(workspace, folder / "data", run=LOOP, **options)
    precrop(workspace, size=16, frames=3, policy="center", run=LOOP)
    return folder


@pytest.fixture
def workspace(sound: Path, tmp_path: Path) -> Workspace:
    """A copy that may be damaged."""
    shutil.copytree(sound / "work", tmp_path / "work")
    return Workspace(tmp_path / "work")


def test_an_undamaged_workspace_passes_with_a_report_of_what_was_checked(workspace: Workspace) -> None:
    report = check(workspace, deep=True)
    assert report.damage == report.repair == ()
    assert [(part.part, part.clips, part.damaged) for part in report.parts] == [
        ("h264", 4, 0),
        ("motion.zarr", 4, 0),
        ("cache center-16", 5, 0),
        ("cache motion-16", 5, 0),
    ]


def test_a_new_workspace_has_nothing_to_check(sound: Path, tmp_path: Path) -> None:
    workspace = Workspace(tmp_path / "new")
    with pytest.raises(WorkspaceError, match="there is no mocrop workspace"):
        check(workspace)
    mocrop("init", str(sound / "data"), "-w", str(workspace.root))
    assert check(workspace).parts == ()


@pytest.mark.parametrize(
    ("harm", "fact"),
    [
        (lambda file: cut(file, 0.5), "the file is cut off: "),
        (lambda file: cut(file, 0.98), "the file is cut off: "),
        (lambda file: cut(file, 0.0), "the file is cut off: it has no ftyp, mdat, moov"),
        (lambda file: flip(file, 2, count=8), "the file is cut off: "),
        (lambda file: file.write_bytes(bytes(file.stat().st_size)), "byte 0 begins no box: the file is damaged"),
        (lambda file: file.unlink(), "the file is gone"),
    ],
)
def test_a_damaged_h264_file_is_named(harm: Callable[[Path], None], fact: str, workspace: Workspace) -> None:
    harm(workspace.h264_file(CLIPS[1]))
    found = facts(check(workspace))
    assert list(found) == [CLIPS[1]]
    assert found[CLIPS[1]].startswith(fact)


def forget_checksums(workspace: Workspace) -> None:
    """As if the files had been made before the manifest kept checksums."""
    with sqlite3.connect(workspace.manifest_file) as database:
        database.execute("UPDATE outcomes SET checksum = NULL")


def test_every_flipped_byte_of_an_h264_file_is_found_without_decoding(workspace: Workspace) -> None:
    with Manifest(workspace.manifest_file) as manifest:
        made = made_files(workspace, done_rows(manifest, "transcode"), dataset=workspace.root)[0]
    quiet = LineConsole(quiet=True)
    for place in range(120):
        flip(made.file, place * made.file.stat().st_size // 120)
        (damage,) = check_h264([made], quiet, deep=False, repair="").damage
        assert damage.clip == CLIPS[0]
        flip(made.file, place * made.file.stat().st_size // 120)
    assert check_h264([made], quiet, deep=False, repair="").damage == ()


def test_a_picture_that_has_changed_is_found_by_decoding_where_there_is_no_checksum(
    workspace: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    files = [workspace.h264_file(clip) for clip in CLIPS[:2]]
    for file, byte in zip(files, (1000, 2000), strict=True):  # in a frame, and in the length of one
        flip(file, file.read_bytes().find(b"mdat") + byte, count=40)
    assert facts(check(workspace)) == dict.fromkeys(CLIPS[:2], "its checksum differs from that in the manifest")
    forget_checksums(workspace)
    report = check(workspace)
    assert report.damage == ()
    assert report.parts[0].without_checksum == 4
    assert mocrop("verify", "-w", str(workspace.root)) == 0
    assert "4 files made before checksums were kept: only --deep finds bytes" in capsys.readouterr().out
    report = check(workspace, deep=True)
    assert report.parts[0].without_checksum == 0
    found = facts(report)
    assert found[CLIPS[0]] == "1 of 26 decoded frames are damaged, from frame 0 on"
    assert "the decoder refuses 1 packet, from frame 3 on" in found[CLIPS[1]]


def test_no_damage_to_an_h264_file_ends_the_check(workspace: Workspace) -> None:
    forget_checksums(workspace)
    file = workspace.h264_file(CLIPS[0])
    sound = file.read_bytes()
    for place in range(0, len(sound) - 40, 120):
        flip(file, place, count=40)
        assert set(facts(check(workspace, deep=True))) <= {CLIPS[0]}
        file.write_bytes(sound)


def test_boxes_longer_than_four_gigabytes_are_understood(tmp_path: Path) -> None:
    long = (1).to_bytes(4) + b"mdat" + (24).to_bytes(8) + b"12345678"
    content = (8).to_bytes(4) + b"ftyp" + long + (8).to_bytes(4) + b"moov"
    (tmp_path / "a.mp4").write_bytes(content)
    assert mp4_fault(tmp_path / "a.mp4") == ""
    (tmp_path / "a.mp4").write_bytes(content[:-12])
    assert mp4_fault(tmp_path / "a.mp4") == "the file is cut off: 28 of at least 32 bytes are there"


@pytest.mark.parametrize("array", ["frames", "position", "vectors", "vectors_per_frame", "camera"])
def test_a_damaged_motion_shard_is_found(array: str, workspace: Workspace) -> None:
    folder = workspace.motion / "shard-00000"
    file = next(path for path in (folder / array / "c").rglob("*") if path.is_file())
    cut(file, 0.5)
    found = facts(check(workspace))
    assert set(found) == set(CLIPS)
    assert found[CLIPS[0]].startswith("its shard shard-00000 is damaged (")


def test_a_motion_array_that_reads_as_zeros_because_it_is_gone_is_found(workspace: Workspace) -> None:
    for array in ("frames", "vectors"):
        chunks = workspace.motion / "shard-00000" / array / "c"
        shutil.move(chunks, workspace.root / "aside")
        assert set(facts(check(workspace))) == set(CLIPS), array
        shutil.move(workspace.root / "aside", chunks)
    assert check(workspace).damage == ()


def test_a_motion_shard_that_is_gone_is_found(workspace: Workspace) -> None:
    shutil.rmtree(workspace.motion / "shard-00000")
    report = check(workspace)
    assert facts(report) == dict.fromkeys(CLIPS, "its shard is gone: shard-00000")
    here = f"-w {workspace.root}"
    assert report.repair == (f"mocrop verify --repair {here}", f"mocrop extract-mv {here}")


def cache_of_two_shards(make_cache: MakeCache, folder: Path, **options: object) -> Path:
    """Rows 0 to 2 in the first shard, 3 and 4 in the second; row 4 has failed."""
    return make_cache(
        folder / "full-8.zarr", label=[0, 1, 0, 1, 0], state=[1, 2, 1, 1, 3], used=[4, 2, 4, 4, 0], **options
    )


@pytest.mark.parametrize("compression", ["none", "zstd"])
@pytest.mark.parametrize(
    ("place", "clips"),
    [
        (10, ["Dig/clip0"]),  # in a frame
        (-1, ["Dig/clip0", "Run/clip1", "Dig/clip2"]),  # in the index
    ],
)
def test_one_flipped_byte_in_a_shard_is_found(
    place: int, clips: list[str], compression: str, make_cache: MakeCache, tmp_path: Path
) -> None:
    path = cache_of_two_shards(make_cache, tmp_path, compression=compression)
    assert verify_cache(path) == []
    flip(CropCache(path).shard_file(0), place)
    found = verify_cache(path)
    assert [damage.clip for damage in found] == clips
    assert {damage.fact for damage in found} == {"its frames are damaged (checksum differs, frames/c/0/0/0/0/0)"}


def test_every_byte_of_every_frame_is_covered_by_a_checksum(make_cache: MakeCache, tmp_path: Path) -> None:
    path = cache_of_two_shards(make_cache, tmp_path)
    file = CropCache(path).shard_file(1)
    for place in range(0, file.stat().st_size, 97):
        flip(file, place)
        assert [damage.clip for damage in verify_cache(path)] == ["Run/clip3"], place
        flip(file, place)
    assert verify_cache(path) == []


def test_a_shard_file_that_is_gone_or_cut_off_is_found(make_cache: MakeCache, tmp_path: Path) -> None:
    path = cache_of_two_shards(make_cache, tmp_path)
    cut(CropCache(path).shard_file(0), 0.9)
    CropCache(path).shard_file(1).unlink()
    found = {damage.clip: damage.fact for damage in verify_cache(path)}
    assert list(found) == ["Dig/clip0", "Run/clip1", "Dig/clip2", "Run/clip3"]  # the one that failed has no frames
    assert found["Dig/clip0"].startswith("its frames are damaged (")
    assert found["Run/clip3"] == "the file of its frames is gone: frames/c/1/0/0/0/0"


def test_damaged_motion_fields_are_found(workspace: Workspace) -> None:
    cache = CropCache(workspace.cache("motion-16"))
    flip(cache.shard_file(0, "motion"), 3)
    report = check(workspace)
    assert facts(report) == {CLIPS[0]: "its motion fields are damaged (checksum differs, motion/c/0/0/0/0/0)"}
    assert report.repair[1:] == (f"mocrop precrop --name motion-16 -w {workspace.root}",)


@pytest.mark.parametrize(
    ("column", "row", "value", "fact"),
    [
        ("box", 1, [0.5, 0, 0.5, 1], "its box is not inside the picture"),
        ("box", 1, [0, 0, 1.01, 1], "its box is not inside the picture"),
        ("box", 1, [0, -0.01, 1, 1], "its box is not inside the picture"),
        ("box", 1, [np.nan, 0, 1, 1], "its box is not inside the picture"),
        ("slot_box", 1, [WHOLE, [0.5, 0, 0.5, 1], NONE, NONE], "the box of a slot is not inside the picture"),
        ("slot_box", 1, [NONE, WHOLE, NONE, NONE], "the box of a slot is not inside the picture"),
        ("slot_box", 1, [WHOLE, NONE, NONE, NONE], "slot_box is of 1 slots, and 2 hold frames"),
        ("slot_box", 1, [WHOLE, WHOLE, WHOLE, NONE], "slot_box is of 3 slots, and 2 hold frames"),
        ("picture", 1, [0, 0, 0, 1], "the picture that its density spans is not inside the frame"),
        ("frame_index", 1, [0, 0, -1, -1], "its frame numbers are not ascending, or there are none: [ 0  0 -1 -1]"),
        ("frame_index", 1, [3, 2, -1, -1], "its frame numbers are not ascending"),
        ("frame_index", 1, [0, -1, 1, -1], "its frame numbers are not ascending"),
        ("frame_index", 1, [0, 1, -2, -1], "its frame numbers are not ascending"),
        ("frame_index", 1, [-1, -1, -1, -1], "its frame numbers are not ascending, or there are none"),
        ("density", 1, np.full((2, 3), -1), "its density map has values that are negative"),
        ("state", 1, 9, "its state is 9, and there is no such state"),
        ("label", 1, 2, "its label is 2, and there are 2 classes"),
        ("subset", 1, 4, "its subsets are [4], not 0, 1, 2 or 3"),
    ],
)
def test_an_impossible_value_is_found(
    column: str, row: int, value: object, fact: str, make_cache: MakeCache, tmp_path: Path
) -> None:
    path = cache_of_two_shards(make_cache, tmp_path)
    zarr.open_group(path, mode="r+")[column][row] = value
    (damage,) = verify_cache(path)
    assert damage.clip == "Run/clip1"
    assert damage.fact.startswith(fact)


def test_the_values_of_a_clip_that_failed_do_not_matter(make_cache: MakeCache, tmp_path: Path) -> None:
    path = cache_of_two_shards(make_cache, tmp_path)
    zarr.open_group(path, mode="r+")["box"][4] = [2, 2, 2, 2]
    assert verify_cache(path) == []


@pytest.mark.parametrize("state", [0, 3])
def test_frames_of_a_shard_that_a_killed_writer_has_begun_anew_are_no_damage(
    state: int, make_cache: MakeCache, tmp_path: Path
) -> None:
    """It takes the states back and removes the file first, while the frame numbers of before are still there."""
    path = cache_of_two_shards(make_cache, tmp_path)
    states = open_array(path, "state", store_data_equal_to_fill_value=True)
    states[3:].write(np.full(2, state, np.uint8)).result()
    shard_file(path, 1).unlink()
    assert CropCache(path).frame_counts.tolist() == [4, 2, 4, 4, 0]
    assert verify_cache(path) == []


@pytest.mark.parametrize("column", ["state", "frame_index", "box", "density"])
def test_a_column_that_cannot_be_read_in_one_shard_costs_the_clips_of_that_shard(
    column: str, make_cache: MakeCache, tmp_path: Path
) -> None:
    path = cache_of_two_shards(make_cache, tmp_path)
    group = zarr.open_group(path, mode="r+")
    group["density"][:] = 1  # zeros are not stored
    cut(column_file(path, column, 1, group[column].ndim), 0.5)
    found = {damage.clip: damage.fact for damage in verify_cache(path)}
    assert list(found) == ["Run/clip3", "Dig/clip4"]
    assert found["Run/clip3"].startswith(f"{column} cannot be read (")


@pytest.mark.parametrize(
    ("file", "fact"),
    [
        ("zarr.json", "zarr.json is no JSON"),
        ("box/zarr.json", "box/zarr.json is no JSON"),
        ("label/c/0", "label cannot be read"),
        ("clip/c/0", "the names of the clips cannot be read"),
    ],
)
def test_a_fault_of_a_whole_cache_is_reported_once(file: str, fact: str, make_cache: MakeCache, tmp_path: Path) -> None:
    path = cache_of_two_shards(make_cache, tmp_path)
    cut(path / file, 0.5)
    (damage,) = verify_cache(path)
    assert damage.clip == ""
    assert fact in damage.fact


def test_a_cache_that_lags_behind_its_manifest_is_found(workspace: Workspace) -> None:
    path = workspace.cache("center-16")
    group = zarr.open_group(path, mode="r+")
    group["state"][1] = 0
    group["label"][0] = 1
    report = check(workspace, cache="center-16")
    assert facts(report) == {
        CLIPS[1]: "the manifest lists it as done, its state does not",
        "": "label differs from that of the data set",
    }
    assert [part.part for part in report.parts] == ["cache center-16"]  # nothing else was looked at


def test_the_command_ends_with_3_if_anything_is_wrong_and_with_0_if_nothing_is(
    workspace: Workspace, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert mocrop("verify", "-w", str(workspace.root)) == 0
    assert capsys.readouterr().out.splitlines()[0] == "h264: 4 clips checked, all sound"
    workspace.h264_file(CLIPS[0]).unlink()
    assert mocrop("verify", "-w", str(workspace.root)) == 3
    said = capsys.readouterr().out.splitlines()
    assert said[:2] == ["h264: 4 clips checked, 1 damaged", f"  {CLIPS[0]}: the file is gone"]
    here = f"-w {workspace.root}"
    assert said[-3:] == ["to repair it:", f"  mocrop verify --repair {here}", f"  mocrop transcode {here}"]
    monkeypatch.chdir(workspace.root)
    assert mocrop("verify", "--json") == 3
    report = json.loads(capsys.readouterr().out)
    assert report["damage"][0]["clip"] == CLIPS[0]
    assert report["repair"] == ["mocrop verify --repair", "mocrop transcode"]
    assert report["marked"] is None
    assert mocrop("verify", "--repair") == 0  # all of it is marked
    said = capsys.readouterr().out.splitlines()
    assert said[-3:] == ["transcode: 1 clip marked as not done", "to make it again:", "  mocrop transcode"]
    assert mocrop("verify") == 0  # what is not done is no damage


def test_a_cache_outside_a_workspace_is_checked_alone(
    make_cache: MakeCache, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = cache_of_two_shards(make_cache, tmp_path)
    flip(CropCache(path).shard_file(0), 10)
    assert mocrop("verify", str(path), "-w", str(tmp_path / "nowhere")) == 3
    said = capsys.readouterr().out
    assert "cache full-8: 5 clips checked, 1 damaged" in said
    assert "what no command repairs: copy it again" in said
    assert mocrop("verify", str(path), "--repair", "-w", str(tmp_path / "nowhere")) == 1


def test_a_cache_of_the_workspace_may_be_given_by_its_folder(workspace: Workspace) -> None:
    flip(CropCache(workspace.cache("motion-16")).shard_file(0), 3)
    assert check(workspace, cache=str(workspace.cache("motion-16"))) == check(workspace, cache="motion-16")
    with pytest.raises(CacheError, match="there is no crop cache 'full-16'; the caches are center-16, motion-16"):
        check(workspace, cache="full-16")


def test_nothing_is_checked_while_another_run_writes(workspace: Workspace) -> None:
    with open_session(workspace, LOOP), pytest.raises(WorkspaceError, match="another mocrop"):
        check(workspace)
