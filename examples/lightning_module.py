"""Train a network of timm on a crop cache with Lightning: python lightning_module.py CACHE.zarr --devices 2"""

import argparse
from collections.abc import Iterator

import lightning
import timm
import torch
import torchmetrics

from mocrop.training import CropDataset, CropLoader, normalise
from mocrop.training.data.dataset import Batch


class Crops(lightning.LightningDataModule):
    """Batches of a cache. A CropLoader finds by itself which rank it is on, so Lightning has nothing to inject."""

    def __init__(self, cache: str, *, batch_size: int) -> None:
        super().__init__()
        self.train_set = CropDataset.from_cache(cache, split=1, subset="train", segments=3)
        self.test_set = CropDataset.from_cache(cache, split=1, subset="test")
        self.batch_size = batch_size  # of each process

    def train_dataloader(self) -> "Epochs":
        return Epochs(self.trainer, CropLoader(self.train_set, batch_size=self.batch_size, shuffle=True))

    def val_dataloader(self) -> CropLoader:
        return CropLoader(self.test_set, batch_size=self.batch_size)  # each clip once, on one of the ranks


class Epochs:
    """The batches of the epoch that a trainer is in, from the one that it is at: a checkpoint goes on where it was."""

    def __init__(self, trainer: lightning.Trainer, loader: CropLoader) -> None:
        self.trainer, self.loader = trainer, loader

    def __len__(self) -> int:
        return len(self.loader)

    def __iter__(self) -> Iterator[Batch]:  # Lightning calls it too early, but this runs when it wants a batch
        done = self.trainer.fit_loop.epoch_loop.batch_progress.current.ready
        self.loader.set_epoch(self.trainer.current_epoch, first_batch=done)
        yield from self.loader

    def state_dict(self) -> dict[str, int]:  # with these two Lightning knows that it can go on within an epoch
        return {}

    def load_state_dict(self, state: dict[str, int]) -> None:
        pass  # the trainer keeps the place


class ClipClassifier(lightning.LightningModule):
    def __init__(self, arch: str, classes: int, *, learning_rate: float = 1e-3) -> None:
        super().__init__()
        self.save_hyperparameters()
        self.network = timm.create_model(arch, num_classes=classes)
        # A metric of its own: the mean that self.log takes over ranks is wrong where they have unequally many clips.
        self.accuracy = torchmetrics.classification.MulticlassAccuracy(classes, average="micro")

    def forward(self, frames: torch.Tensor) -> torch.Tensor:
        pixels = normalise(frames, f"timm/{self.hparams.arch}")  # frames are uint8, (clips, segments, 3, size, size)
        return self.network(pixels.flatten(0, 1)).view(*frames.shape[:2], -1).mean(dim=1)

    def training_step(self, batch: Batch, number: int) -> torch.Tensor:
        loss = torch.nn.functional.cross_entropy(self(batch.frames), batch.labels)
        self.log("loss", loss, on_step=False, on_epoch=True, batch_size=len(batch.rows), sync_dist=True)
        return loss

    def validation_step(self, batch: Batch, number: int) -> None:
        self.accuracy(self(batch.frames), batch.labels)
        self.log("accuracy", self.accuracy, batch_size=len(batch.rows))

    def on_train_epoch_end(self) -> None:
        scores = {name: float(value) for name, value in self.trainer.callback_metrics.items()}
        self.print(f"epoch {self.current_epoch + 1}: {scores}")

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.AdamW(self.parameters(), lr=self.hparams.learning_rate)


def main(
    cache: str,
    *,
    arch: str = "resnet18",
    epochs: int = 10,
    batch_size: int = 32,
    devices: int = 1,
    folder: str = "lightning",
    resume: str | None = None,
) -> dict[str, float]:
    lightning.seed_everything(0, verbose=False)
    crops = Crops(cache, batch_size=batch_size)
    trainer = lightning.Trainer(
        max_epochs=epochs, devices=devices, log_every_n_steps=1, default_root_dir=folder, enable_progress_bar=False
    )
    trainer.fit(ClipClassifier(arch, len(crops.train_set.class_names)), crops, ckpt_path=resume)
    return {name: float(value) for name, value in trainer.callback_metrics.items()}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("cache", help="such as mocrop-work/caches/motion-192.zarr")
    parser.add_argument("--arch", default="resnet18", help="of timm")
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--batch-size", type=int, default=32, help="clips of a batch, of each process")
    parser.add_argument("--devices", type=int, default=1, help="GPUs, or processes on a CPU")
    parser.add_argument("--folder", default="lightning", help="for checkpoints")
    parser.add_argument("--resume", help="a checkpoint to go on from")
    main(**vars(parser.parse_args()))
