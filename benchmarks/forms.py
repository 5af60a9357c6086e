"""Cost of `mocrop init` for a large data set in each of the forms in which data sets come.

The videos are empty files, so that what counts is the walk over them, reading the annotations, matching both, the
splits and the manifest. Each figure is of the whole command, in a process of its own: CPU seconds and wall seconds,
both with the start of Python, and its peak memory. One in ten files of Kinetics is missing, as where videos have been
taken off the net; segments are twelve to a video.
"""

from __future__ import annotations

import argparse
import csv
import itertools
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from harness import peak_bytes, save_table
from scale import make_dataset

from mocrop.cli import main as mocrop

CLASSES, PER_VIDEO = 400, 12
COLUMNS = ("form", "files", "clips", "CPU, s", "on the clock, s", "peak memory, MB")
Rows = Iterable[tuple[object, ...]]


def touch(folder: Path, names: Iterable[str]) -> int:
    """Make empty files, and the folders in which they lie; returns how many."""
    folders: set[Path] = set()
    count = 0
    for name in names:
        file = folder / name
        if file.parent not in folders:
            file.parent.mkdir(parents=True)
            folders.add(file.parent)
        file.touch()
        count += 1
    return count


def write_rows(file: Path, head: str, rows: Rows) -> None:
    with file.open("w", encoding="utf-8", newline="") as stream:
        stream.write(f"{head}\n")
        csv.writer(stream).writerows(rows)


def subset(number: int) -> str:
    """Every tenth of a class is for test."""
    return "test" if number // CLASSES % 10 == 0 else "train"


def label(number: int) -> str:
    return f"class {number % CLASSES:03d}"


def class_folders(folder: Path, rows: int) -> int:
    make_dataset(folder / "data", rows)
    return rows


def text_lists(folder: Path, rows: int) -> int:
    for name in ("train", "test"):
        lines = (f"{label(n)}/v_{n:06d}.avi {n % CLASSES + 1}\n" for n in range(rows) if subset(n) == name)
        (folder / "lists" / f"{name}list01.txt").write_text("".join(lines), encoding="utf-8")
    classes = (f"{n + 1} {label(n)}\n" for n in range(min(CLASSES, rows)))
    (folder / "lists/classInd.txt").write_text("".join(classes), encoding="utf-8")
    return touch(folder / "data", (f"{label(n)}/v_{n:06d}.avi" for n in range(rows)))


def kinetics(folder: Path, rows: int) -> int:
    head = "label,youtube_id,time_start,time_end,split"
    for name, word in (("train", "train"), ("test", "validate")):
        lines = ((label(n), f"-a{n:09d}", n % 300, n % 300 + 10, word) for n in range(rows) if subset(n) == name)
        write_rows(folder / f"lists/{word}.csv", head, lines)
    numbers = (n for n in range(rows) if n % 10)
    return touch(folder / "data", (f"{label(n)}/-a{n:09d}_{n % 300:06d}_{n % 300 + 10:06d}.mp4" for n in numbers))


def something(folder: Path, rows: int) -> int:
    stem = "something-something-v2"
    classes = range(min(CLASSES, rows))
    labels = {f"Doing something {n}": str(n) for n in classes}
    (folder / f"lists/{stem}-labels.json").write_text(json.dumps(labels), encoding="utf-8")
    for name, word in (("train", "train"), ("test", "validation")):
        entries = [
            {"id": str(n), "label": "doing it", "template": f"Doing [something] {n % CLASSES}", "placeholders": ["it"]}
            for n in range(rows)
            if subset(n) == name
        ]
        (folder / f"lists/{stem}-{word}.json").write_text(json.dumps(entries), encoding="utf-8")
    return touch(folder / "data", (f"{n}.webm" for n in range(rows)))


def videos_of(rows: int) -> Iterator[tuple[int, range]]:
    """Number of each video, and the numbers of its segments."""
    for first in range(0, rows, PER_VIDEO):
        yield first // PER_VIDEO, range(first, min(first + PER_VIDEO, rows))


def activitynet(folder: Path, rows: int) -> int:
    database: dict[str, Any] = {
        f"id{video:07d}": {
            "subset": "validation" if video % 10 == 0 else "training",
            "duration": 20.0 * PER_VIDEO,
            "annotations": [{"label": label(n), "segment": [10.5 * k, 10.5 * k + 9.25]} for k, n in enumerate(numbers)],
        }
        for video, numbers in videos_of(rows)
    }
    (folder / "lists/activity_net.json").write_text(json.dumps({"database": database}), encoding="utf-8")
    return touch(folder / "data", (f"v_{name}.mp4" for name in database))


def table(folder: Path, rows: int) -> int:
    lines = ((f"v_{n:06d}.mp4", label(n), subset(n)) for n in range(rows))
    write_rows(folder / "lists/clips.csv", "path,label,subset", lines)
    return touch(folder / "data", (f"v_{n:06d}.mp4" for n in range(rows)))


def table_of_segments(folder: Path, rows: int) -> int:
    """Without subsets, so that a split is made that keeps the segments of a video together."""
    spans = itertools.chain.from_iterable(
        ((video, n, 10.5 * k) for k, n in enumerate(segments)) for video, segments in videos_of(rows)
    )
    lines = ((f"day_{video:06d}.mp4", label(n), start, start + 9.25) for video, n, start in spans)
    write_rows(folder / "lists/segments.csv", "path,label,start,end", lines)
    return touch(folder / "data", (f"day_{video:06d}.mp4" for video, _ in videos_of(rows)))


FORMS: dict[str, Callable[[Path, int], int]] = {
    "class folders": class_folders,
    "text lists": text_lists,
    "CSV": table,
    "CSV of segments, split made": table_of_segments,
    "Kinetics": kinetics,
    "Something-Something": something,
    "ActivityNet": activitynet,
}


def init(folder: Path) -> dict[str, float]:
    """Run `mocrop init` in this process."""
    given = ("--splits", str(folder / "lists")) if any((folder / "lists").iterdir()) else ()
    sys.argv = ["mocrop", "init", str(folder / "data"), *given, "-w", str(folder / "work"), "--json"]
    try:
        mocrop()
    except SystemExit as end:
        if end.code:
            raise
    return {"CPU": time.process_time(), "MB": peak_bytes() / 1e6}


def measured(make: Callable[[Path, int], int], rows: int) -> dict[str, float]:
    """Make a data set and take it in, in a process of its own."""
    with tempfile.TemporaryDirectory() as scratch:
        (Path(scratch) / "lists").mkdir()
        files = make(Path(scratch), rows)
        start = time.perf_counter()
        command = [sys.executable, __file__, "--folder", scratch]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        wall = time.perf_counter() - start
    if done.returncode:
        raise SystemExit(f"mocrop init failed:\n{done.stdout}{done.stderr}")
    report, facts = done.stdout.rsplit("\n", 2)[:2]
    return {**json.loads(facts), "wall": wall, "files": files, "clips": json.loads(report)["dataset"]["clips"]}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=240_000, help="of the annotations, or videos in class folders")
    parser.add_argument("--forms", nargs="+", choices=FORMS, default=list(FORMS))
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.folder:
        print(json.dumps(init(options.folder)))
        return
    title = f"init of {options.rows:,} rows in each form"
    print(f"{title}; {platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}")
    rows, found = [], []
    for name in options.forms:
        facts = measured(FORMS[name], options.rows)
        found.append({"form": name, **facts})
        count = (f"{facts['files']:,}", f"{facts['clips']:,}")
        rows.append([name, *count, f"{facts['CPU']:.1f}", f"{facts['wall']:.1f}", f"{facts['MB']:,.0f}"])
        print(" | ".join(rows[-1]), flush=True)
    save_table(title, COLUMNS, rows, facts=found)


if __name__ == "__main__":
    main()
