"""curves.png: loss, accuracy and learning rate of a training run over its epochs."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from mocrop.training.loop.callbacks import EpochRecord, RunFacts, TrainCallback
from mocrop.training.loop.run_folder import best_epoch

if TYPE_CHECKING:  # takes half a second to import, and most commands draw nothing
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SECONDS_BETWEEN_DRAWINGS = 30.0
TRAINING, VALIDATION, RATE, BEST = "#8a8f98", "#1f6fb4", "#5b7d3a", "#c8501e"


class CurvesCallback(TrainCallback):
    """Draws ``curves.png`` in the folder of a run, at most every ``seconds_between`` seconds and at the end."""

    def __init__(self, *, seconds_between: float = SECONDS_BETWEEN_DRAWINGS) -> None:
        self._seconds_between = seconds_between
        self._history: list[EpochRecord] = []
        self._drawn_epochs = 0
        self._drawn_at = time.monotonic()
        self._file, self._title = Path(), ""

    def started(self, facts: RunFacts) -> None:
        self._file = facts.run_dir / "curves.png"
        self._title = f"{facts.run_dir.name}: {facts.train_clips} clips, {facts.validation_clips} for validation"

    def resumed(self, history: Sequence[EpochRecord]) -> None:
        self._history = list(history)
        self._drawn_epochs = len(history) if self._file.exists() else 0

    def epoch(self, record: EpochRecord) -> None:
        self._history.append(record)
        if time.monotonic() - self._drawn_at >= self._seconds_between:
            self._draw()

    def ended(self) -> None:
        if self._drawn_epochs < len(self._history):
            self._draw()

    def _draw(self) -> None:
        from mocrop.training.report.figure_file import write_figure

        write_figure(draw_curves(self._history, title=self._title), self._file, dpi=110)
        self._drawn_epochs, self._drawn_at = len(self._history), time.monotonic()


def draw_curves(history: Sequence[EpochRecord], *, title: str = "") -> Figure:
    """Draw loss, accuracy and learning rate over the epochs, and mark the best one.

    Args:
        history: whole epochs, at least one.
    """
    from matplotlib.figure import Figure

    from mocrop.training.report.figure_names import drawable

    figure = Figure(figsize=(7.2, 6.4), layout="constrained")
    loss, accuracy, rate = figure.subplots(3, 1, sharex=True, height_ratios=(3, 3, 1.2))
    _draw_losses(loss, history)
    _draw_accuracies(accuracy, history)
    _draw_rate(rate, history)
    for axis in (loss, accuracy, rate):
        axis.grid(alpha=0.25, linewidth=0.6)
        axis.spines[["top", "right"]].set_visible(False)
    _mark_best(figure, history)
    figure.suptitle(drawable(title), fontsize=10)
    return figure


def _draw_losses(axis: Axes, history: Sequence[EpochRecord]) -> None:
    _line(axis, history, [record.train_loss for record in history], TRAINING, "training")
    validated = [record for record in history if record.validation_loss is not None]
    _line(axis, validated, [record.validation_loss or 0.0 for record in validated], VALIDATION, "validation")
    axis.set_ylabel("loss")
    axis.legend(frameon=False, fontsize=9)


def _draw_accuracies(axis: Axes, history: Sequence[EpochRecord]) -> None:
    """Draw the accuracies, that of validation with its 95 % Wilson interval, which shows how few clips there are."""
    _line(axis, history, [100 * record.train_accuracy for record in history], TRAINING, "training")
    scores = [(record, record.validation_top1) for record in history if record.validation_top1 is not None]
    epochs = [record.epoch for record, _ in scores]
    low, high = ([100 * score.interval[end] for _, score in scores] for end in (0, 1))
    axis.fill_between(epochs, low, high, color=VALIDATION, alpha=0.12, linewidth=0)
    _line(axis, [record for record, _ in scores], [100 * score.share for _, score in scores], VALIDATION, "validation")
    precise = [(record, record.validation_map) for record in history if record.validation_map is not None]
    _line(axis, [record for record, _ in precise], [100 * each for _, each in precise], VALIDATION, "validation, mAP")
    axis.set_ylim(0, 102)
    axis.set_ylabel("top-1 accuracy, %" if not precise else "top-1 right, and mAP, %")


def _draw_rate(axis: Axes, history: Sequence[EpochRecord]) -> None:
    from matplotlib.ticker import MaxNLocator

    _line(axis, history, [record.learning_rate for record in history], RATE, "")
    axis.set_yscale("log")
    axis.set_ylabel("learning rate")
    axis.set_xlabel("epoch")
    axis.set_xlim(0.5, history[-1].epoch + 0.5)
    axis.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))


def _line(axis: Axes, records: Sequence[EpochRecord], values: Sequence[float], colour: str, label: str) -> None:
    """Draw a line, with points if it has up to 30."""
    if records:
        marker = "." if len(records) <= 30 else ""
        axis.plot([record.epoch for record in records], values, color=colour, marker=marker, label=label)


def _mark_best(figure: Figure, history: Sequence[EpochRecord]) -> None:
    best = history[best_epoch(history) - 1]
    for axis in figure.axes:
        axis.axvline(best.epoch, color=BEST, linewidth=1, linestyle=(0, (4, 3)), zorder=0)
    what = f"best: epoch {best.epoch}, {_score_words(best)}" if best.validation_loss is not None else "kept"
    left = best.epoch <= (history[0].epoch + history[-1].epoch) / 2
    figure.axes[1].annotate(
        what,
        (best.epoch, 0.04),
        xycoords=("data", "axes fraction"),
        xytext=(5 if left else -5, 0),
        textcoords="offset points",
        ha="left" if left else "right",
        color=BEST,
        fontsize=9,
    )


def _score_words(record: EpochRecord) -> str:
    if record.validation_map is not None:
        return f"mAP {record.validation_map:.1%}"
    return f"top-1 {record.validation_top1.share:.1%}" if record.validation_top1 else "not scored"
