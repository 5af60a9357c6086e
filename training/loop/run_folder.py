"""The folder of a training run: its records and checkpoints, and the lock that keeps other runs out."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from mocrop.pipeline.errors import CheckpointError, TrainingError
from mocrop.pipeline.files import HeldError, held, write_whole
from mocrop.pipeline.settings import unknown_settings, with_defaults
from mocrop.pipeline.strict_json import json_text
from mocrop.pipeline.versions import not_known
from mocrop.training.loop.callbacks import EpochRecord
from mocrop.training.loop.extension import free_to_extend
from mocrop.training.loop.meter import Totals
from mocrop.training.model.checkpoint import Checkpoint, is_described_by, load_checkpoint, save_checkpoint
from mocrop.training.recipe import TrainSettings
from mocrop.training.scores import Score

BEST, LAST = "best.pt", "last.pt"
FREE_SETTINGS = frozenset({"device"})  # may differ when a run resumes


class RunFolder:
    """Files of one run: config.json, log.jsonl, metrics.json, last.pt, best.pt; each appears only when complete.

    best.pt holds the epoch that metrics.json calls the best, which is the best of the epochs that last.pt counts. A new
    best waits beside it until last.pt counts its epoch, and while best.pt changes there is no metrics.json; what a kill
    has cut short, :meth:`settle` finishes.

    Args:
        seconds_between_saves: epochs that end sooner after a save wait in memory for the next one.
    """

    def __init__(self, path: Path, *, seconds_between_saves: float = 0.0) -> None:
        self.path = path
        self.last = path / LAST
        self.best = path / BEST
        self._next_best = path / ".best.pt.next"
        self._metrics = path / "metrics.json"
        self._epoch_of_best = 0  # the one that best.pt holds; 0: none of this run
        self._seconds_between_saves = seconds_between_saves
        self._saved = time.monotonic()
        self._unsaved_best: Checkpoint | None = None

    def unfinished(
        self, settings: Mapping[str, Any], cache: Mapping[str, Any], *, extend: bool = False
    ) -> Checkpoint | None:
        """The last checkpoint of an earlier run with the same settings and data, finished or not; None without one.

        Args:
            extend: the run may be made longer: ``settings`` may have more epochs.
        Raises: TrainingError that lists the differences if the folder holds another run; CheckpointError if last.pt is
            damaged.
        """
        if not self.last.exists():
            return None
        checkpoint = load_checkpoint(self.last)
        if unknown := _unknown(checkpoint):
            raise TrainingError(not_known(f"the run in {self.path}", repr(unknown[0])) + ", or pass another --name")
        known, wanted = (with_defaults(TrainSettings, each) for each in (checkpoint.settings, settings))
        differing = _differences(known, wanted, free=free_to_extend(known, wanted) if extend else frozenset())
        there = checkpoint.cache
        if there["name"] != cache["name"]:
            differing.append(f"cache: {there['name']}, now {cache['name']}")
        elif not is_described_by(there, cache):
            differing.append(
                f"cache: the content of {there['name']} has changed ({there['hash']}, now {cache['hash']})"
            )
        if differing:
            raise TrainingError(
                f"{self.path} holds a run with other settings ({'; '.join(differing)}); pass another --name, or delete "
                "that folder"
            )
        return checkpoint

    @contextmanager
    def held(self) -> Iterator[None]:
        """Within the body, lock the folder, which is created if missing; a killed process releases the lock.

        Raises: TrainingError if another process is training in it.
        """
        with ExitStack() as stack:
            try:
                stack.enter_context(held(self.path / ".lock"))
            except HeldError as error:
                raise TrainingError(
                    f"another `mocrop train` ({error.holder}) is at work in {self.path}; wait for it or stop it, or "
                    f"pass another --name{error.way_out}"
                ) from error
            yield

    def start(self, config: Mapping[str, Any]) -> None:
        """Write config.json."""
        write_whole(self.path / "config.json", _json(config))

    def settle(self, earlier: Checkpoint, *, epochs: int) -> None:
        """Before an earlier run goes on, make best.pt the best of the epochs that its last.pt counts.

        Args:
            earlier: what last.pt holds.
            epochs: of the whole run.
        Raises: TrainingError if the weights of that epoch are lost, and no later epoch will take its place.
        """
        history = [record_from_json(values) for values in earlier.resume["history"]]
        best = best_epoch(history) if history else 0
        if best and _epoch_in(self._next_best) == best:
            self._replace_best(best)
        self._next_best.unlink(missing_ok=True)  # of an epoch that last.pt does not count: it is done again
        self._epoch_of_best = _epoch_in(self.best)
        if not best or self._epoch_of_best == best:
            return
        if len(history) == best and "meter" not in earlier.resume:  # last.pt holds the end of that very epoch
            save_checkpoint(self._next_best, replace(earlier, resume={}))
            self._replace_best(best)
        self._metrics.unlink(missing_ok=True)
        next_is_best = history[-1].validation_loss is None and len(history) < epochs
        if not next_is_best and self._epoch_of_best <= len(history):  # a later epoch in best.pt is about to be done
            self.require_best(history)

    def require_best(self, history: Sequence[EpochRecord]) -> None:
        """Check that best.pt holds the best epoch.

        Raises: TrainingError if it does not.
        """
        if self._epoch_of_best != (best := best_epoch(history)):
            there = f"holds epoch {self._epoch_of_best}" if self._epoch_of_best else "is missing or damaged"
            raise TrainingError(
                f"{self.best} {there}, and the best so far is epoch {best}, whose weights are lost; put that file back "
                "if you have it, or train again with another --name"
            )

    def save(
        self, checkpoint: Checkpoint, history: Sequence[EpochRecord], *, resume: dict[str, Any], final: bool = True
    ) -> None:
        """Save the last epoch of ``history``, unless the last save was too short a time ago.

        Args:
            checkpoint: of that epoch, without ``resume``. Where epochs wait in memory, its tensors must stay as they
                are while training goes on.
            resume: what the run needs to resume, without the history.
            final: save in any case.
        """
        if best_epoch(history) == history[-1].epoch:
            self._unsaved_best = checkpoint
        if final or time.monotonic() - self._saved >= self._seconds_between_saves:
            self.save_within_epoch(checkpoint, history, resume=resume)

    def save_within_epoch(
        self, checkpoint: Checkpoint, history: Sequence[EpochRecord], *, resume: dict[str, Any]
    ) -> None:
        """Write last.pt, which makes the epochs count, best.pt if a better one waits, and the records.

        Whatever ends the process between two of these files, none of them tells of weights that are not there.
        """
        if self._unsaved_best is not None:
            save_checkpoint(self._next_best, self._unsaved_best)
        with_history = {**resume, "history": [record_json(record) for record in history]}
        save_checkpoint(self.last, replace(checkpoint, resume=with_history))
        if self._unsaved_best is not None:
            self._replace_best(self._unsaved_best.epoch)
            self._unsaved_best = None
        self._saved = time.monotonic()
        if history:
            self.write_records(history)

    def write_records(self, history: Sequence[EpochRecord]) -> None:
        """Write log.jsonl and metrics.json, which repeat what last.pt holds; no metrics.json without its best.pt."""
        lines = [json_text(record_json(record)) + "\n" for record in history]
        write_whole(self.path / "log.jsonl", "".join(lines).encode())
        best = history[best_epoch(history) - 1]
        if best.epoch == self._epoch_of_best:
            write_whole(self._metrics, _json({"best": record_json(best), "last": record_json(history[-1])}))

    def _replace_best(self, epoch: int) -> None:
        """Put the waiting best epoch in the place of best.pt; until the next records there is no metrics.json."""
        self._metrics.unlink(missing_ok=True)
        os.replace(self._next_best, self.best)
        self._epoch_of_best = epoch


def weights_of(run: Path) -> Path:
    """The checkpoint that stands for a run: best.pt, or last.pt if it has been stopped in its first epoch."""
    best, last = run / BEST, run / LAST
    there = (
        best.exists() or best.is_symlink()
    )  # one that leads nowhere is an error to tell, not a run without a best.pt
    return last if last.exists() and not there else best


def best_epoch(history: Sequence[EpochRecord]) -> int:
    """Number of the epoch with the most right answers on the validation clips; among equals, of the lowest loss.

    Where a clip may have several labels, the mean average precision counts in place of right answers. Without
    validation clips it is the last epoch.
    """

    def rank(record: EpochRecord) -> tuple[float, float]:
        if record.validation_map is not None and record.validation_loss is not None:
            return -record.validation_map, record.validation_loss
        if record.validation_top1 is None or record.validation_loss is None:
            return 0, -record.epoch
        return -record.validation_top1.correct, record.validation_loss

    return min(history, key=rank).epoch


def record_json(record: EpochRecord) -> dict[str, Any]:
    """A record as plain values, for JSON."""
    values = asdict(record)
    if record.validation_map is None:  # an older mocrop knows no such score
        del values["validation_map"]
    return values


def record_from_json(values: Mapping[str, Any]) -> EpochRecord:
    """The inverse of :func:`record_json`."""
    scores = {
        name: None if values[name] is None else Score(**values[name]) for name in ("validation_top1", "validation_top5")
    }
    return EpochRecord(**{**values, **scores})


def _unknown(checkpoint: Checkpoint) -> list[str]:
    """Names of what a newer mocrop has kept of a run and this one does not have."""
    history, totals = checkpoint.resume.get("history", []), checkpoint.resume.get("meter", {})
    of_records = (name for record in history for name in unknown_settings(EpochRecord, record))
    return [*unknown_settings(TrainSettings, checkpoint.settings), *of_records, *unknown_settings(Totals, totals)]


def _epoch_in(file: Path) -> int:
    """Epoch that a checkpoint holds; 0 if it is missing or damaged."""
    try:
        return load_checkpoint(file).epoch
    except CheckpointError:
        return 0


def _differences(there: Mapping[str, Any], here: Mapping[str, Any], *, free: frozenset[str]) -> list[str]:
    names = sorted((there.keys() | here.keys()) - free - FREE_SETTINGS)
    return [f"{name}: {there.get(name)}, now {here.get(name)}" for name in names if there.get(name) != here.get(name)]


def _json(values: Mapping[str, Any]) -> bytes:
    return (json_text(values, indent=2) + "\n").encode()
