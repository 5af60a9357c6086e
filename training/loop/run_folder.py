"""The folder of a training run: its records and checkpoints, and the lock that keeps other runs out."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from mocrop.pipeline.errors import TrainingError
from mocrop.pipeline.files import HeldError, held, write_whole
from mocrop.pipeline.settings import unknown_settings, with_defaults
from mocrop.pipeline.versions import not_known
from mocrop.training.loop.callbacks import EpochRecord
from mocrop.training.loop.meter import Totals
from mocrop.training.model.checkpoint import Checkpoint, is_described_by, load_checkpoint, save_checkpoint
from mocrop.training.recipe import TrainSettings
from mocrop.training.scores import Score

FREE_SETTINGS = ("device",)  # may differ when a run resumes


class RunFolder:
    """Files of one run: config.json, log.jsonl, metrics.json, last.pt, best.pt; each appears only when complete.

    Args:
        seconds_between_saves: epochs that end sooner after a save wait in memory for the next one.
    """

    def __init__(self, path: Path, *, seconds_between_saves: float = 0.0) -> None:
        self.path = path
        self.last = path / "last.pt"
        self.best = path / "best.pt"
        self._seconds_between_saves = seconds_between_saves
        self._saved = time.monotonic()
        self._unsaved_best: Checkpoint | None = None

    def unfinished(self, settings: Mapping[str, Any], cache: Mapping[str, Any]) -> Checkpoint | None:
        """The last checkpoint of an earlier run with the same settings and data, finished or not; None without one.

        Raises: TrainingError that lists the differences if the folder holds another run; CheckpointError if last.pt is
            damaged.
        """
        if not self.last.exists():
            return None
        checkpoint = load_checkpoint(self.last)
        if unknown := _unknown(checkpoint):
            raise TrainingError(not_known(f"the run in {self.path}", repr(unknown[0])) + ", or pass another --name")
        differing = _differences(*(with_defaults(TrainSettings, each) for each in (checkpoint.settings, settings)))
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

    def save(
        self, checkpoint: Checkpoint, history: Sequence[EpochRecord], *, resume: dict[str, Any], final: bool = True
    ) -> None:
        """Save the last epoch of ``history``, unless the last save was too short a time ago.

        Args:
            checkpoint: of that epoch, without ``resume``.
            resume: what the run needs to resume, without the history.
            final: save in any case.
        """
        if best_epoch(history) == history[-1].epoch:
            self._unsaved_best = checkpoint
        if not final and time.monotonic() - self._saved < self._seconds_between_saves:
            if history[-1].validation_top1 is None:
                self._unsaved_best = None  # the next epoch replaces it as the best
            if self._unsaved_best is checkpoint:  # the next steps change its weights in place
                weights = {name: tensor.clone() for name, tensor in checkpoint.state_dict.items()}
                self._unsaved_best = replace(checkpoint, state_dict=weights)
            return
        self.save_within_epoch(checkpoint, history, resume=resume)

    def save_within_epoch(
        self, checkpoint: Checkpoint, history: Sequence[EpochRecord], *, resume: dict[str, Any]
    ) -> None:
        """Write best.pt if a better one waits, then last.pt, which makes the epochs count, and their records."""
        if self._unsaved_best is not None:
            save_checkpoint(self.best, self._unsaved_best)
            self._unsaved_best = None
        with_history = {**resume, "history": [record_json(record) for record in history]}
        save_checkpoint(self.last, replace(checkpoint, resume=with_history))
        self._saved = time.monotonic()
        if history:
            self.write_records(history)

    def write_records(self, history: Sequence[EpochRecord]) -> None:
        """Write log.jsonl and metrics.json, which repeat what last.pt holds."""
        lines = [json.dumps(record_json(record)) + "\n" for record in history]
        write_whole(self.path / "log.jsonl", "".join(lines).encode())
        best = history[best_epoch(history) - 1]
        write_whole(self.path / "metrics.json", _json({"best": record_json(best), "last": record_json(history[-1])}))


def best_epoch(history: Sequence[EpochRecord]) -> int:
    """Number of the epoch with the most right answers on the validation clips; among equals, of the lowest loss.

    Without validation clips it is the last epoch.
    """

    def rank(record: EpochRecord) -> tuple[int, float]:
        if record.validation_top1 is None or record.validation_loss is None:
            return 0, -record.epoch
        return -record.validation_top1.correct, record.validation_loss

    return min(history, key=rank).epoch


def record_json(record: EpochRecord) -> dict[str, Any]:
    """A record as plain values, for JSON."""
    return asdict(record)


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


def _differences(there: Mapping[str, Any], here: Mapping[str, Any]) -> list[str]:
    names = [name for name in sorted(there.keys() | here.keys()) if name not in FREE_SETTINGS]
    return [f"{name}: {there.get(name)}, now {here.get(name)}" for name in names if there.get(name) != here.get(name)]


def _json(values: Mapping[str, Any]) -> bytes:
    return (json.dumps(values, indent=2) + "\n").encode()
