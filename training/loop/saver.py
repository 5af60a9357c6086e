"""Keep a run safe between its steps: when to save it goes in, last.pt comes out in time, or an end that can be mended.

How often a run is saved, and where it was stopped, changes nothing about what it comes to.
"""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from mocrop.pipeline.errors import StoppedError
from mocrop.training.distributed import Agreement, Ranks
from mocrop.training.loop.meter import Meter
from mocrop.training.loop.signals import StopRequest, exit_code

SECONDS_BETWEEN_SAVES = 600.0  # what a crash costs at the most


@dataclass(frozen=True, kw_only=True)
class RunControl:
    """How a run is kept going; its weights and records do not depend on it."""

    save_every_seconds: float = SECONDS_BETWEEN_SAVES  # within an epoch; 0: after each step
    stop: StopRequest = field(default_factory=StopRequest)  # asked after each step
    ranks: Ranks = field(default_factory=Ranks)  # the processes that work together

    def __post_init__(self) -> None:
        if not self.save_every_seconds >= 0:
            raise ValueError(f"save_every_seconds must not be negative, as {self.save_every_seconds} is")

    def stop_while(self, what: str) -> None:
        """Stop where there is nothing to save.

        Raises: StoppedError if a signal has asked for it.
        """
        if self.stop:
            raise stopped(self.stop.signal, f"while {what}; the same command goes on")


class Saver:
    """Saves a run within an epoch when the time has come, or when it is to stop; all ranks do so after the same batch.

    Args:
        save: writes last.pt with the totals of the epoch so far; called on every rank.
    """

    def __init__(self, control: RunControl, save: Callable[[Meter], None]) -> None:
        self._control = control
        self._save = save
        self._saved = time.monotonic()
        self._agreement = Agreement(control.ranks)

    def begin_epoch(self) -> None:
        """An epoch begins or goes on; all before it is saved."""
        self._saved = time.monotonic()

    def after_batch(self, epoch: int, meter: Meter) -> None:
        """Save, and stop, if it is time to.

        Args:
            epoch: the one under way, from 0, which ``meter`` counts.
        Raises: StoppedError if a signal has asked any rank for it; the run is saved then.
        """
        stop, save = self._agreement.heard([self._control.stop.signal, self._due()])
        if stop or save:
            self._save(meter)
        if stop:
            self._control.ranks.wait()  # the first one to end ends all, so not before the file is there
            done = f"after batch {meter.batches_done} of {meter.batches} of epoch {epoch + 1}"
            raise stopped(stop, f"{done}, which is saved; the same command goes on there")

    def _due(self) -> bool:
        """Whether the time has come; says so once."""
        if not self._control.ranks.first or time.monotonic() - self._saved < self._control.save_every_seconds:
            return False
        self._saved = time.monotonic()
        return True


def stopped(number: int, where: str) -> StoppedError:
    """The end that signal ``number`` has asked for, in words."""
    return StoppedError(f"stopped by {signal.Signals(number).name} {where}", exit_code=exit_code(number))
