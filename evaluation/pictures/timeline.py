"""The timeline of a video: how probable its top classes are from window to window."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import cycle, pairwise
from pathlib import Path

import matplotlib.axes
import numpy as np
import numpy.typing as npt

from mocrop.training.report.figure_file import write_figure
from mocrop.training.report.figure_names import short_name

MOST_CLASSES = 6  # that have a line of their own: more cannot be told apart
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#c0659c", "#e69f00", "#56b4e9")  # Okabe and Ito's
LINES = ("-", (0, (5, 1.5)), (0, (1, 1)), (0, (6, 1, 1, 1)), (0, (2.5, 1)), (0, (6, 1, 1, 1, 1, 1)))
OTHERS, NO_ANSWER = "#b8b8b8", "#eeeeee"
MOST_TICKS = 12
SHORT_SECONDS = 120  # up to here times are in seconds
DPI = 110

Spans = Sequence[tuple[float, float]]  # start and end of each window, seconds
Probabilities = npt.NDArray[np.float32]  # (windows, classes); NaN in the rows of windows without an answer


def draw_timeline(spans: Spans, probabilities: Probabilities, names: Sequence[str], file: Path, *, title: str) -> None:
    """Draw the probabilities of the classes that are on top longest, and below them which class is on top.

    A window stands for the time that is nearer to its middle than to that of another one.

    Args:
        spans: in order.
        names: of the classes.
        title: such as the name of the video.
    """
    from matplotlib.figure import Figure
    from matplotlib.patches import Patch
    from matplotlib.ticker import FuncFormatter, MultipleLocator

    edges = shown_edges(spans)
    classes = classes_drawn(edges, probabilities)
    figure = Figure(figsize=(9, 4.6), layout="constrained")
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=(6, 1))
    for number, colour, line in zip(classes, COLOURS, LINES, strict=False):
        x, y = _steps(edges, probabilities[:, number])
        above.plot(x, y, color=colour, linestyle=line, linewidth=1.8, label=short_name(names[number]))
    _draw_tops(below, edges, probabilities, classes)
    above.set_ylim(-0.02, 1.02)
    above.set_ylabel("probability")
    above.grid(alpha=0.3)
    above.set_xlim(spans[0][0], spans[-1][1])
    below.set_yticks([])
    below.set_ylabel("top", rotation=0, ha="right", va="center")
    below.xaxis.set_major_locator(MultipleLocator(_step_seconds(spans[-1][1] - spans[0][0])))
    below.xaxis.set_major_formatter(FuncFormatter(lambda seconds, _: clock(seconds, of=spans[-1][1])))
    below.set_xlabel("time in the video" + (", seconds" if spans[-1][1] <= SHORT_SECONDS else ""))
    handles, _ = above.get_legend_handles_labels()
    tops = set(_tops(probabilities))
    if tops - set(classes) - {-1}:
        handles.append(Patch(color=OTHERS, label="another class on top"))
    if -1 in tops:
        handles.append(Patch(facecolor=NO_ANSWER, hatch="///", edgecolor="#999999", linewidth=0, label="no answer"))
    figure.suptitle(short_name(title), fontsize=10)
    figure.legend(handles=handles, loc="outside lower center", ncols=2 if _long(handles) else 3, fontsize=8)
    write_figure(figure, file, dpi=DPI)


def shown_edges(spans: Spans) -> list[tuple[float, float]]:
    """The part of the time that each window stands for, seconds; times that are in no window stay free.

    >>> shown_edges([(0, 2), (1, 3), (2, 3.5)]), shown_edges([(0, 1), (5, 6)])
    ([(0, 1.5), (1.5, 2.375), (2.375, 3.5)], [(0, 1), (5, 6)])
    """
    middles = [(start + end) / 2 for start, end in spans]
    between = [(one + other) / 2 for one, other in pairwise(middles)]
    return [
        (max(start, before), min(end, after))
        for (start, end), before, after in zip(spans, [spans[0][0], *between], [*between, spans[-1][1]], strict=True)
    ]


def classes_drawn(edges: Spans, probabilities: Probabilities) -> list[int]:
    """Numbers of the classes that are on top for the longest time, then of the most probable ones; at most six."""
    on_top = np.zeros(probabilities.shape[1])
    for (start, end), top in zip(edges, _tops(probabilities), strict=True):
        if top >= 0:
            on_top[top] += end - start
    known = probabilities[~np.isnan(probabilities).any(axis=1)]
    mean = known.mean(axis=0) if len(known) else np.zeros(probabilities.shape[1])
    order = np.lexsort((-mean, -on_top))
    return [int(number) for number in order[:MOST_CLASSES]] if len(known) else []


def clock(seconds: float, *, of: float) -> str:
    """A time as it is read: in seconds in a short video, else in minutes and hours.

    >>> clock(2.5, of=60), clock(65, of=600), clock(3665, of=7200)
    ('2.5', '1:05', '1:01:05')
    """
    if of <= SHORT_SECONDS:
        return f"{seconds:g}"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if of >= 3600 else f"{minutes}:{rest:02d}"


def _step_seconds(seconds: float) -> float:
    """Seconds between two ticks: a round number, of which few fit."""
    steps = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 21600)
    return next((step for step in steps if seconds <= MOST_TICKS * step), seconds / MOST_TICKS)


def _tops(probabilities: Probabilities) -> list[int]:
    """Number of the most probable class of each window; -1 without an answer."""
    return [-1 if np.isnan(row).any() else int(row.argmax()) for row in probabilities]


def _steps(edges: Spans, values: npt.NDArray[np.float32]) -> tuple[list[float], list[float]]:
    """A line of steps that is broken where no window is."""
    x: list[float] = []
    y: list[float] = []
    for (start, end), value in zip(edges, values.tolist(), strict=True):
        if x and start > x[-1]:
            x.append(start)
            y.append(float("nan"))
        x += [start, end]
        y += [value, value]
    return x, y


def _draw_tops(axis: matplotlib.axes.Axes, edges: Spans, probabilities: Probabilities, classes: Sequence[int]) -> None:
    """Colour the time by the class on top, in one bar for windows in a row that have the same one."""
    colour_of = dict(zip(classes, cycle(COLOURS), strict=False))
    runs: list[tuple[int, float, float]] = []
    for (start, end), top in zip(edges, _tops(probabilities), strict=True):
        if runs and runs[-1][0] == top and start <= runs[-1][2]:
            runs[-1] = (top, runs[-1][1], end)
        else:
            runs.append((top, start, end))
    for top, start, end in runs:
        if top < 0:
            axis.axvspan(start, end, facecolor=NO_ANSWER, hatch="///", edgecolor="#999999", linewidth=0)
        else:
            axis.axvspan(start, end, facecolor=colour_of.get(top, OTHERS), linewidth=0)


def _long(handles: Sequence[matplotlib.artist.Artist]) -> bool:
    return any(len(str(handle.get_label())) > 30 for handle in handles)
