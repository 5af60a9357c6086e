from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from mocrop.pipeline.errors import DiskFullError, Reason, WorkspaceError
from mocrop.pipeline.outcome import Outcome
from mocrop.pipeline.workspace import manifest as manifest_module
from mocrop.pipeline.workspace.manifest import ClipRow, Manifest


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
    monkeypatch.setattr(manifest_module, "PAGE_CLIPS", 2)
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
