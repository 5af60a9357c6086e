"""Event files of a training run for TensorBoard."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from typing import TYPE_CHECKING

from mocrop.pipeline.errors import SettingsError
from mocrop.training.loop.callbacks import EpochRecord, RunFacts, TrainCallback

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter

FOLDER = "tensorboard"  # in the folder of the run


def tensorboard_callback(wanted: bool | None) -> TrainCallback:
    """A callback that writes TensorBoard events, or one that does nothing.

    Args:
        wanted: whether to write them; None: if TensorBoard is installed.
    Raises: SettingsError if they are wanted and TensorBoard is not installed.
    """
    installed = find_spec("tensorboard") is not None
    if wanted and not installed:
        raise SettingsError(
            "--tensorboard: TensorBoard is not installed; pip install 'mocrop[tensorboard]', or leave the option out"
        )
    return TensorBoardCallback() if wanted or (wanted is None and installed) else TrainCallback()


class TensorBoardCallback(TrainCallback):
    """Writes the records of log.jsonl as events. A run that resumes writes its earlier epochs again, in a new file."""

    def started(self, facts: RunFacts) -> None:
        from torch.utils.tensorboard import SummaryWriter

        folder = facts.run_dir / FOLDER
        for earlier in folder.glob("events.out.tfevents.*"):
            earlier.unlink()  # else epochs of an interrupted run would be there twice
        self._writer: SummaryWriter = SummaryWriter(folder)

    def resumed(self, history: Sequence[EpochRecord]) -> None:
        for record in history:
            self.epoch(record)

    def epoch(self, record: EpochRecord) -> None:
        for name, value in _scalars(record):
            self._writer.add_scalar(name, value, record.epoch)
        self._writer.flush()

    def ended(self) -> None:
        self._writer.close()


def _scalars(record: EpochRecord) -> Iterator[tuple[str, float]]:
    """Name and value of each curve at one epoch."""
    yield "loss/training", record.train_loss
    yield "accuracy/training", record.train_accuracy
    if record.validation_loss is not None and record.validation_top1 is not None:
        yield "loss/validation", record.validation_loss
        yield "accuracy/validation", record.validation_top1.share
    if record.validation_loss is not None and record.validation_map is not None:
        yield "loss/validation", record.validation_loss
        yield "mean average precision/validation", record.validation_map
    yield "speed/clips per second", record.clips_per_second
    yield "speed/share of waiting", record.waiting_share
    yield "learning rate", record.learning_rate
