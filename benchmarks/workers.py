"""Wall time of whole stages with one and with two workers, start-up apart, and the memory of workers and client.

A stage's seconds are its own, from the first unit to the last; what the command takes besides is start-up: Python,
Dask and the workers, the same however many clips there are. Two workers on a busy machine cannot be twice as fast as
one, so the table says how much of the cores other work had, and what CPU time alone would allow: both cores ours.
"""

from __future__ import annotations

import json
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
from harness import arguments, choose_clips, save_table

from mocrop.evaluation.rounds import cpu_seconds

STAGES = {
    "h264": (["transcode"], ["extract-mv"], ["precrop", "--size", "192"]),
    "original": (["extract-mv", "--source", "original"], ["precrop", "--size", "192"]),
}
COLUMNS = ("stage", "1 worker s", "2 workers s", "speed-up", "with start-up", "by CPU", "start-up s", "others", "MB")


@dataclass
class Measured:
    """One command: seconds on the clock and of CPU, and the most memory that any one process held."""

    seconds: float = 0.0  # of the whole command
    stage_seconds: float = 0.0  # of the stage alone
    cpu: float = 0.0  # client and workers together
    others: float = 0.0  # share of all cores that other work had meanwhile
    client_mb: float = 0.0
    worker_mb: float = 0.0
    workers: set[int] = field(default_factory=set)

    @property
    def start_up(self) -> float:
        return self.seconds - self.stage_seconds


def measure(command: list[str]) -> Measured:
    measured = Measured()
    start, cpu, busy = time.perf_counter(), cpu_seconds(), _busy()
    process = subprocess.Popen([*command, "--json"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    ended = threading.Event()
    watcher = threading.Thread(target=_watch, args=(psutil.Process(process.pid), measured, ended))
    watcher.start()
    said, complaint = process.communicate()
    ended.set()
    watcher.join()
    measured.seconds, measured.cpu = time.perf_counter() - start, cpu_seconds() - cpu
    measured.others = max(0, _busy() - busy - measured.cpu) / measured.seconds / (os.cpu_count() or 1)
    if process.returncode:
        raise SystemExit(f"{' '.join(command)} failed:\n{complaint}")
    measured.stage_seconds = json.loads(said)["stages"][-1]["summary"]["seconds"]
    return measured


def _busy() -> float:
    """Seconds that all cores together have worked."""
    times = psutil.cpu_times()
    return sum(times) - times.idle - getattr(times, "iowait", 0) - getattr(times, "guest", 0)


def _watch(client: psutil.Process, measured: Measured, ended: threading.Event) -> None:
    while not ended.wait(0.2):
        try:
            measured.client_mb = max(measured.client_mb, client.memory_info().rss / 1e6)
            for child in client.children(recursive=True):
                measured.worker_mb = max(measured.worker_mb, child.memory_info().rss / 1e6)
                measured.workers.add(child.pid)
        except psutil.NoSuchProcess:
            continue


def run_stages(dataset: Path, workspace: Path, workers: int, source: str) -> dict[str, Measured]:
    mocrop = [sys.executable, "-c", "from mocrop.cli import main; main()"]
    subprocess.run([*mocrop, "init", str(dataset), "-w", str(workspace)], check=True, stdout=subprocess.DEVNULL)
    given = ["-w", str(workspace), "--workers", str(workers)]
    return {stage[0]: measure([*mocrop, *stage, *given]) for stage in STAGES[source]}


def copies(clips: list[Path], count: int, folder: Path) -> Path:
    """A data set of links: every clip ``count`` times, so that starting workers does not count for much."""
    for clip in clips:
        for n in range(count):
            link = folder / clip.parent.name / f"{clip.stem}_copy{n:03d}{clip.suffix}"
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to(clip.resolve())
    return folder


def row(stage: str, one: list[Measured], two: list[Measured]) -> list[str]:
    """Medians over the rounds; ratios round by round."""

    def median(values: list[float]) -> float:
        return statistics.median(values)

    def ratio(name: str) -> float:
        return median([getattr(a, name) / getattr(b, name) for a, b in zip(one, two, strict=True)])

    return [
        stage,
        f"{median([m.stage_seconds for m in one]):.1f}",
        f"{median([m.stage_seconds for m in two]):.1f}",
        f"{ratio('stage_seconds'):.2f}",
        f"{ratio('seconds'):.2f}",
        f"{2 * ratio('cpu'):.2f}",
        f"{median([m.start_up for m in one]):.1f}, {median([m.start_up for m in two]):.1f}",
        f"{median([m.others for m in one]):.0%}, {median([m.others for m in two]):.0%}",
        f"{max(m.worker_mb for m in one + two):.0f}, {max(m.client_mb for m in one + two):.0f}",
    ]


def main() -> None:
    parser = arguments(__doc__ or "")
    parser.add_argument("--copies", type=int, default=4, help="how often each clip stands in the data set")
    parser.add_argument("--source", choices=sorted(STAGES), default="h264", help="as `mocrop extract-mv --source`")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        clips = choose_clips(options.data, options.clips, folder)
        dataset = copies(clips, options.copies, folder / "data")
        runs: dict[int, list[dict[str, Measured]]] = {1: [], 2: []}
        for turn in range(options.rounds):
            for workers, results in runs.items():
                results.append(run_stages(dataset, folder / f"work-{turn}-{workers}", workers, options.source))
    title = f"workers: {len(clips) * options.copies} clips, {options.rounds} rounds, {os.cpu_count()} cores"
    rows = [row(stage[0], *([run[stage[0]] for run in runs[n]] for n in (1, 2))) for stage in STAGES[options.source]]
    print(f"{title}; start-up and others: with 1 worker, with 2; MB: a worker, the client")
    for cells in (COLUMNS, *rows):
        print("".join(f"{cell:{'>14' if n else '12'}s}" for n, cell in enumerate(cells)))
    save_table(title, COLUMNS, rows, note="start-up and others: with 1 worker, with 2; MB: a worker, the client")


if __name__ == "__main__":
    main()
