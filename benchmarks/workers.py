"""Wall time of whole stages by number of workers, without start-up, and the memory of workers and client.

A stage's seconds run from its first unit to its last; the rest of the command is start-up: Python, Dask and the
workers, the same for any number of clips. Two workers on a busy machine cannot be twice as fast as one, so the table
shows the share of the cores that other work had, and the speed-up that CPU time alone would allow on idle cores.
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
from typing import Any

import psutil
from harness import arguments, choose_clips, save_table

from mocrop.evaluation.bench.interleaved_timing import cpu_seconds
from mocrop.pipeline.platform_calls import link_or_copy

STAGES = {
    "h264": (["transcode"], ["extract-mv"], ["precrop", "--size", "192"]),
    "original": (["extract-mv", "--source", "original"], ["precrop", "--size", "192"]),
}
COUNTS = (1, 2, 4, 8, 16)  # of workers, as far as there are cores
COLUMNS = (
    "stage, workers",
    "seconds",
    "speed-up",
    "efficiency",
    "with start-up",
    "efficiency by CPU",
    "start-up s",
    "others",
    "MB of a worker",
    "MB of the client",
)
NOTE = (
    "speed-ups over one worker; efficiency: speed-up by number of workers; by CPU: what CPU time, start-up included, "
    "would allow on cores of one's own; others: share of all cores that other work had"
)


@dataclass
class Measured:
    """One command: wall and CPU seconds, and the peak memory of any one process."""

    seconds: float = 0.0  # of the whole command
    stage_seconds: float = 0.0  # of the stage alone
    cpu: float = 0.0  # client and workers together
    others: float = 0.0  # share of all cores that other work had at the time
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
    """Busy seconds of all cores together."""
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
    """Make a data set of links to every clip ``count`` times, so that starting workers takes a small share."""
    for clip in clips:
        for n in range(count):
            link = folder / clip.parent.name / f"{clip.stem}_copy{n:03d}{clip.suffix}"
            link.parent.mkdir(parents=True, exist_ok=True)
            link_or_copy(clip.resolve(), link)
    return folder


def row(stage: str, workers: int, alone: list[Measured], many: list[Measured]) -> tuple[list[str], dict[str, Any]]:
    """A row of the table and its numbers: medians over the rounds; ratios to one worker round by round."""

    def median(name: str) -> float:
        return statistics.median(getattr(each, name) for each in many)

    def ratio(name: str) -> float:
        return statistics.median(getattr(a, name) / getattr(b, name) for a, b in zip(alone, many, strict=True))

    speed_up = ratio("stage_seconds")
    cells = [
        f"{stage}, {workers}",
        f"{median('stage_seconds'):.1f}",
        f"{speed_up:.2f}",
        f"{speed_up / workers:.2f}",
        f"{ratio('seconds'):.2f}",
        f"{ratio('cpu'):.2f}",
        f"{median('start_up'):.1f}",
        f"{median('others'):.0%}",
        f"{max(each.worker_mb for each in many):.0f}",
        f"{max(each.client_mb for each in many):.0f}",
    ]
    return cells, {"stage": stage, "workers": workers, "speed-up": speed_up, "others": median("others")}


def main() -> None:
    cores = os.cpu_count() or 1
    parser = arguments(__doc__ or "")
    parser.add_argument("--copies", type=int, default=4, help="how often each clip stands in the data set")
    parser.add_argument("--source", choices=sorted(STAGES), default="h264", help="as `mocrop extract-mv --source`")
    parser.add_argument(
        "--workers",
        type=int,
        nargs="+",
        default=[count for count in COUNTS if count <= cores],
        help="numbers of workers to compare with one; default: 1 to 16 by twos, as far as there are cores",
    )
    options = parser.parse_args()
    runs: dict[int, list[dict[str, Measured]]] = {workers: [] for workers in sorted({1, *options.workers})}
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        clips = choose_clips(options.data, options.clips, folder)
        dataset = copies(clips, options.copies, folder / "data")
        for turn in range(options.rounds):
            for workers, results in runs.items():
                results.append(run_stages(dataset, folder / f"work-{turn}-{workers}", workers, options.source))
    title = f"workers: {len(clips) * options.copies} clips, {options.rounds} rounds, {cores} cores"
    rows, facts = [], []
    for name, *_ in STAGES[options.source]:
        for workers, results in runs.items():
            cells, fact = row(name, workers, [each[name] for each in runs[1]], [each[name] for each in results])
            rows.append(cells)
            facts.append(fact)
    print(f"{title}; {NOTE}")
    for cells in (COLUMNS, *rows):
        print("".join(f"{cell:{'>18' if n else '16'}s}" for n, cell in enumerate(cells)))
    save_table(title, COLUMNS, rows, note=NOTE, facts=facts)


if __name__ == "__main__":
    main()
