"""What every benchmark needs: clips to work on, CPU seconds of interleaved runs, and a table with ratios."""

from __future__ import annotations

import argparse
import os
import platform
import resource
import statistics
from collections.abc import Callable, Mapping
from importlib.metadata import version
from pathlib import Path

import av
import numpy as np

REAL_CLIPS = Path(__file__).resolve().parents[1] / "../shared/data/ucf-mini/videos"


def arguments(description: str) -> argparse.ArgumentParser:
    """Options that all benchmarks have."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--data", type=Path, default=REAL_CLIPS, help="folder of class folders of videos")
    parser.add_argument("--clips", type=int, default=60, help="how many clips, evenly spread over the data set")
    parser.add_argument("--rounds", type=int, default=5, help="measured rounds; one more comes first as warm-up")
    return parser


def choose_clips(data: Path, count: int, scratch: Path) -> list[Path]:
    """Clips of ``data`` evenly spread, or synthetic ones written to ``scratch`` if the folder is not there."""
    if data.is_dir():
        found = sorted(path for path in data.rglob("*") if path.suffix in (".avi", ".mp4"))
        return [found[n * len(found) // count] for n in range(min(count, len(found)))]
    return [_synthetic_clip(scratch / f"v_Noise_g01_c{n:02d}.avi", seed=n) for n in range(count)]


def _synthetic_clip(path: Path, *, seed: int, frames: int = 60) -> Path:
    """A textured square over a textured ground, 320x240 MPEG-4 Part 2, like UCF-101's files."""
    rng = np.random.default_rng(seed)
    ground = rng.integers(0, 90, (240, 320, 3), dtype=np.uint8)
    square = rng.integers(120, 255, (64, 64, 3), dtype=np.uint8)
    with av.open(path, "w") as output:
        stream = output.add_stream("mpeg4", rate=25)
        stream.width, stream.height, stream.pix_fmt = 320, 240, "yuv420p"
        for n in range(frames):
            picture = ground.copy()
            picture[88:152, 3 * n : 3 * n + 64] = square
            output.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        output.mux(stream.encode(None))
    return path


def count_frames(clips: list[Path]) -> int:
    """Frames of all clips, from their containers."""
    total = 0
    for clip in clips:
        with av.open(f"file:{clip}", metadata_errors="ignore") as container:
            total += container.streams.video[0].frames
    return total


def cpu_seconds() -> float:
    """User and system time of this process and of its children that have ended, to the microsecond."""
    own, children = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
    return own.ru_utime + own.ru_stime + children.ru_utime + children.ru_stime


def interleave(cases: Mapping[str, Callable[[], object]], *, rounds: int) -> dict[str, list[float]]:
    """CPU seconds of each case in ``rounds`` rounds; the cases take turns, and a first round does not count."""
    seconds: dict[str, list[float]] = {name: [] for name in cases}
    for turn in range(rounds + 1):
        for name, run in cases.items():
            start = cpu_seconds()
            run()
            if turn:
                seconds[name].append(cpu_seconds() - start)
    return seconds


def report(title: str, seconds: Mapping[str, list[float]], *, unit: str, count: int, peer: str) -> dict[str, float]:
    """Print machine, versions and a table; return each case's median ratio to ``peer``, pair by pair.

    Args:
        unit: what ``count`` counts, e.g. "frames"; the table gives CPU milliseconds for one.
        peer: the case to compare with; ratios above 1 mean more CPU than the peer.
    """
    rounds = len(seconds[peer])
    print(f"{title}: {count:,} {unit}, {rounds} rounds after one warm-up, CPU time")
    print(f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}, {_versions()}")
    ratios = {}
    print(f"{'':28s} {'ms/' + unit.rstrip('s'):>12s} {'min':>9s} {'max':>9s} {'ratio to ' + peer:>24s}")
    for name, values in seconds.items():
        each = [value / count * 1e3 for value in values]
        pairs = [mine / theirs for mine, theirs in zip(values, seconds[peer], strict=True)]
        ratios[name] = statistics.median(pairs)
        spread = f"{ratios[name]:.2f} ({min(pairs):.2f} to {max(pairs):.2f})"
        print(f"{name:28s} {statistics.median(each):12.3f} {min(each):9.3f} {max(each):9.3f} {spread:>24s}")
    return ratios


def _versions() -> str:
    return ", ".join(f"{name} {version(name)}" for name in ("av", "numpy", "zarr", "tensorstore"))
