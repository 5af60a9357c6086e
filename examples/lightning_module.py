"""Train a network of timm on a crop cache with Lightning: python lightning_module.py CACHE.zarr"""

import argparse

import lightning
import timm
import torch
from torch.utils.data import DataLoader

from mocrop.training import CropDataset


class ClipClassifier(lightning.LightningModule):
    def __init__(self, arch: str, classes: int, *, learning_rate: float = 1e-3) -> None:
        super().__init__()
        self.save_hyperparameters()
        self.network = timm.create_model(arch, num_classes=classes)

    def forward(self, frames: torch.Tensor) -> torch.Tensor:
        pixels = frames.float() / 127.5 - 1  # frames are uint8, (clips, segments, 3, size, size), RGB
        return self.network(pixels.flatten(0, 1)).view(*frames.shape[:2], -1).mean(dim=1)

    def training_step(self, batch: list[torch.Tensor], number: int) -> torch.Tensor:
        frames, labels = batch
        loss = torch.nn.functional.cross_entropy(self(frames), labels)
        self.log("loss", loss, on_step=False, on_epoch=True, batch_size=len(labels))
        return loss

    def validation_step(self, batch: list[torch.Tensor], number: int) -> None:
        frames, labels = batch
        right = (self(frames).argmax(dim=1) == labels).float().mean()
        self.log("accuracy", right, batch_size=len(labels))

    def on_train_epoch_end(self) -> None:
        scores = {name: float(value) for name, value in self.trainer.callback_metrics.items()}
        print(f"epoch {self.current_epoch + 1}: {scores}")

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.AdamW(self.parameters(), lr=self.hparams.learning_rate)


def main(
    cache: str, *, arch: str = "resnet18", epochs: int = 10, batch_size: int = 32, workers: int = 2
) -> dict[str, float]:
    lightning.seed_everything(0, verbose=False)
    train_set = CropDataset.from_cache(cache, split=1, subset="train", segments=3)
    test_set = CropDataset.from_cache(cache, split=1, subset="test")
    train = DataLoader(train_set, batch_size=batch_size, shuffle=True, num_workers=workers)
    test = DataLoader(test_set, batch_size=batch_size, num_workers=workers)
    trainer = lightning.Trainer(
        max_epochs=epochs, log_every_n_steps=1, logger=False, enable_checkpointing=False, enable_progress_bar=False
    )
    trainer.fit(ClipClassifier(arch, len(train_set.class_names)), train, test)
    return {name: float(value) for name, value in trainer.callback_metrics.items()}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("cache", help="such as mocrop-work/caches/motion-192.zarr")
    parser.add_argument("--arch", default="resnet18", help="of timm")
    parser.add_argument("--epochs", type=int, default=10)
    main(**vars(parser.parse_args()))
