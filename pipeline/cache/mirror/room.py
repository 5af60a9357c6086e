"""How large mirrors may become together, and which shards go first: those that were used longest ago.

Whoever reads a shard holds a lock on its file that others may hold too, so that one in use is never deleted, and what
is deleted is really gone from the disk. Readers let go of what they do not need when room is short.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from mocrop.pipeline.cache.mirror.place import in_words
from mocrop.pipeline.errors import CacheError, FileError
from mocrop.pipeline.files import HeldError, held
from mocrop.pipeline.platform_calls import is_unused, open_by_number, unmark

LEFT_FREE = 1 << 30  # bytes of the disk that mirrors leave, but no more than a twentieth of it
WAIT_SECONDS = 5.0  # for room that other readers hold
LONGEST_WAIT_SECONDS = 600.0  # for a lock of a system that cannot tell whether its holder lives


@contextlib.contextmanager
def waiting_lock(file: Path, *, done: Callable[[], bool] = lambda: False) -> Iterator[bool]:
    """Hold a lock file, once whoever holds it has let go.

    Args:
        done: whether there is nothing left to do, asked while waiting.
    Yields: whether it is held; False: `done` came first.
    """
    since = time.monotonic()
    with contextlib.ExitStack() as stack:
        while True:
            try:
                stack.enter_context(held(file))
                break
            except HeldError as error:
                if done():
                    yield False
                    return
                if error.way_out and time.monotonic() - since > LONGEST_WAIT_SECONDS:
                    raise FileError(f"{file} is held by {error.holder}{error.way_out}") from error
            time.sleep(0.01)
        yield True


class Room:
    """The disk room of all mirrors below one root.

    Args:
        root: the folder that they share.
        most_bytes: of everything below it; None: all but a reserve of the disk.
    """

    def __init__(self, root: Path, most_bytes: int | None) -> None:
        self.root = root
        self.most_bytes = most_bytes

    @contextlib.contextmanager
    def kept(
        self, wanted: int, *, release: Callable[[], object], name: str, on_growth: Callable[[], object]
    ) -> Iterator[None]:
        """Make room for a file that arrives within the body, and keep it meanwhile.

        What is arriving or being read just now is waited for, but not for long.

        Args:
            wanted: its bytes.
            release: lets go of files that this process has open and does not read.
            name: of the file, for errors.
            on_growth: called if there is too little room, and the file comes all the same.
        Raises: CacheError if it could never fit.
        """
        if self.most_bytes is not None and wanted > self.most_bytes:
            raise CacheError(
                f"{name} has {in_words(wanted)} bytes, and the mirror {self.root} may have "
                f"{in_words(self.most_bytes)}; give a larger --mirror-size"
            )
        note, until = (
            self.root / ".arriving" / f"{os.getpid()}-{threading.get_ident()}",
            time.monotonic() + WAIT_SECONDS,
        )
        while not self._made(wanted, note, release=release, anyway=time.monotonic() > until):
            time.sleep(0.05)
            if time.monotonic() > until:
                on_growth()
        try:
            yield
        finally:
            note.unlink(missing_ok=True)

    def empty(self, wanted: int, *, release: Callable[[], object]) -> None:
        """Delete shards of so many bytes, as the disk is full sooner than was thought."""
        with waiting_lock(self.root / ".room"):
            release()
            self._evicted(wanted)
            (self.root / ".used").unlink(missing_ok=True)

    def _made(self, wanted: int, note: Path, *, release: Callable[[], object], anyway: bool) -> bool:
        with waiting_lock(self.root / ".room"):
            used = self._counted()
            if (short := self._short(used, wanted)) > 0:
                used = self._evicted(short)
                if (short := self._short(used, wanted)) > 0:
                    release()
                    used = self._evicted(short)
            fits = anyway or self._short(used, wanted) <= 0
            if fits:
                note.parent.mkdir(exist_ok=True)
                note.write_text(str(wanted))
            (self.root / ".used").write_text(str(used + wanted if fits else used))
            return fits

    def _short(self, used: int, wanted: int) -> int:
        """Bytes that must go first."""
        if self.most_bytes is not None:
            return used + wanted - self.most_bytes
        disk = shutil.disk_usage(self.root)
        return wanted + min(LEFT_FREE, disk.total // 20) - disk.free

    def _counted(self) -> int:
        try:
            return int((self.root / ".used").read_text())
        except (OSError, ValueError):
            return self._arriving() + sum(size for _, size, _ in self._files())

    def _arriving(self) -> int:
        """Bytes of files that have their room and have not all come yet.

        To be asked before the files are counted: one that comes in between then counts twice, and never not at all.
        """
        total = 0
        for note in (self.root / ".arriving").glob("*"):
            with contextlib.suppress(OSError, ValueError):
                if left_behind(note.stat().st_mtime):
                    note.unlink()
                else:
                    total += int(note.read_text())
        return total

    def _files(self) -> Iterator[tuple[Path, int, float]]:
        """Each file below the root but those that are arriving: its path, bytes, and when it was last used."""
        for folder, _, names in os.walk(self.root):
            for name in names:
                path = Path(folder, name)
                with contextlib.suppress(OSError):
                    stat = path.stat()
                    shard = is_shard(path.relative_to(self.root))
                    if not shard or is_whole(path) or left_behind(stat.st_mtime):
                        yield path, stat.st_size, stat.st_mtime

    def _evicted(self, short: int) -> int:
        """Delete shards that nobody reads. Returns: the bytes that are left."""
        arriving, files = self._arriving(), list(self._files())
        left, freed = arriving + sum(size for _, size, _ in files), 0
        most_at_once = short + (self.most_bytes or 0) // 20  # so that not every shard to come counts all files
        for path, size, _ in sorted(files, key=lambda each: each[2]):
            if freed >= most_at_once:
                break
            if is_shard(path.relative_to(self.root)) and _deleted(path):
                freed += size
        return left - freed


def is_shard(name: Path) -> bool:
    """Whether a path below the root is that of a shard, or of what has come of one."""
    return len(name.parts) > 4 and name.parts[2] in ("frames", "motion") and name.parts[3] == "c"


def column_bytes(folder: Path) -> int:
    """Bytes of all that a mirror keeps but its shards."""
    files = (path for path in folder.parent.rglob("*") if path.is_file())
    return sum(path.stat().st_size for path in files if not is_shard(path.relative_to(folder.parent.parent)))


def is_whole(path: Path) -> bool:
    """Whether a shard has its name; else it is arriving, or was when a process was killed."""
    return path.name.isdecimal()


def left_behind(used: float) -> bool:
    """Whether nothing has come of a file for so long that nobody can be fetching it."""
    return time.time() - used > LONGEST_WAIT_SECONDS


def _deleted(path: Path) -> bool:
    """Delete a file unless somebody reads it."""
    try:
        descriptor = open_by_number(path, writing=True)
    except OSError:
        return False
    try:
        if not is_unused(descriptor):
            return False
        path.unlink(missing_ok=True)
        return True
    except OSError:  # Windows deletes no file that is open
        return False
    finally:
        unmark(descriptor)
        os.close(descriptor)
