"""Train by the example for Lightning in one process or several, and say which clips each of them had, and when."""

from __future__ import annotations

import os
import runpy
from pathlib import Path
from typing import Any, NamedTuple

EXAMPLE = Path(__file__).resolve().parents[2] / "examples/lightning_module.py"


class Seen(NamedTuple):
    """What one rank has had; each entry begins with its epoch, from 0."""

    train: list[tuple[int, int, list[int]]]  # number of the batch, rows
    validate: list[tuple[int, list[int], int]]  # rows, how many of them were right
    accuracy: list[float]  # after each epoch, as the trainer has it


def fit(cache: str, folder: str, *, epochs: int, save_each: int = 0, resume: str | None = None) -> Seen:
    """Train with two clips a batch and rank, in the processes that torchrun's variables tell of.

    Args:
        save_each: steps between checkpoints; 0: one after each epoch.
    """
    import lightning
    from lightning.pytorch.callbacks import ModelCheckpoint

    example, seen = runpy.run_path(str(EXAMPLE), run_name="lightning_module"), Seen([], [], [])

    class Recorded(example["ClipClassifier"]):  # type: ignore[misc]
        def training_step(self, batch: Any, number: int) -> Any:
            seen.train.append((self.trainer.current_epoch, number, batch.rows.tolist()))
            return super().training_step(batch, number)

        def validation_step(self, batch: Any, number: int) -> None:
            if not self.trainer.sanity_checking:
                right = int((self(batch.frames).argmax(dim=1) == batch.labels).sum())
                seen.validate.append((self.trainer.current_epoch, batch.rows.tolist(), right))
            super().validation_step(batch, number)

        def on_train_epoch_end(self) -> None:
            seen.accuracy.append(float(self.trainer.callback_metrics["accuracy"]))

    often = {"every_n_train_steps": save_each} if save_each else {"every_n_epochs": 1}
    ranks = int(os.environ.get("WORLD_SIZE", "1"))
    lightning.seed_everything(0, verbose=False)
    lightning.Trainer(
        max_epochs=epochs,
        accelerator="cpu",
        devices=ranks,
        strategy="ddp" if ranks > 1 else "auto",
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        callbacks=[ModelCheckpoint(folder, save_top_k=-1, filename="{step}", **often)],
    ).fit(Recorded("test_resnet", 2), example["Crops"](cache, batch_size=2), ckpt_path=resume)
    return seen
