"""Shared by all benchmarks: clips to work on, CPU seconds of interleaved runs, and a table with ratios.

Where the environment variable ``MOCROP_BENCHMARK_RESULTS`` names a file, every table is also appended to it as a line
of JSON; ``report.py`` makes docs/benchmarks.md from such lines.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shlex
import sys
from collections.abc import Callable, Mapping, Sequence
from datetime import date
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import av
import numpy as np

from mocrop.evaluation.bench.interleaved_timing import Case, Timing, ratios, spread, take_turns
from mocrop.pipeline.platform_calls import load_average
from mocrop.pipeline.platform_calls import peak_bytes as peak_bytes
from mocrop.pipeline.video.open import open_container

STAGES = ("transcode", "extract-mv", "precrop")  # in order
RESULTS = "MOCROP_BENCHMARK_RESULTS"
PACKAGES = ("av", "numpy", "tensorstore", "torch", "zarr")
REAL_CLIPS = Path(__file__).resolve().parents[1] / "../shared/data/ucf-mini/videos"


def arguments(description: str) -> argparse.ArgumentParser:
    """Parser with the options that most benchmarks have."""
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
    """A textured square that moves over a textured ground, 320x240 MPEG-4 Part 2, like UCF-101's files."""
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
        with open_container(clip) as container:
            total += container.streams.video[0].frames
    return total


def interleave(cases: Mapping[str, Callable[[], object]], *, rounds: int) -> dict[str, list[float]]:
    """CPU seconds of each case in ``rounds`` rounds; the cases take turns, and one warm-up round comes first."""
    timings = take_turns({name: Case(run=lambda _, run=run: run()) for name, run in cases.items()}, rounds=rounds)
    return {name: timing.cpu for name, timing in timings.items()}


def report(title: str, seconds: Mapping[str, list[float]], *, unit: str, count: int, peer: str) -> dict[str, float]:
    """Print machine, versions and a table; return each case's median ratio to ``peer``, pair by pair.

    Args:
        unit: of ``count``, e.g. "frames"; the table shows CPU milliseconds per unit.
        peer: the case to compare with; ratios above 1 mean more CPU than the peer.
    """
    timings = {name: Timing(cpu=list(values)) for name, values in seconds.items()}
    return report_timings(title, timings, unit=unit, count=count, peer=peer)


def report_timings(
    title: str,
    timings: Mapping[str, Timing],
    *,
    unit: str,
    count: int,
    peer: str,
    clocks: Sequence[str] = ("cpu",),
    packages: Sequence[str] = (),
) -> dict[str, float]:
    """As :func:`report`, on one or both clocks; the returned ratios are those of the first.

    Args:
        clocks: "cpu", "wall" or both; one table is printed for each.
        packages: distributions whose versions are printed besides the usual ones.
    """
    rounds = len(timings[peer].cpu)
    versions = _versions((*PACKAGES, *packages))
    print(f"{title}: {count:,} {unit}, {rounds} rounds after one warm-up")
    print(f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}, {_said(versions)}")
    found = [_print_table(timings, clock, unit=unit, count=count, peer=peer) for clock in clocks]
    seconds = {clock: {name: getattr(timing, clock) for name, timing in timings.items()} for clock in clocks}
    save({"title": title, "unit": unit, "count": count, "peer": peer, "seconds": seconds, "versions": versions})
    return found[0]


def _print_table(timings: Mapping[str, Timing], clock: str, *, unit: str, count: int, peer: str) -> dict[str, float]:
    one, width = unit.rstrip("s"), max(28, *(len(name) + 1 for name in timings))
    head = f"{f'{clock} ms/{one}':>13s} {'min':>9s} {'max':>9s} {'ratio to ' + peer:>32s}"
    print(f"{'':{width}s} {head}")
    found = {}
    theirs = getattr(timings[peer], clock)
    for name, timing in timings.items():
        values = getattr(timing, clock)
        each, ratio = spread([value / count * 1e3 for value in values]), ratios(values, to=theirs)
        found[name] = ratio.median
        said = f"{ratio.median:.2f} ({ratio.least:.2f} to {ratio.most:.2f})"
        print(f"{name:{width}s} {each.median:13.3f} {each.least:9.3f} {each.most:9.3f} {said:>32s}")
    return found


def save_table(
    title: str,
    columns: Sequence[str],
    rows: Sequence[Sequence[str]],
    *,
    note: str = "",
    facts: Sequence[Mapping[str, Any]] = (),
) -> None:
    """Save a table of another kind than times against a peer, as it is to be shown.

    Args:
        facts: the numbers behind it, for what is computed from them.
    """
    result = {"title": title, "columns": list(columns), "rows": [list(row) for row in rows], "note": note}
    save({**result, "facts": list(facts)} if facts else result)


def save(result: Mapping[str, Any]) -> None:
    """Append one result, with command and machine, to the file in ``MOCROP_BENCHMARK_RESULTS``, if that is set."""
    if file := os.environ.get(RESULTS):
        with open(file, "a", encoding="utf-8") as stream:
            stream.write(json.dumps({**here(Path(sys.argv[0]).name, sys.argv[1:]), **result}) + "\n")


def here(program: str, arguments: Sequence[str]) -> dict[str, Any]:
    """Origin of a result: the command, the day, the machine, and its load."""
    return {
        "command": shlex.join(["python", f"benchmarks/{program}", *arguments]),
        "date": date.today().isoformat(),
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}",
        "load": round(load_average(), 1),
    }


def _versions(packages: Sequence[str]) -> dict[str, str]:
    found = {}
    for name in packages:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def _said(versions: Mapping[str, str]) -> str:
    return ", ".join(f"{name} {number}" for name, number in versions.items())
