"""Progress of an ablation."""

from __future__ import annotations

from mocrop.evaluation.ablation.settings import Cell
from mocrop.pipeline.terminal import LineConsole
from mocrop.training.loop.callbacks import TrainCallback
from mocrop.training.report.console import ConsoleCallback


class AblationCallback:
    """Progress of an ablation; the methods do nothing, override those of interest."""

    def cache(self, name: str, done: int, total: int) -> None:
        """The crop cache ``name`` is ready; ``done`` of ``total`` are."""

    def cell(self, cell: Cell, done: int, total: int, *, ran: bool) -> None:
        """A cell is finished, now or (``ran`` is False) earlier."""

    def training(self, cell: Cell) -> TrainCallback:
        """Callback for the epochs of a cell that is trained end to end, which takes long."""
        return TrainCallback()

    def features(self, cache: str, done: int, total: int) -> None:
        """The frozen backbone has processed ``done`` of ``total`` frames of a cache."""

    def fits(self, view: str, done: int, total: int) -> None:
        """``done`` of ``total`` few-shot heads in one view are fitted."""


class ConsoleAblationCallback(AblationCallback):
    """Prints a line for each cache and cell, and the progress of what takes long in between."""

    def __init__(self, console: LineConsole) -> None:
        self._console = console
        self._shown = ""

    def cache(self, name: str, done: int, total: int) -> None:
        self._say(f"cache {done}/{total}: {name}")

    def cell(self, cell: Cell, done: int, total: int, *, ran: bool) -> None:
        if ran or done == total:
            self._say(f"cell {done}/{total}: {cell.name}" + ("" if ran else ", done before"))

    def training(self, cell: Cell) -> TrainCallback:
        self._say(f"training {cell.name}")
        return ConsoleCallback(self._console)

    def features(self, cache: str, done: int, total: int) -> None:
        quarter = 4 * done // max(total, 1)
        self._once(f"features of {cache}: {25 * quarter} % of {total:,} frames")

    def fits(self, view: str, done: int, total: int) -> None:
        if done == total:
            self._say(f"few groups, {view}: {total:,} heads")

    def _once(self, line: str) -> None:
        if line != self._shown:
            self._shown = line
            self._say(line)

    def _say(self, line: str) -> None:
        self._console.print(line)
