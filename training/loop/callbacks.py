"""Callbacks of a training run, and the facts and records that they get."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from mocrop.training.data.selection import LeftOut
from mocrop.training.loop.extension import Extension
from mocrop.training.loop.meter import Meter
from mocrop.training.recipe import Clip, Loss
from mocrop.training.scores import Score


@dataclass(frozen=True, kw_only=True)
class RunFacts:
    """What is decided before the first epoch."""

    run_dir: Path
    arch: str
    device: str
    precision: str  # "float32", "bfloat16" or "float16"
    channels_last: bool  # memory order of the network
    train_clips: int
    validation_clips: int
    left_out: LeftOut
    classes: int  # outputs of the head: every class that the cache names
    classes_with_clips: int  # those with a clip to train on
    epochs: int
    epochs_done: int  # by an earlier, interrupted run
    batches_done: int = 0  # by that run, in the epoch after those
    processes: int = 1  # that train together
    clips_left_out: int = 0  # of each epoch, as they do not fill a batch
    validation_listed: int = 0  # clips of the validation list of the split; 0: there is none
    validation_left_out: LeftOut = field(default_factory=LeftOut)  # of that list
    loss: Loss = "ce"
    extensions: tuple[Extension, ...] = ()  # each time that the run was made longer
    rate_before: float = 0.0  # learning rate of the last step that is done; 0: no epoch is done
    rate_now: float = 0.0  # that of the step after it
    clip: Clip | None = None  # neighbouring frames that it is trained on; None: segments
    crop: int | None = None  # side of what the network sees of each frame, pixels; None: all of it


@dataclass(frozen=True, kw_only=True)
class EpochRecord:
    """One line of log.jsonl."""

    epoch: int  # from 1
    learning_rate: float  # of the last step
    train_loss: float  # with label smoothing, if any
    train_accuracy: float  # on augmented clips, each batch with the weights of its time; see Totals.accuracy
    validation_loss: float | None  # None without validation clips
    validation_top1: Score | None
    validation_top5: Score | None
    seconds: float
    clips_per_second: float  # of training
    waiting_share: float  # of training, for data
    validation_map: float | None = None  # mean average precision, where a clip may have several labels; then no top-k


class TrainCallback:
    """Methods that a run calls as it goes on; override those of interest. They do nothing by default."""

    def started(self, facts: RunFacts) -> None:
        """The run is about to start or resume."""

    def resumed(self, history: Sequence[EpochRecord]) -> None:
        """The run resumes after these epochs of an earlier, interrupted run; called after ``started``."""

    def features(self, done: int, total: int) -> None:
        """A frozen backbone has processed ``done`` of ``total`` frames."""

    def step(self, epoch: int, meter: Meter) -> None:
        """A batch of epoch ``epoch`` (from 1) is done; reading a loss off the meter waits for the device."""

    def epoch(self, record: EpochRecord) -> None:
        """An epoch is finished, validated and saved."""

    def ended(self) -> None:
        """The run has ended or failed."""


class Callbacks(TrainCallback):
    """Several callbacks of one run, called in order."""

    def __init__(self, *callbacks: TrainCallback) -> None:
        self._callbacks = callbacks

    def started(self, facts: RunFacts) -> None:
        for callback in self._callbacks:
            callback.started(facts)

    def resumed(self, history: Sequence[EpochRecord]) -> None:
        for callback in self._callbacks:
            callback.resumed(history)

    def features(self, done: int, total: int) -> None:
        for callback in self._callbacks:
            callback.features(done, total)

    def step(self, epoch: int, meter: Meter) -> None:
        for callback in self._callbacks:
            callback.step(epoch, meter)

    def epoch(self, record: EpochRecord) -> None:
        for callback in self._callbacks:
            callback.epoch(record)

    def ended(self) -> None:
        with ExitStack() as stack:  # all of them, even if one fails
            for callback in reversed(self._callbacks):
                stack.callback(callback.ended)
