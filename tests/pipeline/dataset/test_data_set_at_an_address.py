"""A data set whose videos are at an address: listed, noticed when they change, and read by every stage."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mocrop.pipeline.address import Address, RemoteFiles
from mocrop.pipeline.commands.export import export_crops
from mocrop.pipeline.commands.preprocess import Report, init, precrop, retry, run_all
from mocrop.pipeline.commands.status import workspace_status
from mocrop.pipeline.dataset.look import Change
from mocrop.pipeline.dataset_place import AddressPath, dataset_place
from mocrop.pipeline.errors import AddressError, DatasetError
from mocrop.pipeline.run.session import RunOptions
from mocrop.pipeline.workspace.manifest import Manifest
from mocrop.pipeline.workspace.paths import Workspace
from mocrop.pipeline.workspace.settings_file import read_settings
from tests.cloud import FaultyLine, delete_bucket
from tests.conftest import MakeVideo, mocrop

HERE = RunOptions(workers=0)
CROP: dict[str, Any] = {"size": 16, "frames": 2, "name": "c"}
NAMES = ("Dig/a_g01_c01.mp4", "Dig/b_g02_c01.avi", "Run/c_g01_c01.mp4", "Run/d_g02_c01.mp4")


def stored(address: str) -> dict[str, bytes]:
    remote = RemoteFiles(Address.parse(address))
    return {name: remote.read(name) for name in remote.list()}


def files(folder: Path) -> dict[str, bytes]:
    return {file.relative_to(folder).as_posix(): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


@pytest.fixture
def local(tmp_path: Path, make_video: MakeVideo) -> Path:
    for number, name in enumerate(NAMES):
        codec = "libx264" if number % 2 else "mpeg4"
        make_video(tmp_path / "data" / name, codec=codec, frames=24 + number, key_interval=6)
    return tmp_path / "data"


@pytest.fixture
def data(bucket: str, local: Path) -> str:
    """The same files at an address, and some others that are no clips."""
    address = f"s3://{bucket}/my data"
    remote = RemoteFiles(Address.parse(address))
    for name in NAMES:
        remote.put(local / name, name)
    for name in ("Dig/notes.txt", "Dig/.hidden.mp4", ".git/x.mp4", "work/mocrop.toml", "work/h264/x.mp4", "stray.mp4"):
        remote.write(name, b"x")
    return address


def clips(folder: Path) -> list[tuple[str, str, int]]:
    with Manifest(folder / "manifest.sqlite", read_only=True) as manifest:
        return [(clip.name, clip.path, clip.size_bytes) for clip in manifest.clips()]


def test_its_clips_are_those_of_the_same_folder(tmp_path: Path, local: Path, data: str) -> None:
    (local / "Dig/notes.txt").write_text("x")
    here, there = init(tmp_path / "a", local), init(tmp_path / "b", data)
    assert clips(tmp_path / "a") == clips(tmp_path / "b")
    assert here.dataset is not None
    assert there.dataset is not None
    codes = {issue.code.value for issue in there.dataset.issues} - {issue.code.value for issue in here.dataset.issues}
    assert codes == {"without-class"}  # stray.mp4
    assert str(read_settings(Workspace(tmp_path / "b"))[0].dataset) == data


@pytest.mark.parametrize("source", ["h264", "auto", "original"])
def test_every_stage_makes_the_same_of_it(tmp_path: Path, local: Path, data: str, bucket: str, source: str) -> None:
    run_all(tmp_path / "a", local, run=HERE, source=source, **CROP)  # type: ignore[arg-type]
    report = run_all(tmp_path / "b", data, run=HERE, source=source, **CROP)  # type: ignore[arg-type]
    assert report.failed == 0
    assert files(tmp_path / "a/caches") == files(tmp_path / "b/caches")
    assert files(tmp_path / "a/h264") == files(tmp_path / "b/h264") if source != "original" else True
    to = f"s3://{bucket}/c.zarr"
    precrop(tmp_path / "b", to=to, scratch=tmp_path / "scratch", run=HERE, source=source, **CROP)  # type: ignore[arg-type]
    assert stored(to) == files(tmp_path / "a/caches/c.zarr")
    assert not list((tmp_path / "scratch").iterdir())


def test_exports_are_the_same_too_and_pictures_say_what_they_cannot_read(
    tmp_path: Path, local: Path, data: str, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, place in (("a", str(local)), ("b", data)):
        run_all(tmp_path / name, place, run=HERE, source="auto", **CROP)
        export_crops(tmp_path / name, tmp_path / f"out-{name}", to="mp4", cache="c", run=HERE)
    here, there = files(tmp_path / "out-a"), files(tmp_path / "out-b")
    assert {name: here[name] for name in here if name.endswith(".mp4")} == {
        name: there[name] for name in there if name.endswith(".mp4")
    }
    assert sum(name.endswith(".mp4") for name in here) == 4
    assert mocrop("show", "Dig/b_g02_c01", "-w", tmp_path / "b") == 1
    assert "is at an address, from which only stages and exports fetch" in capsys.readouterr().err


def test_segments_of_a_long_video_too(tmp_path: Path, bucket: str, make_video: MakeVideo) -> None:
    day = make_video(tmp_path / "data/day.mp4", codec="libx264", frames=100)
    remote = RemoteFiles(Address.parse(f"s3://{bucket}/data"))
    remote.put(day, "day.mp4")
    rows = "".join(f"day.mp4,{start},{start + 1},{start % 2}\n" for start in (2, 0, 1, 3))
    (tmp_path / "list.csv").write_text("path,start,end,label\n" + rows)
    run_all(tmp_path / "a", tmp_path / "data", splits=tmp_path / "list.csv", run=HERE, **CROP)
    run_all(tmp_path / "b", f"s3://{bucket}/data", splits=tmp_path / "list.csv", run=HERE, **CROP)
    assert files(tmp_path / "a/caches") == files(tmp_path / "b/caches")


def test_a_video_that_is_another_one_now_is_noticed(
    tmp_path: Path, local: Path, data: str, make_video: MakeVideo
) -> None:
    run_all(tmp_path / "w", data, run=HERE, **CROP)
    remote = RemoteFiles(Address.parse(data))
    old = local / NAMES[0]
    remote.put(old, NAMES[0])  # the same bytes again are no change
    assert not workspace_status(Workspace(tmp_path / "w")).changes.files
    content = bytearray(old.read_bytes())
    content[-1] ^= 1
    remote.write(NAMES[0], bytes(content))  # of the same size
    remote.delete(NAMES[1])
    assert workspace_status(Workspace(tmp_path / "w")).changes.files == {Change.REPLACED: 1, Change.GONE: 1}
    report = run_all(tmp_path / "w", run=HERE)
    assert report.stages[0].plan.why == {"its file has changed": 1, "its file is gone": 1}


def test_a_video_that_is_gone_before_it_is_read_fails_alone(
    tmp_path: Path, data: str, bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    init(tmp_path / "w", data)
    remote = RemoteFiles(Address.parse(data))
    report = _run_after(lambda: remote.delete(NAMES[0]), tmp_path / "w", f"s3://{bucket}/c.zarr", monkeypatch)
    assert report.failed == 1
    (failed,) = workspace_status(Workspace(tmp_path / "w"), failures=True).failed_clips
    assert failed.message.startswith(f"Dig/a_g01_c01: {data}/{NAMES[0]}: it is not there")
    remote.put(tmp_path / "data" / NAMES[0], NAMES[0])
    assert retry(tmp_path / "w", run=HERE).failed == 0


def test_no_clip_is_to_blame_for_a_bucket_that_is_gone(
    tmp_path: Path, data: str, bucket: str, s3_server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    init(tmp_path / "w", data)
    to = f"file://{tmp_path}/there/c.zarr"
    with pytest.raises(AddressError, match="there is no such bucket"):
        _run_after(lambda: delete_bucket(s3_server, bucket), tmp_path / "w", to, monkeypatch)
    assert not workspace_status(Workspace(tmp_path / "w"), failures=True).failed_clips


def _run_after(lose: Callable[[], None], work: Path, to: str, monkeypatch: pytest.MonkeyPatch) -> Report:
    """Something is lost after the data set was looked at."""
    from mocrop.pipeline.run import session

    look = session.look_at

    def and_lost(*arguments: Any) -> Any:
        seen = look(*arguments)
        lose()
        return seen

    with monkeypatch.context() as patch:
        patch.setattr(session, "look_at", and_lost)
        return precrop(work, to=to, run=HERE, **CROP)


@pytest.mark.parametrize("how", ["denied", "refuse"])
def test_an_address_that_cannot_be_listed(
    tmp_path: Path, data: str, faulty_line: FaultyLine, how: str, capsys: pytest.CaptureFixture[str]
) -> None:
    init(tmp_path / "w", data)
    if how == "refuse":
        faulty_line.refuse()
    else:
        faulty_line.denied = True
    for command in (["init", data, "-w", tmp_path / "v"], ["transcode", "--workers", "0", "-w", tmp_path / "w"]):
        assert mocrop(*command) == 1
        (line,) = capsys.readouterr().err.splitlines()
        assert line.startswith(f"error: {data}: ")
    assert not (tmp_path / "v").exists()


def test_an_address_without_videos(tmp_path: Path, bucket: str, data: str) -> None:
    with pytest.raises(DatasetError, match="holds no clips"):
        init(tmp_path / "w", f"s3://{bucket}/nothing")
    with pytest.raises(AddressError, match="a name or password in it is refused"):
        init(tmp_path / "w", f"s3://me:secret@{bucket}/x")
    with pytest.raises(AddressError, match="there is no such bucket"):
        init(tmp_path / "w", f"s3://{bucket}-no/x")


@pytest.mark.parametrize("folder", ["a//b", "a/./b", "/a"])
def test_an_address_that_no_path_can_be_is_not_taken_for_another_one(tmp_path: Path, folder: str) -> None:
    """Objects below s3://bucket/a//b are others than those below s3://bucket/a/b."""
    with pytest.raises(AddressError, match="has no name, or is a dot"):
        init(tmp_path / "w", f"s3://bucket/{folder}")


def test_paths_of_addresses() -> None:
    place = dataset_place("S3://bucket/a/b/")
    assert isinstance(place, AddressPath)
    assert str(place / "c/d.mp4") == "s3://bucket/a/b/c/d.mp4"
    assert place.absolute() == place
    assert dataset_place("s3:/x") == Path("s3:/x")
    assert not isinstance(dataset_place(Path("s3:/x")), AddressPath)
