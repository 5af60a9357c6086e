"""Caches at an address: what is read of them, what is kept of it, and what is never taken for them."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Callable
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

import fsspec  # type: ignore[import-untyped]
import numpy as np
import pytest
from fsspec.implementations.memory import MemoryFileSystem  # type: ignore[import-untyped]

from mocrop.pipeline.address import RemoteFiles
from mocrop.pipeline.cache.crop_cache import CropCache
from mocrop.pipeline.cache.mirror import open_mirror as open_mirror_module
from mocrop.pipeline.cache.mirror import room as room_module
from mocrop.pipeline.cache.mirror.ahead import Ahead
from mocrop.pipeline.cache.mirror.place import default_root, parse_bytes
from mocrop.pipeline.cache.mirror.room import Room
from mocrop.pipeline.checksums import with_checksum
from mocrop.pipeline.errors import AddressError, CacheError, DiskFullError, SettingsError
from mocrop.pipeline.strict_json import parsed_json
from tests.cloud import SECRET, FaultyLine, delete_bucket, put_folder, s3, upload
from tests.conftest import MakeCache

COLUMNS = ("label", "group", "subset", "state", "frame_index", "box", "slot_box", "picture", "density", "checksum")


@pytest.fixture
def stored(make_cache: MakeCache, tmp_path: Path) -> Path:
    """A cache of seven clips in three shards, on this disk."""
    return make_cache(tmp_path / "here/seven.zarr", label=[0, 1, 0, 1, 0, 1, -1], used=[4, 2, 4, 4, 1, 4, 3])


def shard_bytes(path: Path, shard: int) -> bytes:
    return Path(path, f"frames/c/{shard}/0/0/0/0").read_bytes()


def test_columns_are_read_at_once_and_shards_when_they_are_needed(
    stored: Path, bucket: str, faulty_line: FaultyLine, tmp_path: Path
) -> None:
    address = upload(stored, bucket)
    faulty_line.requests.clear()
    cache, own = CropCache(address, mirror=tmp_path / "mirror"), CropCache(stored)
    assert faulty_line.fetched("0/0/0/0/0") == []
    requests = len(faulty_line.requests)
    for name in COLUMNS:
        assert np.array_equal(getattr(cache, name), getattr(own, name)), name
    assert cache.clip == own.clip
    assert cache.attributes == own.attributes
    assert cache.path.name == "seven.zarr"
    assert len(faulty_line.requests) == requests
    cache.fetch_shards([1])
    assert [path.split("/", 3)[-1] for path in faulty_line.fetched("0/0/0/0")] == ["frames/c/1/0/0/0/0"]
    assert shard_bytes(cache.path, 1) == shard_bytes(stored, 1)
    assert not cache.shard_file(0).exists()
    cache.fetch_shards([1])
    assert len(faulty_line.fetched("0/0/0/0")) == 1


def test_nothing_is_read_twice_for_a_cache_that_is_opened_again(
    stored: Path, bucket: str, faulty_line: FaultyLine, tmp_path: Path
) -> None:
    address = upload(stored, bucket)
    CropCache(address, mirror=tmp_path / "mirror").fetch_shards([0, 1, 2])
    faulty_line.requests.clear()
    again = CropCache(address, mirror=tmp_path / "mirror")
    again.fetch_shards([0, 1, 2])
    assert {path.split("/", 3)[-1] for path in faulty_line.fetched()} <= {"zarr.json", "", f"{bucket}"}
    faulty_line.refuse()
    folder = CropCache(again.path)  # as worker processes open it
    folder.fetch_shards([0, 1, 2])
    assert folder.token == again.token


class _SaysOnlySizes(MemoryFileSystem):  # type: ignore[misc]
    """A kind of server whose listing has neither tags nor times, as that of some file servers."""

    protocol = "sizes"
    store: ClassVar[dict[str, Any]] = {}

    def find(self, path: str, **options: Any) -> Any:
        found = super().find(path, **options)
        return {name: {key: each[key] for key in ("name", "size", "type")} for name, each in found.items()}

    @classmethod
    def _strip_protocol(cls, path: str) -> str:
        return str(MemoryFileSystem._strip_protocol(path.replace("sizes://", "memory://")))


def test_where_a_server_tells_sizes_alone_columns_are_read_again(
    stored: Path, make_cache: MakeCache, tmp_path: Path
) -> None:
    """The labels of another cache take as many bytes."""
    fsspec.register_implementation("sizes", _SaysOnlySizes, clobber=True)
    address = "sizes://there/seven.zarr"

    put_folder(stored, address)
    assert CropCache(address, mirror=tmp_path / "mirror").label.tolist() == [0, 1, 0, 1, 0, 1, -1]
    again = make_cache(tmp_path / "again/seven.zarr", label=[1, 0, 1, 0, 1, 0, -1], used=[4, 2, 4, 4, 1, 4, 3])
    put_folder(again, address)
    assert CropCache(address, mirror=tmp_path / "mirror").label.tolist() == [1, 0, 1, 0, 1, 0, -1]


def test_a_web_server_serves_a_cache_without_listing_it(stored: Path, tmp_path: Path) -> None:
    pytest.importorskip("aiohttp")
    asked: list[str] = []

    class Handler(SimpleHTTPRequestHandler):
        def log_message(self, *words: object) -> None:
            asked.append(self.path)

    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(stored.parent))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{server.server_port}/seven.zarr"
        cache = CropCache(address, mirror=tmp_path / "mirror")
        cache.fetch_shards([0, 1, 2])
        assert shard_bytes(cache.path, 2) == shard_bytes(stored, 2)
        assert np.array_equal(cache.density, CropCache(stored).density)
        assert not [path for path in asked if path.endswith("/")]
        with pytest.raises(CacheError, match="is not a crop cache"):
            CropCache(address.replace("seven", "eight"), mirror=tmp_path / "mirror")
        server.shutdown()


@pytest.mark.parametrize("compression", ["none", "zstd"])
@pytest.mark.parametrize("damage", ["frame", "index", "end", "other"])
def test_a_shard_that_is_damaged_at_the_address_never_gets_its_name(
    damage: str, compression: str, make_cache: MakeCache, bucket: str, tmp_path: Path
) -> None:
    stored = make_cache(tmp_path / "here/a.zarr", label=[0, 1, 0, 1], compression=compression)
    file = stored / "frames/c/0/0/0/0/0"
    content = bytearray(file.read_bytes())
    if damage == "frame":
        content[5] ^= 1
    elif damage == "index":
        content[-10] ^= 1
    elif damage == "end":
        del content[-40:]
    else:
        other = np.random.default_rng(1).integers(1, 256, (4, 4, 3, 8, 8), dtype=np.uint8)
        content[:] = shard_bytes(
            make_cache(tmp_path / "o.zarr", label=[0, 1, 0, 1], pixels=other, compression=compression), 0
        )
    file.write_bytes(content)
    cache = CropCache(upload(stored, bucket), mirror=tmp_path / "mirror")
    if damage == "other" and compression == "zstd":
        cache.fetch_shards([0])  # what is decoded is compared with the column by those who decode it
        return
    with pytest.raises(CacheError, match=rf"s3://{bucket}/a.zarr/frames/c/0/0/0/0/0 (is|has)"):
        cache.fetch_shards([0])
    assert list((cache.path / "frames/c/0").rglob("*.*")) == []
    assert not cache.shard_file(0).exists()
    cache.fetch_shards([1])


def test_a_torn_line_is_asked_again_and_what_arrives_is_whole(
    stored: Path, bucket: str, faulty_line: FaultyLine, tmp_path: Path
) -> None:
    cache = CropCache(upload(stored, bucket), mirror=tmp_path / "mirror")
    faulty_line.cut_after, faulty_line.cuts, faulty_line.busy = 1000, 2, 1
    cache.fetch_shards([0])
    assert shard_bytes(cache.path, 0) == shard_bytes(stored, 0)


def test_a_shard_that_is_gone_at_the_address_is_named(
    stored: Path, bucket: str, s3_server: str, tmp_path: Path
) -> None:
    cache = CropCache(upload(stored, bucket), mirror=tmp_path / "mirror")
    s3(s3_server, "DELETE", f"/{bucket}/seven.zarr/frames/c/1/0/0/0/0")
    with pytest.raises(AddressError, match=r"seven.zarr/frames/c/1/0/0/0/0: it is not there, and the cache says"):
        cache.fetch_shards([0, 1, 2])


def test_columns_that_are_gone_are_never_taken_for_clips_without_frames(
    stored: Path, bucket: str, s3_server: str, tmp_path: Path
) -> None:
    address = upload(stored, bucket)
    s3(s3_server, "DELETE", f"/{bucket}/seven.zarr/state/c/1")
    with pytest.raises(CacheError, match="state/c/1 is missing"):
        CropCache(address, mirror=tmp_path / "mirror").state  # noqa: B018
    for name in COLUMNS[3:]:
        for rest in ("", "/0", "/0/0"):
            s3(s3_server, "DELETE", f"/{bucket}/seven.zarr/{name}/c/1{rest}")
    with pytest.raises(CacheError, match="state/c/1 is missing"):
        CropCache(address, mirror=tmp_path / "mirror2").state  # noqa: B018


def test_a_cache_that_was_written_again_is_never_mixed_with_the_old_one(
    stored: Path, bucket: str, make_cache: MakeCache, tmp_path: Path
) -> None:
    address = upload(stored, bucket)
    old = CropCache(address, mirror=tmp_path / "mirror")
    old.fetch_shards([0, 1, 2])
    pixels = np.random.default_rng(7).integers(1, 256, (7, 4, 3, 8, 8), dtype=np.uint8)
    labels = [0, 1, 0, 1, 0, 1, -1]
    pixels[3:6] = np.random.default_rng(0).integers(1, 256, (7, 4, 3, 8, 8), dtype=np.uint8)[3:6]
    again = make_cache(tmp_path / "again/seven.zarr", label=labels, used=[4, 2, 4, 4, 1, 4, 3], pixels=pixels)
    assert upload(again, bucket) == address
    new = CropCache(address, mirror=tmp_path / "mirror")
    assert new.path == old.path  # the attributes are the same
    new.fetch_shards([0, 1, 2])
    for shard in range(3):
        assert shard_bytes(new.path, shard) == shard_bytes(again, shard)
    assert np.array_equal(new.checksum, CropCache(again).checksum)
    other = make_cache(tmp_path / "other/seven.zarr", label=labels, class_names=("Sit", "Run"))
    upload(other, bucket)
    assert CropCache(address, mirror=tmp_path / "mirror").path != old.path


@pytest.fixture
def stored_again(make_cache: MakeCache, tmp_path: Path) -> Path:
    """As `stored`, but for the frames and the labels, of which each takes as many bytes."""
    pixels = np.random.default_rng(7).integers(1, 256, (7, 4, 3, 8, 8), dtype=np.uint8)
    labels = [1, 0, 1, 0, 1, 0, -1]
    return make_cache(tmp_path / "again/seven.zarr", label=labels, used=[4, 2, 4, 4, 1, 4, 3], pixels=pixels)


def test_columns_of_two_caches_are_never_read_as_those_of_one(
    stored: Path, stored_again: Path, bucket: str, tmp_path: Path
) -> None:
    """Another process may bring a mirror up to date while a cache is open that has not read all its columns."""
    address = upload(stored, bucket)
    open_before = CropCache(address, mirror=tmp_path / "mirror")
    assert open_before.checksum[0, 0] == CropCache(stored).checksum[0, 0]
    upload(stored, bucket)
    CropCache(address, mirror=tmp_path / "mirror")  # the same again
    assert open_before.state.tolist() == [1] * 7
    upload(stored_again, bucket)
    assert CropCache(address, mirror=tmp_path / "mirror").label[0] == 1
    for name in ("label", "clip"):
        with pytest.raises(CacheError, match=f"{address} was written again while it was read"):
            getattr(open_before, name)


@pytest.mark.parametrize("writes", [1, 2])
def test_a_cache_that_is_written_while_it_is_opened_is_read_again_or_refused(
    stored: Path, stored_again: Path, bucket: str, writes: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The labels are read before the states: they were of the first cache, and the states of the second."""
    address = upload(stored, bucket)
    others = [stored_again, stored][:writes]
    content = open_mirror_module._content

    def written_meanwhile(files: RemoteFiles, name: str, versions: Any) -> bytes | None:
        if name == "state/c/0" and others:
            upload(others.pop(0), bucket)
        return content(files, name, versions)

    monkeypatch.setattr(open_mirror_module, "READS_AT_ONCE", 1)
    monkeypatch.setattr(open_mirror_module, "_content", written_meanwhile)
    if writes == 2:
        with pytest.raises(CacheError, match=f"{address} is being written just now"):
            CropCache(address, mirror=tmp_path / "mirror")
    cache, there = CropCache(address, mirror=tmp_path / "mirror"), CropCache(stored_again if writes == 1 else stored)
    for name in COLUMNS:
        assert np.array_equal(getattr(cache, name), getattr(there, name)), name


def test_a_mirror_is_opened_by_a_relative_path_too(
    stored: Path, bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = CropCache(upload(stored, bucket), mirror=tmp_path / "mirror").path
    monkeypatch.chdir(tmp_path)
    cache = CropCache(folder.relative_to(tmp_path))
    cache.fetch_shards([1])
    assert shard_bytes(cache.path, 1) == shard_bytes(stored, 1)


def test_a_mirror_stays_within_its_size_and_keeps_what_was_used_last(
    make_cache: MakeCache, bucket: str, faulty_line: FaultyLine, tmp_path: Path
) -> None:
    stored = make_cache(tmp_path / "here/many.zarr", label=[0, 1] * 10, clips_per_shard=2, size=32)
    address, shard = upload(stored, bucket), len(shard_bytes(stored, 0))
    root = tmp_path / "mirror"
    CropCache(address, mirror=root)
    columns = sum(file.stat().st_size for file in root.rglob("*") if file.is_file())
    most = columns + 4 * shard + 2000
    cache = CropCache(address, mirror=root, mirror_bytes=most)
    for number in range(4):
        cache.fetch_shards([number])
        os.utime(cache.shard_file(number), (number, number))
    os.close(cache.open_shard(0))  # used now
    cache.fetch_shards([7])
    there = [number for number in range(10) if cache.shard_file(number).exists()]
    assert 0 in there
    assert 7 in there
    assert 1 not in there
    for number in [*range(10), *range(10)]:
        cache.fetch_shards([number])
        assert sum(file.stat().st_size for file in root.rglob("*") if file.is_file()) <= most


def test_a_shard_that_is_read_is_not_deleted(
    make_cache: MakeCache, bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room_module, "WAIT_SECONDS", 0.1)
    stored = make_cache(tmp_path / "here/many.zarr", label=[0, 1] * 5, clips_per_shard=2, size=32)
    address, shard = upload(stored, bucket), len(shard_bytes(stored, 0))
    cache = CropCache(address, mirror=tmp_path / "mirror")
    columns = sum(file.stat().st_size for file in (tmp_path / "mirror").rglob("*") if file.is_file())
    cache = CropCache(address, mirror=tmp_path / "mirror", mirror_bytes=columns + 2 * shard + 2000)
    descriptor = cache.open_shard(0)
    os.utime(cache.shard_file(0), (1, 1))
    for number in (1, 2, 3, 4):
        cache.fetch_shards([number])
    assert cache.shard_file(0).exists()
    os.close(descriptor)
    with cache.held_shards([2, 3]):  # more than there is room for beside another: says so, and goes on
        with pytest.warns(UserWarning, match="grows beyond"):
            cache.fetch_shards([4])
        assert cache.shard_file(2).exists()
        assert cache.shard_file(3).exists()


def test_a_shard_that_is_larger_than_the_mirror_is_refused(stored: Path, bucket: str, tmp_path: Path) -> None:
    cache = CropCache(upload(stored, bucket), mirror=tmp_path / "mirror", mirror_bytes=1000)
    with pytest.raises(CacheError, match=r"the mirror .* may have 1000; give a larger --mirror-size"):
        cache.fetch_shards([0])


def test_a_full_disk_is_told_in_one_line(
    stored: Path, bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = CropCache(upload(stored, bucket), mirror=tmp_path / "mirror")

    def full(self: object, *_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(RemoteFiles, "fetch", full)
    with pytest.raises(DiskFullError, match=r"no space is left on the disk of the mirror .*--mirror"):
        cache.fetch_shards([0])


def test_shards_go_when_the_disk_is_almost_full(
    stored: Path, bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = CropCache(upload(stored, bucket), mirror=tmp_path / "mirror")
    cache.fetch_shards([0, 1])
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=0))
    monkeypatch.setattr(room_module, "WAIT_SECONDS", 0)
    with Room(tmp_path / "mirror", None).kept(1, release=lambda: None, name="x", on_growth=lambda: None):
        pass
    assert not cache.shard_file(0).exists()
    assert not cache.shard_file(1).exists()


_FETCHES = """
import sys
from mocrop.pipeline.cache.crop_cache import CropCache
cache = CropCache(sys.argv[1], mirror=sys.argv[2])
print("open", flush=True)
sys.stdin.readline()
cache.fetch_shards(range(3))
"""


def test_several_processes_fetch_each_shard_once(
    stored: Path, bucket: str, faulty_line: FaultyLine, tmp_path: Path
) -> None:
    address = upload(stored, bucket)
    command = [sys.executable, "-c", _FETCHES, address, str(tmp_path / "mirror")]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    processes = [subprocess.Popen(command, **pipes) for _ in range(3)]  # type: ignore[call-overload]
    for each in processes:
        assert each.stdout.readline() == "open\n"
    for each in processes:
        each.stdin.write("go\n")
        each.stdin.flush()
    for each in processes:
        each.communicate()
        assert each.returncode == 0
    shards = faulty_line.fetched("0/0/0/0")
    assert sorted(shards) == [f"/{bucket}/seven.zarr/frames/c/{number}/0/0/0/0" for number in range(3)]


def test_a_fetch_that_was_killed_goes_on(
    make_cache: MakeCache, bucket: str, faulty_line: FaultyLine, tmp_path: Path
) -> None:
    stored = make_cache(tmp_path / "here/seven.zarr", label=[0] * 9, size=64)
    address = upload(stored, bucket)
    program = "from mocrop.pipeline import address\naddress.BLOCK_BYTES = 20_000\n" + _FETCHES
    process = subprocess.Popen(
        [sys.executable, "-c", program, address, str(tmp_path / "mirror")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdout.readline()
    faulty_line.bytes_per_second = 100_000
    process.stdin.write("go\n")
    process.stdin.flush()

    def partials() -> list[Path]:
        return [file for file in (tmp_path / "mirror").rglob("*.partial") if file.stat().st_size]

    until(lambda: bool(partials()))
    process.kill()
    process.communicate()
    came = sum(file.stat().st_size for file in partials())
    assert came > 0
    faulty_line.bytes_per_second, faulty_line.sent_bytes = None, 0
    cache = CropCache(address, mirror=tmp_path / "mirror")
    faulty_line.sent_bytes = 0
    cache.fetch_shards(range(3))
    for shard in range(3):
        assert shard_bytes(cache.path, shard) == shard_bytes(stored, shard)
    assert faulty_line.sent_bytes == sum(len(shard_bytes(stored, shard)) for shard in range(3)) - came
    assert list((tmp_path / "mirror").rglob("*.partial")) == []


def until(condition: Callable[[], bool]) -> None:
    for _ in range(1000):
        if condition():
            return
        time.sleep(0.01)
    pytest.fail("it has not come to that")


def test_a_bucket_that_vanishes_is_named(stored: Path, bucket: str, s3_server: str, tmp_path: Path) -> None:
    cache = CropCache(upload(stored, bucket), mirror=tmp_path / "mirror")
    cache.fetch_shards([0])
    delete_bucket(s3_server, bucket)
    with pytest.raises(AddressError, match=f"s3://{bucket}/seven.zarr"):
        cache.fetch_shards([1])
    cache.fetch_shards([0])
    with pytest.raises(AddressError, match="there is no such bucket"):
        CropCache(f"s3://{bucket}/seven.zarr", mirror=tmp_path / "mirror")


def test_what_is_no_cache_is_named_by_its_address(stored: Path, bucket: str, tmp_path: Path) -> None:
    upload(stored, bucket)
    with pytest.raises(CacheError, match=f"s3://{bucket}/eight.zarr is not a crop cache"):
        CropCache(f"s3://{bucket}/eight.zarr", mirror=tmp_path / "mirror")
    (stored / "zarr.json").write_text((stored / "zarr.json").read_text().replace('"Dig"', '"Dug"'))
    with pytest.raises(CacheError, match=f"s3://{bucket}/seven.zarr is damaged") as told:
        CropCache(upload(stored, bucket), mirror=tmp_path / "mirror")
    assert str(tmp_path) not in str(told.value)


def test_names_at_an_address_lead_nowhere_but_into_its_mirror(
    stored: Path, bucket: str, s3_server: str, tmp_path: Path
) -> None:
    content = parsed_json((stored / "zarr.json").read_bytes())
    attributes = content["attributes"]["mocrop"]
    attributes["metadata"]["../../../gone"] = attributes["metadata"].pop("box")
    content["attributes"]["mocrop"] = with_checksum(attributes)
    (stored / "zarr.json").write_text(json.dumps(content))
    address = upload(stored, bucket)
    with pytest.raises(CacheError, match=r"it names an array '\.\./\.\./\.\./gone'"):
        CropCache(address, mirror=tmp_path / "mirror")
    assert not list(tmp_path.rglob("gone"))


def test_a_workspace_of_others_sends_nobody_to_an_address(stored: Path) -> None:
    (stored.parent / "mirror.json").write_text('{"address": "memory://elsewhere/a.zarr", "most_bytes": null}')
    assert CropCache(stored).mirror is None


def test_what_has_not_been_fetched_is_missing_for_those_who_do_not_fetch(
    stored: Path, bucket: str, tmp_path: Path
) -> None:
    cache = CropCache(upload(stored, bucket), mirror=tmp_path / "mirror")
    cache.fetch_shards([1])
    assert cache.missing_shards() == [0, 2]
    with pytest.raises(ValueError, match="missing"):
        cache.open_frames()[0, 0].read().result()  # and never zeros


def test_nothing_in_a_mirror_holds_credentials(stored: Path, bucket: str, tmp_path: Path) -> None:
    CropCache(upload(stored, bucket), mirror=tmp_path / "mirror").fetch_shards([0])
    for file in (tmp_path / "mirror").rglob("*"):
        assert not file.is_file() or SECRET.encode() not in file.read_bytes()


def test_shards_are_fetched_ahead_in_the_order_of_their_first_use(tmp_path: Path) -> None:
    lock, fetched = threading.Lock(), []

    def fetch(shard: int) -> None:
        with lock:
            fetched.append(shard)

    ahead = Ahead(fetch, [[5, 1], [1, 2], [5, 7]], most_shards=2)
    until(lambda: len(fetched) == 2)
    time.sleep(0.05)
    assert fetched == [5, 1]  # no more may lie ready
    ahead.begin(0)
    until(lambda: len(fetched) == 4)
    assert fetched[2:] == [1, 2]
    ahead.begin(2)
    until(lambda: len(fetched) == 6)
    ahead.close()


def test_what_cannot_be_fetched_ahead_ends_the_fetching() -> None:
    asked = []

    def fetch(shard: int) -> None:
        asked.append(shard)
        raise AddressError("gone")

    Ahead(fetch, [list(range(1000))], most_shards=None)
    time.sleep(0.2)
    assert len(asked) <= 16


def test_sizes_are_read_as_du_prints_them() -> None:
    assert parse_bytes("2M") == 2 * 1024**2
    for text in ("", "-1", "0", "G", "1X", "ten"):
        with pytest.raises(SettingsError, match="is no size of a mirror"):
            parse_bytes(text)


def test_mirrors_lie_in_the_folder_of_caches_of_the_user(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert default_root() == tmp_path / "mocrop/mirror"
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    assert default_root() == Path.home() / ".cache/mocrop/mirror"


def test_a_mirror_that_fits_is_not_warned_of(stored: Path, bucket: str, tmp_path: Path) -> None:
    address = upload(stored, bucket)
    cache = CropCache(address, mirror=tmp_path / "mirror", mirror_bytes=10**9)
    assert cache.mirror is not None
    needed = sum(len(shard_bytes(stored, shard)) for shard in range(3))
    assert cache.stored_bytes() == needed
    columns = sum(file.stat().st_size for file in cache.path.parent.rglob("*") if file.is_file())
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert cache.mirror.warn_if_small(needed)
    small = CropCache(address, mirror=tmp_path / "mirror", mirror_bytes=needed + columns - 100)
    assert small.mirror is not None
    with pytest.warns(UserWarning, match="each epoch fetches again what does not fit"):
        assert not small.mirror.warn_if_small(needed)
