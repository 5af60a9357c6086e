"""What is done where a call is missing, or where this file system has none of its kind."""

from __future__ import annotations

import errno
import os
import tempfile
import time
import unicodedata
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mocrop.pipeline import platform_calls
from mocrop.pipeline.files import HeldError, held
from mocrop.pipeline.platform_calls import (
    cpu_seconds,
    is_unused,
    link_or_copy,
    load_average,
    memory_file,
    most_open_files,
    open_by_number,
    peak_bytes,
    sync,
    unmark,
)

flock = pytest.mark.skipif(platform_calls.fcntl is None, reason="this system has other locks")


def test_a_held_file_has_the_number_of_the_process_and_is_empty_again_at_the_end(tmp_path: Path) -> None:
    with held(tmp_path / "new/.lock") as cut_short:
        assert not cut_short
        assert (tmp_path / "new/.lock").read_text() == str(os.getpid())
    assert (tmp_path / "new/.lock").read_bytes() == b""


def test_a_file_is_held_once_and_says_by_whom(tmp_path: Path) -> None:
    with held(tmp_path / ".lock"), pytest.raises(HeldError) as caught, held(tmp_path / ".lock"):
        pass
    assert (caught.value.holder, caught.value.way_out) == (f"process {os.getpid()}", "")


def test_a_body_that_failed_is_told_to_the_next_holder(tmp_path: Path) -> None:
    with pytest.raises(KeyError), held(tmp_path / ".lock"):
        raise KeyError
    with held(tmp_path / ".lock") as cut_short:
        assert cut_short
    with held(tmp_path / ".lock") as cut_short:
        assert not cut_short


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_lock_is_let_go_of_though_a_process_was_forked_meanwhile(tmp_path: Path) -> None:
    """As a worker of a loader, while a thread of its parent fetches a shard: both would have waited for its end."""
    read, write = os.pipe()
    with held(tmp_path / ".lock"):
        child = os.fork()
        if not child:
            os.close(write)
            os.read(read, 1)  # until the parent is done
            os._exit(0)
    os.close(read)
    try:
        with held(tmp_path / ".lock"):
            pass
    finally:
        os.close(write)
        os.waitpid(child, 0)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_mark_that_was_taken_back_is_gone_in_forked_processes_too(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"x")
    read, write = os.pipe()
    mine = open_by_number(tmp_path / "file", writing=True)
    assert is_unused(mine)
    child = os.fork()
    if not child:
        os.close(write)
        os.read(read, 1)
        os._exit(0)
    os.close(read)
    unmark(mine)
    os.close(mine)
    again = open_by_number(tmp_path / "file", writing=True)
    try:
        assert is_unused(again)
    finally:
        os.close(again)
        os.close(write)
        os.waitpid(child, 0)


@flock
@pytest.mark.parametrize("number", [errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP])
def test_a_file_system_without_locks_gets_a_file_that_one_makes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def no_locks(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(platform_calls.fcntl, "flock", no_locks)
    with held(tmp_path / ".lock"):
        with pytest.raises(HeldError) as caught, held(tmp_path / ".lock"):
            pass
        assert caught.value.holder.startswith(f"process {os.getpid()} on ")
        assert f"delete {tmp_path / '.lock.held'}" in caught.value.way_out
        assert (tmp_path / ".lock.held").exists()
    assert not (tmp_path / ".lock.held").exists()
    with held(tmp_path / ".lock") as cut_short:
        assert not cut_short


@pytest.mark.parametrize("refusal", [errno.EACCES, errno.EISDIR])
def test_a_folder_that_cannot_be_opened_is_not_waited_for_but_a_file_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, refusal: int
) -> None:
    (tmp_path / "file").touch()
    waited: list[int] = []
    monkeypatch.setattr(os, "fsync", waited.append)
    sync(tmp_path)
    sync(tmp_path / "file")
    assert len(waited) == 2

    def refuse(*_: object) -> int:
        raise OSError(refusal, os.strerror(refusal))

    monkeypatch.setattr(os, "open", refuse)
    sync(tmp_path)
    with pytest.raises(OSError, match=os.strerror(refusal)):
        sync(tmp_path / "file")


def test_a_disk_that_fails_to_keep_a_folder_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match=os.strerror(errno.EIO)):
        sync(tmp_path)


def test_a_link_where_links_may_be_made_and_a_copy_elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "video").write_bytes(b"pictures")
    link_or_copy(tmp_path / "video", tmp_path / "link")
    assert (tmp_path / "link").is_symlink()

    def refuse(*_: Any, **__: Any) -> None:
        raise OSError(errno.EINVAL, "A required privilege is not held by the client")

    monkeypatch.setattr(os, "symlink", refuse)
    link_or_copy(tmp_path / "video", tmp_path / "copy")
    assert not (tmp_path / "copy").is_symlink()
    assert (tmp_path / "copy").read_bytes() == (tmp_path / "link").read_bytes() == b"pictures"


def test_a_link_replaces_nothing(tmp_path: Path) -> None:
    (tmp_path / "there").write_bytes(b"mine")
    with pytest.raises(FileExistsError):
        link_or_copy(tmp_path / "video", tmp_path / "there")
    assert (tmp_path / "there").read_bytes() == b"mine"


@pytest.mark.parametrize("missing", [False, True])
def test_work_takes_cpu_time(monkeypatch: pytest.MonkeyPatch, missing: bool) -> None:
    if missing:
        monkeypatch.setattr(platform_calls, "resource", None)
    before, start = cpu_seconds(), time.process_time()
    while time.process_time() - start < 0.05:
        pass
    assert 0 < before < cpu_seconds()


@pytest.mark.parametrize("most", [100, -1])
def test_a_system_without_a_limit_on_open_files_has_a_large_one(monkeypatch: pytest.MonkeyPatch, most: int) -> None:
    monkeypatch.setattr(os, "sysconf", lambda _: most, raising=False)
    assert most_open_files() == 100 if most > 0 else most_open_files() > 10**6
    monkeypatch.delattr(os, "sysconf")
    assert most_open_files() == 512


def test_what_the_system_does_not_say_is_zero(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform_calls, "resource", None)
    monkeypatch.setattr(Path, "exists", lambda _: False)
    monkeypatch.delattr(os, "getloadavg", raising=False)
    assert peak_bytes() == load_average() == 0


def test_this_process_takes_some_memory() -> None:
    assert 1e6 < peak_bytes() < 1e12 or platform_calls.resource is None


@pytest.mark.parametrize("folds", [str, str.lower, lambda name: unicodedata.normalize("NFC", name)])
def test_a_disk_is_asked_whether_it_folds_names(
    folds: Callable[[str], str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def exists(path: Path) -> bool:
        return folds(path.name) in {folds(other.name) for other in path.parent.iterdir()}

    monkeypatch.setattr(Path, "exists", exists)
    assert platform_calls.folds_names(tmp_path) is (folds is not str)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_takes_no_files_is_not_said_to_fold_names(tmp_path: Path) -> None:
    assert platform_calls.folds_names(tmp_path / "gone") is False


@pytest.mark.parametrize("in_memory", [True, False])
def test_a_file_that_is_in_no_folder_has_a_path_while_it_is_needed(
    in_memory: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if in_memory and not hasattr(os, "memfd_create"):
        pytest.skip("this system has no files in memory")
    if not in_memory:
        monkeypatch.delattr(os, "memfd_create", raising=False)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with memory_file() as file:
        assert file.read_bytes() == b""
        file.write_bytes(b"abc")
        assert (file.read_bytes(), file.stat().st_size) == (b"abc", 3)
        assert bool(list(tmp_path.rglob("*"))) is not in_memory
    assert not file.exists()
    assert not list(tmp_path.iterdir())


def test_a_folder_is_let_go_where_python_has_ended_its_modules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    held_folder = platform_calls.HeldFolder(tmp_path)
    descriptor = held_folder._descriptor
    assert os.fstat(descriptor)
    monkeypatch.setattr(platform_calls, "os", None)
    del held_folder
    monkeypatch.undo()
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(descriptor)
