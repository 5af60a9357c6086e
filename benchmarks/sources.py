"""What `--source auto` saves of `mocrop run`, and what it changes in boxes and filled slots, by kind of data set.

The same clips as H.264 with x264's default key frames (up to 250 frames apart) and with one every 12 frames, B-frames
in both; as they are, MPEG-4 Part 2; and a mixture. Each goes through all stages with `--source h264` and with
`--source auto`, which take turns.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from io import StringIO
from pathlib import Path
from typing import Any

import av
import numpy as np
from harness import arguments, choose_clips, interleave, save_table

from mocrop.evaluation.bench.interleaved_timing import ratios, spread
from mocrop.evaluation.coverage.overlap import overlap
from mocrop.evaluation.report.format import markdown_table
from mocrop.pipeline.cache.crop_cache import CropCache
from mocrop.pipeline.choices import Select, Source
from mocrop.pipeline.commands.preprocess import Report, run_all
from mocrop.pipeline.crop_box import CropBox
from mocrop.pipeline.platform_calls import link_or_copy
from mocrop.pipeline.run.session import RunOptions
from mocrop.pipeline.terminal import LineConsole
from mocrop.pipeline.video.open import open_container
from mocrop.pipeline.workspace.paths import Workspace

SOURCES: tuple[Source, ...] = ("h264", "auto")
SELECTS: tuple[Select, ...] = ("keyframes", "uniform")
COLUMNS = (
    "data set",
    "--select",
    "as they are",
    "CPU ms/clip, h264",
    "auto",
    "ratio",
    "IoU of boxes",
    "of those as they are",
    "filled slots, h264",
    "auto",
    "clips with fewer",
)


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What one run has made: the cache, and what it says about its clips."""

    cache: CropCache
    report: Report

    @property
    def as_they_are(self) -> int:
        files = self.report.stages[0].files
        return 0 if files is None else files.as_they_are


def encode(clip: Path, target: Path, *, key_interval: int) -> None:
    """Write a clip as H.264 with x264's defaults but for the most frames from one key frame to the next."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with open_container(clip) as container, av.open(target, "w") as output:
        source = container.streams.video[0]
        stream = output.add_stream("libx264", rate=source.average_rate)
        stream.width, stream.height, stream.pix_fmt = source.width, source.height, "yuv420p"
        stream.codec_context.gop_size = key_interval
        for number, frame in enumerate(container.decode(source)):
            frame.pts, frame.time_base = number, 1 / source.average_rate
            frame.pict_type = av.video.frame.PictureType.NONE
            output.mux(stream.encode(frame))
        output.mux(stream.encode(None))


def data_sets(clips: Sequence[Path], folder: Path) -> dict[str, Path]:
    """Folders with one class of the same clips, by kind."""
    kinds = {"H.264, -g 250": 250, "H.264, -g 12": 12, "MPEG-4, as they are": 0}
    made = {name: folder / str(number) for number, name in enumerate(kinds)}
    for key_interval, place in zip(kinds.values(), made.values(), strict=True):
        for number, clip in enumerate(clips):
            if key_interval:
                encode(clip, place / f"A/{number:04d}.mp4", key_interval=key_interval)
            else:
                link(clip, place / f"A/{number:04d}{clip.suffix}")
    mixed = folder / "mixed"
    for number in range(len(clips)):
        (file,) = list(made.values())[number % len(made)].glob(f"A/{number:04d}.*")
        link(file, mixed / "A" / file.name)
    return {**made, "a third of each": mixed}


def link(file: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    link_or_copy(file.resolve(), target)


def run(dataset: Path, folder: Path, *, source: Source, select: Select, size: int) -> Outcome:
    """All stages in a new workspace, in this process."""
    shutil.rmtree(folder, ignore_errors=True)
    quiet = RunOptions(workers=0, console=LineConsole(file=StringIO()))
    report = run_all(folder, dataset, source=source, select=select, size=size, name="c", run=quiet)
    assert report.failed == 0, report
    return Outcome(cache=CropCache(Workspace(folder).cache("c")), report=report)


def measure(name: str, dataset: Path, folder: Path, *, select: Select, size: int, rounds: int) -> dict[str, Any]:
    """The facts of one row."""
    last: dict[Source, Outcome] = {}

    def work(source: Source) -> None:
        last[source] = run(dataset, folder / source, source=source, select=select, size=size)

    cases: Mapping[str, Callable[[], object]] = {source: partial(work, source) for source in SOURCES}
    seconds = interleave(cases, rounds=rounds)
    h264, auto = last["h264"].cache, last["auto"].cache
    same = box_overlaps(h264, auto)
    kept = kept_rows(folder / "auto", len(auto))
    slots = {source: last[source].cache.frame_counts for source in SOURCES}
    return {
        "data set": name,
        "select": select,
        "clips": len(auto),
        "as they are": last["auto"].as_they_are,
        "seconds": seconds,
        "IoU": float(same.mean()),
        "IoU, as they are": float(same[kept].mean()) if kept.any() else None,
        "slots": {source: float(counts.mean()) for source, counts in slots.items()},
        "fewer": int((slots["auto"] < slots["h264"]).sum()),
    }


def box_overlaps(one: CropCache, other: CropCache) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Intersection over union of the boxes of two caches, clip by clip."""
    names = ("left", "top", "right", "bottom")
    boxes = [CropBox(**dict(zip(names, edges, strict=True))) for edges in other.box.astype(float).tolist()]
    edges = one.box.astype(np.float64)
    return np.array([overlap(edges[row : row + 1], box)[2] for row, box in enumerate(boxes)])


def kept_rows(workspace: Path, clips: int) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """Which clips were read from their own files, as they have none in h264/."""
    return np.array([not Workspace(workspace).h264_file(f"A/{number:04d}").exists() for number in range(clips)])


def cells(facts: Mapping[str, Any]) -> list[str]:
    """One row of the table."""
    seconds, clips = facts["seconds"], facts["clips"]
    ratio = ratios(seconds["auto"], to=seconds["h264"])
    times = [f"{1e3 * spread(seconds[source]).median / clips:.0f}" for source in SOURCES]
    own = facts["IoU, as they are"]
    return [
        facts["data set"],
        facts["select"],
        f"{facts['as they are']} of {clips}",
        *times,
        f"{ratio.median:.2f} ({ratio.least:.2f} to {ratio.most:.2f})",
        f"{facts['IoU']:.3f}",
        "-" if own is None else f"{own:.3f}",
        *(f"{facts['slots'][source]:.1f}" for source in SOURCES),
        str(facts["fewer"]),
    ]


def main() -> None:
    parser = arguments(__doc__ or "")
    parser.add_argument("--size", type=int, default=192, help="side of the stored frames, pixels")
    options = parser.parse_args()
    found = []
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        (folder / "clips").mkdir()
        clips = choose_clips(options.data, options.clips, folder / "clips")
        for name, dataset in data_sets(clips, folder / "data").items():
            for select in SELECTS:
                place = folder / "work"
                found.append(measure(name, dataset, place, select=select, size=options.size, rounds=options.rounds))
    title = f"`mocrop run` with --source h264 and auto, {len(clips)} clips, {options.rounds} rounds after one warm-up"
    rows = [cells(facts) for facts in found]
    print(title)
    print(markdown_table(list(COLUMNS), rows), end="")
    note = f"policy motion, {options.size} px, 16 slots, one process; ratio is auto to h264, below 1 it saves"
    save_table(title, COLUMNS, rows, note=note, facts=found)


if __name__ == "__main__":
    main()
