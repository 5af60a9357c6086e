"""Caches that go to a server and back: all of it or nothing, by their content, over lines that fail."""

from __future__ import annotations

import contextlib
import os
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mocrop.pipeline.address import Address, RemoteFiles
from mocrop.pipeline.cache.at_address import MARK, CacheAtAddress
from mocrop.pipeline.commands.preprocess import run_all
from mocrop.pipeline.commands.status import workspace_status
from mocrop.pipeline.commands.transfer import pull, push
from mocrop.pipeline.commands.verify import verify
from mocrop.pipeline.dataset.init import init_workspace
from mocrop.pipeline.errors import AddressError, CacheError, SettingsError
from mocrop.pipeline.files import held
from mocrop.pipeline.run.session import RunOptions
from mocrop.pipeline.terminal import LineConsole
from mocrop.pipeline.workspace.lock import sweep
from mocrop.pipeline.workspace.paths import Workspace
from tests.cloud import FaultyLine, files, s3, stored
from tests.conftest import MakeCache, MakeVideo, mocrop

Files = dict[str, bytes]
QUIET = LineConsole(quiet=True)


@pytest.fixture
def there(bucket: str) -> str:
    return f"s3://{bucket}/caches/c.zarr"


@pytest.fixture
def cache(tmp_path: Path, make_cache: MakeCache) -> Path:
    """Seven clips in three shards."""
    return make_cache(tmp_path / "w/caches/c.zarr", label=[0, 1, 0, 1, 0, 1, 1])


@pytest.fixture
def here(tmp_path: Path, cache: Path) -> Path:
    return tmp_path / "w"


def test_a_cache_is_there_as_it_is_here_and_comes_back_so(here: Path, cache: Path, there: str, tmp_path: Path) -> None:
    done = push(here, "c", there)
    assert stored(there) == files(cache)
    assert (done.clips, done.files, done.copied) == (7, len(files(cache)), len(files(cache)))
    back = pull(tmp_path / "other", there)
    assert back.cache == tmp_path / "other/caches/c.zarr"
    assert files(back.cache) == files(cache)
    assert sorted(os.listdir(tmp_path / "other/caches")) == ["c.zarr"]
    Workspace(tmp_path / "other").require()  # trains and evaluates


def test_what_was_pulled_into_a_new_place_is_verified_there_and_a_data_set_may_come_later(
    here: Path, cache: Path, there: str, tmp_path: Path
) -> None:
    push(here, "c", there)
    other = Workspace(tmp_path / "other")
    pull(other, there)
    for name in (None, "c", str(other.cache("c"))):
        assert [(part.part, part.clips) for part in verify(other, cache=name, console=QUIET).parts] == [("cache c", 7)]
    with pytest.raises(SettingsError, match=r"has no data set; pull the cache again"):
        verify(other, repair=True, console=QUIET)
    with (other.cache("c") / "frames/c/0/0/0/0/0").open("r+b") as frames:
        frames.truncate(9)
    assert len({each.clip for each in verify(other, console=QUIET).damage}) == 3  # of seven, in three shards
    (tmp_path / "data/Run").mkdir(parents=True)
    (tmp_path / "data/Run/a.avi").write_bytes(b"no video")
    assert init_workspace(other, dataset=tmp_path / "data").clips == 1
    other.manifest_file.unlink()  # from now on it is missed
    assert not verify(other, cache="c", console=QUIET).is_sound


def test_the_second_time_nothing_is_put_and_everything_compared(
    here: Path, there: str, faulty_line: FaultyLine
) -> None:
    push(here, "c", there)
    faulty_line.requests.clear()
    assert push(here, "c", there).copied == 0
    assert not [line for line in faulty_line.requests if line.startswith(("PUT", "DELETE"))]


def test_what_lets_readers_take_it_for_a_cache_is_put_last(here: Path, there: str, faulty_line: FaultyLine) -> None:
    push(here, "c", there)
    asked = [line.split()[1].split("?")[0] for line in faulty_line.requests if line.startswith("PUT")]
    puts = [path.rpartition("c.zarr/")[2] for path in asked]
    assert (puts[0], puts[-1]) == (MARK, "zarr.json")
    frames = [name.startswith("frames/") for name in puts[1:-1]]
    assert frames == sorted(frames, reverse=True)


@pytest.mark.parametrize("name", ["frames/c/1/0/0/0/0", "state/c/0", "box/zarr.json"])
@pytest.mark.parametrize("how", ["cut off", "of the same size", "gone"])
def test_a_stopped_push_goes_on_and_notices_what_is_not_its_own(
    here: Path, cache: Path, there: str, name: str, how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(CacheAtAddress, "finish", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            push(here, "c", there)
    remote, content = RemoteFiles(Address.parse(there)), (cache / name).read_bytes()
    assert "zarr.json" not in remote.list()
    with pytest.raises(CacheError, match="is no cache yet: it is being written, or whoever wrote it was stopped"):
        pull(here, there, name="d")
    if how == "gone":
        remote.delete(name)
    else:
        remote.write(name, content[:-1] if how == "cut off" else bytes(len(content)))
    assert push(here, "c", there).copied == 2  # it, and the description
    assert stored(there) == files(cache)


def test_a_push_that_lacks_the_description_alone_says_that_it_has_put_it(
    here: Path, cache: Path, there: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(CacheAtAddress, "finish", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            push(here, "c", there)
    done = push(here, "c", there)
    assert (done.copied, done.copied_bytes) == (1, (cache / "zarr.json").stat().st_size)


def test_an_object_that_was_put_in_parts_is_read_to_be_compared(
    here: Path, cache: Path, there: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its tag is no MD5; a server that encrypts has one that looks like it."""
    push(here, "c", there)
    entries = RemoteFiles.entries
    for md5 in ("", "0" * 32):

        def changed(self: RemoteFiles, md5: str = md5) -> object:
            return {
                name: type(each)(size=each.size, version=each.version, md5=md5) for name, each in entries(self).items()
            }

        monkeypatch.setattr(RemoteFiles, "entries", changed)
        assert push(here, "c", there).copied == 0
        RemoteFiles(Address.parse(there)).write(
            "frames/c/1/0/0/0/0", bytes((cache / "frames/c/1/0/0/0/0").stat().st_size)
        )
        with pytest.raises(CacheError, match=r"frames/c/1/0/0/0/0 differs"):
            push(here, "c", there)
        push(here, "c", there, overwrite=True)
        assert stored(there) == files(cache)


@pytest.mark.parametrize("tells_md5", [True, False])
def test_a_cache_of_other_frames_is_another_one_though_each_of_its_files_ends_with_a_checksum(
    here: Path, make_cache: MakeCache, there: str, tells_md5: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Files of frames and columns have one CRC-32C, whatever is in them."""
    push(here, "c", there)
    if not tells_md5:
        told = RemoteFiles.entries
        monkeypatch.setattr(
            RemoteFiles, "entries", lambda self: {name: replace(each, md5="") for name, each in told(self).items()}
        )
    pixels = np.random.default_rng(1).integers(1, 256, (7, 4, 3, 8, 8), dtype=np.uint8)
    other = make_cache(here / "caches/d.zarr", label=[0, 1, 0, 1, 0, 1, 1], pixels=pixels)
    assert {name: len(content) for name, content in files(other).items()} == {
        name: len(content) for name, content in files(here / "caches/c.zarr").items()
    }
    with pytest.raises(CacheError, match="holds another cache, or this one as it was"):
        push(here, "d", there)
    assert push(here, "d", there, overwrite=True).copied > 3
    assert stored(there) == files(other)


def test_a_push_that_was_killed_at_its_very_end_or_start_leaves_a_cache(
    here: Path, cache: Path, there: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    push(here, "c", there)
    with monkeypatch.context() as patch:
        patch.setattr(CacheAtAddress, "discard", lambda *_: None)
        CacheAtAddress(there).begin("push-00000000")
    assert push(here, "c", there).copied == 0
    assert stored(there) == files(cache)  # without a mark


def test_another_cache_is_not_overwritten_unasked(
    tmp_path: Path, make_cache: MakeCache, here: Path, cache: Path, there: str
) -> None:
    push(here, "c", there)
    other = make_cache(tmp_path / "w/caches/d.zarr", label=[0, 1], size=16)
    with pytest.raises(CacheError, match=r"holds another cache, or this one as it was .*--overwrite"):
        push(here, "d", there)
    assert stored(there) == files(cache)
    push(here, "d", there, overwrite=True)
    assert stored(there) == files(other)  # and nothing of the longer one is left


def test_neither_is_half_of_another_one(
    tmp_path: Path, make_cache: MakeCache, here: Path, cache: Path, there: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(CacheAtAddress, "finish", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            push(here, "c", there)
    before = stored(there)
    make_cache(tmp_path / "w/caches/d.zarr", label=[0, 1], size=16)
    with pytest.raises(CacheError, match="holds other objects, or what is left of another cache"):
        push(here, "d", there)
    assert stored(there) == before


def test_a_push_beside_which_another_one_has_begun_does_not_finish_it(
    here: Path, there: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    discard = CacheAtAddress.discard

    def other_begins(self: CacheAtAddress, name: str) -> None:
        discard(self, name)
        RemoteFiles(self.address).write(MARK, b'{"written_by": "another"}')

    monkeypatch.setattr(CacheAtAddress, "discard", other_begins)
    with pytest.raises(CacheError, match="no longer written by this run, but by another"):
        push(here, "c", there)
    assert MARK in stored(there)
    assert "zarr.json" not in stored(there)


def test_a_cache_that_is_damaged_or_not_finished_is_refused(
    tmp_path: Path, make_cache: MakeCache, here: Path, cache: Path, there: str
) -> None:
    make_cache(tmp_path / "w/caches/d.zarr", label=[0, 1, 0], state=[1, 0, 1])
    with pytest.raises(CacheError, match=r"1 of 3 clips are not written.*--unfinished"):
        push(here, "d", there)
    push(here, "d", there, unfinished=True)
    shard = cache / "frames/c/1/0/0/0/0"
    content = bytearray(shard.read_bytes())
    content[100] ^= 1
    shard.write_bytes(content)
    with pytest.raises(CacheError, match=r"c.zarr is damaged .*frames are damaged.*mocrop verify"):
        push(here, "c", there.replace("/c.zarr", "/e.zarr"))
    assert stored(there.replace("/c.zarr", "/e.zarr")) == {}


def test_a_cache_that_changes_meanwhile_is_not_finished(
    here: Path, cache: Path, there: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    put = RemoteFiles.put

    def meanwhile(self: RemoteFiles, source: Path, name: str) -> None:
        put(self, source, name)
        if name == "state/c/2":
            os.utime(cache / "box/c/0/0", ns=(1, 1))

    monkeypatch.setattr(RemoteFiles, "put", meanwhile)
    with pytest.raises(CacheError, match="was changed while it was copied"):
        push(here, "c", there)
    assert "zarr.json" not in stored(there)


def test_a_stopped_pull_fetches_the_rest(
    tmp_path: Path, here: Path, cache: Path, there: str, faulty_line: FaultyLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    push(here, "c", there)
    fetch = RemoteFiles.fetch

    def stopped(self: RemoteFiles, name: str, *more: object, **options: object) -> object:
        if name.startswith("state"):
            raise KeyboardInterrupt
        return fetch(self, name, *more, **options)  # type: ignore[arg-type]

    other = tmp_path / "other"
    with monkeypatch.context() as patch:
        patch.setattr(RemoteFiles, "fetch", stopped)
        with pytest.raises(KeyboardInterrupt):
            pull(other, there)
    assert not (other / "caches/c.zarr").exists()
    have = {name for name in files(other / "caches/.c.zarr.pulling") if not Path(name).name.startswith(".")}
    faulty_line.requests.clear()
    pull(other, there)
    fetched = {path.rpartition("c.zarr/")[2] for path in faulty_line.fetched()} - {"zarr.json", ""}
    assert not [name for name in fetched & have if name != "zarr.json"]
    assert files(other / "caches/c.zarr") == files(cache)


def test_a_file_of_a_stopped_pull_that_is_another_one_now_is_fetched_anew(
    tmp_path: Path, here: Path, cache: Path, there: str
) -> None:
    push(here, "c", there)
    left = tmp_path / "other/caches/.c.zarr.pulling"
    for name, content in (("frames/c/0/0/0/0/0", b"\0"), ("old/c/0", b"x")):
        (left / name).parent.mkdir(parents=True)
        (left / name).write_bytes(content * ((cache / "frames/c/0/0/0/0/0").stat().st_size))
    pull(tmp_path / "other", there)
    assert files(tmp_path / "other/caches/c.zarr") == files(cache)


def test_a_cache_that_is_damaged_at_its_address_gets_no_name(
    tmp_path: Path, here: Path, cache: Path, there: str
) -> None:
    push(here, "c", there)
    content = bytearray((cache / "frames/c/1/0/0/0/0").read_bytes())
    content[100] ^= 1
    RemoteFiles(Address.parse(there)).write("frames/c/1/0/0/0/0", bytes(content))
    for _ in range(2):
        with pytest.raises(CacheError, match=r"c\.zarr is damaged there \(.*frames are damaged.*push it again"):
            pull(tmp_path / "other", there)
    assert not (tmp_path / "other/caches/c.zarr").exists()


def test_a_column_that_is_missing_there_is_noticed(tmp_path: Path, here: Path, there: str) -> None:
    """It would read as zeros."""
    push(here, "c", there)
    RemoteFiles(Address.parse(there)).delete("box/c/1/0")
    with pytest.raises(CacheError, match=r"damaged there \(.*box/c/1/0 is missing"):
        pull(tmp_path / "other", there)


def test_a_cache_that_changes_while_it_is_pulled_is_noticed(
    tmp_path: Path, here: Path, make_cache: MakeCache, there: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    push(here, "c", there)
    other = make_cache(tmp_path / "w/caches/d.zarr", label=[0, 1, 0, 1, 0, 1, 0])  # only a label differs
    fetch, changed = RemoteFiles.fetch, []

    def meanwhile(self: RemoteFiles, name: str, *more: object, **options: object) -> object:
        if name == "clip/c/0" and not changed:
            changed.append(push(here, "d", there, overwrite=True))
        return fetch(self, name, *more, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(RemoteFiles, "fetch", meanwhile)
    with pytest.raises(CacheError, match="was changed while it was copied; run the same command again"):
        pull(tmp_path / "other", there)
    pull(tmp_path / "other", there)
    assert files(tmp_path / "other/caches/c.zarr") == files(other)


def test_a_cache_that_is_here_is_replaced_only_if_asked(tmp_path: Path, here: Path, cache: Path, there: str) -> None:
    push(here, "c", there)
    (cache / "mine").write_bytes(b"x")
    with pytest.raises(CacheError, match="is there already; pass another --name, or replace it with --overwrite"):
        pull(here, there)
    pull(here, there, name="e")
    pull(here, there, overwrite=True)
    assert files(cache) == files(here / "caches/e.zarr") == stored(there)


def test_two_pulls_to_one_place_are_not_both_at_work(tmp_path: Path, here: Path, there: str) -> None:
    push(here, "c", there)
    with (
        held(tmp_path / "other/caches/.c.zarr.pulling.lock"),
        pytest.raises(CacheError, match=r"process \d+ is copying it just now"),
    ):
        pull(tmp_path / "other", there)


def test_over_a_line_that_tears_and_a_server_that_is_busy(
    tmp_path: Path, here: Path, cache: Path, there: str, faulty_line: FaultyLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    faulty_line.busy = 3
    push(here, "c", there)
    faulty_line.cut_after, faulty_line.cuts = 500, 3
    pull(tmp_path / "other", there)
    assert files(tmp_path / "other/caches/c.zarr") == files(cache)


@pytest.mark.parametrize("how", ["denied", "refuse"])
def test_a_server_that_does_not_serve_ends_in_one_line(
    tmp_path: Path, here: Path, there: str, faulty_line: FaultyLine, how: str, capsys: pytest.CaptureFixture[str]
) -> None:
    faulty_line.refuse() if how == "refuse" else setattr(faulty_line, "denied", True)
    for command in (["push", "c", there, "-w", here], ["pull", there, "-w", tmp_path / "other"]):
        assert mocrop(*command) == 1
        (line,) = capsys.readouterr().err.splitlines()
        assert re.match(rf"error: {re.escape(there)}.*: (access is denied|the server or the line to it failed)", line)
    assert not (tmp_path / "other/caches/c.zarr").exists()


def test_a_bucket_that_is_not_there(here: Path, tmp_path: Path, bucket: str) -> None:
    url = f"s3://{bucket}-not/c.zarr"
    with pytest.raises(AddressError, match=f"{url}.*there is no such bucket"):
        push(here, "c", url)
    with pytest.raises((AddressError, CacheError), match=f"{url}.*(there is no such bucket|holds nothing)"):
        pull(tmp_path / "other", url)


def test_names_at_an_address_lead_nowhere_else(
    tmp_path: Path, here: Path, cache: Path, there: str, bucket: str, s3_server: str
) -> None:
    push(here, "c", there)
    s3(s3_server, "PUT", f"/{bucket}/caches/c.zarr/box/c/..%2F..%2F..%2Fescaped", b"x")
    s3(s3_server, "PUT", f"/{bucket}/caches/c.zarr/stray", b"x")
    with contextlib.suppress(CacheError):
        pull(tmp_path / "other", there)
    assert not list(tmp_path.rglob("escaped"))
    assert not list((tmp_path / "other").rglob("stray"))


def test_a_column_of_a_stopped_pull_is_fetched_anew_where_the_server_tells_no_md5(
    tmp_path: Path, make_cache: MakeCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only a group differs, so that all files have the sizes that they had, and every part of them its checksum."""
    label, there = [0, 1, 0, 1, 0, 1, 1], f"file://{tmp_path}/there/c.zarr"
    make_cache(tmp_path / "w/caches/c.zarr", label=label, group=[0, 0, 0, 1, 1, 1, 2])
    other = make_cache(tmp_path / "w/caches/d.zarr", label=label, group=[0, 0, 0, 1, 1, 1, 3])
    push(tmp_path / "w", "c", there)
    with monkeypatch.context() as patch:
        patch.setattr("mocrop.pipeline.transfer.pull.verify_cache", lambda *_, **__: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            pull(tmp_path / "other", there)
    push(tmp_path / "w", "d", there, overwrite=True)
    pull(tmp_path / "other", there)
    assert files(tmp_path / "other/caches/c.zarr") == files(other)


def test_a_run_that_cleans_up_leaves_what_a_pull_has_fetched(tmp_path: Path) -> None:
    fetched, unfinished = tmp_path / "caches/.c.zarr.pulling/box/c/0/0", tmp_path / "caches/.d.zarr.1/box"
    for file in (fetched, unfinished):
        file.parent.mkdir(parents=True)
        file.write_bytes(b"x")
    sweep(Workspace(tmp_path))
    assert fetched.exists()
    assert not unfinished.exists()


def test_a_workspace_does_not_take_a_cache_that_was_pulled_for_its_own(tmp_path: Path, make_video: MakeVideo) -> None:
    """It replaces one that the workspace has made, of another video by now."""
    here, clip, there = tmp_path / "w", tmp_path / "data/a/1.mp4", f"file://{tmp_path}/there/c.zarr"
    options: dict[str, Any] = {"run": RunOptions(workers=0), "name": "c", "size": 16, "frames": 2, "policy": "center"}
    make_video(clip, frames=20)
    run_all(here, tmp_path / "data", **options)
    push(here, "c", there)
    make_video(clip, frames=30)
    run_all(here, **options)
    made = files(here / "caches/c.zarr")
    pull(here, there, overwrite=True)
    assert files(here / "caches/c.zarr") != made
    assert "precrop:c" not in {stage.stage for stage in workspace_status(Workspace(here)).stages if stage.done}
    run_all(here, **options)
    assert files(here / "caches/c.zarr") == made
