"""Plots of scores: the confusion matrix, and accuracy against confidence."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import matplotlib.axes
import numpy as np
import numpy.typing as npt
from rich.cells import cell_len

from mocrop.evaluation.scores.calibration import Calibration
from mocrop.training.report.figure_file import write_figure
from mocrop.training.report.figure_names import drawable, short_name

INCHES_PER_CLASS, MIN_INCHES = 0.19, 2.4  # of the side of the matrix
MAX_CLASSES = 150  # in one picture: more cannot be read, and take minutes and gigabytes
MAX_LARGE_CLASSES = 25  # up to so many, cells are large enough for bold counts
DPI = 110
WITHOUT_CLIPS = "#eeeeee"


def draw_confusion(confusion: npt.NDArray[np.int64], names: Sequence[str], file: Path, *, title: str) -> None:
    """Draw a confusion matrix, coloured by share of the true class.

    Each cell with clips shows their number. A class without clips is grey, or left out if it is no answer either.
    The picture grows with the classes; of very many, the most confused are drawn, and the title says so.

    Args:
        confusion: int64, (classes, classes), clips: true class down, answer across.
    """
    from matplotlib.colors import PowerNorm
    from matplotlib.figure import Figure

    drawn, there = classes_drawn(confusion)
    if len(drawn) < there:
        title = f"{title}; the {len(drawn)} most confused of {there} classes"
    clips = confusion.sum(axis=1)[drawn, None]
    confusion, names = confusion[np.ix_(drawn, drawn)], [short_name(names[number]) for number in drawn.tolist()]
    few = len(names) <= MAX_LARGE_CLASSES
    side = max(MIN_INCHES, len(names) * (0.55 if few else INCHES_PER_CLASS))
    text, heading = (9.0, 10.0) if few else (7.0, 16.0)
    labels = 0.0115 * text * max(map(cell_len, names)) + 0.6  # room for names, inches
    figure = Figure(figsize=(side + labels + 1.0, side + labels + 0.4), layout="constrained")
    axis = figure.add_subplot()
    with np.errstate(invalid="ignore"):  # 0 / 0 for a class without clips
        shares = np.ma.masked_invalid(confusion / clips)
    axis.set_facecolor(WITHOUT_CLIPS)
    image = axis.imshow(shares, cmap="Blues", norm=PowerNorm(0.5, vmin=0, vmax=1))  # so that few clips show
    for row, column in np.argwhere(confusion > 0).tolist():
        colour = "white" if shares[row, column] > 0.3 else "black"
        axis.text(column, row, f"{confusion[row, column]}", ha="center", va="center", color=colour, fontsize=text)
    axis.set_xticks(range(len(names)), names, rotation=90, fontsize=text)
    axis.set_yticks(range(len(names)), names, fontsize=text)
    axis.set_xticks(np.arange(len(names)) - 0.5, minor=True)
    axis.set_yticks(np.arange(len(names)) - 0.5, minor=True)
    axis.grid(which="minor", color="#dddddd", linewidth=0.4)
    axis.tick_params(which="minor", length=0)
    axis.set_xlabel("answer", fontsize=heading)
    axis.set_ylabel("true class", fontsize=heading)
    figure.suptitle(drawable(title), fontsize=heading, wrap=True)
    bar = figure.colorbar(image, ax=axis, fraction=0.4 / side, pad=0.02)
    bar.set_label("share of the true class", fontsize=heading)
    write_figure(figure, file, dpi=DPI)


def classes_drawn(confusion: npt.NDArray[np.int64]) -> tuple[npt.NDArray[np.int64], int]:
    """Numbers of the classes to draw, ascending, and how many have clips or are answers."""
    there = np.flatnonzero(confusion.any(axis=0) | confusion.any(axis=1))
    wrong = confusion - np.diag(confusion.diagonal())
    mistakes = (wrong.sum(axis=0) + wrong.sum(axis=1))[there]
    most = np.argsort(-mistakes, kind="stable")[:MAX_CLASSES]
    return np.sort(there[most]), len(there)


def draw_calibration(calibration: Calibration, file: Path, *, title: str) -> None:
    """Draw accuracy against confidence by bin, and below how many clips each bin has."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5, 5.4), layout="constrained")
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    _draw_reliability(above, calibration)
    figure.suptitle(f"{drawable(title)}\nexpected calibration error {calibration.error:.1%}", fontsize=10, wrap=True)
    figure.legend(*above.get_legend_handles_labels(), loc="outside lower center", ncols=3, fontsize=8)
    centres, width = [(each.low + each.high) / 2 for each in calibration.bins], 1 / len(calibration.bins)
    below.bar(centres, [each.clips for each in calibration.bins], width=width, color="#999999", edgecolor="white")
    below.set_ylabel("clips")
    below.set_xlabel("confidence: largest softmax of the clip")
    write_figure(figure, file, dpi=DPI)


def _draw_reliability(axis: matplotlib.axes.Axes, calibration: Calibration) -> None:
    filled = [each for each in calibration.bins if each.accuracy is not None]
    lefts, width = [each.low for each in filled], 1 / len(calibration.bins)
    accuracy = [each.accuracy or 0.0 for each in filled]
    confidence = [each.confidence or 0.0 for each in filled]
    axis.bar(lefts, accuracy, width=width, align="edge", color="#56b4e9", edgecolor="white", label="right")
    axis.plot([0, 1], [0, 1], "--", color="#666666", label="as right as sure")
    axis.plot(confidence, accuracy, "o", color="#d55e00", markersize=4, label="mean confidence")
    axis.set_xlim(0, 1)
    axis.set_ylim(0, 1)
    axis.set_ylabel("share that is right")
    axis.grid(alpha=0.3)
