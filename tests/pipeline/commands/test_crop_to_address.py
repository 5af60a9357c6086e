"""`precrop --to`: the same bytes as in one workspace, by units that share no disk, and nothing half at the address."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest

from mocrop.evaluation.demo.sprites import SpriteSettings, make_sprites
from mocrop.pipeline.address import RemoteFiles
from mocrop.pipeline.cache.at_address import MARK, CacheAtAddress
from mocrop.pipeline.commands.preprocess import extract_mv, init, precrop, retry, run_all
from mocrop.pipeline.commands.status import workspace_status
from mocrop.pipeline.errors import AddressError, CacheError, SettingsError
from mocrop.pipeline.outcome import ClipTask
from mocrop.pipeline.run import session
from mocrop.pipeline.run.session import RunOptions
from mocrop.pipeline.stages.contract import WorkUnit
from mocrop.pipeline.stages.precrop_settings import PrecropSettings
from mocrop.pipeline.stages.scratch import PREFIX, scratch_workspace
from mocrop.pipeline.stages.to_address import ToAddressSettings, crop_to_address
from mocrop.pipeline.stages.transcode_settings import TranscodeSettings
from mocrop.pipeline.workspace.paths import Workspace
from tests.cloud import FaultyLine, files, stored
from tests.conftest import MakeVideo, mocrop

HERE = RunOptions(workers=0)
CROP = {"size": 32, "frames": 2, "policy": "motion"}


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    """Eighteen clips, two shards of which the second is short; one of them is no video."""
    settings = SpriteSettings(classes=2, groups=3, clips_per_group=3, frames=14, width=64, height=48)
    make_sprites(tmp_path / "data", settings)
    next(iter(sorted(tmp_path.glob("data/*/*.*")))).write_bytes(b"no video")
    return tmp_path / "data"


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"file://{tmp_path}/remote/c.zarr"


@pytest.fixture
def there(tmp_path: Path) -> Path:
    return tmp_path / "remote/c.zarr"


def workspace(folder: Path, dataset: Path) -> Path:
    init(folder, dataset)
    return folder


@pytest.mark.parametrize("source", ["h264", "auto", "original"])
@pytest.mark.parametrize("fields", [True, False])
def test_the_bytes_are_those_of_the_stages_one_after_the_other(
    tmp_path: Path, make_video: MakeVideo, url: str, there: Path, source: str, fields: bool
) -> None:
    for number in range(18):
        codec = "libx264" if number % 2 else "mpeg4"  # every second one is transcoded with source auto
        make_video(tmp_path / f"data/{number % 3}/{number:02}.mp4", codec=codec, frames=24 + number, key_interval=6)
    (tmp_path / "data/0/18.avi").write_bytes(b"no video")
    options = {**CROP, "source": source, "policy": "motion-v2" if fields else "center", "motion_fields": fields}
    run_all(tmp_path / "staged", tmp_path / "data", run=HERE, name="c", **options)
    report = precrop(workspace(tmp_path / "w", tmp_path / "data"), to=url, run=HERE, **options)
    assert report.failed == 1
    assert files(there) == files(tmp_path / "staged/caches/c.zarr")


def test_segments_too(tmp_path: Path, make_video: MakeVideo, url: str, there: Path) -> None:
    make_video(tmp_path / "data/day.mp4", codec="libx264", frames=100)
    rows = "".join(f"day.mp4,{start},{start + 1},{start % 2}\n" for start in (2, 0, 1, 3))
    (tmp_path / "list.csv").write_text("path,start,end,label\n" + rows)
    for name in ("staged", "w"):
        init(tmp_path / name, tmp_path / "data", splits=tmp_path / "list.csv")
    run_all(tmp_path / "staged", run=HERE, name="c", **CROP)
    precrop(tmp_path / "w", to=url, run=HERE, **CROP)
    assert files(there) == files(tmp_path / "staged/caches/c.zarr")


def test_nothing_else_is_left_anywhere(tmp_path: Path, dataset: Path, url: str) -> None:
    here = workspace(tmp_path / "w", dataset)
    before = set(here.iterdir())
    precrop(here, to=url, scratch=tmp_path / "scratch", run=HERE, **CROP)
    assert set(here.iterdir()) == before
    assert not list((tmp_path / "scratch").iterdir())


def test_failures_say_which_step_it_was_and_are_tried_again(tmp_path: Path, dataset: Path, url: str) -> None:
    here = workspace(tmp_path / "w", dataset)
    precrop(here, to=url, run=HERE, **CROP)
    (failed,) = workspace_status(Workspace(here), failures=True).failed_clips
    assert failed.reasons[0].value == "not-a-video"
    assert failed.stages == (f"precrop-to:{url}",)
    report = retry(here, run=HERE)
    assert report.failed == 1
    assert report.stages[0].plan.to_run == 16


def test_the_second_time_there_is_nothing_to_do(tmp_path: Path, dataset: Path, url: str, there: Path) -> None:
    here = workspace(tmp_path / "w", dataset)
    precrop(here, to=url, run=HERE, **CROP)
    times = {file: file.stat().st_mtime_ns for file in there.rglob("*")}
    report = precrop(here, to=url, run=HERE)  # with the settings of the first time
    assert report.stages[0].plan.to_run == 0
    assert times == {file: file.stat().st_mtime_ns for file in there.rglob("*")}


@pytest.mark.parametrize("name", ["frames/c/1/0/0/0/0", "box/c/1/0", "state/c/1"])
def test_a_shard_of_which_an_object_is_gone_is_written_again(
    tmp_path: Path, dataset: Path, url: str, there: Path, name: str
) -> None:
    here = workspace(tmp_path / "w", dataset)
    precrop(here, to=url, run=HERE, **CROP)
    before = files(there)
    (there / name).unlink()
    assert precrop(here, to=url, run=HERE).stages[0].plan.to_run == 2
    assert files(there) == before


def test_a_stopped_run_leaves_no_cache_and_goes_on(
    tmp_path: Path, dataset: Path, url: str, there: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = workspace(tmp_path / "w", dataset)

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(CacheAtAddress, "finish", stop)
        with pytest.raises(KeyboardInterrupt):
            precrop(here, to=url, run=HERE, **CROP)
    assert MARK in files(there)
    assert "zarr.json" not in files(there)
    with pytest.raises(CacheError, match=r"settings \(size: 32 there, 48 asked\)"):
        precrop(here, to=url, run=HERE, size=48)
    assert precrop(here, to=url, run=HERE).stages[0].plan.to_run == 0
    assert MARK not in files(there)
    assert "zarr.json" in files(there)


def test_a_stopped_run_over_a_cache_that_is_there_goes_on_too(
    tmp_path: Path, dataset: Path, url: str, there: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = workspace(tmp_path / "w", dataset)
    precrop(here, to=url, run=HERE, **CROP)
    before = files(there)
    (there / "box/c/1/0").unlink()
    for call in ("begin", "begin", "finish", "begin", "begin", "finish"):
        with monkeypatch.context() as patch:
            patch.setattr(CacheAtAddress, call, lambda *_: 1 / 0)
            with pytest.raises(ZeroDivisionError):
                precrop(here, to=url, run=HERE)
    precrop(here, to=url, run=HERE)
    assert files(there) == before


def test_new_clips_get_rows(tmp_path: Path, dataset: Path, make_video: MakeVideo, url: str, there: Path) -> None:
    here = workspace(tmp_path / "w", dataset)
    precrop(here, to=url, run=HERE, **CROP)
    make_video(dataset / "zzz/new.mp4", frames=30)
    init(here, dataset)
    precrop(here, to=url, run=HERE)
    run_all(here, run=HERE, name="c", **CROP)
    assert files(there) == files(here / "caches/c.zarr")


def test_what_is_not_of_this_workspace_stays(tmp_path: Path, dataset: Path, url: str, there: Path) -> None:
    precrop(workspace(tmp_path / "other", dataset), to=url, run=HERE, **CROP)
    before = files(there)
    here = workspace(tmp_path / "w", dataset)
    with pytest.raises(CacheError, match=r"a cache that this workspace has not written there.*--overwrite"):
        precrop(here, to=url, run=HERE, **CROP)
    assert files(there) == before
    (there / "zarr.json").unlink()
    with pytest.raises(CacheError, match="holds other objects"):
        precrop(here, to=url, run=HERE, **CROP)
    (there / "stray").write_bytes(b"x")
    precrop(here, to=url, run=HERE, overwrite=True, **CROP)
    assert files(there) == before


def test_other_settings_are_refused_and_replace_it_with_overwrite(
    tmp_path: Path, dataset: Path, url: str, there: Path
) -> None:
    here = workspace(tmp_path / "w", dataset)
    precrop(here, to=url, run=HERE, **{**CROP, "motion_fields": True})
    with pytest.raises(CacheError, match="frames: 2 there, 3 asked"):
        precrop(here, to=url, run=HERE, frames=3)
    precrop(here, to=url, run=HERE, overwrite=True, **CROP)
    assert not [name for name in files(there) if name.startswith("motion")]


def test_options_that_do_not_fit(tmp_path: Path, dataset: Path, url: str) -> None:
    here = workspace(tmp_path / "w", dataset)
    with pytest.raises(SettingsError, match="leave out --name"):
        precrop(here, to=url, run=HERE, name="d")
    with pytest.raises(SettingsError, match="--scratch is for workers that write to an address"):
        precrop(here, scratch=tmp_path, run=HERE)
    with pytest.raises(AddressError, match=r"ends with its name and \.zarr; .*/c/motion-192\.zarr"):
        precrop(here, to=url.removesuffix(".zarr"), run=HERE)


def test_a_worker_that_comes_back_late_writes_nothing(
    tmp_path: Path, make_video: MakeVideo, url: str, there: Path
) -> None:
    """As one that was cut off, when another run has begun to write another cache there."""
    path = make_video(tmp_path / "a.mp4", frames=24)
    unit = WorkUnit(index=0, clips=(ClipTask(position=0, name="a", path=str(path)),))
    crop = PrecropSettings(name="c", size=16, frames=2, policy="center", policy_settings=_centre())
    settings = ToAddressSettings(to=url, crop=crop, extract=None, transcode=TranscodeSettings())
    work = partial(crop_to_address, unit, settings, "", clips=1, scratch=str(tmp_path))
    CacheAtAddress(url).begin("other")
    with pytest.raises(CacheError, match="no longer written by this run"):
        work(token="mine")
    assert files(there).keys() == {MARK}
    CacheAtAddress(url).finish(b"")
    with pytest.raises(CacheError, match="no longer written by this run"):
        work(token="mine")
    CacheAtAddress(url).begin("mine")
    (outcome,) = work(token="mine")
    assert outcome.status == "done"
    assert "frames/c/0/0/0/0/0" in files(there)


def _centre() -> object:
    from mocrop.pipeline.policies.registry import POLICIES

    return POLICIES["center"].settings()


def test_what_a_killed_worker_has_left_is_removed_and_what_is_in_use_stays(tmp_path: Path) -> None:
    left = tmp_path / f"{PREFIX}dead"
    left.mkdir()
    (left / "in-use").write_text("4711")
    begun = tmp_path / f"{PREFIX}begun"
    begun.mkdir()
    (begun / "in-use").touch()  # made, and not locked yet
    (tmp_path / "mine").mkdir()
    with scratch_workspace(str(tmp_path)) as first, scratch_workspace(str(tmp_path)) as second:
        assert not left.exists()
        assert begun.exists()
        assert (tmp_path / "mine").exists()
        assert first.root.parent.exists()
        assert second.root.parent.exists()


def test_a_workspace_with_vectors_does_not_matter(tmp_path: Path, dataset: Path, url: str, there: Path) -> None:
    here = workspace(tmp_path / "w", dataset)
    extract_mv(here, source="auto", run=HERE)
    precrop(here, to=url, run=HERE, **CROP)  # with the source of the vectors
    precrop(here, name="c", run=HERE, **CROP)
    assert files(there) == files(here / "caches/c.zarr")


def test_workers_of_a_cluster_put_the_same_to_a_server(tmp_path: Path, dataset: Path, bucket: str) -> None:
    here, address = workspace(tmp_path / "w", dataset), f"s3://{bucket}/c.zarr"
    precrop(here, to=address, run=RunOptions(workers=2), scratch=tmp_path / "scratch", **CROP)
    run_all(here, run=HERE, name="c", **CROP)
    assert stored(address) == files(here / "caches/c.zarr")
    assert not list((tmp_path / "scratch").iterdir())


def test_a_server_that_is_lost_ends_the_run_in_one_line_and_it_goes_on(
    tmp_path: Path, dataset: Path, bucket: str, faulty_line: FaultyLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    here, address = workspace(tmp_path / "w", dataset), f"s3://{bucket}/c.zarr"
    put, second = RemoteFiles.put, "frames/c/1/0/0/0/0"

    def lost(self: RemoteFiles, source: Path, name: str) -> None:
        if name == second:
            faulty_line.refuse()
        put(self, source, name)

    with monkeypatch.context() as patch:
        patch.setattr(RemoteFiles, "put", lost)
        with pytest.raises(AddressError, match=f"^{address}/{second}: the server or the line to it failed after"):
            precrop(here, to=address, run=HERE, **CROP)
    faulty_line.restore()
    faulty_line.busy = 2
    assert "zarr.json" not in stored(address)
    report = precrop(here, to=address, run=HERE)
    assert report.stages[0].plan.to_run == 2  # the other shard is there
    run_all(here, run=HERE, name="c", **CROP)
    assert stored(address) == files(here / "caches/c.zarr")


def test_an_address_without_rights(
    tmp_path: Path, dataset: Path, bucket: str, faulty_line: FaultyLine, capsys: pytest.CaptureFixture[str]
) -> None:
    here, address = workspace(tmp_path / "w", dataset), f"s3://{bucket}/c.zarr"
    faulty_line.denied = True
    assert mocrop("precrop", "--to", address, "--size", "32", "--workers", "0", "-w", here) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"error: {address}: access is denied")


def test_a_shard_that_a_worker_taken_for_lost_puts_anew_with_another_outcome_is_made_again(
    tmp_path: Path, dataset: Path, url: str, there: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = workspace(tmp_path / "w", dataset)
    precrop(here, to=url, run=HERE, **CROP)
    before = files(there)
    hurried = RunOptions(workers=0, clip_seconds=0.001)  # every clip takes too long
    precrop(workspace(tmp_path / "other", dataset), to=url.replace("c.zarr", "e.zarr"), run=hurried, **CROP)
    late = {name: content for name, content in files(there.with_name("e.zarr")).items() if name.endswith("c/1")}
    run_units = session.run_units

    def and_late(*arguments: object, **options: object) -> object:
        summary = run_units(*arguments, **options)  # type: ignore[arg-type]
        for name, content in late.items():
            (there / name).write_bytes(content)
        return summary

    (there / "box/c/0/0").unlink()
    with monkeypatch.context() as patch:
        patch.setattr(session, "run_units", and_late)
        with pytest.raises(CacheError, match="has put 2 clips anew, with another outcome; run the same command again"):
            precrop(here, to=url, run=HERE)
    assert "zarr.json" not in files(there)
    precrop(here, to=url, run=HERE)
    assert files(there) == before


@pytest.mark.parametrize(
    ("name", "said"), [(MARK, "no longer written by this run, but by another"), ("label/c/0", "is not what was put")]
)
def test_a_run_beside_which_another_one_writes_there_does_not_finish_it(
    tmp_path: Path, dataset: Path, url: str, there: Path, monkeypatch: pytest.MonkeyPatch, name: str, said: str
) -> None:
    here = workspace(tmp_path / "w", dataset)
    run_units = session.run_units

    def and_another(*arguments: object, **options: object) -> object:
        summary = run_units(*arguments, **options)  # type: ignore[arg-type]
        (there / name).write_bytes(b'{"written_by": "another"}')
        return summary

    with monkeypatch.context() as patch:
        patch.setattr(session, "run_units", and_another)
        with pytest.raises(CacheError, match=said):
            precrop(here, to=url, run=HERE, **CROP)
    assert "zarr.json" not in files(there)


def test_an_address_can_be_forgotten(
    tmp_path: Path, dataset: Path, url: str, there: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    here = workspace(tmp_path / "w", dataset)
    precrop(here, to=url, run=HERE, **CROP)
    before = files(there)
    assert mocrop("verify", url, "-w", here) == 1
    assert "`mocrop pull` checks a cache at an address as it copies it" in capsys.readouterr().err
    assert mocrop("verify", url, "--forget", "-w", here) == 0
    assert [stage.stage for stage in workspace_status(Workspace(here)).stages] == ["transcode", "extract-mv"]
    assert mocrop("verify", url, "--forget", "-w", here) == 1
    assert "this workspace writes no crop cache there" in capsys.readouterr().err
    assert files(there) == before
