"""Run a program as if mocrop were on another system: ``python emulated_system.py SYSTEM PROGRAM ARGUMENT...``.

Modules of mocrop, and they alone, find ``os`` and ``signal`` without what the system lacks, cannot import ``fcntl`` and
``resource``, and have an ``msvcrt`` where there would be one. Python's own modules and other packages keep the real
ones: asyncio imports ``fcntl`` on every system but Windows, psutil asks ``os.sysconf``. Links cannot be made by
anybody. What cannot be had here: backslashes and drives in paths, files that cannot be replaced while they are open,
and whatever compiled code does.
"""

from __future__ import annotations

import builtins
import fcntl
import importlib
import os
import struct
import sys
import types
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

NOT_ON_MACOS = {
    "os": {
        "RWF_NOWAIT",
        "posix_fadvise",
        "POSIX_FADV_WILLNEED",
        "POSIX_FADV_DONTNEED",
        "sched_getaffinity",
        "memfd_create",
    }
}
NOT_ON_WINDOWS = {
    "os": {
        *NOT_ON_MACOS["os"],
        *("preadv", "pread", "pwrite", "fork", "sysconf", "getloadavg", "nice", "uname", "getuid", "mkfifo", "chown"),
        *("O_CLOEXEC", "O_DIRECTORY", "O_NOFOLLOW", "statvfs", "fchmod", "killpg", "setsid", "sync", "fdatasync"),
        "register_at_fork",
    },
    "signal": {
        "SIGALRM",
        "setitimer",
        "getitimer",
        "alarm",
        "ITIMER_REAL",
        "SIGHUP",
        "SIGKILL",
        "SIGUSR1",
        "pthread_kill",
        "pthread_sigmask",
        "SIG_BLOCK",
        "SIG_SETMASK",
    },
}
MISSING: dict[str, dict[str, set[str]]] = {
    "linux": {},
    "macos": NOT_ON_MACOS,
    "windows": NOT_ON_WINDOWS,
    "neither": NOT_ON_WINDOWS,  # no locks of either kind
}


def emulate(system: str) -> None:
    """Show modules of mocrop that are imported from now on another system."""
    shown: dict[str, types.ModuleType | None] = {
        name: without(importlib.import_module(name), names) for name, names in MISSING[system].items()
    }
    if system == "macos":
        shown["os"].preadv = preadv_without_flags  # type: ignore[union-attr]
    if system in ("windows", "neither"):
        files: Any = shown["os"]
        files.open, files.fsync, files.scandir = open_no_folder, fsync_what_is_written, scandir_without_numbers
        os.symlink = no_links  # also for pathlib
        shown |= {"fcntl": None, "resource": None, "msvcrt": byte_locks() if system == "windows" else None}
    really_import = builtins.__import__

    def import_module(name: str, globals: Any = None, *rest: Any, **more: Any) -> types.ModuleType:
        if name in shown and str((globals or {}).get("__name__")).partition(".")[0] == "mocrop":
            found = shown[name]
            if found is None:
                raise ModuleNotFoundError(f"No module named {name!r}", name=name)
            return found
        return really_import(name, globals, *rest, **more)

    builtins.__import__ = import_module


def without(module: types.ModuleType, names: set[str]) -> types.ModuleType:
    less = types.ModuleType(module.__name__)
    vars(less).update({name: value for name, value in vars(module).items() if name not in names})
    return less


def preadv_without_flags(descriptor: int, buffers: Any, offset: int, flags: int = 0) -> int:
    if flags:
        raise NotImplementedError("preadv2: flags unavailable on this platform")
    return os.preadv(descriptor, buffers, offset)


def open_no_folder(path: Any, flags: int, *rest: Any, **more: Any) -> int:
    if os.path.isdir(path):
        raise PermissionError(13, "Permission denied", os.fspath(path))
    return os.open(path, flags, *rest, **more)


def fsync_what_is_written(descriptor: int) -> None:
    if fcntl.fcntl(descriptor, fcntl.F_GETFL) & os.O_ACCMODE == os.O_RDONLY:
        raise OSError(9, "Bad file descriptor")
    os.fsync(descriptor)


def no_links(*_: Any, **__: Any) -> None:
    raise OSError(22, "A required privilege is not held by the client")


class Entry:
    """An entry of a folder whose status lacks what Windows leaves out of it."""

    def __init__(self, entry: os.DirEntry[str]) -> None:
        self._entry, self.name, self.path = entry, entry.name, entry.path
        self.is_dir, self.is_file = entry.is_dir, entry.is_file

    def __fspath__(self) -> str:
        return self.path

    def stat(self) -> types.SimpleNamespace:
        found = self._entry.stat()
        known = {name: getattr(found, name) for name in ("st_mode", "st_size", "st_mtime_ns")}
        return types.SimpleNamespace(st_dev=0, st_ino=0, **known)


@contextmanager
def scandir_without_numbers(path: Any) -> Iterator[Iterator[Entry]]:
    with os.scandir(path) as entries:
        yield map(Entry, entries)


def byte_locks() -> types.ModuleType:
    """A ``msvcrt`` that locks bytes of an open file, as Linux can do too."""
    module: Any = types.ModuleType("msvcrt")
    module.LK_UNLCK, module.LK_NBLCK = 0, 2

    def locking(descriptor: int, mode: int, count: int) -> None:
        kind = fcntl.F_WRLCK if mode == module.LK_NBLCK else fcntl.F_UNLCK
        place = os.lseek(descriptor, 0, os.SEEK_CUR)
        try:
            fcntl.fcntl(descriptor, fcntl.F_OFD_SETLK, struct.pack("hhqqi4x", kind, os.SEEK_SET, place, count, 0))
        except BlockingIOError:
            raise PermissionError(13, "Permission denied") from None

    module.locking = locking
    return module


if __name__ == "__main__":
    emulate(sys.argv[1])
    warnings.filterwarnings("error", category=EncodingWarning, module=r"mocrop\.")  # of python -X warn_default_encoding
    program = sys.argv[2]
    sys.argv[1:3] = []
    exec(compile(program, "program", "exec"), {"__name__": "__main__"})
