"""`mocrop bench`: how fast this machine and its disk can feed training, measured within a minute.

Batches are read as training reads them, from memory and from the disk, and compared with the least that reading can
cost: a numpy memory map of the same frames, a plain copy, one file read sequentially. A few of the user's videos go
through the stages in a folder that is removed afterwards.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from mocrop.evaluation.bench.read_speed import ReadSample, ReadSpeed, State, sample_rows
from mocrop.evaluation.bench.synthetic_cache import make_cache
from mocrop.evaluation.bench.video_speed import VideoSpeed, measure_videos
from mocrop.pipeline.cache.crop_cache import CropCache
from mocrop.pipeline.limits import MAX_WORKERS, require_whole
from mocrop.pipeline.workspace.paths import Workspace

SAMPLE_BYTES = 256 * 10**6  # of frames that are read: more than a processor's cache, little enough to copy
MADE_SIZE_PX, MADE_CLIPS = 192, 144  # of the cache that is made where there is none

Say = Callable[[str], object]


@dataclass(frozen=True, kw_only=True)
class BenchSettings:
    """How to measure."""

    cache: str | None = None  # name; None: the first there is
    workers: int | None = None  # for which the time of preparing the data set is estimated; None: one per core
    rounds: int = 3
    batch_size: int = 32  # clips
    videos: bool = True  # measure the stages on a few of the data set

    def __post_init__(self) -> None:
        if self.workers is not None:
            require_whole("workers", self.workers, most=MAX_WORKERS)
        require_whole("rounds", self.rounds, least=1)
        require_whole("batch_size", self.batch_size, least=1)


@dataclass(frozen=True, kw_only=True)
class BenchResult:
    """What `mocrop bench` has measured."""

    cache: str  # path; "noise": made for the purpose, because there is none
    size: int  # pixels
    compressed: bool
    clips_read: int  # different ones
    batch_size: int
    reads: tuple[ReadSpeed, ...]
    disk_mb_per_second: float | None  # one file read sequentially; None: nothing could be read from the disk
    no_disk: str  # why not
    videos: VideoSpeed | None  # None: no workspace with videos, or not wanted


def bench_in_workspace(workspace: Workspace, settings: BenchSettings, *, say: Say = lambda _: None) -> BenchResult:
    """Measure a workspace; where there is none yet, the disk that it would lie on.

    Args:
        say: called with what is being done.
    Raises: CacheError if there is no cache of that name, or it cannot be read.
    """
    with _scratch(_existing(workspace.root)) as folder:
        name = _chosen_cache(workspace, settings.cache)
        cache = CropCache(workspace.cache(name)) if name else _made(folder, say)
        rows = sample_rows(cache, most_bytes=SAMPLE_BYTES)
        sample = ReadSample(cache, rows, folder, batch_size=settings.batch_size, rounds=settings.rounds, say=say)
        no_disk = sample.why_no_disk()
        states: tuple[State, ...] = ("memory",) if no_disk else ("memory", "disk")
        reads = [speed for state in states for speed in sample.read_speeds(state)]
        disk = None if no_disk else sample.sequential_mb_per_second()
        videos = _measured_videos(workspace, name, settings, folder, say)
        return BenchResult(
            cache=str(cache.path) if name else "noise",
            size=cache.size,
            compressed=cache.compressed,
            clips_read=len(rows),
            batch_size=sample.batch_size,
            reads=tuple(reads),
            disk_mb_per_second=disk,
            no_disk=no_disk,
            videos=videos,
        )


@contextlib.contextmanager
def _scratch(parent: Path) -> Iterator[Path]:
    """A new folder while the body runs; what cannot be removed stays, where Python's own never ends."""
    folder = Path(tempfile.mkdtemp(prefix=".mocrop-bench-", dir=parent))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _chosen_cache(workspace: Workspace, name: str | None) -> str | None:
    """The cache of that name; without a name the first there is, or None."""
    names = workspace.cache_names()
    if name is None:
        return names[0] if names else None
    return workspace.choose_cache(name).stem


def _made(folder: Path, say: Say) -> CropCache:
    say(f"making a cache of {MADE_CLIPS} clips of noise")
    return CropCache(make_cache(folder / "noise.zarr", clips=MADE_CLIPS, size=MADE_SIZE_PX))


def _measured_videos(
    workspace: Workspace, cache: str | None, settings: BenchSettings, folder: Path, say: Say
) -> VideoSpeed | None:
    if not (settings.videos and workspace.settings_file.is_file()):
        return None
    workers = settings.workers or os.cpu_count() or 1
    return measure_videos(workspace, cache=cache, workers=workers, folder=folder, say=say)


def _existing(folder: Path) -> Path:
    """The folder, or the nearest parent that exists: on the disk of the workspace, or of the one to come."""
    return next(each for each in (folder, *folder.parents) if each.is_dir())
