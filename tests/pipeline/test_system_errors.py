"""What the system says becomes one line that names the path and the way out, in every process."""

from __future__ import annotations

import errno
import os
import pickle
from pathlib import Path

import av.error
import pytest

from mocrop.pipeline.errors import ClipError, DiskFullError, FileError, Reason, raise_if_disk_full
from mocrop.pipeline.files import is_there, names_in, whole_file
from mocrop.pipeline.outcome import ClipTask, clip_log
from mocrop.pipeline.stages.precrop import precrop_unit
from mocrop.pipeline.system_errors import as_mocrop_errors, errors_that_travel, file_error


@pytest.mark.parametrize(
    ("number", "way_out"),
    [
        (errno.EACCES, "give yourself the right"),
        (errno.EROFS, "make its disk writable"),
        (errno.EIO, "see that its disk"),
        (errno.ESTALE, "see that its disk"),
        (errno.EISDIR, "move away what is there"),
        (errno.ELOOP, "mend the link"),
        (errno.EMFILE, "let a process open more files"),
        (errno.ECHILD, "see that it can be read and written"),  # any other
    ],
)
def test_an_error_of_the_system_is_the_path_the_fact_and_the_way_out(number: int, way_out: str) -> None:
    told = file_error(OSError(number, os.strerror(number), "/data/a.avi"))
    assert told is not None
    assert str(told).startswith(f"/data/a.avi: {os.strerror(number)}; {way_out}")


def test_an_error_that_names_nothing_is_told_only_if_disks_or_limits_cause_it() -> None:
    assert "too many" in str(file_error(OSError(errno.EMFILE, "too many open files"))).lower()
    assert file_error(OSError(errno.EBADF, "Bad file descriptor")) is None  # a mistake in mocrop
    assert str(file_error(OSError(errno.EBADF, "Bad file descriptor"), Path("x"))).startswith("x: Bad file")
    with pytest.raises(OSError, match="Bad file descriptor") as raised, as_mocrop_errors():
        raise OSError(errno.EBADF, "Bad file descriptor")
    assert type(raised.value) is OSError


def test_of_two_names_the_one_that_is_to_be_is_told() -> None:
    error = OSError(errno.EACCES, "Permission denied", "a.partial", None, "a")
    assert str(file_error(error)).startswith("a: Permission denied")
    assert str(file_error(OSError(errno.EACCES, "Permission denied", b"caf\xe9"))).startswith("caf\udce9: ")


def test_a_full_disk_is_found_behind_the_error_that_it_has_led_to(tmp_path: Path) -> None:
    for number in (errno.ENOSPC, errno.EDQUOT):
        with pytest.raises(DiskFullError), whole_file(tmp_path / "best.pt"):
            fail_with("unexpected pos 64 vs 0", after=OSError(number, os.strerror(number)))
    with pytest.raises(FileError, match=r"best\.pt: Input/output error"), whole_file(tmp_path / "best.pt"):
        fail_with("unexpected pos 64 vs 0", after=OSError(errno.EIO, "Input/output error"))
    with pytest.raises(RuntimeError, match="a mistake"), whole_file(tmp_path / "best.pt"):
        raise RuntimeError("a mistake")
    assert os.listdir(tmp_path) == []
    raise_if_disk_full(RuntimeError("not full"))


class Odd(PermissionError):
    """An error that pickle cannot make again."""

    def __init__(self, *, path: str) -> None:
        super().__init__(errno.EACCES, "Permission denied", path)


class OddBug(Exception):
    def __init__(self, *, path: str) -> None:
        super().__init__("a mistake")


def fail_with(text: str, *, after: OSError) -> None:
    """As PyTorch's writer of zip files, which raises an error of its own while it handles that of the disk."""
    try:
        raise after
    finally:
        raise RuntimeError(text)


@pytest.mark.parametrize("with_causes", [False, True])
def test_errors_of_a_stage_can_be_sent_to_another_process(with_causes: bool) -> None:
    """Once Dask is loaded, what an error comes from is pickled with it."""
    if with_causes:
        from distributed.protocol import serialize

        assert serialize

    def sent(error: Exception) -> Exception:
        @errors_that_travel
        def stage() -> None:
            raise error

        with pytest.raises(Exception) as raised:  # noqa: PT011  # any
            stage()
        back: Exception = pickle.loads(pickle.dumps(raised.value))
        assert str(back) == str(raised.value)
        return back

    assert type(sent(Odd(path="/work/a.mp4"))) is FileError
    assert str(sent(Odd(path="/work/a.mp4"))).startswith("/work/a.mp4: Permission denied")
    of_ffmpeg = av.error.PermissionError(errno.EACCES, "Permission denied", "/work/h264/a.mp4")
    assert str(sent(of_ffmpeg)).startswith("/work/h264/a.mp4: Permission denied")
    assert "a mistake" in str(sent(OddBug(path="x")))
    assert type(sent(ClipError(Reason.DAMAGED, "a: damaged"))) is ClipError
    assert type(sent(ValueError("a mistake"))) is ValueError  # stays what it is, with its traceback


def test_a_stage_function_is_found_by_its_name_in_a_worker() -> None:
    assert pickle.loads(pickle.dumps(precrop_unit)) is precrop_unit


def test_no_clip_is_to_blame_for_a_workspace_that_cannot_be_written() -> None:
    task = ClipTask(position=0, name="A/b", path="/data/A/b.avi")
    with pytest.raises(FileError, match="nowhere"), clip_log(task):
        raise FileError("nowhere: Read-only file system")
    with clip_log(task) as log:
        raise PermissionError(errno.EACCES, "Permission denied", "/data/A/b.avi")
    assert log.failed


def test_a_folder_that_cannot_be_read_is_not_taken_for_an_empty_one(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    assert (names_in(tmp_path), names_in(tmp_path / "none")) == (["file", "link"], [])
    for name in ("file", "link"):
        with pytest.raises(OSError):  # noqa: PT011  # of the kind that the system says
            names_in(tmp_path / name)
    assert is_there(tmp_path / "file")
    assert not is_there(tmp_path / "none/at all")
    assert not is_there(tmp_path / "file/below")
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    with pytest.raises(OSError, match="symbolic links"):
        is_there(tmp_path / "loop")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="the system has no named pipes")
def test_a_pipe_or_device_is_not_replaced_by_a_file_nor_a_link_to_it(tmp_path: Path) -> None:
    (tmp_path / "stdout").symlink_to(tmp_path / "pipe")
    os.mkfifo(tmp_path / "pipe")
    for name in ("pipe", "stdout"):
        with pytest.raises(FileError, match="would be replaced; name a file"), whole_file(tmp_path / name) as stream:
            stream.write(b"x")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["pipe", "stdout"]
    assert (tmp_path / "pipe").is_fifo()
    assert (tmp_path / "stdout").is_symlink()
