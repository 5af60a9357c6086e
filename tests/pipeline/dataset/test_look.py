"""Looking at a data set again: what has changed, what the manifest takes over, and what it must never do."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from mocrop.pipeline.dataset.init import init_workspace
from mocrop.pipeline.dataset.look import Change, DatasetChanges, look_at
from mocrop.pipeline.errors import Reason
from mocrop.pipeline.outcome import Outcome
from mocrop.pipeline.span import Span
from mocrop.pipeline.workspace.manifest import ClipRow, Manifest
from mocrop.pipeline.workspace.paths import Workspace

FILES = ("A/a.avi", "A/b.avi", "B/c.avi")


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    for number, name in enumerate(FILES):
        write(tmp_path / "data" / name, size=10 + number)
    return tmp_path / "data"


@pytest.fixture
def workspace(dataset: Path, tmp_path: Path) -> Workspace:
    workspace = Workspace(tmp_path / "work")
    init_workspace(workspace, dataset=dataset)
    return workspace


def write(file: Path, *, size: int, mtime_ns: int = 1_000) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(b"x" * size)
    os.utime(file, ns=(mtime_ns, mtime_ns))


def looked(workspace: Workspace, dataset: Path, *, pretend: bool = False) -> DatasetChanges:
    with Manifest(workspace.manifest_file) as manifest:
        changes, seen = look_at(dataset, manifest.files)
        (manifest.files.pretend if pretend else manifest.files.update)(seen)
        return changes


def stage_rows(manifest: Manifest) -> dict[str, tuple[bool, bool]]:
    """Whether each clip is present, and its outcome of `transcode` is of its present file."""
    return {row.path: (row.present, row.same_source) for row in manifest.stage_rows("transcode", "s", upstream=None)}


def done(workspace: Workspace, *, status: str = "done", reasons: tuple[Reason, ...] = ()) -> None:
    with Manifest(workspace.manifest_file) as manifest:
        outcomes = [Outcome(position=n, status=status, reasons=reasons) for n in range(3)]  # type: ignore[arg-type]
        manifest.record("transcode", "s", outcomes)


def test_nothing_has_changed(workspace: Workspace, dataset: Path) -> None:
    assert looked(workspace, dataset) == DatasetChanges(dataset=dataset)


@pytest.mark.parametrize(
    ("harm", "change", "rows"),
    [
        (
            lambda data: write(data / "A/a.avi", size=99),
            {Change.REPLACED: 1},
            {"A/a.avi": (True, False), "A/b.avi": (True, True), "B/c.avi": (True, True)},
        ),
        (
            lambda data: write(data / "A/a.avi", size=10, mtime_ns=2_000),
            {Change.REPLACED: 1},
            {"A/a.avi": (True, False), "A/b.avi": (True, True), "B/c.avi": (True, True)},
        ),
        (
            lambda data: (data / "A/a.avi").unlink(),
            {Change.GONE: 1},
            {"A/a.avi": (False, True), "A/b.avi": (True, True), "B/c.avi": (True, True)},
        ),
        (
            lambda data: shutil.rmtree(data / "A"),
            {Change.GONE: 2},
            {"A/a.avi": (False, True), "A/b.avi": (False, True), "B/c.avi": (True, True)},
        ),
        (
            lambda data: write(data / "A/new.avi", size=1),
            {Change.NEW: 1},
            {"A/a.avi": (True, True), "A/b.avi": (True, True), "B/c.avi": (True, True)},
        ),
        (
            lambda data: write(data / "C/new.avi", size=1),
            {Change.NEW: 1},
            {"A/a.avi": (True, True), "A/b.avi": (True, True), "B/c.avi": (True, True)},
        ),
        (
            lambda data: (data / "A/a.avi").rename(data / "A/a.mp4"),
            {Change.REPLACED: 1},
            {"A/a.mp4": (True, True), "A/b.avi": (True, True), "B/c.avi": (True, True)},
        ),
        (
            lambda data: (data / "A/a.avi").rename(data / "A/z.avi"),
            {Change.GONE: 1, Change.NEW: 1},
            {"A/a.avi": (False, True), "A/b.avi": (True, True), "B/c.avi": (True, True)},
        ),
    ],
    ids=["size", "time", "gone", "class gone", "new", "class new", "other suffix", "renamed"],
)
@pytest.mark.parametrize("pretend", [False, True])
def test_each_change_is_counted_and_taken_over(
    harm: Callable[[Path], None],
    change: dict[Change, int],
    rows: dict[str, tuple[bool, bool]],
    pretend: bool,
    workspace: Workspace,
    dataset: Path,
) -> None:
    done(workspace)
    before = workspace.manifest_file.read_bytes()
    harm(dataset)
    with Manifest(workspace.manifest_file) as manifest:
        changes, seen = look_at(dataset, manifest.files)
        (manifest.files.pretend if pretend else manifest.files.update)(seen)
        assert (changes.files, changes.unavailable) == (change, "")
        assert stage_rows(manifest) == rows
        assert manifest.present_count() == sum(present for present, _ in rows.values())
        assert manifest.clip_count() == 3
    with Manifest(workspace.manifest_file) as manifest:
        assert (stage_rows(manifest) == rows) is (not pretend or rows == dict.fromkeys(FILES, (True, True)))
    assert (workspace.manifest_file.read_bytes() == before) or not pretend
    again = looked(workspace, dataset).files
    assert again == (change if pretend else {kind: n for kind, n in change.items() if kind is Change.NEW})


def test_a_clip_that_is_gone_is_in_no_split_and_has_its_place_again_when_it_is_back(
    workspace: Workspace, dataset: Path
) -> None:
    def subsets() -> list[tuple[int, ...]]:
        with Manifest(workspace.manifest_file) as manifest:
            return [clip.subset for clip in manifest.clips()]

    before = subsets()
    assert all(any(subset) for subset in before)
    (dataset / "A/a.avi").unlink()
    looked(workspace, dataset)
    assert subsets() == [(0,), *before[1:]]
    write(dataset / "A/a.avi", size=10)
    assert looked(workspace, dataset).files == {Change.BACK: 1}
    assert subsets() == before


@pytest.mark.parametrize("by_init", [False, True])
@pytest.mark.parametrize("pretend", [False, True])
def test_stages_forget_that_a_file_was_gone_when_it_is_back(
    by_init: bool, pretend: bool, workspace: Workspace, dataset: Path
) -> None:
    (dataset / "A/a.avi").unlink()
    looked(workspace, dataset)
    done(workspace, status="failed", reasons=(Reason.VANISHED,))
    write(dataset / "A/a.avi", size=10)
    if by_init:
        init_workspace(workspace)
    with Manifest(workspace.manifest_file) as manifest:
        seen = look_at(dataset, manifest.files)[1]
        (manifest.files.pretend if pretend else manifest.files.update)(seen)
        statuses = [row.status for row in manifest.stage_rows("transcode", "s", upstream=None)]
    assert statuses == [None, "failed", "failed"]


def test_a_clip_that_init_has_let_go_is_new_when_it_is_back(workspace: Workspace, dataset: Path) -> None:
    """Its label may be of classes that there are no more."""
    (dataset / "A/a.avi").unlink()
    init_workspace(workspace)
    write(dataset / "A/a.avi", size=10)
    assert looked(workspace, dataset).files == {Change.NEW: 1}
    init_workspace(workspace)
    assert looked(workspace, dataset).files == {}


@pytest.mark.parametrize(
    ("harm", "words"),
    [
        (lambda data: data.rename(data.with_name("away")), "is not there; mount its disk"),
        (lambda data: (data.rename(data.with_name("away")), data.mkdir()), "has none of the 3 clips of this workspace"),
        (lambda data: (data.rename(data.with_name("away")), data.touch()), "is not there; mount its disk"),
        (
            lambda data: (data.rename(data.with_name("away")), write(data / "X/other.avi", size=1)),
            "has none of the 3 clips of this workspace",
        ),
    ],
    ids=["no folder", "an empty mount point", "a file", "another data set"],
)
def test_a_data_set_that_is_not_there_marks_no_clip_as_gone(
    harm: Callable[[Path], None], words: str, workspace: Workspace, dataset: Path
) -> None:
    harm(dataset)
    changes = looked(workspace, dataset)
    assert changes.unavailable.startswith(f"{dataset} {words}")
    assert changes.files == {}
    with Manifest(workspace.manifest_file) as manifest:
        assert manifest.present_count() == 3


def test_clips_in_a_folder_or_behind_a_link_that_cannot_be_followed_stay_as_they_are(
    workspace: Workspace, dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (dataset / "B").rename(tmp_path / "elsewhere")
    (dataset / "B").symlink_to(tmp_path / "elsewhere", target_is_directory=True)
    (dataset / "A/b.avi").rename(tmp_path / "b.avi")
    (dataset / "A/b.avi").symlink_to(tmp_path / "b.avi")
    assert looked(workspace, dataset).files == {}
    (tmp_path / "elsewhere").rename(tmp_path / "unmounted")
    (tmp_path / "b.avi").unlink()
    assert looked(workspace, dataset).files == {Change.OUT_OF_REACH: 2}
    real = os.scandir

    def scandir(path: Path) -> object:
        if path.name == "A":
            raise PermissionError(13, "Permission denied", str(path))
        return real(path)

    (tmp_path / "unmounted").rename(tmp_path / "elsewhere")
    monkeypatch.setattr("mocrop.pipeline.dataset.walk.os.scandir", scandir)
    assert looked(workspace, dataset).files == {Change.OUT_OF_REACH: 2}
    with Manifest(workspace.manifest_file) as manifest:
        assert manifest.present_count() == 3


def test_the_first_few_files_of_a_change_are_named(workspace: Workspace, dataset: Path) -> None:
    for name in ("\x1b[2J", "b", "c", "d"):
        write(dataset / f"A/{name}.mp4", size=1)
    changes = looked(workspace, dataset)
    assert changes.files == {Change.NEW: 4}
    assert changes.examples == {Change.NEW: ("A/\x1b[2J.mp4", "A/b.mp4", "A/c.mp4")}


def test_a_class_whose_name_begins_as_that_of_another_is_not_mixed_up(tmp_path: Path) -> None:
    for name in ("Run/a.avi", "Run0/a.avi", "Run /a.avi", "Runner/a.avi", "Ru/n.avi"):
        write(tmp_path / "data" / name, size=1)
    workspace = Workspace(tmp_path / "work")
    init_workspace(workspace, dataset=tmp_path / "data")
    with Manifest(workspace.manifest_file) as manifest:
        assert manifest.files.folders() == {"Run", "Run0", "Run ", "Runner", "Ru"}
        assert set(manifest.files.of_folder("Run")) == {"Run/a.avi"}
    (tmp_path / "data/Run/a.avi").unlink()
    assert looked(workspace, tmp_path / "data").examples == {Change.GONE: ("Run/a.avi",)}


def segment(name: str, path: str, *, start: int) -> ClipRow:
    """A second of a video of ten bytes, from a second on."""
    return ClipRow(
        name=f"{name}#{start}-{start + 1}",
        path=path,
        label=0,
        group=-1,
        subset=(1,),
        size_bytes=10,
        mtime_ns=1_000,
        span=Span(start * 1_000_000, (start + 1) * 1_000_000),
    )


def segments(workspace: Workspace, path: str) -> None:
    """Let the manifest hold two segments of one video, and one clip of another."""
    rows = [ClipRow(name="B/c", path="B/c.avi", label=0, group=-1, subset=(1,), size_bytes=12, mtime_ns=1_000)]
    rows += [segment(path.removesuffix(".avi"), path, start=start) for start in (0, 5)]
    with Manifest(workspace.manifest_file) as manifest:
        manifest.replace_clips(rows, class_names=["A"], split_names=["1"])


@pytest.mark.parametrize("path", ["A/a.avi", "loose.avi"])
def test_all_segments_of_a_video_change_with_its_file_which_counts_once(
    path: str, workspace: Workspace, dataset: Path
) -> None:
    write(dataset / path, size=10)
    (dataset / "A/b.avi").unlink()
    segments(workspace, path)
    assert looked(workspace, dataset).files == {}
    write(dataset / path, size=11)
    assert looked(workspace, dataset).files == {Change.REPLACED: 1}
    (dataset / path).unlink()
    assert looked(workspace, dataset).files == {Change.GONE: 1}
    with Manifest(workspace.manifest_file) as manifest:
        files = [file for file in manifest.files.of_folder(path.rpartition("/")[0])[path] if "#" in file.name]
        assert [(file.size_bytes, file.present) for file in files] == [(11, False)] * 2
    write(dataset / path, size=10)
    assert looked(workspace, dataset).files == {Change.BACK: 1}


def test_a_video_of_segments_may_get_another_suffix(workspace: Workspace, dataset: Path) -> None:
    segments(workspace, "A/a.avi")
    (dataset / "A/a.avi").rename(dataset / "A/a.mkv")
    assert looked(workspace, dataset).files == {Change.REPLACED: 1}
    with Manifest(workspace.manifest_file) as manifest:
        assert [file.path for file in manifest.files.of_folder("A")["A/a.mkv"]] == ["A/a.mkv"] * 2


def test_segments_of_videos_that_differ_in_suffix_are_looked_at_apart(workspace: Workspace, dataset: Path) -> None:
    rows = [
        segment(name, path, start=0) for name, path in (("A/b", "A/b.avi"), ("A/b.mkv", "A/b.mkv"), ("B/c", "B/c.avi"))
    ]
    with Manifest(workspace.manifest_file) as manifest:
        manifest.replace_clips(rows, class_names=["A"], split_names=["1"])
    (dataset / "A/b.avi").unlink()
    write(dataset / "B/c.avi", size=10)
    assert looked(workspace, dataset).files == {Change.GONE: 2}
    with Manifest(workspace.manifest_file) as manifest:
        present = {row.name: row.present for row in manifest.stage_rows("transcode", "s", upstream=None)}
    assert [present[name] for name in ("A/b#0-1", "A/b.mkv#0-1", "B/c#0-1")] == [False, False, True]
