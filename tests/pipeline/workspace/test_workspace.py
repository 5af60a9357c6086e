from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from mocrop.pipeline.errors import CacheError, FileError, SettingsError, WorkspaceError
from mocrop.pipeline.files import file_stem, write_whole
from mocrop.pipeline.settings import plain_settings
from mocrop.pipeline.stages.registry import Stages
from mocrop.pipeline.stages.transcode_settings import TranscodeSettings
from mocrop.pipeline.workspace.lock import exclusive
from mocrop.pipeline.workspace.paths import Workspace, locate_workspace
from mocrop.pipeline.workspace.settings_file import DatasetSettings, read_settings, write_settings, write_stage_settings
from tests.conftest import MakeVideo, mocrop


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    workspace = Workspace(tmp_path / "work")
    write_settings(workspace, DatasetSettings(dataset=tmp_path / "data", seed=7))
    return workspace


def test_the_option_wins_over_environment_and_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mocrop.toml").touch()
    deep = tmp_path / "a/b"
    deep.mkdir(parents=True)
    assert locate_workspace(None, here=deep) == tmp_path
    monkeypatch.setenv("MOCROP_WORKSPACE", str(tmp_path / "named"))
    assert locate_workspace(None, here=deep) == tmp_path / "named"
    assert locate_workspace(tmp_path / "given", here=deep) == tmp_path / "given"


def test_the_default_workspace_is_a_folder_of_fixed_name_here(tmp_path: Path) -> None:
    assert locate_workspace(None, here=tmp_path) == tmp_path / "mocrop-work"


def test_settings_come_back_as_written(workspace: Workspace, tmp_path: Path) -> None:
    settings, tables = read_settings(workspace)
    assert settings == DatasetSettings(dataset=tmp_path / "data", splits=None, seed=7)
    assert tables == {}


def test_comments_and_other_tables_survive_an_edit(workspace: Workspace, tmp_path: Path) -> None:
    write_stage_settings(workspace, "transcode", TranscodeSettings(crf=20))
    text = workspace.settings_file.read_text()
    workspace.settings_file.write_text(text.replace("crf = 20", "crf = 20  # my choice"))
    write_settings(workspace, DatasetSettings(dataset=tmp_path / "elsewhere", splits=tmp_path / "lists"))
    assert "crf = 20  # my choice" in workspace.settings_file.read_text()
    settings, tables = read_settings(workspace)
    assert (settings.dataset, settings.splits) == (tmp_path / "elsewhere", tmp_path / "lists")
    assert tables["transcode"] == plain_settings(TranscodeSettings(crf=20))


def test_a_setting_of_nought_is_written_and_one_of_none_is_left_out(workspace: Workspace) -> None:
    """Else a lossless `crf = 0` would become the default of 23 in the next run."""
    write_stage_settings(workspace, "transcode", TranscodeSettings(crf=0))
    assert read_settings(workspace)[1]["transcode"]["crf"] == 0
    assert "own_key_frames" not in read_settings(workspace)[1]["transcode"]


def test_paths_that_are_relative_to_here_are_found_from_elsewhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They would else be taken as relative to mocrop.toml."""
    monkeypatch.chdir(tmp_path)
    workspace = Workspace(tmp_path / "deep" / "work")
    write_settings(workspace, DatasetSettings(dataset=Path("data"), splits=Path("lists")))
    settings, _ = read_settings(workspace)
    assert (settings.dataset, settings.splits) == (tmp_path / "data", tmp_path / "lists")


@pytest.mark.parametrize("text", ["dataset = ", "seed = 3", "dataset = 3"])
def test_a_broken_settings_file_is_named_with_the_way_out(workspace: Workspace, text: str) -> None:
    workspace.settings_file.write_text(text)
    with pytest.raises(WorkspaceError, match=r"mocrop\.toml.*mocrop init"):
        read_settings(workspace)


@pytest.mark.parametrize(
    ("text", "fact"),
    [
        ("datset = 3", "key 'datset', which mocrop does not know; perhaps 'dataset' is meant"),
        (
            "crf = 3",
            "key 'crf', which mocrop does not know; it knows dataset, splits, seed, group_by, format, unlabelled, "
            "multi_label, label_separator "
            "and the tables [",
        ),
        ("[trancode]", "table [trancode], which mocrop does not know; perhaps 'transcode' is meant"),
        ("[extract_mv]", "table [extract_mv], which mocrop does not know; perhaps 'extract-mv' is meant"),
        ("[xyz]", "table [xyz], which mocrop does not know; it knows dataset"),
        ("transcode = 3", "transcode must be a table [transcode], not 3"),
        (f"seed = {1 << 70}", "seed must be at least"),
        ("seed = true", "seed must be a whole number, not True"),
        ("seed = '1'", "seed must be a whole number, not '1'"),
        ("splits = 3", "splits must be text in quotes, not 3"),
        ('splits = "a\\u0000b"', "splits must be text in quotes, not"),
    ],
)
def test_what_mocrop_does_not_know_at_the_top_of_the_file_is_named(workspace: Workspace, text: str, fact: str) -> None:
    """It would else do nothing, and nobody would notice."""
    workspace.settings_file.write_text(f'dataset = "data"\n{text}\n')
    with pytest.raises(WorkspaceError, match=re.escape(fact)):
        read_settings(workspace)


@pytest.mark.parametrize(
    ("table", "value", "fact"),
    [
        ("transcode", {"crf": "x"}, "[transcode]: crf must be a whole number, not 'x'"),
        ("transcode", {"crf": 2.5}, "[transcode]: crf must be a whole number, not 2.5"),
        ("transcode", {"crf": True}, "[transcode]: crf must be a whole number, not true"),
        ("transcode", {"crf": {"a": 1}}, "[transcode]: crf must be a whole number, not a table"),
        ("transcode", {"crff": 2}, "[transcode] has no setting 'crff'; perhaps 'crf' is meant"),
        ("transcode", {"deinterlace": 1}, "[transcode]: deinterlace must be true or false, not 1"),
        ("transcode", {"preset": "quick"}, "preset must be 'ultrafast' or"),
        ("transcode", {"key_interval": 1 << 40}, "key_interval must be at least 1 and"),
        ("extract-mv", {"source": ["h264"]}, "source must be 'h264' or 'original' or 'auto', not ['h264']"),
        ("extract-mv", {"max_damaged": float("nan")}, "max_damaged must be at least 0 and"),
        ("import-npy", {"folder": "maps", "grid": [6]}, "grid must be a list of 2 such as [6, 8], not [6]"),
        ("import-npy", {"folder": "maps", "grid": [0, 8]}, "grid must be rows and cols from 1 to"),
        ("import-npy", {"folder": "maps"}, "[import-npy]"),
    ],
)
def test_a_bad_value_in_any_table_is_refused_whatever_the_stage(
    workspace: Workspace, table: str, value: dict[str, object], fact: str
) -> None:
    with pytest.raises(SettingsError, match=re.escape(fact)):
        Stages(workspace, {table: value})
    assert Stages(workspace, {"transcode": {"crf": 1, "max_damaged": 1}}).transcode().settings.crf == 1


def test_a_workspace_into_which_nothing_can_be_written_is_named(workspace: Workspace) -> None:
    (workspace.root / ".lock").mkdir()
    with pytest.raises(WorkspaceError, match=r"nothing can be written into .*work: .*\.lock: "), exclusive(workspace):
        pass
    (workspace.root / "file").touch()
    other = Workspace(workspace.root / "file")
    with pytest.raises(WorkspaceError, match="nothing can be written into"), exclusive(other):
        pass


def test_no_workspace_names_the_commands_that_make_one(tmp_path: Path) -> None:
    with pytest.raises(WorkspaceError, match="mocrop init DATASET"):
        Workspace(tmp_path / "none").require()


def test_one_cache_needs_no_name_and_two_do(workspace: Workspace) -> None:
    with pytest.raises(CacheError, match="no crop cache yet"):
        workspace.choose_cache(None)
    workspace.cache("center-192").mkdir(parents=True)
    assert workspace.choose_cache(None) == workspace.cache("center-192")
    workspace.cache("motion-192").mkdir()
    (workspace.caches / ".half.zarr.partial").mkdir()
    with pytest.raises(CacheError, match="--cache: center-192, motion-192"):
        workspace.choose_cache(None)
    assert workspace.choose_cache("motion-192") == workspace.cache("motion-192")
    with pytest.raises(CacheError, match="no crop cache 'full-9'"):
        workspace.choose_cache("full-9")


@pytest.mark.parametrize("name", ["../x", "a/b", ".hidden", "", "a\\b", "a:b"])
def test_a_name_that_could_not_be_found_again_is_refused(workspace: Workspace, name: str) -> None:
    for place in (workspace.cache, workspace.run):
        with pytest.raises(SettingsError, match="cannot name a folder"):
            place(name)
    assert workspace.cache("motion-192.v2") == workspace.caches / "motion-192.v2.zarr"
    assert workspace.run("first run") == workspace.runs / "first run"


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("x" * 201, "at most 200 bytes in UTF-8, xxxxxxxxxxxxxxxxxxxx... has 201; pass a shorter --name"),
        ("é" * 101, "has 202; pass a shorter --name"),
        ("a\nb", r"--name 'a\\nb' holds a line break or another control character"),
        ("a\x1b[2J", "another control character"),
        ("a\x7f", "another control character"),
        ("a\x85b", "another control character"),
        ("a\u2028b", "another control character"),
    ],
)
def test_a_new_name_is_short_and_holds_no_control_and_one_that_is_there_may(
    workspace: Workspace, name: str, words: str
) -> None:
    for place in (workspace.cache, workspace.run):
        with pytest.raises(SettingsError, match=words) as caught:
            place(name)
        assert str(caught.value).isprintable()
    (workspace.runs / name).mkdir(parents=True)
    (workspace.caches / f"{name}.zarr").mkdir(parents=True)
    assert workspace.run(name) == workspace.runs / name
    assert workspace.choose_cache(name) == workspace.caches / f"{name}.zarr"


@pytest.mark.parametrize("name", ["x" * 200, "é" * 100, "日本 [red] |x|", "a\u3000b"])
def test_other_names_are_taken(workspace: Workspace, name: str) -> None:
    assert workspace.run(name) == workspace.runs / name
    assert workspace.cache(name) == workspace.caches / f"{name}.zarr"


def test_the_stem_of_a_report_is_one_part_of_a_path_and_leaves_room_for_its_suffix() -> None:
    assert file_stem("r50-on-full-split1", suffix=".json") == "r50-on-full-split1"
    one, other = (file_stem(name, suffix=".json") for name in ("split../../a\n", "split.._.._a\n"))
    assert one.startswith("split.._.._a_~")
    assert other.startswith("split.._.._a_~")
    assert one != other
    long = [file_stem("é" * 200 + ending, suffix="-classes.csv") for ending in "ab"]
    assert all(len(f"{stem}-classes.csv".encode()) <= 255 for stem in long)
    assert len(set(long)) == 2


def test_a_file_appears_only_when_it_is_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(descriptor: int) -> None:
        raise OSError(5, "Input/output error")

    write_whole(tmp_path / "file", b"old")
    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(FileError, match=r"file: Input/output error; see that its disk"):
        write_whole(tmp_path / "file", b"new and longer")
    assert (tmp_path / "file").read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["file"]


def test_only_one_process_writes_a_workspace(workspace: Workspace) -> None:
    program = (
        "import sys; from pathlib import Path\n"
        "from mocrop.pipeline.workspace.lock import exclusive\n"
        "from mocrop.pipeline.workspace.paths import Workspace\n"
        "with exclusive(Workspace(Path(sys.argv[1]))):\n    pass"
    )
    command = [sys.executable, "-c", program, str(workspace.root)]
    with exclusive(workspace):
        other = subprocess.run(command, capture_output=True, text=True)
    assert f"another mocrop (process {os.getpid()})" in other.stderr
    assert subprocess.run(command, capture_output=True).returncode == 0


@pytest.mark.parametrize("killed", [True, False])
def test_leftovers_are_removed_only_after_a_killed_run(workspace: Workspace, killed: bool) -> None:
    litter = [
        workspace.partial / "7.mp4",
        workspace.caches / ".motion-192.zarr.partial/zarr.json",
        workspace.cache("motion-192") / "box/c/0/.0.12ab.partial",
        workspace.cache("motion-192") / "frames/c/0/0/0/0/0.__lock",
        workspace.motion / ".shard-00003/zarr.json",
        workspace.motion / "zarr.12ab.partial",
    ]
    kept = workspace.cache("motion-192") / "box/c/0/0"
    for file in [*litter, kept]:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()
    if killed:
        (workspace.root / ".lock").write_text("12345")
    with exclusive(workspace):
        assert [file.exists() for file in litter] == [not killed] * len(litter)
    assert kept.exists()
    assert (workspace.root / ".lock").read_text() == ""


def test_files_that_a_training_run_is_writing_are_not_removed(workspace: Workspace) -> None:
    """A stage may be killed and run again while a network trains on another cache."""
    growing = [
        workspace.caches / "motion-192.features/.resnet50-0a1b.npy.4711.partial",
        workspace.runs / "resnet50/.last.pt.partial",
    ]
    for file in growing:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()
    (workspace.root / ".lock").write_text("12345")
    with exclusive(workspace):
        assert all(file.exists() for file in growing)


def test_an_error_inside_leaves_the_mark_that_makes_the_next_run_clean_up(workspace: Workspace) -> None:
    with pytest.raises(KeyError), exclusive(workspace):
        raise KeyError
    assert (workspace.root / ".lock").read_text() == str(os.getpid())


def test_a_workspace_is_used_from_a_folder_beside_it(
    here: Path, make_video: MakeVideo, monkeypatch: pytest.MonkeyPatch
) -> None:
    """``-w ../work``, which TensorStore refuses as part of a path."""
    for number in (1, 2):
        make_video(here / f"data/Run/v_Run_g{number:02d}_c01.avi")
    (here / "beside").mkdir()
    monkeypatch.chdir(here / "beside")
    place = ["-w", "../work", "--workers", "0"]
    assert mocrop("run", "../data", "--policy", "motion", "--size", "16", "--name", "c", *place) == 0
    assert mocrop("export", "../out", "--to", "frames", "--cache", "c", *place) == 0
    assert mocrop("gallery", "--html", *place[:2]) == 0
    assert mocrop("gallery", "--cache", "../work/caches/c.zarr", *place[:2]) == 0
    assert mocrop("verify", *place[:2]) == 0
    monkeypatch.chdir(here)
    assert mocrop("verify", "out", "-w", "work") == 0
