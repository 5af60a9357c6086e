"""Show a training run on a console: a live line on a terminal, plain lines elsewhere."""

from __future__ import annotations

import time

from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn
from rich.table import Column

from mocrop.pipeline.terminal import LineConsole
from mocrop.training.loop.callbacks import EpochRecord, RunFacts, TrainCallback
from mocrop.training.loop.meter import Meter
from mocrop.training.recipe import clip_words

SECONDS_BETWEEN_UPDATES = 0.5  # of the live line; reading the loss waits for the device
SECONDS_BETWEEN_LINES = 10.0  # where there is no live line


class ConsoleCallback(TrainCallback):
    """Prints the facts of the run before the first epoch, the progress of each epoch, and a line when it is done."""

    def __init__(self, console: LineConsole) -> None:
        self._console = console
        self._epochs = 0
        self._bar: tuple[Progress, TaskID] | None = None
        self._updated = time.monotonic()

    def started(self, facts: RunFacts) -> None:
        self._epochs = facts.epochs
        for line in describe(facts):
            self._print(line)
        if self._console.is_terminal and facts.epochs_done < facts.epochs:
            progress = live_line(self._console)
            progress.start()
            self._bar = progress, progress.add_task("starting", facts="", total=None)

    def step(self, epoch: int, meter: Meter) -> None:
        now = time.monotonic()
        if now - self._updated < (SECONDS_BETWEEN_UPDATES if self._bar else SECONDS_BETWEEN_LINES):
            return
        self._updated = now
        title = f"epoch {epoch}/{self._epochs}"
        if self._bar is None:
            line = f"{title}, batch {meter.batches_done}/{meter.batches}: {describe_meter(meter)}"
            self._print(line)
            return
        progress, task = self._bar
        facts = describe_meter(meter)
        progress.update(task, description=title, completed=meter.batches_done, total=meter.batches, facts=facts)

    def features(self, done: int, total: int) -> None:
        now = time.monotonic()
        if self._bar is not None:
            progress, task = self._bar
            progress.update(
                task, description="features", completed=done, total=total, facts=f"{done:,}/{total:,} frames"
            )
        elif done == total or now - self._updated >= SECONDS_BETWEEN_LINES:
            self._updated = now
            self._print(f"features: {done:,}/{total:,} frames")

    def epoch(self, record: EpochRecord) -> None:
        self._print(f"epoch {record.epoch}/{self._epochs}: {describe_record(record)}")

    def ended(self) -> None:
        if self._bar is not None:
            self._bar[0].stop()
            self._bar = None

    def _print(self, line: str) -> None:
        """Print a line unchanged, even if it is longer than the console is wide."""
        self._console.print(line)


def live_line(console: LineConsole) -> Progress:
    """Live line with epoch, facts, a bar and the time left in the epoch.

    It usually leaves a few of 80 columns free for the ^C that a terminal echoes: a line that wraps cannot be erased.
    """

    def unwrapped() -> Column:
        return Column(no_wrap=True)

    return Progress(
        TextColumn("{task.description}", markup=False, table_column=unwrapped()),
        TextColumn("{task.fields[facts]}", markup=False, table_column=unwrapped()),
        BarColumn(bar_width=10),
        TimeRemainingColumn(compact=True, table_column=unwrapped()),
        console=console,
        transient=True,
    )


def describe(facts: RunFacts) -> list[str]:
    """Lines that describe a run before its first epoch."""
    where = (
        f"as {facts.processes} processes, this one on {facts.device}" if facts.processes > 1 else f"on {facts.device}"
    )
    lines = [
        f"{facts.arch} {where} in {facts.precision}, into {facts.run_dir}",
        f"{facts.train_clips} clips to train on, {_validation_words(facts)}, left out: {facts.left_out}",
    ]
    if facts.validation_listed and not facts.validation_clips:
        lines.append(f"the validation list of {facts.validation_listed} clips is not used: the last epoch is kept")
    if facts.clip is not None:
        lines.append(f"trained on {clip_words(facts.clip)}, out of windows; validated on the middle of each clip's")
    if facts.crop is not None:
        lines.append(f"squares of {facts.crop} px of each frame, anywhere in it; in validation the middle one")
    if facts.loss != "ce":
        lines.append("loss: binary cross-entropy, each class by itself")
    if facts.clips_left_out:
        left_out = f"{facts.clips_left_out} of the {facts.train_clips} clips"
        lines.append(f"each epoch leaves out {left_out}, which fill no batch; other ones each time")
    if facts.classes_with_clips < facts.classes:
        lines.append(f"only {facts.classes_with_clips} of {facts.classes} classes have clips to train on")
    lines += _extension_lines(facts)
    if facts.epochs_done == facts.epochs:
        lines.append(f"all {facts.epochs} epochs are done already")
    elif facts.batches_done:
        lines.append(
            f"going on after batch {facts.batches_done} of epoch {facts.epochs_done + 1} of an interrupted run"
        )
    elif facts.epochs_done:
        interrupted = not (facts.extensions and facts.extensions[-1].after == facts.epochs_done)
        lines.append(f"going on after epoch {facts.epochs_done}{' of an interrupted run' if interrupted else ''}")
    return lines


def _extension_lines(facts: RunFacts) -> list[str]:
    """How the run was made longer, and what that means for its learning rate and its result."""
    if not facts.extensions:
        return []
    last = facts.extensions[-1]
    lines = [f"made longer: {last.epochs} epochs before, {facts.epochs} now, {last.after} done when that was decided"]
    if facts.epochs_done == last.after:  # the first time
        lines.append(
            f"the learning rate is from here on that of a run of {facts.epochs} epochs: {facts.rate_now:.2g} after "
            f"{facts.rate_before:.2g}"
            if facts.epochs_done
            else f"the learning rate is that of a run of {facts.epochs} epochs: {facts.rate_now:.2g} now"
        )
    lines.append(f"so the result is not that of a run which had {facts.epochs} epochs from the start")
    return lines


def _validation_words(facts: RunFacts) -> str:
    if not facts.validation_listed:
        return f"{facts.validation_clips} held out for validation"
    without = f" ({facts.validation_left_out} of it left out)" if facts.validation_left_out.total else ""
    return f"{facts.validation_clips} of the validation list to validate on{without}"


def describe_meter(meter: Meter) -> str:
    """Progress of an epoch, short enough for part of a line of 80 columns."""
    totals, speed = meter.totals(), meter.clips_per_second
    return (
        f"loss {totals.mean_loss:.3f} acc {totals.accuracy:.1%} {speed:.{0 if speed >= 100 else 1}f} clips/s "
        f"wait {totals.waiting_share:.1%}"
    )


def describe_record(record: EpochRecord) -> str:
    """Result of an epoch, short enough for part of a line of 80 columns; log.jsonl has more."""
    validation = ""
    if record.validation_top1 is not None:
        validation = f", held out {record.validation_loss:.3f} acc {record.validation_top1.share:.1%}"
    elif record.validation_map is not None:
        validation = f", held out {record.validation_loss:.3f} mAP {record.validation_map:.1%}"
    seconds = f"{record.seconds:.{0 if record.seconds >= 10 else 2}f} s"
    return (
        f"loss {record.train_loss:.3f} acc {record.train_accuracy:.1%}{validation}, {seconds} "
        f"wait {record.waiting_share:.0%}"
    )
