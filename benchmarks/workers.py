"""Wall time of whole stages with one and with two workers, and the memory of workers and client meanwhile."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

import psutil
from harness import arguments, choose_clips

STAGES = (["transcode"], ["extract-mv"], ["precrop", "--size", "192"])


@dataclass
class Measured:
    """One command: seconds on the clock and the most memory that any one process held."""

    seconds: float = 0.0
    client_mb: float = 0.0
    worker_mb: float = 0.0
    workers: set[int] = field(default_factory=set)


def measure(command: list[str]) -> Measured:
    measured = Measured()
    start = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    ended = threading.Event()
    watcher = threading.Thread(target=_watch, args=(psutil.Process(process.pid), measured, ended))
    watcher.start()
    said, _ = process.communicate()
    ended.set()
    watcher.join()
    measured.seconds = time.perf_counter() - start
    if process.returncode:
        raise SystemExit(f"{' '.join(command)} failed:\n{said}")
    return measured


def _watch(client: psutil.Process, measured: Measured, ended: threading.Event) -> None:
    while not ended.wait(0.05):
        try:
            measured.client_mb = max(measured.client_mb, client.memory_info().rss / 1e6)
            for child in client.children(recursive=True):
                measured.worker_mb = max(measured.worker_mb, child.memory_info().rss / 1e6)
                measured.workers.add(child.pid)
        except psutil.NoSuchProcess:
            continue


def run_stages(dataset: Path, workspace: Path, workers: int) -> dict[str, Measured]:
    mocrop = [sys.executable, "-c", "from mocrop.cli import main; main()"]
    subprocess.run([*mocrop, "init", str(dataset), "-w", str(workspace)], check=True, stdout=subprocess.DEVNULL)
    return {stage[0]: measure([*mocrop, *stage, "-w", str(workspace), "--workers", str(workers)]) for stage in STAGES}


def copies(clips: list[Path], count: int, folder: Path) -> Path:
    """A data set of links: every clip ``count`` times, so that starting workers does not count for much."""
    for clip in clips:
        for n in range(count):
            link = folder / clip.parent.name / f"{clip.stem}_copy{n:03d}{clip.suffix}"
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to(clip.resolve())
    return folder


def main() -> None:
    parser = arguments(__doc__ or "")
    parser.add_argument("--copies", type=int, default=4, help="how often each clip stands in the data set")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        clips = choose_clips(options.data, options.clips, folder)
        dataset = copies(clips, options.copies, folder / "data")
        runs: dict[int, list[dict[str, Measured]]] = {1: [], 2: []}
        for turn in range(options.rounds):
            for workers, results in runs.items():
                results.append(run_stages(dataset, folder / f"work-{turn}-{workers}", workers))
    print(f"{len(clips) * options.copies} clips, {options.rounds} rounds, {os.cpu_count()} cores, start-up included")
    print(
        f"{'stage':12s} {'1 worker s':>11s} {'2 workers s':>12s} {'speed-up':>9s} {'worker MB':>10s} {'client MB':>10s}"
    )
    for stage, *_ in STAGES:
        one, two = ([run[stage] for run in runs[workers]] for workers in (1, 2))
        ratio = statistics.median(a.seconds / b.seconds for a, b in zip(one, two, strict=True))
        seconds = [statistics.median(m.seconds for m in results) for results in (one, two)]
        memory = [max(m.worker_mb for m in one + two), max(m.client_mb for m in one + two)]
        print(f"{stage:12s} {seconds[0]:11.1f} {seconds[1]:12.1f} {ratio:9.2f} {memory[0]:10.0f} {memory[1]:10.0f}")


if __name__ == "__main__":
    main()
