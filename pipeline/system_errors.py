"""What the system says of a file or a folder, as one line for people; and errors that leave a process."""

from __future__ import annotations

import contextlib
import errno
import functools
import os
import pickle
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import ParamSpec, TypeVar

from mocrop.pipeline.errors import FileError, MocropError, causes, raise_if_disk_full

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")

_AGAIN = "then run the same command again"
_RIGHTS = f"give yourself the right to it, or name another place; {_AGAIN}"
_DISK = f"see that its disk, and the network to it, work; {_AGAIN}"
_IN_THE_WAY = f"move away what is there, or name another place; {_AGAIN}"
WAYS_OUT = {
    errno.EACCES: _RIGHTS,
    errno.EPERM: _RIGHTS,
    errno.EROFS: f"make its disk writable, or name another place; {_AGAIN}",
    errno.ENOENT: f"put it there, or name another; {_AGAIN}",
    errno.ENOTDIR: _IN_THE_WAY,
    errno.EISDIR: _IN_THE_WAY,
    errno.EEXIST: _IN_THE_WAY,
    errno.ENOTEMPTY: _IN_THE_WAY,
    errno.ELOOP: f"mend the link, which leads to itself; {_AGAIN}",
    errno.ENAMETOOLONG: "use a shorter name, or a shorter path of the workspace",
    errno.EMFILE: f"let a process open more files (ulimit -n), or use fewer --workers; {_AGAIN}",
    errno.ENFILE: f"end other programs, which have too many files open; {_AGAIN}",
    errno.ENOLCK: f"name a place on a disk that has locks; {_AGAIN}",
    errno.EIO: _DISK,
    errno.ENXIO: _DISK,
    errno.ENODEV: _DISK,
    errno.ESTALE: _DISK,
    errno.ETIMEDOUT: _DISK,
    errno.ENOTCONN: _DISK,
    errno.EBUSY: f"end the program that has it open; {_AGAIN}",
    errno.EFBIG: f"name a place on a disk that takes files of this size; {_AGAIN}",
}
# What no clip is to blame for, wherever it happens while something is written.
OF_THE_DISK = (errno.EACCES, errno.EPERM, errno.EROFS, errno.EIO, errno.ENXIO, errno.ENODEV, errno.ESTALE)


def file_error(error: OSError, file: Path | None = None) -> FileError | None:
    """What an error of the system says as one line: the path, the fact and the way out.

    Args:
        file: what was read or written, where the error does not name it.
    Returns: None for an error that names no file and is none of those that disks, rights and limits cause.

    >>> print(file_error(PermissionError(errno.EACCES, "Permission denied", "/data/a.avi")))  # doctest: +ELLIPSIS
    /data/a.avi: Permission denied; give yourself the right to it, or name another place; then run the same ...
    """
    named = _named(error) or ("" if file is None else os.fspath(file))
    if not named and error.errno not in WAYS_OUT:
        return None
    said = error.strerror or str(error) or type(error).__name__
    way_out = WAYS_OUT.get(error.errno or 0, f"see that it can be read and written; {_AGAIN}")
    return FileError(f"{named}: {said}; {way_out}" if named else f"the system says: {said}; {way_out}")


def require_folder() -> None:
    """Raises: FileError if the current folder has been deleted, without which libraries do not even load."""
    try:
        os.getcwd()
    except OSError as error:
        raise FileError(f"the current folder: {error.strerror}; change to one that is there (cd), {_AGAIN}") from error


def _named(error: OSError) -> str:
    """The path that an error names; of two, as of a renaming, the one that is to be."""
    name = error.filename2 if error.filename2 is not None else error.filename
    if isinstance(name, bytes):
        return os.fsdecode(name)
    return str(name) if isinstance(name, str | os.PathLike) else ""


@contextlib.contextmanager
def as_mocrop_errors(file: Path | None = None) -> Iterator[None]:
    """Turn errors of the system in the body into FileError or DiskFullError; others are raised as they are.

    An error of a library that comes from one of the system, as PyTorch's after a disk has refused a write, is taken
    for that.

    Args:
        file: what the body reads or writes, for errors that name no file.
    """
    try:
        yield
    except MocropError:
        raise
    except Exception as error:
        raise_if_disk_full(error)
        wrapped = isinstance(error, OSError) and error.errno is None  # words of a library, as of Matplotlib
        for each in causes(error) if file is not None or wrapped else [error]:
            if isinstance(each, OSError) and (told := file_error(each, file)) is not None:
                raise told from error
        raise


def errors_that_travel(function: Callable[Arguments, Result]) -> Callable[Arguments, Result]:
    """Make a function raise only what another process can be sent: errors of mocrop, or ones that pickle restores.

    A Dask worker loses what an error says that cannot be pickled. What the system says of a file becomes a FileError;
    any other error that cannot be sent becomes a RuntimeError of the same words.
    """

    @functools.wraps(function)
    def guarded(*positional: Arguments.args, **named: Arguments.kwargs) -> Result:
        try:
            with as_mocrop_errors():
                return function(*positional, **named)
        except Exception as error:
            failure = _that_travels(error)
        raise failure  # here, as what is raised above would come from the error, which Dask sends along

    return guarded


def _that_travels(error: Exception) -> Exception:
    if _travels(error):
        return error
    lines = "".join(traceback.format_exception(error))
    error.__cause__ = error.__context__ = None  # perhaps only what it comes from cannot be sent
    return error if _travels(error) else RuntimeError(f"{type(error).__name__}: {error}\n{lines}")


def _travels(error: Exception) -> bool:
    try:
        return type(pickle.loads(pickle.dumps(error))) is type(error)
    except Exception:  # each class of error fails in its own way
        return False
