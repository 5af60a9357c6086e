"""Cost model of preparing a data set: hours of N workers and disk space, from measured costs of a clip.

It assumes that work on a clip's pixels grows with their number, that the client's work for a clip does not depend on
it, and that workers are always busy unless the one client cannot hand out work fast enough.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from harness import STAGES

Result = dict[str, Any]
STAGES_OF = {"h264": STAGES, "original": STAGES[1:]}  # by source
CASES = {"h264": "all stages", "original": "all stages, --source original"}  # of preprocessing.py


@dataclass(frozen=True, kw_only=True)
class DataSet:
    """Size of a data set."""

    name: str
    clips: int
    frames: float  # mean of a clip
    width: int  # pixels
    height: int

    @property
    def pixels(self) -> float:
        """Pixels of all frames of a clip."""
        return self.frames * self.width * self.height


UCF101 = DataSet(name="UCF-101", clips=13_320, frames=183, width=320, height=240)
KINETICS400 = DataSet(name="Kinetics-400", clips=240_000, frames=300, width=340, height=256)


@dataclass(frozen=True, kw_only=True)
class ClipCost:
    """Measured mean cost of one clip."""

    frames: float
    pixels: float  # of all its frames
    worker_seconds: float  # of CPU
    client_seconds: float  # of CPU: planning, scheduling and the manifest
    file_bytes: Mapping[str, float]  # kept beside the cache, by kind
    cached_frames: float
    slots: int  # most frames of a clip in the cache
    frame_bytes: int  # of a frame in the cache

    @property
    def most_workers(self) -> float:
        """Number of workers that one client keeps busy."""
        return self.worker_seconds / self.client_seconds

    def of(self, data: DataSet) -> ClipCost:
        """The same for a clip of ``data``.

        >>> clip = ClipCost(frames=100, pixels=100, worker_seconds=1, client_seconds=0.1, file_bytes={"h264": 10},
        ...                 cached_frames=6, slots=16, frame_bytes=3)
        >>> other = clip.of(DataSet(name="longer", clips=1, frames=300, width=1, height=1))
        >>> other.worker_seconds, other.client_seconds, other.file_bytes, other.cached_frames
        (3.0, 0.1, {'h264': 30.0}, 16)
        """
        grown = data.pixels / self.pixels
        return ClipCost(
            frames=data.frames,
            pixels=data.pixels,
            worker_seconds=self.worker_seconds * grown,
            client_seconds=self.client_seconds,
            file_bytes={kind: size * grown for kind, size in self.file_bytes.items()},
            cached_frames=min(self.slots, self.cached_frames * data.frames / self.frames),
            slots=self.slots,
            frame_bytes=self.frame_bytes,
        )

    @property
    def bytes(self) -> dict[str, float]:
        """Bytes on the disk, by kind."""
        return {**self.file_bytes, "cache": self.cached_frames * self.frame_bytes}


def hours(cost: ClipCost, *, clips: int, workers: int) -> float:
    """Wall time in hours: workers share the work on clips, the client hands out one clip after the other.

    >>> clip = ClipCost(frames=1, pixels=1, worker_seconds=0.36, client_seconds=0.0036, file_bytes={},
    ...                 cached_frames=1, slots=1, frame_bytes=1)
    >>> [hours(clip, clips=10_000, workers=workers) for workers in (1, 10, 100, 1000)]
    [1.0, 0.1, 0.01, 0.01]
    """
    return clips * max(cost.worker_seconds / workers, cost.client_seconds) / 3600


def core_hours(cost: ClipCost, *, clips: int) -> float:
    """Core hours of workers and client together; times the price of one, the cost of ``clips`` clips."""
    return clips * (cost.worker_seconds + cost.client_seconds) / 3600


def clips_at(limit: float, points: Sequence[tuple[int, float]]) -> float | None:
    """Number of clips at which a figure reaches ``limit``, extrapolated from its last two points; None if it does not
    grow.

    >>> clips_at(10.0, [(1000, 1.0), (2000, 2.0), (4000, 3.0)]), clips_at(10.0, [(1, 2.0), (2, 2.0)])
    (18000.0, None)
    """
    (first, low), (last, high) = points[-2:]
    return last + (limit - high) * (last - first) / (high - low) if high > low else None


def measured_cost(source: str, *, preprocessing: Sequence[Result], scale: Sequence[Result]) -> ClipCost:
    """Cost of a clip from saved results: CPU time and files from preprocessing.py, the client's time from scale.py at
    its largest number of clips.

    Args:
        source: "h264" or "original": what vectors and frames are taken from.
    """
    times = next(result for result in preprocessing if "seconds" in result)
    files = next(fact for result in preprocessing for fact in result.get("facts", ()) if fact["source"] == source)
    most = scale[0]["facts"][-1]
    seconds = sorted(times["seconds"]["cpu"][CASES[source]])
    return ClipCost(
        frames=files["frames"],
        pixels=files["pixels"],
        worker_seconds=seconds[len(seconds) // 2] / times["count"],
        client_seconds=sum(most[stage]["run, cpu"] for stage in STAGES_OF[source]) / most["clips"],
        file_bytes={kind: files[kind] for kind in ("h264", "motion") if files[kind]},
        cached_frames=files["cached frames"],
        slots=files["slots"],
        frame_bytes=files["frame bytes"],
    )
