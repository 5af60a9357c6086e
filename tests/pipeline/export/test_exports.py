"""An export as a folder: resumed, refused, brought up to date, verified, read back as a data set."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest

from mocrop.pipeline.commands import preprocess
from mocrop.pipeline.commands.explain import explain
from mocrop.pipeline.commands.status import workspace_status
from mocrop.pipeline.commands.verify import verify
from mocrop.pipeline.errors import CacheError, DiskFullError, MocropError, Reason, SettingsError, WorkspaceError
from mocrop.pipeline.export import stage as export_stages
from mocrop.pipeline.export.places import clip_infos
from mocrop.pipeline.workspace.manifest import ClipRow, Manifest
from mocrop.pipeline.workspace.paths import Workspace
from tests.conftest import MakeVideo
from tests.pipeline.export.conftest import ExportTo, MakeWorkspace, quietly

CENTER = {"policy": "center", "size": 32}
NAMES = [f"{name}/v_{name}_g{group:02d}_c01" for name in ("A", "B") for group in (1, 2, 3)]


@pytest.fixture
def workspace(tmp_path: Path, make_video: MakeVideo, make_workspace: MakeWorkspace) -> Workspace:
    """Six clips of two classes and three groups."""
    for n, name in enumerate(NAMES):
        make_video(tmp_path / f"data/{name}.mp4", frames=6 + n, codec="libx264")
    return make_workspace()


def content(folder: Path) -> dict[str, bytes]:
    return {file.relative_to(folder).as_posix(): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def described(folder: Path) -> dict[str, object]:
    return dict(json.loads((folder / "mocrop-export.json").read_text()))


def test_an_export_holds_what_its_description_says_and_nothing_else(
    tmp_path: Path, workspace: Workspace, export_to: ExportTo
) -> None:
    report = export_to(**CENTER)
    there = content(tmp_path / "out")
    assert set(there) == {*(f"{name}.mp4" for name in NAMES), "boxes.csv", "splits.csv", "mocrop-export.json"}
    plain = described(tmp_path / "out")
    assert plain["complete"] is True
    assert plain["clips"] == {"done": 6, "left_out": 0}
    files = {each["path"]: each["bytes"] for each in plain["files"]}  # type: ignore[attr-defined]
    assert files == {path: len(data) for path, data in there.items() if path != "mocrop-export.json"}
    assert (report.clips, report.form) == (6, "mp4")


def test_a_second_run_does_nothing_and_changes_no_byte(
    tmp_path: Path, workspace: Workspace, export_to: ExportTo
) -> None:
    export_to(**CENTER)
    before = content(tmp_path / "out")
    assert export_to().stages[0].plan.to_run == 0  # no option: as it was
    assert export_to(**CENTER).stages[0].plan.to_run == 0
    assert content(tmp_path / "out") == before


@pytest.mark.parametrize("at", [1, 4, 6])
def test_one_that_is_killed_goes_on_to_the_same_bytes(
    tmp_path: Path, workspace: Workspace, export_to: ExportTo, monkeypatch: pytest.MonkeyPatch, at: int
) -> None:
    export_to(tmp_path / "whole", **CENTER)
    calls = 0
    replace = os.replace

    class Killed(BaseException):
        pass

    def killing(one: Path, other: Path) -> None:
        nonlocal calls
        replace(one, other)
        calls += str(other).endswith(".mp4")
        if calls == at:
            raise Killed  # after a file has its name and before there is a record of it

    monkeypatch.setattr(export_stages.os, "replace", killing)
    with pytest.raises(Killed):
        export_to(**CENTER)
    monkeypatch.undo()
    assert described(tmp_path / "out")["complete"] is False
    assert export_to().clips == 6
    one, other = content(tmp_path / "whole"), content(tmp_path / "out")
    assert one == other


def test_workers_write_the_same_bytes_as_a_plain_loop(
    tmp_path: Path, workspace: Workspace, export_to: ExportTo
) -> None:
    export_to(tmp_path / "loop", **CENTER)
    export_to(workers=2, **CENTER)
    assert content(tmp_path / "loop") == content(tmp_path / "out")


def test_a_full_disk_is_one_line_and_the_export_goes_on_afterwards(
    tmp_path: Path, workspace: Workspace, export_to: ExportTo, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(export_stages.os, "replace", full)
        with pytest.raises(DiskFullError, match="run the same command again"):
            export_to(**CENTER)
    assert export_to(**CENTER).clips == 6


def test_what_is_in_the_way_is_refused_and_left_alone(
    tmp_path: Path, workspace: Workspace, export_to: ExportTo
) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full/mine.txt").write_text("mine")
    (tmp_path / "file").write_text("mine")
    for folder, why in (
        ("full", "holds something else"),
        ("file", "is a file"),
        ("data", "is or holds the data set"),
        ("data/A/x", "is inside the data set"),
        (".", "is or holds the data set"),
        ("work", "is or holds the workspace"),
    ):
        for overwrite in (False, True):
            with pytest.raises(SettingsError, match=why) as caught:
                export_to(tmp_path / folder, overwrite=overwrite, **CENTER)
            assert "\n" not in str(caught.value)
    assert content(tmp_path / "full") == {"mine.txt": b"mine"}


def test_other_settings_are_refused_and_replace_it_with_overwrite(
    tmp_path: Path, workspace: Workspace, export_to: ExportTo
) -> None:
    export_to(**CENTER)
    (tmp_path / "out/A/mine.txt").write_text("mine")
    before = content(tmp_path / "out")
    with pytest.raises(SettingsError, match=r"mp4 crf: 18 there, 30 asked.*--overwrite"):
        export_to(crf=30, **CENTER)
    with pytest.raises(SettingsError, match=r"ratio: 0.75 there, 0.5 asked"):
        export_to(ratio=0.5, **CENTER)
    assert content(tmp_path / "out") == before
    export_to(overwrite=True, crf=30, **CENTER)
    after = content(tmp_path / "out")
    assert after["A/mine.txt"] == b"mine"
    assert set(after) == set(before)
    assert not [path for path in after if path.endswith(".mp4") and after[path] == before[path]]


def test_an_export_of_another_workspace_is_refused(tmp_path: Path, workspace: Workspace, export_to: ExportTo) -> None:
    export_to(**CENTER)
    shutil.rmtree(workspace.root)
    preprocess.init(workspace, tmp_path / "data")
    with pytest.raises(SettingsError, match="has not made there: it is of another one, or was moved"):
        export_to(**CENTER)
    assert export_to(overwrite=True, **CENTER).clips == 6


def test_an_export_of_the_data_set_before_is_refused_and_replaced_with_overwrite(
    tmp_path: Path, make_video: MakeVideo, workspace: Workspace, export_to: ExportTo
) -> None:
    export_to(**CENTER)
    make_video(tmp_path / "other/Dig/1.mp4", frames=6, codec="libx264")
    preprocess.init(workspace, tmp_path / "other", replace_dataset=True)
    before = content(tmp_path / "out")
    with pytest.raises(SettingsError, match=f"of another data set, {tmp_path / 'data'}; name another folder"):
        export_to()
    assert content(tmp_path / "out") == before
    export_to(overwrite=True, **CENTER)
    assert {path for path in content(tmp_path / "out") if path.endswith(".mp4")} == {"Dig/1.mp4"}
    assert verify(workspace, console=quietly().console).is_sound


def test_options_are_refused_that_do_not_go_together(workspace: Workspace, export_to: ExportTo) -> None:
    with pytest.raises(SettingsError, match="--to says"):
        export_to()
    with pytest.raises(SettingsError, match="there is no form 'avi'; the forms are mp4"):
        export_to(**{**CENTER, "to": "avi"})
    with pytest.raises(CacheError, match="no crop cache yet"):
        export_to(size=32)
    with pytest.raises(SettingsError, match="pass one of both"):
        export_to(cache="x", **CENTER)
    with pytest.raises(SettingsError, match="there is no policy 'middle'"):
        export_to(policy="middle")
    for number in ("one", "two"):
        preprocess.precrop(workspace, size=32, policy="center", name=number, run=quietly())
    with pytest.raises(CacheError, match="name one with --cache: one, two"):
        export_to(size=32)


def test_motion_that_was_not_extracted_is_asked_for(tmp_path: Path, make_video: MakeVideo, export_to: ExportTo) -> None:
    make_video(tmp_path / "data/A/a.mp4", codec="libx264")
    preprocess.init(tmp_path / "work", tmp_path / "data")
    with pytest.raises(WorkspaceError, match="extract-mv"):
        export_to(policy="motion")
    assert not (tmp_path / "out").exists()


def test_a_changed_video_is_exported_again_and_no_other(
    tmp_path: Path, workspace: Workspace, export_to: ExportTo, make_video: MakeVideo
) -> None:
    export_to(**CENTER)
    before = content(tmp_path / "out")
    make_video(tmp_path / f"data/{NAMES[0]}.mp4", frames=20, codec="libx264")
    os.utime(tmp_path / f"data/{NAMES[0]}.mp4", ns=(1, 1))
    assert export_to().stages[0].summary.done == 1
    after = content(tmp_path / "out")
    changed = {path for path in after if after[path] != before[path]}
    assert changed == {f"{NAMES[0]}.mp4", "mocrop-export.json"}  # its box is where it was


def test_a_clip_that_is_gone_or_fails_leaves_the_export(
    tmp_path: Path, workspace: Workspace, export_to: ExportTo
) -> None:
    export_to(**CENTER)
    (tmp_path / f"data/{NAMES[0]}.mp4").unlink()
    (tmp_path / f"data/{NAMES[3]}.mp4").write_bytes(b"no video")
    report = export_to()
    assert (report.clips, report.left_out, report.failed) == (4, 1, 1)  # what is gone is no clip of the data set
    there = content(tmp_path / "out")
    assert {path for path in there if path.endswith(".mp4")} == {f"{name}.mp4" for name in NAMES} - {
        f"{NAMES[0]}.mp4",
        f"{NAMES[3]}.mp4",
    }
    assert NAMES[0] not in there["splits.csv"].decode()
    assert NAMES[3] not in there["boxes.csv"].decode()
    status = workspace_status(workspace)
    assert status.stages[-1].failed == {Reason.NOT_A_VIDEO: 1}


def test_retry_tries_failed_clips_again_and_finishes_the_lists(
    tmp_path: Path, workspace: Workspace, export_to: ExportTo, make_video: MakeVideo
) -> None:
    whole = (tmp_path / f"data/{NAMES[3]}.mp4").read_bytes()
    stamp = (tmp_path / f"data/{NAMES[3]}.mp4").stat().st_mtime_ns
    (tmp_path / f"data/{NAMES[3]}.mp4").write_bytes(b"no video".ljust(len(whole)))
    os.utime(tmp_path / f"data/{NAMES[3]}.mp4", ns=(stamp, stamp))
    assert export_to(**CENTER).failed == 1
    (tmp_path / f"data/{NAMES[3]}.mp4").write_bytes(whole)
    os.utime(tmp_path / f"data/{NAMES[3]}.mp4", ns=(stamp, stamp))
    assert export_to().failed == 1  # nothing has changed as far as one can see
    report = preprocess.retry(workspace, run=quietly())
    assert [stage.stage for stage in report.stages] == [f"export:{tmp_path / 'out'}"]
    assert report.failed == 0
    assert NAMES[3] in (tmp_path / "out/splits.csv").read_text()


def test_boxes_of_a_cache_that_was_made_anew_are_exported_anew(
    tmp_path: Path, workspace: Workspace, export_to: ExportTo
) -> None:
    preprocess.precrop(workspace, size=32, policy="center", name="c", ratio=0.5, run=quietly())
    export_to(cache="c", size=0)
    before = (tmp_path / "out/boxes.csv").read_text()
    preprocess.precrop(workspace, overwrite=True, size=32, policy="center", name="c", ratio=0.25, run=quietly())
    status = workspace_status(workspace)
    assert (status.stages[-1].stale, status.next_command) == (6, f"mocrop export {tmp_path / 'out'}")
    assert export_to().stages[0].summary.done == 6
    assert (tmp_path / "out/boxes.csv").read_text() != before
    identity = described(tmp_path / "out")["cache"]
    assert isinstance(identity, dict)
    assert identity["name"] == "c"
    assert len(identity["identity"]) == 16


def test_verify_finds_what_is_missing_cut_off_or_changed_and_repairs_it(
    tmp_path: Path, workspace: Workspace, export_to: ExportTo
) -> None:
    export_to(**CENTER)
    before = content(tmp_path / "out")
    console = quietly().console
    assert verify(workspace, console=console).is_sound
    (tmp_path / f"out/{NAMES[0]}.mp4").unlink()
    (tmp_path / f"out/{NAMES[1]}.mp4").write_bytes(before[f"{NAMES[1]}.mp4"][:-1])
    flipped = bytearray(before[f"{NAMES[2]}.mp4"])
    flipped[len(flipped) // 2] ^= 1
    (tmp_path / f"out/{NAMES[2]}.mp4").write_bytes(flipped)
    (tmp_path / "out/boxes.csv").write_text("")
    report = verify(workspace, console=console)
    mine = [each for each in report.damage if each.part.startswith("export")]
    assert [each.clip for each in mine] == [*NAMES[:3], ""]
    assert all(word in each.fact for word, each in zip(("gone", "bytes", "checksum", "bytes"), mine, strict=True))
    assert not verify(workspace, cache=str(tmp_path / "out"), console=console).is_sound
    repaired = verify(workspace, repair=True, console=console)
    assert repaired.is_sound
    assert repaired.repair == (f"mocrop export {tmp_path / 'out'} -w {workspace.root}",)
    assert export_to().stages[0].summary.done == 3
    assert content(tmp_path / "out") == before
    assert verify(workspace, console=console).is_sound


def test_a_copy_is_verified_by_its_description(tmp_path: Path, workspace: Workspace, export_to: ExportTo) -> None:
    export_to(**CENTER)
    shutil.copytree(tmp_path / "out", tmp_path / "copy")
    nowhere = Workspace(tmp_path / "nowhere")
    assert verify(nowhere, cache=str(tmp_path / "copy"), console=quietly().console).is_sound
    (tmp_path / f"copy/{NAMES[0]}.mp4").unlink()
    report = verify(nowhere, cache=str(tmp_path / "copy"), console=quietly().console)
    assert [each.fact for each in report.damage] == [f"{NAMES[0]}.mp4 is gone"]


def test_a_folder_that_was_removed_is_missed_until_it_is_forgotten_or_made_again(
    tmp_path: Path, workspace: Workspace, export_to: ExportTo
) -> None:
    export_to(**CENTER)
    before = content(tmp_path / "out")
    shutil.rmtree(tmp_path / "out")
    report = verify(workspace, console=quietly().console)
    assert "is gone, and 6 of its clips are done" in report.damage[0].fact
    assert export_to().stages[0].summary.done == 6
    assert content(tmp_path / "out") == before
    shutil.rmtree(tmp_path / "out")
    verify(workspace, cache=str(tmp_path / "out"), forget=True, console=quietly().console)
    assert verify(workspace, console=quietly().console).is_sound
    assert [stage.stage for stage in workspace_status(workspace).stages] == ["extract-mv"]


def test_a_dry_run_says_why_each_clip_would_run_and_writes_nothing(
    tmp_path: Path, workspace: Workspace, export_to: ExportTo
) -> None:
    options = {"into": tmp_path / "out", "to": "mp4", **CENTER}
    said = list(explain(workspace, "export", options=options))
    assert said == [*(("export", name, "not done yet") for name in NAMES), ("export", "", "")]
    assert not (tmp_path / "out").exists()
    assert not workspace.exports.exists()


def rows_of(workspace: Workspace) -> dict[str, tuple[object, ...]]:
    """Labels and subsets of all clips by the last part of their names."""
    with Manifest(workspace.manifest_file, read_only=True) as manifest:
        classes, splits = manifest.names("class_names"), manifest.names("split_names")
        return {
            clip.name.rpartition("/")[2]: (
                sorted(classes[n] for n in (clip.labels or (clip.label,)) if n >= 0),
                dict(zip(splits, clip.subset, strict=True)),
            )
            for clip in manifest.clips()
        }


def test_lists_of_ucf101_are_read_back_with_the_same_labels_and_subsets(
    tmp_path: Path, make_video: MakeVideo, make_workspace: MakeWorkspace, export_to: ExportTo
) -> None:
    for name in NAMES:
        make_video(tmp_path / f"data/{name}.mp4", frames=3, codec="libx264")
    lists = tmp_path / "lists"
    lists.mkdir()
    (lists / "classInd.txt").write_text("1 B\n2 A\n3 Z\n")
    number = {"A": 2, "B": 1}
    for split in (1, 2):
        test = [name for name in NAMES if f"_g{split:02d}_" in name]
        train = [name for name in NAMES if name not in test]
        (lists / f"testlist0{split}.txt").write_text("".join(f"{name}.avi\n" for name in test))
        (lists / f"trainlist0{split}.txt").write_text("".join(f"{n}.avi {number[n[0]]}\n" for n in train))
    workspace = make_workspace(splits=lists)
    export_to(**CENTER)
    assert f"{NAMES[2]}.mp4 2\n" in (tmp_path / "out/trainlist01.txt").read_text()
    assert f"{NAMES[3]}.mp4\n" in (tmp_path / "out/testlist01.txt").read_text()
    names = {path for path in content(tmp_path / "out") if path.endswith(".txt")}
    assert names == {"classInd.txt", *(f"{word}list0{n}.txt" for word in ("train", "test") for n in (1, 2))}
    again = Workspace(tmp_path / "again")
    preprocess.init(again, tmp_path / "out", splits=tmp_path / "out")
    assert rows_of(again) == rows_of(workspace)
    with Manifest(again.manifest_file, read_only=True) as manifest:
        assert manifest.names("class_names") == ["B", "A", "Z"]


def test_a_csv_is_read_back_with_several_labels_a_clip_and_odd_classes(
    tmp_path: Path, make_video: MakeVideo, make_workspace: MakeWorkspace, export_to: ExportTo
) -> None:
    rows = [
        ("x/one.mp4", "run, fast", "train"),
        ("x/one.mp4", "jump/high", "train"),
        ("two.mp4", "..", "test"),
        ("three.mp4", "=1+1", "val"),
        ("four.mp4", "Ä ö\u200b", "train"),
        ("four.mp4", "..", "train"),
    ]
    for path in {path for path, _, _ in rows}:
        make_video(tmp_path / f"data/{path}", frames=3, codec="libx264")
    text = "".join(f'{path},"{label}",{subset}\n' for path, label, subset in rows)
    (tmp_path / "own.csv").write_text(f"path,label,subset\n{text}")
    workspace = make_workspace(splits=tmp_path / "own.csv", multi_label=True)
    assert export_to(**CENTER).clips == 4
    assert not [path for path in content(tmp_path / "out") if ".." in path.split("/")]
    again = Workspace(tmp_path / "again")
    splits = tmp_path / "out/splits.csv"
    preprocess.init(again, tmp_path / "out", splits=splits, multi_label=True)
    assert rows_of(again) == rows_of(workspace)


def test_a_split_that_mocrop_made_is_read_back(tmp_path: Path, workspace: Workspace, export_to: ExportTo) -> None:
    export_to(**CENTER)
    again = Workspace(tmp_path / "again")
    preprocess.init(again, tmp_path / "out", splits=tmp_path / "out/splits.csv")
    assert rows_of(again) == rows_of(workspace)
    assert {subset for _, subsets in rows_of(again).values() for subset in subsets.values()} == {1, 2}  # type: ignore[attr-defined]


def test_videos_without_labels_are_exported_without_lists(
    tmp_path: Path, make_video: MakeVideo, make_workspace: MakeWorkspace, export_to: ExportTo
) -> None:
    make_video(tmp_path / "data/day/a.mp4", frames=3, codec="libx264")
    make_workspace(unlabelled=True)
    export_to(**CENTER)
    assert set(content(tmp_path / "out")) == {"unlabelled/day/a.mp4", "boxes.csv", "mocrop-export.json"}


def place_of(name: str, label: int, classes: list[str]) -> str:
    row = ClipRow(name=name, path="", label=label, group=-1, subset=(1,), size_bytes=0, mtime_ns=0)
    return clip_infos([row], classes)[0].place


def test_places_are_safe_on_every_disk_and_never_twice_the_same() -> None:
    classes = ["A", "a/b", "..", ".hidden", "x.csv", "line\nbreak", "A ", "tab\tone", "=cmd()"]
    assert place_of("A/clip", 0, classes) == "A/clip"
    assert place_of("x/clip", 0, classes) == "A/x/clip"
    assert place_of("clip", -1, classes) == "unlabelled/clip"
    for label in range(1, len(classes)):
        first = place_of("c", label, classes).split("/")[0]
        assert first.isprintable()
        assert not set(first) & set('/\\:*?"<>|')
        assert first[0] not in ". =~"
        assert first[-1] not in ". "
        assert not first.endswith(".csv")
        assert first != classes[label]
    rows = [
        ClipRow(name=name, path="", label=0, group=-1, subset=(), size_bytes=0, mtime_ns=0)
        for name in ("A/b", "b", "a/B", "A/b~1")
    ]
    places = [info.place.casefold() for info in clip_infos(rows, ["A"])]
    assert len(set(places)) == len(places)


def test_a_label_that_changes_moves_the_clip(
    tmp_path: Path, make_video: MakeVideo, make_workspace: MakeWorkspace, export_to: ExportTo
) -> None:
    for name in ("one", "two"):
        make_video(tmp_path / f"data/{name}.mp4", frames=3, codec="libx264")
    (tmp_path / "own.csv").write_text("path,label,subset\none.mp4,A,train\ntwo.mp4,B,test\n")
    workspace = make_workspace(splits=tmp_path / "own.csv")
    export_to(**CENTER)
    (tmp_path / "own.csv").write_text("path,label,subset\none.mp4,B,train\ntwo.mp4,B,test\n")
    preprocess.init(workspace, tmp_path / "data", splits=tmp_path / "own.csv")
    export_to()
    there = {path for path in content(tmp_path / "out") if path.endswith(".mp4")}
    assert there == {"B/one.mp4", "B/two.mp4"}
    assert "A" not in os.listdir(tmp_path / "out")


@pytest.mark.parametrize("form", ["mp4", "frames"])
def test_a_clip_takes_the_place_that_another_one_has_left(
    tmp_path: Path, make_video: MakeVideo, make_workspace: MakeWorkspace, export_to: ExportTo, form: str
) -> None:
    """`one/x/a` and `x/a`, if that is of class one, have the same place, where the first of both by name stays."""
    data, lists, contents = tmp_path / "data", tmp_path / "own.csv", []
    make_video(data / "one/x/a.mp4", frames=3, codec="libx264", size=(64, 48))
    make_video(data / "x/a.mp4", frames=4, codec="libx264", size=(80, 48))
    for label, places in (
        ("two", {"one/x/a.mp4": "two/one/x/a", "x/a.mp4": "one/x/a"}),
        ("one", {"one/x/a.mp4": "one/x/a", "x/a.mp4": "one/x/a~1"}),
        ("two", {"one/x/a.mp4": "two/one/x/a", "x/a.mp4": "one/x/a"}),
    ):
        lists.write_text(f"path,label,subset\none/x/a.mp4,{label},train\nx/a.mp4,one,train\n")
        workspace = make_workspace(splits=lists)
        export_to(policy="full", size=32, to=form)
        there = content(tmp_path / "out")
        suffix = ".mp4" if form == "mp4" else "/00000.jpg"
        assert {path for path in there if path.endswith(suffix)} == {f"{place}{suffix}" for place in places.values()}
        assert verify(workspace, cache=str(tmp_path / "out"), console=quietly().console).is_sound
        contents.append([there[f"{places[clip]}{suffix}"] for clip in ("one/x/a.mp4", "x/a.mp4")])
    assert contents[0] == contents[1] == contents[2]  # each file is of its own clip, wherever it is
    assert contents[0][0] != contents[0][1]


def test_what_is_no_description_is_named(tmp_path: Path, workspace: Workspace, export_to: ExportTo) -> None:
    (tmp_path / "out").mkdir()
    for text, why in (("{", "damaged"), ("[]", "damaged"), ('{"mocrop_export": 99}', "newer mocrop")):
        (tmp_path / "out/mocrop-export.json").write_text(text)
        for overwrite in (False, True):
            with pytest.raises(MocropError, match=why) as caught:
                export_to(overwrite=overwrite, **CENTER)
            assert "\n" not in str(caught.value)
    (tmp_path / "out/mocrop-export.json").unlink()
    export_to(**CENTER)
    plain = described(tmp_path / "out")
    plain["files"] = [{"path": "../work/mocrop.toml", "bytes": 1, "crc32c": "0"}]
    (tmp_path / "out/mocrop-export.json").write_text(json.dumps(plain))
    with pytest.raises(SettingsError, match="leads out of the folder"):
        export_to(overwrite=True, **CENTER)
    assert workspace.settings_file.exists()


def test_lists_of_another_form_take_the_place_of_those_before(
    tmp_path: Path, make_video: MakeVideo, make_workspace: MakeWorkspace, export_to: ExportTo
) -> None:
    for name in ("A/one", "B/two"):
        make_video(tmp_path / f"data/{name}.mp4", frames=3, codec="libx264")
    (tmp_path / "own.csv").write_text("path,label,subset\nA/one.mp4,A,train\nB/two.mp4,B,test\n")
    workspace = make_workspace(splits=tmp_path / "own.csv")
    export_to(**CENTER)
    (tmp_path / "lists").mkdir()
    (tmp_path / "lists/trainlist01.txt").write_text("A/one.mp4 1\n")
    (tmp_path / "lists/testlist01.txt").write_text("B/two.mp4\n")
    (tmp_path / "lists/classInd.txt").write_text("1 A\n2 B\n")
    preprocess.init(workspace, tmp_path / "data", splits=tmp_path / "lists")
    assert export_to().stages[0].plan.to_run == 0
    lists = {path for path in content(tmp_path / "out") if not path.endswith((".mp4", ".json"))}
    assert lists == {"boxes.csv", "classInd.txt", "testlist01.txt", "trainlist01.txt"}


def test_with_source_auto_a_second_run_does_nothing_and_what_is_gone_is_made_again(
    tmp_path: Path, make_video: MakeVideo, make_workspace: MakeWorkspace, export_to: ExportTo
) -> None:
    for name in ("own", "other"):
        make_video(
            tmp_path / f"data/A/{name}.mp4", frames=24, codec="libx264", key_interval=12 if name == "own" else 99
        )
    workspace = Workspace(tmp_path / "work")
    preprocess.init(workspace, tmp_path / "data")
    chosen = preprocess.extract_mv(workspace, source="auto", key_frames=2, run=quietly()).stages[0].files
    assert chosen is not None
    assert (chosen.as_they_are, chosen.transcoded) == (1, 1)
    export_to(policy="motion", size=32, frames=2)
    before = content(tmp_path / "out")
    assert export_to().stages[0].plan.to_run == 0
    for name in ("own", "other"):
        (tmp_path / f"out/A/{name}.mp4").unlink()
    assert export_to().stages[0].summary.done == 2
    assert content(tmp_path / "out") == before


def test_a_video_that_is_another_than_its_vectors_are_of_fails_and_is_not_cropped_by_them(
    tmp_path: Path, make_video: MakeVideo, make_workspace: MakeWorkspace, export_to: ExportTo
) -> None:
    file = make_video(tmp_path / "data/A/a.mp4", frames=30, codec="libx264")
    make_workspace()
    stat = file.stat()
    make_video(file, frames=20, codec="libx264")
    missing = stat.st_size - file.stat().st_size
    assert missing >= 8
    with file.open("ab") as stream:
        stream.write(missing.to_bytes(4) + b"free" + bytes(missing - 8))
    os.utime(file, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    report = export_to(policy="motion", size=32)
    assert report.stages[0].failed == {Reason.UNREADABLE: 1}
    assert report.clips == 0
    assert not list((tmp_path / "out").rglob("*.mp4"))
