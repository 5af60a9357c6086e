"""Files at an address: what is refused, what is tried again, what errors say and never say."""

from __future__ import annotations

import os
import pickle
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from mocrop.pipeline import address as address_module
from mocrop.pipeline.address import Address, RemoteFiles, is_address, require_no_address
from mocrop.pipeline.address_errors import without_secrets
from mocrop.pipeline.commands.export import export_crops
from mocrop.pipeline.dataset_place import dataset_place
from mocrop.pipeline.errors import AddressError
from mocrop.pipeline.workspace.paths import Workspace, locate_workspace
from tests.cloud import HASTY, SECRET, FaultyLine, delete_bucket
from tests.conftest import mocrop


def remote(bucket: str, folder: str = "a") -> RemoteFiles:
    return RemoteFiles(Address.parse(f"s3://{bucket}/{folder}"), patience=HASTY)


def test_an_address_in_capitals_is_no_name_of_a_folder() -> None:
    assert is_address("S3://bucket/a")
    assert str(Address.parse("S3://bucket/a")) == "s3://bucket/a"


@pytest.mark.parametrize("named", ["s3://me:hunter2@bucket/w", Path("s3://me:hunter2@bucket/w"), "S3://hunter2/w"])
def test_a_folder_to_be_made_here_is_not_named_as_an_address(named: Path | str, here: Path) -> None:
    """It would be made in a folder `s3:` here."""
    makers = (
        lambda: Workspace.at(named),
        lambda: locate_workspace(Path(named)),
        lambda: export_crops(here, named),
        lambda: require_no_address(named, "--scratch"),
    )
    for make in makers:
        with pytest.raises(AddressError, match="is a folder on this disk, and an address was named") as told:
            make()
        assert "hunter2" not in str(told.value)
    for fine in ("s3", "s3/a", "s3:", "/s3:/a", "C:/videos", "a:b/c"):
        require_no_address(fine, "a workspace")


@pytest.mark.parametrize("command", [("push", "{}", "s3://b/c.zarr"), ("verify", "{}"), ("verify", "{}", "--forget")])
def test_no_command_repeats_credentials_of_an_address_that_it_does_not_take(
    command: tuple[str, ...], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Workspace.at(tmp_path).settings_file.write_text('dataset = "."')
    words = (word.format("s3://me:hunter2@bucket/c.zarr") for word in command)
    assert mocrop(*words, "-w", tmp_path) == 1
    told = capsys.readouterr()
    assert "hunter2" not in told.out + told.err
    assert "s3://***@bucket/c.zarr" in told.err


@pytest.mark.parametrize("text", ["s3://bucket//videos", "s3://bucket/a//videos", "s3://bucket/./videos"])
def test_a_data_set_is_where_it_is_named_or_nowhere(text: str) -> None:
    """As a path, it would be another place."""
    with pytest.raises(AddressError, match="a folder in it has no name, or is a dot"):
        dataset_place(text)


@pytest.mark.parametrize(
    "text",
    [
        "s3://AKIAKEY:hunter2@bucket/a",
        "https://me:hunter2@host/a.zarr",
        "https://host/a.zarr?X-Amz-Signature=hunter2",
        "s3://bucket/a?hunter2",
        "https://host/a#hunter2",
        "s3://:hunter2@",
        "S3://AKIAKEY:hunter2@bucket/a",
        "s3://AKIAKEY:with/hunter2@bucket/a",
        "s3://AKIAKEY:hunter2/bucket/a",
    ],
)
def test_an_address_with_credentials_is_refused_without_repeating_them(text: str) -> None:
    with pytest.raises(AddressError) as told:
        Address.parse(text)
    assert "hunter2" not in str(told.value)
    assert "environment" in str(told.value)


@pytest.mark.parametrize("text", ["s3://", "s3:///", "data/videos", "C:\\videos"])
def test_what_names_no_place_is_refused(text: str) -> None:
    with pytest.raises(AddressError, match="one looks like s3://bucket/folder"):
        Address.parse(text)


@pytest.mark.parametrize("place", ["host:8080/a", "[::1]:80/a", "arn:aws:s3:us-west-2:1:accesspoint/x/a", "b/a@2:x"])
def test_colons_that_are_no_credentials_stay(place: str) -> None:
    assert str(Address.parse(f"S3://{place}/")) == f"s3://{place}"


def test_what_is_no_address_is_not_repeated_with_its_credentials() -> None:
    with pytest.raises(AddressError) as told:
        Address.parse("s3:/AKIAKEY:hunter2@bucket/a")
    assert "hunter2" not in str(told.value)


def test_a_folder_here_is_named_from_the_root() -> None:
    with pytest.raises(AddressError, match="file:///folder"):
        Address.parse("file://folder/c.zarr")


def test_an_address_is_told_from_a_path() -> None:
    assert is_address("s3://b/c")
    assert is_address("memory://c")
    assert not any(map(is_address, ["/a/b", "a", "c:/a", "", None, Path("s3://b/c"), "simplecache::s3://b"]))


def test_secrets_of_the_environment_are_taken_out_of_messages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    assert SECRET not in without_secrets(f"the key {SECRET} is wrong")


def test_a_scheme_that_nobody_knows_is_refused() -> None:
    with pytest.raises(AddressError, match="nosuch is no kind of address"):
        RemoteFiles(Address.parse("nosuch://b/c"))


def test_a_package_that_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    import fsspec

    def missing(scheme: str) -> None:
        raise ImportError(f"Install {scheme}fs to access it")

    monkeypatch.setattr(fsspec, "get_filesystem_class", missing)
    with pytest.raises(AddressError, match=r"pip install 'mocrop\[cloud\]'"):
        RemoteFiles(Address.parse("s3://b/c"))
    with pytest.raises(AddressError, match="Install gsfs"):
        RemoteFiles(Address.parse("gs://b/c"))


def contract(files: RemoteFiles, folder: Path) -> None:
    """What holds for every scheme that can list and write."""
    assert files.list() == {}
    assert not files.exists("x/y")
    (folder / "source").write_bytes(b"0123456789")
    files.put(folder / "source", "x/y")
    files.write("z", b"abc")
    assert files.list() == {"x/y": 10, "z": 3}
    assert files.exists("x/y")
    assert not files.exists("x")
    assert files.read("z") == b"abc"
    came: list[int] = []
    entry = files.fetch("x/y", folder / "new/y", on_bytes=came.append)
    assert (folder / "new/y").read_bytes() == b"0123456789"
    assert sum(came) == entry.size == 10
    assert [path.name for path in (folder / "new").iterdir()] == ["y"]
    assert pickle.loads(pickle.dumps(files)).read("z") == b"abc"
    files.delete("z")
    files.delete("z")
    assert files.list() == {"x/y": 10}
    with pytest.raises(AddressError, match="it is not there") as told:
        files.read("z")
    assert told.value.missing


def test_files_in_memory(tmp_path: Path) -> None:
    contract(RemoteFiles(Address.parse("memory://contract/a")), tmp_path)


def test_files_of_a_folder(tmp_path: Path) -> None:
    contract(RemoteFiles(Address.parse(f"file://{tmp_path.as_posix()}/stored")), tmp_path)


def test_files_of_a_bucket(bucket: str, tmp_path: Path) -> None:
    contract(remote(bucket), tmp_path)


def test_files_of_a_web_server_that_knows_no_ranges(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("aiohttp")
    monkeypatch.setattr(address_module, "BLOCK_BYTES", 4)
    stored = tmp_path / "stored/a b"
    stored.mkdir(parents=True)
    (stored / "ten").write_bytes(b"0123456789")
    (stored / "none").write_bytes(b"")
    handler = partial(SimpleHTTPRequestHandler, directory=str(tmp_path / "stored"))
    handler.func.log_message = lambda *_: None  # type: ignore[attr-defined,method-assign]
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        files = RemoteFiles(Address.parse(f"http://127.0.0.1:{server.server_port}/a b"), patience=HASTY)
        assert files.read("ten") == b"0123456789"
        assert files.fetch("ten", tmp_path / "ten").size == 10
        assert files.fetch("none", tmp_path / "none").size == 0
        assert not files.exists("other")
        server.shutdown()
    assert (tmp_path / "ten").read_bytes() == b"0123456789"
    assert (tmp_path / "none").read_bytes() == b""
    with pytest.raises(AddressError, match="lists no files"):
        files.list()
    with pytest.raises(AddressError, match="after 4 attempts"):
        files.read("ten")


def test_a_bucket_that_is_not_there_is_named(bucket: str, s3_server: str) -> None:
    delete_bucket(s3_server, bucket)
    for action in (lambda: remote(bucket).read("x"), lambda: remote(bucket).write("x", b"1")):
        with pytest.raises(AddressError, match="there is no such bucket") as told:
            action()
        assert bucket in str(told.value)


def test_an_address_without_rights_is_named(bucket: str, faulty_line: FaultyLine) -> None:
    files = remote(bucket)
    files.write("x", b"1")
    faulty_line.denied = True
    for action in (files.list, lambda: files.read("x"), lambda: files.entry("x"), lambda: files.write("x", b"2")):
        with pytest.raises(AddressError, match="access is denied") as told:
            action()
        assert not told.value.missing
        assert SECRET not in str(told.value)


def test_credentials_that_are_missing_are_asked_for(bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    with pytest.raises(AddressError, match="no credentials were found"):
        remote(bucket).read("x")


def test_a_busy_server_is_asked_again(bucket: str, faulty_line: FaultyLine) -> None:
    files = remote(bucket)
    files.write("x", b"1")
    faulty_line.busy = HASTY.attempts - 1
    assert files.read("x") == b"1"
    faulty_line.busy = HASTY.attempts
    faulty_line.requests.clear()
    with pytest.raises(AddressError, match="after 4 attempts"):
        files.read("x")
    assert len(faulty_line.requests) == HASTY.attempts


def test_a_server_that_refuses_connections_is_unreachable(bucket: str, faulty_line: FaultyLine) -> None:
    files = remote(bucket)
    faulty_line.refuse()
    with pytest.raises(AddressError, match="the server or the line to it failed after 4 attempts") as told:
        files.read("x")
    assert not told.value.missing
    faulty_line.restore()
    files.write("x", b"1")
    assert files.exists("x")


def test_a_torn_answer_is_never_taken_for_the_file(bucket: str, faulty_line: FaultyLine, tmp_path: Path) -> None:
    files, content = remote(bucket), os.urandom(100_000)
    files.write("x", content)
    faulty_line.cut_after, faulty_line.cuts = 70_000, 2
    assert files.read("x") == content
    faulty_line.cuts = 2
    files.fetch("x", tmp_path / "x")
    assert (tmp_path / "x").read_bytes() == content
    faulty_line.cuts = 100
    with pytest.raises(AddressError, match="failed after 4 attempts"):
        files.fetch("x", tmp_path / "other")
    assert not (tmp_path / "other").exists()


def test_a_copy_that_was_broken_off_goes_on(
    bucket: str, faulty_line: FaultyLine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(address_module, "BLOCK_BYTES", 1000)
    files, content = remote(bucket), os.urandom(5500)
    files.write("x", content)

    def vanishes(came: int) -> None:
        if sum(1 for line in faulty_line.requests if line.startswith("GET")) == 3:
            faulty_line.refuse()

    with pytest.raises(AddressError):
        files.fetch("x", tmp_path / "x", on_bytes=vanishes)
    faulty_line.restore()
    faulty_line.requests.clear()
    files.fetch("x", tmp_path / "x")
    assert (tmp_path / "x").read_bytes() == content
    assert sum(1 for line in faulty_line.requests if line.startswith("GET")) == 3  # of six blocks, three were there
    assert [path.name for path in tmp_path.iterdir()] == ["x"]


def test_what_has_changed_is_never_mixed(bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(address_module, "BLOCK_BYTES", 1000)
    files, old, new = remote(bucket), b"o" * 2500, b"n" * 2500
    files.write("x", old)

    def replaced(came: int) -> None:
        files.write("x", new)

    with pytest.raises(AddressError, match="it was changed while it was copied"):
        files.fetch("x", tmp_path / "x", on_bytes=replaced)
    files.fetch("x", tmp_path / "x")
    assert (tmp_path / "x").read_bytes() == new


def test_what_is_left_of_an_older_file_is_thrown_away(
    bucket: str, faulty_line: FaultyLine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(address_module, "BLOCK_BYTES", 1000)
    files = remote(bucket)
    files.write("x", b"o" * 2500)
    with pytest.raises(AddressError):
        files.fetch("x", tmp_path / "x", on_bytes=lambda _: faulty_line.refuse())
    faulty_line.restore()
    files.write("x", b"n" * 2500)
    files.fetch("x", tmp_path / "x")
    assert (tmp_path / "x").read_bytes() == b"n" * 2500
    assert [path.name for path in tmp_path.iterdir()] == ["x"]


def test_nothing_of_it_shows_credentials(bucket: str) -> None:
    files = remote(bucket)
    assert repr(files) == f"RemoteFiles(s3://{bucket}/a)"
    assert SECRET.encode() not in pickle.dumps(files)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_process_connects_by_itself(bucket: str) -> None:
    files = remote(bucket)
    files.write("x", b"1")
    child = os.fork()
    if child == 0:
        os._exit(0 if files.read("x") == b"1" else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert files.read("x") == b"1"


def test_a_process_opens_one_file_system_for_all_that_have_the_same_credentials(
    bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = remote(bucket)._opened.get()
    monkeypatch.setenv("NOTHING_TO_DO_WITH_IT", "1")
    assert remote(bucket, "b")._opened.get() is first
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "another")
    assert (second := remote(bucket)._opened.get()) is not first
    (tmp_path / "credentials").write_text("[default]")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    assert (third := remote(bucket)._opened.get()) is not second
    os.utime(tmp_path / "credentials", (1, 1))
    assert remote(bucket)._opened.get() is not third
