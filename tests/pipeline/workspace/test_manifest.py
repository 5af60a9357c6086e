from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import cast

import pytest

from mocrop.pipeline.errors import DiskFullError, Reason, WorkspaceError
from mocrop.pipeline.outcome import Outcome
from mocrop.pipeline.span import Span
from mocrop.pipeline.workspace import outcome_table
from mocrop.pipeline.workspace.file_table import SeenFile
from mocrop.pipeline.workspace.manifest import ClipRow, Manifest
from tests.conftest import mocrop
from tests.reliability.refusals import refused_database


def clip(name: str, *, size_bytes: int = 10, mtime_ns: int = 5, label: int = 0) -> ClipRow:
    return ClipRow(
        name=name, path=f"{name}.avi", label=label, group=-1, subset=(1, 2, 0), size_bytes=size_bytes, mtime_ns=mtime_ns
    )


@pytest.fixture
def manifest(tmp_path: Path) -> Iterator[Manifest]:
    with Manifest(tmp_path / "manifest.sqlite") as manifest:
        manifest.replace_clips([clip("A/b"), clip("A/d")], class_names=["A"], split_names=["1", "2", "3"])
        yield manifest


def done(position: int) -> Outcome:
    return Outcome(position=position, status="done")


def failed(position: int, *reasons: Reason) -> Outcome:
    return Outcome(position=position, status="failed", reasons=reasons, message="why")


def test_a_clip_comes_back_as_it_was_given(manifest: Manifest) -> None:
    assert list(manifest.clips()) == [clip("A/b"), clip("A/d")]
    assert manifest.names("class_names") == ["A"]
    assert manifest.names("split_names") == ["1", "2", "3"]


def test_known_clips_keep_their_position_and_new_ones_follow(manifest: Manifest) -> None:
    manifest.replace_clips([clip("A/a"), clip("A/d", label=4)], class_names=["A"], split_names=["1"])
    assert [c.name for c in manifest.clips()] == ["A/b", "A/d", "A/a"]
    assert [c.label for c in manifest.clips()] == [0, 4, 0]
    assert manifest.clip_count() == 3
    assert manifest.present_count() == 2


def test_a_clip_that_is_gone_is_in_no_split(manifest: Manifest) -> None:
    """Nor does it keep a digit for a split that there is no more."""
    assert [c.subset for c in manifest.clips()] == [(1, 2, 0), (1, 2, 0)]
    left = replace(clip("A/d"), subset=(2, 1))
    manifest.replace_clips([left], class_names=["A"], split_names=["1", "2"])
    assert [c.subset for c in manifest.clips()] == [(0, 0), (2, 1)]


def test_a_clip_that_comes_back_gets_its_old_position(manifest: Manifest) -> None:
    manifest.replace_clips([clip("A/d")], class_names=["A"], split_names=["1"])
    manifest.replace_clips([clip("A/b"), clip("A/d")], class_names=["A"], split_names=["1"])
    assert [c.name for c in manifest.clips()] == ["A/b", "A/d"]
    assert manifest.present_count() == 2


def test_a_clip_that_is_gone_keeps_its_class_by_name(manifest: Manifest) -> None:
    """Its number would be that of another class, or of none."""

    def gone(*class_names: str) -> tuple[int, tuple[int, ...]]:
        manifest.replace_clips([clip("A/b")], class_names=class_names, split_names=["1"])
        (row,) = (row for row in manifest.clips() if row.name == "A/d")
        return row.label, row.labels

    rows = [clip("A/b"), replace(clip("A/d", label=1), labels=(0, 1))]
    manifest.replace_clips(rows, class_names=["A", "B"], split_names=["1"])
    assert gone("A", "B") == (1, (0, 1))
    assert gone("B", "C", "A") == (0, (0, 2))
    assert gone("A") == (-1, (0,))
    assert gone() == (-1, ())
    manifest.replace_clips(rows, class_names=["A", "B"], split_names=["1"])
    assert [row.label for row in manifest.clips() if row.name == "A/d"] == [1]


def test_counts_tell_done_stale_failed_and_missing_apart(manifest: Manifest) -> None:
    names = ["A/b", "A/d", "A/e", "A/f", "A/g"]
    manifest.replace_clips([clip(name) for name in names], class_names=["A"], split_names=["1"])
    manifest.record("transcode", "now", [done(0), failed(1, Reason.EMPTY_FILE, Reason.METADATA_NOT_UTF8)])
    manifest.record("transcode", "before", [done(2)])
    manifest.record("transcode", "now", [done(3)])
    changed = [clip(name, size_bytes=99 if name == "A/f" else 10) for name in names]
    manifest.replace_clips(changed, class_names=["A"], split_names=["1"])
    counts = manifest.counts("transcode", "now")
    assert (counts.done, counts.stale, counts.failed, counts.missing) == (1, 2, {Reason.EMPTY_FILE: 1}, 1)


@pytest.mark.parametrize("change", [{"size_bytes": 11}, {"mtime_ns": 6}])
def test_a_file_of_another_size_or_of_another_time_is_another_source(
    manifest: Manifest, change: dict[str, int]
) -> None:
    """Wherever outcomes are held against files: counted, walked over, as the stage before, as having run."""
    manifest.record("transcode", "t", [done(0), done(1)])
    manifest.record("extract-mv", "e", [done(0), done(1)])
    manifest.replace_clips([clip("A/b"), clip("A/d", **change)], class_names=["A"], split_names=["1"])
    counts = manifest.counts("extract-mv", "e")
    assert (counts.done, counts.stale) == (1, 1)
    rows = list(manifest.stage_rows("extract-mv", "e", upstream=("transcode", "t")))
    assert [row.same_source for row in rows] == [True, False]
    assert [row.upstream_current for row in rows] == [True, False]
    manifest.replace_clips([clip("A/d", **change)], class_names=["A"], split_names=["1"])
    assert not manifest.has_run("transcode", "t")


def test_a_stage_has_run_if_one_clip_that_is_there_unchanged_has_an_outcome_of_these_settings(
    manifest: Manifest,
) -> None:
    assert not manifest.has_run("transcode", "t")
    manifest.record("transcode", "t", [failed(1, Reason.EMPTY_FILE)])
    assert manifest.has_run("transcode", "t")
    assert not manifest.has_run("transcode", "other")
    assert not manifest.has_run("extract-mv", "t")
    manifest.replace_clips([clip("A/b"), clip("A/d", size_bytes=99)], class_names=["A"], split_names=["1"])
    assert not manifest.has_run("transcode", "t")
    manifest.replace_clips([clip("A/b")], class_names=["A"], split_names=["1"])
    assert not manifest.has_run("transcode", "t")


def test_rows_have_the_outcomes_of_this_stage_and_the_one_before(manifest: Manifest) -> None:
    manifest.record("transcode", "t", [done(0), failed(1, Reason.EMPTY_FILE)])
    manifest.record("extract-mv", "e", [done(0)])
    first, second = manifest.stage_rows("extract-mv", "e", upstream=("transcode", "t"))
    assert (first.status, first.same_settings, first.same_source, first.upstream_status) == ("done", True, True, "done")
    assert (second.status, second.upstream_current, second.upstream_status) == (None, True, "failed")
    assert second.upstream_reasons == (Reason.EMPTY_FILE,)
    (other, _) = manifest.stage_rows("extract-mv", "other", upstream=("transcode", "changed"))
    assert (other.same_settings, other.upstream_current) == (False, False)


def test_rows_come_in_pages_while_outcomes_are_written(manifest: Manifest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outcome_table, "PAGE_CLIPS", 2)
    manifest.replace_clips([clip(f"A/{n}") for n in range(7)], class_names=["A"], split_names=["1"])
    seen = []
    for row in manifest.stage_rows("transcode", "t", upstream=None):
        manifest.record("transcode", "t", [done(row.position)])
        seen.append(row.position)
    assert seen == list(range(9))


def test_notes_are_of_clips_that_are_done_with_these_settings_and_unchanged(manifest: Manifest) -> None:
    names = ["A/b", "A/d", "A/e", "A/f", "A/g", "A/h"]
    manifest.replace_clips([clip(name) for name in names], class_names=["A"], split_names=["1"])
    turned, cut = Reason.ROTATED, Reason.MADE_EVEN
    manifest.record("transcode", "before", [replace(done(0), reasons=(turned,))])
    outcomes = [
        replace(done(1), reasons=(turned, cut), message="turned by 90 degrees"),
        done(2),
        failed(3, Reason.TRUNCATED, turned),
        replace(done(4), reasons=(turned,)),
        replace(done(5), reasons=(turned,)),
    ]
    manifest.record("transcode", "now", outcomes)
    changed = [clip(name, size_bytes=99 if name == "A/g" else 10) for name in names]
    manifest.replace_clips(changed, class_names=["A"], split_names=["1"])
    assert list(manifest.notes("transcode", "now")) == [
        ("A/d", (turned, cut), "turned by 90 degrees"),
        ("A/h", (turned,), ""),
    ]
    assert manifest.note_counts("transcode", "now") == {turned: 2, cut: 1}
    assert not manifest.note_counts("extract-mv", "now")
    manifest.replace_clips(changed[:-1], class_names=["A"], split_names=["1"])
    assert manifest.note_counts("transcode", "now") == {turned: 1, cut: 1}


def test_retry_forgets_failures_only(manifest: Manifest) -> None:
    manifest.record("transcode", "t", [done(0), failed(1, Reason.TRUNCATED)])
    assert list(manifest.failures("transcode")) == [("A/d", (Reason.TRUNCATED,), "why")]
    assert manifest.forget_failures("transcode") == 1
    assert list(manifest.failures("transcode")) == []
    assert manifest.counts("transcode", "t").done == 1


def test_outcomes_survive_closing(manifest: Manifest, tmp_path: Path) -> None:
    manifest.record("transcode", "t", [done(0)])
    with Manifest(tmp_path / "manifest.sqlite") as again:
        assert again.counts("transcode", "t").done == 1


def test_a_message_may_quote_bytes_that_are_no_text(manifest: Manifest) -> None:
    manifest.record("transcode", "now", [replace(failed(0, Reason.UNREADABLE), message="caf\udce9\n: 日")])
    ((_, _, message),) = manifest.failures("transcode")
    assert message == "caf\\udce9\n: 日"


def test_a_failing_batch_leaves_nothing_behind(manifest: Manifest) -> None:
    broken = replace(done(1), seconds=object())  # type: ignore[arg-type]
    with pytest.raises(sqlite3.Error):
        manifest.record("transcode", "t", [done(0), broken])
    assert manifest.counts("transcode", "t").missing == 2


def test_a_file_that_is_no_manifest_is_named(tmp_path: Path) -> None:
    file = tmp_path / "manifest.sqlite"
    file.write_text("this is not a database, whatever its name says")
    with pytest.raises(WorkspaceError, match=r"manifest\.sqlite cannot be used .*mocrop init"):
        Manifest(file)


def test_a_full_disk_is_reported_as_such(manifest: Manifest) -> None:
    manifest._database.execute("PRAGMA max_page_count = 1")
    many = [replace(done(n % 2), message="x" * 100_000) for n in range(50)]
    with pytest.raises(DiskFullError, match="no space is left"):
        manifest.record("transcode", "t", many)


def test_a_row_has_the_checksum_of_the_file_that_its_stage_wrote(manifest: Manifest) -> None:
    manifest.record("transcode", "t", [replace(done(0), checksum=0xFFFFFFFF), done(1)])
    manifest.record("extract-mv", "e", [done(0), done(1)])
    assert [row.checksum for row in manifest.stage_rows("transcode", "", upstream=None)] == [0xFFFFFFFF, None]
    rows = manifest.stage_rows("extract-mv", "e", upstream=("transcode", "t"))
    assert [row.checksum for row in rows] == [None, None]


def test_some_outcomes_of_a_stage_can_be_forgotten(manifest: Manifest) -> None:
    for stage in ("transcode", "extract-mv"):
        manifest.record(stage, "s", [done(0), done(1)])
    manifest.forget_outcomes("transcode", [1, 7])
    assert [row.status for row in manifest.stage_rows("transcode", "s", upstream=None)] == ["done", None]
    assert manifest.counts("extract-mv", "s").done == 2


def test_an_outcome_in_doubt_is_of_no_settings_and_has_no_checksum(manifest: Manifest) -> None:
    manifest.record("transcode", "s", [replace(done(n), checksum=n + 5) for n in range(2)])
    manifest.doubt("transcode", [1])
    kept, doubtful = manifest.stage_rows("transcode", "s", upstream=None)
    assert (kept.same_settings, kept.checksum) == (True, 5)
    assert (doubtful.status, doubtful.same_settings, doubtful.checksum) == ("done", False, None)


def test_caches_are_remembered_with_their_attributes(manifest: Manifest) -> None:
    assert manifest.known_caches() == {}
    manifest.remember_cache("b", '{"settings": {"size": 192}}')
    manifest.remember_cache("a:b", "{}")
    manifest.remember_cache("a:b", '{"new": true}')
    assert manifest.known_caches() == {"a:b": {"new": True}, "b": {"settings": {"size": 192}}}
    manifest.replace_clips([clip("A/b")], class_names=["A"], split_names=["1"])
    manifest.forget_cache("a:b")
    assert list(manifest.known_caches()) == ["b"]
    assert manifest.names("class_names") == ["A"]


SCHEMA_1 = """
CREATE TABLE facts (key TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE clips (position INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, path TEXT NOT NULL, label INTEGER NOT NULL,
    ucf_group INTEGER NOT NULL, subset TEXT NOT NULL, size INTEGER NOT NULL, mtime_ns INTEGER NOT NULL,
    present INTEGER NOT NULL);
CREATE TABLE outcomes (stage TEXT NOT NULL, position INTEGER NOT NULL REFERENCES clips, settings TEXT NOT NULL,
    size INTEGER NOT NULL, mtime_ns INTEGER NOT NULL, status TEXT NOT NULL, reasons TEXT NOT NULL,
    message TEXT NOT NULL, seconds REAL NOT NULL, PRIMARY KEY (stage, position)) WITHOUT ROWID;
INSERT INTO clips VALUES (0, 'A/b', 'A/b.avi', 0, -1, '1', 10, 5, 1), (1, 'A/d', 'A/d.avi', 0, -1, '2', 10, 5, 1);
INSERT INTO outcomes VALUES ('transcode', 0, 't', 10, 5, 'done', '', '', 0.5);
PRAGMA user_version = 1;
"""


@pytest.fixture
def first_schema(tmp_path: Path) -> Path:
    """A manifest as mocrop 0.1 made it: two clips, one of them transcoded."""
    with closing(sqlite3.connect(tmp_path / "old.sqlite")) as database:
        database.executescript(SCHEMA_1)
    return tmp_path / "old.sqlite"


def test_schema_1_is_read_as_it_is(first_schema: Path) -> None:
    before = first_schema.read_bytes()
    with Manifest(first_schema, read_only=True) as manifest:
        first, second = manifest.stage_rows("transcode", "t", upstream=None)
        assert (first.status, first.same_settings, first.checksum, second.status) == ("done", True, None, None)
        with pytest.raises(sqlite3.OperationalError, match="readonly"):
            manifest.forget("transcode")
    assert first_schema.read_bytes() == before


def test_schema_1_is_brought_up_to_date_by_who_writes(first_schema: Path) -> None:
    with Manifest(first_schema) as manifest, Manifest(first_schema) as again:
        assert manifest.counts("transcode", "t").done == 1
        again.record("transcode", "t", [replace(done(1), checksum=3)])
        assert [row.checksum for row in manifest.stage_rows("transcode", "t", upstream=None)] == [None, 3]
    with Manifest(first_schema, read_only=True) as manifest:
        assert [row.checksum for row in manifest.stage_rows("transcode", "t", upstream=None)] == [None, 3]


@pytest.mark.parametrize("read_only", [False, True])
def test_a_newer_schema_is_refused(first_schema: Path, read_only: bool) -> None:
    with closing(sqlite3.connect(first_schema)) as database:
        database.execute("PRAGMA user_version = 4")
    with pytest.raises(WorkspaceError, match=r"old\.sqlite has schema 4, .*a newer mocrop made it") as raised:
        Manifest(first_schema, read_only=read_only)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("folder", ["a b", "100%25", "what?mode=memory", "#1", "café"])
def test_the_path_of_a_manifest_may_have_any_letters(tmp_path: Path, folder: str) -> None:
    (tmp_path / folder).mkdir()
    with Manifest(tmp_path / folder / "manifest.sqlite") as manifest:
        manifest.replace_clips([clip("A/b")], class_names=["A"], split_names=["1"])
    with Manifest(tmp_path / folder / "manifest.sqlite", read_only=True) as manifest:
        assert manifest.clip_count() == 1
    assert [path.name for path in tmp_path.iterdir()] == [folder]


def test_who_only_reads_makes_no_manifest(tmp_path: Path) -> None:
    with pytest.raises(WorkspaceError, match=r"cannot be used .*see that it is there"):
        Manifest(tmp_path / "manifest.sqlite", read_only=True)
    assert list(tmp_path.iterdir()) == []


def test_a_manifest_in_a_folder_without_locks_or_leave_to_write_is_read(
    manifest: Manifest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not if a killed writer has left a journal: what it had begun would pass for done."""

    def connect(where: str, **options: object) -> sqlite3.Connection:
        if "immutable=1" in where:
            return found(where, **options)  # type: ignore[call-overload, no-any-return]
        return cast("sqlite3.Connection", WithoutLocks())

    class WithoutLocks:
        def execute(self, _: str) -> None:
            error = sqlite3.OperationalError("disk I/O error")
            error.sqlite_errorcode = sqlite3.SQLITE_IOERR_RDLOCK
            raise error

        def close(self) -> None: ...

    found = sqlite3.connect
    monkeypatch.setattr(sqlite3, "connect", connect)
    monkeypatch.setattr(os, "access", lambda *_: False)
    with Manifest(tmp_path / "manifest.sqlite", read_only=True) as readable:
        assert readable.clip_count() == 2
    (tmp_path / "manifest.sqlite-journal").touch()
    with pytest.raises(WorkspaceError, match="cannot be used"):
        Manifest(tmp_path / "manifest.sqlite", read_only=True)


KILLED_WRITER = """
import os, sys
from pathlib import Path
from mocrop.pipeline.workspace.manifest import Manifest
with Manifest(Path(sys.argv[1])) as manifest:
    manifest._database.execute("PRAGMA cache_size = 1")  # so that pages go to the disk before the end
    manifest._database.execute("BEGIN IMMEDIATE")
    manifest._database.execute("UPDATE clips SET label = 9")
    manifest._database.execute("INSERT INTO facts VALUES ('x', ?)", ("y" * 100_000,))
    os._exit(9)
"""


def test_what_a_killed_writer_had_begun_is_taken_back_before_it_is_read(manifest: Manifest, tmp_path: Path) -> None:
    file = tmp_path / "manifest.sqlite"
    assert subprocess.run([sys.executable, "-c", KILLED_WRITER, str(file)], check=False).returncode == 9
    assert file.with_name("manifest.sqlite-journal").stat().st_size > 0
    with Manifest(file, read_only=True) as readable:
        assert [c.label for c in readable.clips()] == [0, 0]


def test_damage_within_is_found_and_names_the_file_wherever_it_is_met(manifest: Manifest, tmp_path: Path) -> None:
    assert manifest.quick_check() == []
    many = [replace(done(n % 2), message="x" * 2000) for n in range(2)]
    for stage in "abcdefgh":
        manifest.record(stage, "s", many)
    content = bytearray((tmp_path / "manifest.sqlite").read_bytes())
    content[4096 * 2 :] = b"\xff" * (len(content) - 4096 * 2)
    (tmp_path / "broken.sqlite").write_bytes(content)
    with Manifest(tmp_path / "broken.sqlite", read_only=True) as broken:
        assert broken.quick_check()
    with pytest.raises(WorkspaceError, match=r"broken\.sqlite cannot be used .*; restore a copy") as raised:
        clips_of(tmp_path / "broken.sqlite")
    assert "remove it" not in str(raised.value)


def clips_of(file: Path) -> list[ClipRow]:
    with Manifest(file, read_only=True) as manifest:
        list(manifest.failures("transcode"))
        manifest.names("class_names")
        return list(manifest.clips())


@pytest.mark.parametrize(
    "harm", ["UPDATE outcomes SET reasons = 'trun+ated'", "UPDATE facts SET value = '{' WHERE key = 'class_names'"]
)
def test_a_value_that_makes_no_sense_names_the_file(manifest: Manifest, tmp_path: Path, harm: str) -> None:
    manifest.record("transcode", "t", [failed(0, Reason.TRUNCATED)])
    manifest._database.execute(harm)
    with pytest.raises(WorkspaceError, match=r"manifest\.sqlite cannot be used \((it names a reason|'\{' is no JSON)"):
        clips_of(tmp_path / "manifest.sqlite")


@pytest.mark.parametrize("name", ["../x", "A/../../x", "/x", "A/..", "", "A//x", ".", "A/\0x"])
def test_a_name_that_leads_out_of_the_workspace_is_refused(manifest: Manifest, tmp_path: Path, name: str) -> None:
    """As a manifest copied from elsewhere may have it: stages would write there."""
    manifest._database.execute("UPDATE clips SET name = ? WHERE position = 1", (name,))
    with pytest.raises(WorkspaceError, match=r"manifest\.sqlite cannot be used \(no clip can have the name"):
        clips_of(tmp_path / "manifest.sqlite")
    with (
        pytest.raises(WorkspaceError, match="no clip can have the name"),
        Manifest(tmp_path / "manifest.sqlite") as one,
    ):
        list(one.stage_rows("transcode", "t", upstream=None))


@pytest.mark.parametrize("name", ["..x", "A/.x", "A/x..", "A/...", "A/a..b"])
def test_dots_in_a_name_lead_nowhere(manifest: Manifest, tmp_path: Path, name: str) -> None:
    manifest._database.execute("UPDATE clips SET name = ? WHERE position = 1", (name,))
    assert clips_of(tmp_path / "manifest.sqlite")[1].name == name


def test_spans_and_several_labels_come_back_as_they_were_given(tmp_path: Path) -> None:
    rows = [
        replace(clip("A/day#1-2.5"), path="A/day.avi", span=Span(1_000_000, 2_500_000), labels=(0, 2)),
        clip("A/whole"),
    ]
    with Manifest(tmp_path / "m.sqlite") as manifest:
        manifest.replace_clips(rows, class_names=["a", "b", "c"], split_names=["1", "2", "3"], label_kind="several")
        assert list(manifest.clips()) == rows
        assert [row.span for row in manifest.stage_rows("transcode", "t", upstream=None)] == [rows[0].span, None]
        assert manifest.label_kind() == "several"
        manifest.replace_clips([replace(rows[0], span=None, labels=())], class_names=["a"], split_names=["1", "2", "3"])
        assert (next(manifest.clips()).span, next(manifest.clips()).labels, manifest.label_kind()) == (None, (), "one")


def test_the_clips_of_schema_1_are_whole_files_with_one_label_before_and_after_they_are_brought_up_to_date(
    first_schema: Path,
) -> None:
    for read_only in (True, False, True):
        with Manifest(first_schema, read_only=read_only) as manifest:
            assert [(row.span, row.labels) for row in manifest.clips()] == [(None, ())] * 2
            assert [row.span for row in manifest.stage_rows("transcode", "t", upstream=None)] == [None] * 2
            assert (manifest.label_kind(), manifest.files.of_segments()) == ("one", False)
            if read_only:
                manifest.files.pretend([SeenFile(position=0, path="A/b.mp4", size_bytes=1, mtime_ns=1, present=True)])
                assert [row.path for row in manifest.clips()] == ["A/b.mp4", "A/d.avi"]


@pytest.mark.parametrize("code", [sqlite3.SQLITE_IOERR, sqlite3.SQLITE_BUSY])
@pytest.mark.parametrize("after", range(8))
def test_whichever_statement_fails_the_error_is_one_line_about_the_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], code: int, after: int
) -> None:
    for name in ("Archery/a.mp4", "Bowling/b.mp4"):
        (file := tmp_path / "data" / name).parent.mkdir(parents=True)
        file.write_bytes(b"not opened")
    assert mocrop("init", tmp_path / "data", "-w", tmp_path) == 0
    capsys.readouterr()
    with refused_database(code, after=after)(None):  # type: ignore[arg-type]
        assert mocrop("status", "-w", tmp_path) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"error: {tmp_path / 'manifest.sqlite'} cannot be used (disk I/O error); ")
