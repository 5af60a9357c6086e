"""An open workspace: what a stage is refused for, and what its clips are told."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from mocrop.pipeline.errors import WorkspaceError
from mocrop.pipeline.outcome import Outcome
from mocrop.pipeline.run import session as session_module
from mocrop.pipeline.run.runner import StageSummary
from mocrop.pipeline.run.session import RunOptions, open_session
from mocrop.pipeline.stages.contract import Stage, WorkUnit
from mocrop.pipeline.workspace.manifest import ClipRow, Manifest
from mocrop.pipeline.workspace.paths import Workspace
from mocrop.pipeline.workspace.settings_file import DatasetSettings, write_settings

LOOP = RunOptions(workers=0, clip_seconds=7.0)
CLIP = ClipRow(name="A/a", path="A/a.avi", label=0, group=-1, subset=(1,), size_bytes=1, mtime_ns=1)


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    """A workspace of one clip, on which nothing has run."""
    workspace = Workspace(tmp_path / "work")
    (tmp_path / "data/A").mkdir(parents=True)
    (tmp_path / "data" / CLIP.path).write_bytes(b"x")
    write_settings(workspace, DatasetSettings(dataset=tmp_path / "data"))
    with Manifest(workspace.manifest_file) as manifest:
        manifest.replace_clips([CLIP], class_names=["A"], split_names=["1"])
    return workspace


def test_a_stage_is_refused_where_the_one_before_has_run_on_nothing_unless_there_is_no_clip(
    workspace: Workspace,
) -> None:
    with open_session(workspace, LOOP) as session:
        with pytest.raises(WorkspaceError, match=r"extract-mv: transcode has not run .*run `mocrop transcode` first"):
            session.require_upstream(session.stages.extract())
        session.manifest.replace_clips([], class_names=["A"], split_names=["1"])
        session.require_upstream(session.stages.extract())


def test_every_clip_is_told_the_time_limit(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    limits: list[float] = []

    def noted(_: Stage, units: Iterable[WorkUnit], **__: Any) -> StageSummary:
        limits.extend(clip.limit_seconds for unit in units for clip in unit.clips)
        return StageSummary()

    monkeypatch.setattr(session_module, "run_units", noted)
    with open_session(workspace, LOOP) as session:
        session.run(session.stages.transcode())
    assert limits == [7.0]


def test_the_old_outcome_of_a_clip_that_is_about_to_run_counts_no_more(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its output may be replaced and the run be killed before the new outcome is written."""

    def killed(*_: object, **__: object) -> StageSummary:
        raise KeyboardInterrupt

    monkeypatch.setattr(session_module, "run_units", killed)
    with open_session(workspace, LOOP) as session:
        first, other = session.stages.transcode(), session.stages.transcode({"crf": 30})
        session.manifest.record("transcode", first.settings_hash, [Outcome(position=0, status="done", checksum=5)])
        with pytest.raises(KeyboardInterrupt):
            session.run(other)
        assert session.manifest.counts("transcode", first.settings_hash).stale == 1
        assert [row.checksum for row in session.rows(first)] == [None]


def test_the_client_makes_the_store_before_workers_write_into_it(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not where no clip runs: then nothing is written."""
    seen: list[bool] = []

    def noted(*_: object, **__: object) -> StageSummary:
        seen.append((workspace.motion / "zarr.json").is_file())
        return StageSummary()

    monkeypatch.setattr(session_module, "run_units", noted)
    with open_session(workspace, LOOP) as session:
        stage = session.stages.extract({"source": "original"})
        session.manifest.replace_clips([], class_names=["A"], split_names=["1"])
        session.run(stage)
        assert not workspace.motion.exists()
        session.manifest.replace_clips([CLIP], class_names=["A"], split_names=["1"])
        session.run(stage)
    assert seen == [True]
