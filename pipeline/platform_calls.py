"""Calls that not every system has, each in a function that does what can be done where the call is missing.

Whether a call is there is looked up, not known from the name of the system. No other module names these calls, but
for ``time_limit``, which has the alarm to itself; a test keeps it so. docs/platforms.md says what differs where.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import shutil
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]
try:
    import msvcrt
except ImportError:  # everything else
    msvcrt = None  # type: ignore[assignment]
try:
    import resource
except ImportError:  # Windows
    resource = None  # type: ignore[assignment]

LOCKED_BYTE = 1 << 30  # far behind what is in a lock file: on Windows nobody else can read a byte that is locked
_SYNCS_AT_ONCE = 16  # of small files
NOT_FOR_FOLDERS = (errno.EACCES, errno.EPERM, errno.EISDIR, errno.EBADF, errno.EINVAL)


def _no_such_call(*_: object) -> int:
    raise NotImplementedError("this system has no such call")


# Bound once, as they are called some 100,000 times a second.
CAN_READ_AT = hasattr(os, "preadv")
read_at: Callable[..., int] = getattr(os, "preadv", _no_such_call)  # descriptor, buffers, offset, flags -> bytes read
IF_IN_MEMORY: int = getattr(os, "RWF_NOWAIT", 0)  # a read that would have to wait fails; without, it waits
CAN_EVICT = hasattr(os, "posix_fadvise")  # Linux and some others; not macOS
advise: Callable[..., object] = getattr(os, "posix_fadvise", lambda *_: None)  # descriptor, offset, length, what
WILL_NEED: int = getattr(os, "POSIX_FADV_WILLNEED", 0)


def open_by_number(path: Path, *, writing: bool = False) -> int:
    """Open a file whose bytes are read as they are, and may be written too. Returns: its descriptor."""
    return os.open(path, (os.O_RDWR if writing else os.O_RDONLY) | getattr(os, "O_BINARY", 0))


@contextlib.contextmanager
def locked(descriptor: int) -> Iterator[None]:
    """Lock an open file while the body runs; a killed process lets go of it. What is in the file can still be read.

    Raises: BlockingIOError or PermissionError if another process has locked it; OSError with another number where the
        system, or the file system, has no locks.
    """
    if fcntl is not None:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        process = os.getpid()
        try:
            yield
        finally:  # closing the file would not do: a process that was forked meanwhile has it open, too
            if process == os.getpid():
                fcntl.flock(descriptor, fcntl.LOCK_UN)
    elif msvcrt is not None:
        _byte_lock(descriptor, "LK_NBLCK")
        try:
            yield
        finally:
            _byte_lock(descriptor, "LK_UNLCK")
    else:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))


def mark_in_use(descriptor: int) -> None:
    """Let others know that an open file is read, until it is closed; without effect where files have no such locks."""
    if fcntl is not None:
        with contextlib.suppress(OSError):
            fcntl.flock(descriptor, fcntl.LOCK_SH)


def is_unused(descriptor: int) -> bool:
    """Whether nobody has marked a file that is open for writing; where it is so, nobody can until :func:`unmark`."""
    if fcntl is not None:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except (BlockingIOError, PermissionError):
            return False
        except OSError:  # no locks here
            return True
    return True


def unmark(descriptor: int) -> None:
    """Take back the mark of an open file, also from processes that were forked since."""
    if fcntl is not None:
        with contextlib.suppress(OSError):
            fcntl.flock(descriptor, fcntl.LOCK_UN)


def _byte_lock(descriptor: int, mode: str) -> None:
    place = os.lseek(descriptor, 0, os.SEEK_CUR)
    os.lseek(descriptor, LOCKED_BYTE, os.SEEK_SET)
    try:
        msvcrt.locking(descriptor, getattr(msvcrt, mode), 1)  # type: ignore[attr-defined]
    finally:
        os.lseek(descriptor, place, os.SEEK_SET)


def sync(path: Path) -> None:
    """Wait until a file, or the names in a folder, are on the disk.

    Folders are left out where they cannot be opened, as on Windows, or not be waited for, as on some network drives.
    """
    folder = path.is_dir()
    try:
        descriptor = os.open(path, os.O_RDONLY if folder else os.O_RDWR)  # Windows wants a file open for writing
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except OSError as error:
        if not (folder and error.errno in NOT_FOR_FOLDERS):
            raise


def sync_all(files: Sequence[Path]) -> None:
    """Wait until many small files are on the disk: at once, as a disk then writes them together, ten times as fast."""
    if len(files) == 1:
        sync(files[0])
        return
    with ThreadPoolExecutor(_SYNCS_AT_ONCE) as pool:
        for _ in pool.map(sync, files):  # raises what a call has raised
            pass


class HeldFolder:
    """A folder, told apart from any that comes to its path later; kept open where possible, so none passes for it.

    Attributes:
        identity: its device and number on it; None if it was not there.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._descriptor = -1
        with contextlib.suppress(OSError):  # Windows opens no folders; one that is not there is nobody's
            self._descriptor = os.open(path, os.O_RDONLY)
        self.identity = _file_identity(path)

    def __del__(self, close: Callable[[int], None] = os.close) -> None:  # where Python ends, `os` may be gone before it
        if getattr(self, "_descriptor", -1) >= 0:
            close(self._descriptor)

    def is_still_there(self) -> bool:
        """Whether this folder, and no other, is at its path."""
        return self.identity is not None and _file_identity(self._path) == self.identity


def _file_identity(path: Path) -> tuple[int, int] | None:
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_dev, status.st_ino


def link_or_copy(source: Path, link: Path) -> None:
    """Make a link to a file, or a copy where links may not be made, as by most users of Windows.

    Raises: FileExistsError if there is something at ``link``.
    """
    try:
        link.symlink_to(source)
    except FileExistsError:
        raise
    except (OSError, NotImplementedError):
        shutil.copyfile(source, link)


@contextlib.contextmanager
def memory_file() -> Iterator[Path]:
    """An empty file for the body to write and read by its path: in memory, else where temporary files are.

    It is gone after the body, and after a process that was killed where it is in memory.
    """
    if hasattr(os, "memfd_create") and Path("/proc/self/fd").is_dir():
        descriptor = os.memfd_create("mocrop")
        try:
            yield Path(f"/proc/self/fd/{descriptor}")
        finally:
            os.close(descriptor)
    else:
        with tempfile.TemporaryDirectory(prefix="mocrop-") as folder:
            file = Path(folder, "video")
            file.touch()
            yield file


def folds_names(folder: Path) -> bool:
    """Whether this disk takes names for one that differ in case, or in how an accent is written, as macOS and Windows.

    False where nothing can be written into the folder.
    """
    try:
        with tempfile.TemporaryDirectory(prefix=".mocrop-", dir=folder) as probe:
            Path(probe, "a\u00e9").touch()
            return Path(probe, "A\u00e9").exists() or Path(probe, "ae\u0301").exists()
    except OSError:
        return False


def evict(file: Path) -> None:
    """Drop what the system holds of a file in memory; it is written out first. Only where CAN_EVICT."""
    descriptor = os.open(file, os.O_RDONLY)
    try:
        os.fsync(descriptor)
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
    finally:
        os.close(descriptor)


def in_memory(file: Path) -> bool | None:
    """Whether the first bytes of a file can be read without waiting for a disk; None where that cannot be known."""
    if not IF_IN_MEMORY:
        return None
    descriptor = os.open(file, os.O_RDONLY)
    try:
        return read_at(descriptor, [bytearray(1)], 0, IF_IN_MEMORY) == 1
    except BlockingIOError:
        return False
    except OSError:  # this file system cannot say
        return None
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def without_interrupts() -> Iterator[None]:
    """Keep Ctrl-C from the threads that the body starts, and so from the processes that those start.

    This thread sees it again after the body, however short. Nothing is kept from them on Windows.
    """
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    from multiprocessing import resource_tracker

    resource_tracker.ensure_running()  # starting it, as the first process does, would let its thread see Ctrl-C again
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def after_fork(call: Callable[[], object]) -> None:
    """Have something done first in every process that is forked from this one, where processes fork."""
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=call)


def most_open_files() -> int:
    """How many files the system lets this process have open; 512, as on Windows, where it does not say."""
    if not hasattr(os, "sysconf"):
        return 512
    most = os.sysconf("SC_OPEN_MAX")
    return sys.maxsize if most < 0 else most


def usable_cores() -> int:
    """How many cores the system lets this process run on, of those that the machine has."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def memory_bytes() -> tuple[int, int]:
    """Memory of the machine, and how much of it programs could have now; 0 for what the system does not say."""
    facts = Path("/proc/meminfo")
    if facts.exists():
        found = dict(re.findall(r"^(\w+):\s*(\d+) kB", facts.read_text(encoding="ascii"), flags=re.MULTILINE))
        return int(found.get("MemTotal", 0)) * 1024, int(found.get("MemAvailable", 0)) * 1024
    names = getattr(os, "sysconf_names", {})
    if "SC_PHYS_PAGES" in names:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"), 0
    return 0, 0


def control_groups() -> list[Path]:
    """Folders of the control groups that this process is in, the innermost first; empty where there are none.

    Within a container they are those at the top, whatever the system calls them.
    """
    groups, root = Path("/proc/self/cgroup"), Path("/sys/fs/cgroup")
    if not groups.exists():
        return []
    folders: list[Path] = []
    for line in groups.read_text(encoding="utf-8", errors="replace").splitlines():
        _, controllers, path = line.split(":", 2)
        top = root / controllers if controllers else root  # the second version of control groups names none
        below = Path(path.lstrip("/"))
        folders += [top / part for part in (below, *below.parents)]
    return list(dict.fromkeys(folder for folder in folders if folder.is_dir()))


def cpu_seconds() -> float:
    """User and system time of this process and of its children that have ended, to the microsecond.

    On Windows without the children, and in steps of some 16 ms.
    """
    if resource is None:
        return sum(os.times()[:4])
    own, children = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
    return own.ru_utime + own.ru_stime + children.ru_utime + children.ru_stime


def peak_bytes() -> int:
    """Largest resident size of this process so far; 0 where that cannot be known.

    Linux says it of this process alone; getrusage also counts the one that has started it.
    """
    status = Path("/proc/self/status")
    if status.exists():
        return int(re.findall(rb"VmHWM:\s*(\d+) kB", status.read_bytes())[0]) * 1024
    if resource is None:
        return 0
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def load_average() -> float:
    """How many processes have wanted a core in the last minute; 0 where the system does not say."""
    return os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0
