"""Train a network of your own on a crop cache with plain PyTorch: python plain_pytorch.py CACHE.zarr"""

import argparse

import torch
from torch import nn
from torch.utils.data import DataLoader

from mocrop.training import CropDataset

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"


class ClipNetwork(nn.Module):
    """Any network that takes images: it answers for each frame, and a clip's answer is the mean."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.frames = nn.Sequential(
            *(nn.Conv2d(3, 16, 5, stride=4), nn.ReLU(), nn.Conv2d(16, 32, 3, padding=1), nn.ReLU()),
            *(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(32, classes)),
        )

    def forward(self, frames: torch.Tensor) -> torch.Tensor:
        pixels = frames.float() / 127.5 - 1  # frames are uint8, (clips, segments, 3, size, size), RGB
        return self.frames(pixels.flatten(0, 1)).view(*frames.shape[:2], -1).mean(dim=1)


def accuracy(network: nn.Module, loader: DataLoader) -> float:
    network.eval()
    with torch.no_grad():
        right = [network(frames.to(DEVICE)).argmax(dim=1).cpu() == labels for frames, labels in loader]
    return torch.cat(right).float().mean().item()


def main(cache: str, *, epochs: int = 10, batch_size: int = 32, workers: int = 2) -> list[float]:
    torch.manual_seed(0)
    train_set = CropDataset.from_cache(cache, split=1, subset="train", segments=3)
    test_set = CropDataset.from_cache(cache, split=1, subset="test")
    train = DataLoader(train_set, batch_size=batch_size, shuffle=True, num_workers=workers)
    test = DataLoader(test_set, batch_size=batch_size, num_workers=workers)
    network = ClipNetwork(len(train_set.class_names)).to(DEVICE)
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-2)
    losses = []
    for epoch in range(epochs):  # each pass has other frames of the clips
        network.train()
        total = 0.0
        for frames, labels in train:
            loss = nn.functional.cross_entropy(network(frames.to(DEVICE)), labels.to(DEVICE))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total += loss.item() * len(labels)
        losses.append(total / len(train_set))
        print(f"epoch {epoch + 1}: loss {losses[-1]:.3f}, test accuracy {accuracy(network, test):.2f}")
    return losses


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("cache", help="such as mocrop-work/caches/motion-192.zarr")
    parser.add_argument("--epochs", type=int, default=10)
    main(**vars(parser.parse_args()))
