"""Plots of saved results, as PNG files; None where there is nothing to draw."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from aims import OURS as OUR_READER
from harness import STAGES
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from mocrop.evaluation.bench.interleaved_timing import ratios
from mocrop.training.report.figure_file import write_figure

Result = dict[str, Any]
OURS_COLOUR, PEER_COLOUR, FLOOR_COLOUR = "#d1495b", "#8d99ae", "#2b2d42"
OTHERS = ("motion-vector-extractor", "the same without frames", "the ffmpeg program", "ffmpeg")
FLOORS = ("memcpy", "numpy memmap")
DPI = 110


def draw_loader(saved: Sequence[Result], file: Path) -> Path | None:
    """Milliseconds per clip of training batches, logarithmic: CPU time from memory, wall time from the disk."""
    panels = [
        (words, clock, title)
        for words, clock, title in (
            (", in memory", "cpu", "from memory, CPU time"),
            (", evicted from memory", "wall", "from the disk, wall time"),
        )
        if _training(saved, words)
    ]
    if not panels:
        return None
    figure = Figure(figsize=(9.5, 1.0 + 3.2 * len(panels)), layout="constrained")
    axes = figure.subplots(len(panels), 1, squeeze=False)[:, 0]
    for axis, (words, clock, title) in zip(axes, panels, strict=True):
        result = _training(saved, words)
        assert result is not None
        seconds = {
            name: [v / result["count"] * 1e3 for v in values] for name, values in result["seconds"][clock].items()
        }
        _bars(axis, seconds)
        axis.set_xscale("log")
        axis.set_xlabel("ms per clip of 3 frames, median and range, logarithmic")
        axis.set_title(f"training batches {title}", loc="left", fontsize=10)
    write_figure(figure, file, dpi=DPI)
    return file


def draw_sizes(saved: Sequence[Result], file: Path) -> Path | None:
    """Size and reading speed of each codec, side by side."""
    if not saved:
        return None
    lines = saved[0]["rows"][::-1]
    names = [line[0] for line in lines]
    figure = Figure(figsize=(9.5, 2.8), layout="constrained")
    left, right = figure.subplots(1, 2, sharey=True)
    for axis, column, title in ((left, 2, "room, as a share of raw"), (right, 4, "read, clips per second of CPU time")):
        values = [float(line[column].split(" ")[0].replace(",", "")) for line in lines]
        colours = [OURS_COLOUR if name == "uncompressed" else PEER_COLOUR for name in names]
        axis.barh(names, values, color=colours, height=0.7)
        axis.set_title(title, loc="left", fontsize=10)
        for place, value in enumerate(values):
            axis.annotate(f" {value:,g}", (value, place), va="center", fontsize=8)
        axis.margins(x=0.18)
        axis.spines[["top", "right"]].set_visible(False)
    write_figure(figure, file, dpi=DPI)
    return file


def draw_ratios(results: Mapping[str, Sequence[Result]], file: Path) -> Path | None:
    """CPU time of the stages as a ratio to that of their bare peers; readers, far from 1, are not among them."""
    found = {}
    for saved in results.values():
        for result in saved:
            cpu = result.get("seconds", {}).get("cpu", {}) if result.get("peer") != OUR_READER else {}
            for case, values in cpu.items():
                if case != result["peer"]:
                    found[f"{result['title'].partition(':')[0]}: {case}"] = ratios(values, to=cpu[result["peer"]])
    if not found:
        return None
    names = list(found)[::-1]
    figure = Figure(figsize=(9.5, 1.2 + 0.3 * len(names)), layout="constrained")
    axis = figure.subplots()
    for place, name in enumerate(names):
        low, middle, high = found[name].least, found[name].median, found[name].most
        colour = PEER_COLOUR if name.partition(": ")[2].startswith(OTHERS) else OURS_COLOUR
        axis.plot([low, high], [place, place], color=colour, linewidth=2)
        axis.plot([middle], [place], marker="o", color=colour)
    axis.set_yticks(range(len(names)), names, fontsize=8)
    axis.axvline(1, color=FLOOR_COLOUR, linewidth=1)
    axis.set_xlim(left=0)
    axis.set_xlabel("CPU time to that of the peer, median and range of rounds; grey: other programs")
    axis.spines[["top", "right"]].set_visible(False)
    write_figure(figure, file, dpi=DPI)
    return file


def draw_scale(saved: Sequence[Result], file: Path) -> Path | None:
    """Growth with the number of clips: seconds of single commands, the client's time per clip, its memory."""
    if not saved:
        return None
    facts = saved[0]["facts"]
    clips = [each["clips"] for each in facts]
    actions = {
        "init": ("init", "run"),
        "transcode, nothing to do": ("transcode", "again"),
        "creating a cache": ("precrop", "create"),
        "mocrop status": ("status", "run"),
        "start of training": ("training", "run"),
    }
    seconds = {name: [each[phase][f"{what}, cpu"] for each in facts] for name, (phase, what) in actions.items()}
    each_clip = {stage: [1e3 * each[stage]["run, cpu"] / each["clips"] for each in facts] for stage in STAGES}
    memory = {stage: [each[stage]["MB"] for each in facts] for stage in ("init", *STAGES)}
    memory["training, beside PyTorch"] = [each["training"]["MB"] - each["training"]["before MB"] for each in facts]
    figure = Figure(figsize=(11, 3.6), layout="constrained")
    panels = (
        ("CPU seconds", seconds, True),
        ("CPU ms of the client per clip", each_clip, False),
        ("memory, MB", memory, False),
    )
    for axis, (title, lines, logarithmic) in zip(figure.subplots(1, 3), panels, strict=True):
        for name, values in lines.items():
            axis.plot(clips, values, marker="o", markersize=3, label=name)
        axis.set_xscale("log")
        if logarithmic:
            axis.set_yscale("log")
        else:
            axis.set_ylim(bottom=0)
        axis.set_title(title, loc="left", fontsize=10)
        axis.set_xlabel("clips")
        axis.legend(fontsize=7, frameon=False)
        axis.spines[["top", "right"]].set_visible(False)
    write_figure(figure, file, dpi=DPI)
    return file


def _training(saved: Sequence[Result], words: str) -> Result | None:
    found = (result for result in saved if result["title"].startswith("training") and result["title"].endswith(words))
    return next(found, None)


def _bars(axis: Axes, seconds: Mapping[str, Sequence[float]]) -> None:
    names = sorted(seconds, key=lambda name: -statistics.median(seconds[name]))
    for place, name in enumerate(names):
        values = seconds[name]
        middle = statistics.median(values)
        floor = name.startswith(FLOORS)
        colour = OURS_COLOUR if name.startswith("mocrop") else FLOOR_COLOUR if floor else PEER_COLOUR
        axis.barh(place, middle, color=colour, height=0.7)
        axis.plot([min(values), max(values)], [place, place], color="black", linewidth=1)
        axis.annotate(f"  {middle:,.3g}", (max(values), place), va="center", fontsize=8)
    axis.set_yticks(range(len(names)), names, fontsize=8)
    axis.margins(x=0.1)
    axis.spines[["top", "right"]].set_visible(False)
