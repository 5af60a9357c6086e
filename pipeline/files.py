"""Write files atomically, each whole and on the disk before it has its name, and hold lock files."""

from __future__ import annotations

import contextlib
import hashlib
import os
import platform
import re
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, TextIO

from mocrop.pipeline import platform_calls
from mocrop.pipeline.errors import FileError
from mocrop.pipeline.system_errors import as_mocrop_errors

_NO_FILE_NAME = re.compile(r'[/\\:*?"<>|\x00-\x1f\x7f]')
MAX_NAME_BYTES = 255  # of one part of a path, on nearly every file system


class HeldError(Exception):
    """Another process holds a lock file.

    Attributes:
        holder: which, for people.
        way_out: what to do if it has been killed, as the end of a sentence; empty where its lock has gone with it.
    """

    def __init__(self, holder: str, way_out: str) -> None:
        super().__init__(holder, way_out)
        self.holder, self.way_out = holder, way_out


def fitting_name(name: str, suffix: str) -> str:
    """The name of a file: ``name + suffix``, or where that has more than 255 bytes its start and a hash of it.

    >>> fitting_name("clip", ".mp4"), len(fitting_name("c" * 252, ".mp4")), fitting_name("c" * 252, ".mp4")[-24:]
    ('clip.mp4', 255, 'ccc~c0604d25493483a6.mp4')
    """
    content = name.encode(errors="surrogateescape")
    if len(content) + len(suffix.encode()) <= MAX_NAME_BYTES:
        return name + suffix
    ending = f"~{hashlib.sha256(content).hexdigest()[:16]}{suffix}"
    return content[: MAX_NAME_BYTES - len(ending.encode())].decode(errors="ignore") + ending


def file_stem(name: str, *, suffix: str) -> str:
    """A name as the first part of names of files, to which ``suffix`` or a shorter one is added.

    What no file on some system can have in its name becomes ``_``. Where that is so, or the name is too long, a hash of
    the name is at its end, so that two names never give one file.

    >>> file_stem("r50-on-full-split1", suffix=".json"), file_stem("split a/b", suffix=".json")
    ('r50-on-full-split1', 'split a_b~d3118aaf48f51392')
    """
    plain = _NO_FILE_NAME.sub("_", name)
    if plain != name:
        plain += f"~{hashlib.sha256(name.encode(errors='surrogateescape')).hexdigest()[:16]}"
    return fitting_name(plain, suffix).removesuffix(suffix)


def names_in(folder: Path) -> list[str]:
    """Names of what is in a folder, sorted; none if there is no such folder.

    Raises: OSError if it cannot be read, where ``glob`` would find nothing, or if it is a link that leads nowhere.
    """
    try:
        return sorted(os.listdir(folder))
    except FileNotFoundError:
        if folder.is_symlink():
            raise
        return []


def real_path(path: Path) -> Path:
    """A path without links; one of links in a circle stays as it is, where ``Path.resolve`` has a RuntimeError."""
    return Path(os.path.realpath(path))


def is_there(path: Path) -> bool:
    """Whether there is a file or folder. Raises: OSError if that cannot be known, as in a folder that is forbidden."""
    try:
        os.stat(path)
    except (FileNotFoundError, NotADirectoryError):
        return False
    return True


def write_whole(file: Path, content: bytes) -> None:
    """Write a file atomically, in a folder that is created where missing.

    Raises: DiskFullError; FileError where the system does not let it be written.
    """
    with whole_file(file) as stream:
        stream.write(content)


@contextlib.contextmanager
def whole_file(file: Path, *, writer: str = "") -> Iterator[BinaryIO]:
    """Open a file for writing; it takes its name once the body has ended and its content is on the disk.

    If the body fails, or a signal ends it, the partial file is removed. The folder is created where missing.

    Args:
        writer: part of the temporary name, for files that several processes may write at once.
    Raises: DiskFullError; FileError where the system does not let it be written, or a device or pipe has its name.
    """
    if file.exists() and not file.is_file() and not file.is_dir():  # by its name it would be replaced, /dev/stdout too
        raise FileError(f"{file} is no file but a device, pipe or socket, and would be replaced; name a file")
    partial = partial_file(file, writer=writer)
    with as_mocrop_errors(file):
        file.parent.mkdir(parents=True, exist_ok=True)
        try:
            with partial.open("wb") as stream:
                yield stream
                stream.flush()
                os.fsync(stream.fileno())
            os.replace(partial, file)
        except BaseException:
            with contextlib.suppress(OSError):  # what comes first is told
                partial.unlink(missing_ok=True)
            raise


def partial_file(file: Path, *, writer: str = "") -> Path:
    """Path under which a file is written before it takes its name, beside it.

    Args:
        writer: part of the name, for files that several processes may write at once.
    """
    return file.with_name(fitting_name(f".{file.name}", f".{writer}.partial" if writer else ".partial"))


@contextlib.contextmanager
def held(file: Path) -> Iterator[bool]:
    """Hold a lock file, in a folder made where missing, while the body runs: no other process can hold it meanwhile.

    The file stays, with the number of this process in it until the body has ended well.
    Yields: whether the holder before this one was killed, or its body failed.
    Raises: HeldError.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    with contextlib.ExitStack() as stack:
        stream = stack.enter_context(file.open("a+", encoding="utf-8"))
        try:
            stack.enter_context(platform_calls.locked(stream.fileno()))
        except (BlockingIOError, PermissionError) as error:
            raise HeldError(f"process {_content(stream) or 'unknown'}", "") from error
        except OSError:  # no locks on this system, or none on this file system
            stack.enter_context(_made_by_one(file.with_name(f"{file.name}.held")))
        cut_short = bool(_content(stream))
        stream.truncate(0)
        stream.write(str(os.getpid()))
        stream.flush()
        yield cut_short
        stream.truncate(0)


@contextlib.contextmanager
def _made_by_one(file: Path) -> Iterator[None]:
    """Make a file that is not there yet, and remove it after the body: whoever finds it has come second."""
    try:
        with file.open("x", encoding="utf-8") as stream:
            stream.write(f"process {os.getpid()} on {platform.node()}")
    except FileExistsError as error:
        way_out = f"; if it is gone, which this disk has no way to tell, delete {file}"
        raise HeldError(_holder(file), way_out) from error
    try:
        yield
    finally:
        file.unlink(missing_ok=True)


def _holder(file: Path) -> str:
    with contextlib.suppress(OSError):  # it has just let go
        return file.read_text(encoding="utf-8") or "unknown"
    return "unknown"


def _content(stream: TextIO) -> str:
    stream.seek(0)
    return stream.read().strip()
