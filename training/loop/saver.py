"""When a run is saved within an epoch, and how it stops on a signal.

How often a run is saved, and where it is stopped, does not change its result.
"""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from mocrop.pipeline.errors import AddressError, StoppedError
from mocrop.pipeline.limits import require_number
from mocrop.training.distributed import Agreement, Ranks
from mocrop.training.loop.meter import Meter
from mocrop.training.loop.signals import StopRequest, exit_code

SECONDS_BETWEEN_SAVES = 600.0  # the most that a crash can lose


@dataclass(frozen=True, kw_only=True)
class RunControl:
    """When a run saves and stops, and with which processes; its weights and records do not depend on it."""

    save_every_seconds: float = SECONDS_BETWEEN_SAVES  # within an epoch; 0: after each step
    stop: StopRequest = field(default_factory=StopRequest)  # looked at after each step
    ranks: Ranks = field(default_factory=Ranks)  # this process among those that train together

    def __post_init__(self) -> None:
        require_number("save_every_seconds (--save-every, in minutes)", self.save_every_seconds, least=0, most=10**9)

    def stop_while(self, what: str) -> None:
        """Stop at a point where there is nothing to save.

        Args:
            what: is being done, for the message.
        Raises: StoppedError if a signal has asked for it.
        """
        if self.stop:
            raise stopped(self.stop.signal, f"while {what}; the same command goes on")


class Saver:
    """Saves a run within an epoch when it is time or when it is asked to stop, on all ranks after the same batch.

    Args:
        save: writes last.pt with the totals of the epoch so far; called on every rank.
    """

    def __init__(self, control: RunControl, save: Callable[[Meter], None]) -> None:
        self._control = control
        self._save = save
        self._saved = time.monotonic()
        self._agreement = Agreement(control.ranks)
        self._updated = -1  # batches of the epoch after the last update of the weights

    def begin_epoch(self) -> None:
        """Count the time to the next save from now: an epoch begins or resumes, and all before it is saved."""
        self._saved = time.monotonic()
        self._updated = -1

    @contextmanager
    def saving_if_data_vanish(self, epoch: int, meter: Meter) -> Iterator[None]:
        """Save what is done if the cache is at an address, and the body ends since it cannot be reached any more.

        Gradients that no update has used are not saved, and other ranks may be at another batch: then the run goes on
        from its last save.

        Raises: AddressError that says so.
        """
        try:
            yield
        except AddressError as error:
            done = "the run goes on from its last save"
            if self._control.ranks.ranks == 1 and meter.batches_done == self._updated:
                self._save(meter)
                done = f"batch {meter.batches_done} of {meter.batches} of epoch {epoch + 1} was done, and is saved"
            raise AddressError(f"{error}; {done}") from error

    def after_batch(self, epoch: int, meter: Meter) -> None:
        """Save if it is time; save and stop if a signal has asked for it.

        Args:
            epoch: the one that ``meter`` counts, from 0.
        Raises: StoppedError if a signal has asked any rank to stop; the run is saved.
        """
        self._updated = meter.batches_done
        stop, save = self._agreement.heard([self._control.stop.signal, self._due()])
        if stop or save:
            self._save(meter)
        if stop:
            self._control.ranks.wait()  # the first rank to end ends all, so wait until the file is written
            done = f"after batch {meter.batches_done} of {meter.batches} of epoch {epoch + 1}"
            raise stopped(stop, f"{done}, which is saved; the same command goes on there")

    def _due(self) -> bool:
        """Whether it is time to save; true once, on the first rank only."""
        if not self._control.ranks.first or time.monotonic() - self._saved < self._control.save_every_seconds:
            return False
        self._saved = time.monotonic()
        return True


def stopped(number: int, where: str) -> StoppedError:
    """The error that ends a run after signal ``number``; ``where`` follows the signal's name in the message."""
    return StoppedError(f"stopped by {signal.Signals(number).name} {where}", exit_code=exit_code(number))
