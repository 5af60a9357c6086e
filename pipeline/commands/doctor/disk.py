"""How fast the disk of the workspace writes and reads, by a file that is written there and removed again."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from mocrop.pipeline.commands.doctor.finding import Finding, State, size
from mocrop.pipeline.platform_calls import CAN_EVICT, evict, in_memory, sync
from mocrop.pipeline.system_errors import file_error

CHUNK_BYTES, MOST_BYTES = 4 << 20, 64 << 20
MOST_SECONDS = 2.0  # of writing, and of reading; the chunk under way is finished
SMALL_FILES = 5
SLOW_BYTES = 20e6  # a second; a clip of UCF-101 takes 1.6 MB in a cache of 192 px
SLOW_SYNC_SECONDS = 0.05  # each file and each shard waits for the disk once

Clock = Callable[[], float]


@dataclass(frozen=True, kw_only=True)
class DiskSpeed:
    """What was measured."""

    write: float  # bytes a second, each chunk waited for until it is on the disk
    read: float  # bytes a second
    from_disk: bool  # whether what was read was not in memory; False also where that cannot be known
    sync_seconds: float  # to make a small file and wait until it is on the disk, the median


def nearest(folder: Path) -> Path:
    """The folder, or where it is not there yet the nearest above it that is."""
    return next(each for each in (folder, *folder.parents) if each.is_dir())


def disk(workspace: Path) -> Iterator[Finding]:
    """Write and read a file in the folder of the workspace, or the one in which it would be made."""
    folder = nearest(workspace)
    try:
        speed = measured(folder)
    except OSError as error:
        way_out = "make it writable, or name another workspace with -w; a cache that is there can be read all the same"
        fact = f"nothing can be written into {folder}: {file_error(error)}"
        yield Finding(name="disk", state=State.MISSING, fact=fact, way_out=way_out)
        return
    where = "from the disk" if speed.from_disk else "from memory: the disk itself may be slower"
    fact = (
        f"{folder}: writes {size(speed.write)}/s, a small file in {1000 * speed.sync_seconds:.1f} ms, each until it is"
        f" on the disk; reads {size(speed.read)}/s {where}"
    )
    state, way_out = State.OK, ""
    if speed.write < SLOW_BYTES or speed.sync_seconds > SLOW_SYNC_SECONDS:
        state, way_out = State.NOTE, "slow: the stages may wait for it; put the workspace on a faster disk with -w"
    elif speed.from_disk and speed.read < SLOW_BYTES:
        state, way_out = State.NOTE, "slow: training may wait for it; copy the cache to a faster disk"
    yield Finding(name="disk", state=state, fact=fact, way_out=way_out, facts=vars(speed))


def measured(folder: Path, *, clock: Clock = time.perf_counter) -> DiskSpeed:
    """Measure; takes a few seconds at most, unless the disk needs longer for 4 MiB.

    Bytes are random, so that no file system makes less of them.

    Raises: OSError if nothing can be written.
    """
    with tempfile.TemporaryDirectory(prefix=".mocrop-doctor-", dir=folder) as inside:
        file = Path(inside, "large")
        write = _write(file, clock)
        if CAN_EVICT:
            evict(file)
        from_disk = in_memory(file) is False
        read = _read(file, clock)
        seconds = sorted(_small(Path(inside, f"{number}"), clock) for number in range(SMALL_FILES))
    return DiskSpeed(write=write, read=read, from_disk=from_disk, sync_seconds=seconds[SMALL_FILES // 2])


def _write(file: Path, clock: Clock) -> float:
    """Write a file in chunks, as many as there is time for; bytes a second."""
    start, written, chunk = clock(), 0, os.urandom(CHUNK_BYTES)
    with file.open("wb") as stream:
        while written < MOST_BYTES and (not written or clock() - start < MOST_SECONDS):
            stream.write(chunk)
            stream.flush()
            os.fsync(stream.fileno())
            written += len(chunk)
    return written / max(clock() - start, 1e-9)


def _read(file: Path, clock: Clock) -> float:
    """Read a file from its start, as much as there is time for; bytes a second."""
    start, read = clock(), 0
    with file.open("rb", buffering=0) as stream:
        while clock() - start < MOST_SECONDS and (chunk := stream.read(CHUNK_BYTES)):
            read += len(chunk)
    return read / max(clock() - start, 1e-9)


def _small(file: Path, clock: Clock) -> float:
    """Seconds that a small file takes until it and its name are on the disk."""
    start = clock()
    file.write_bytes(b"mocrop" * 100)
    sync(file)
    sync(file.parent)
    return clock() - start
