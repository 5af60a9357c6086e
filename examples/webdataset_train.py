"""Train on tar shards that mocrop has written, without mocrop: python webdataset_train.py FOLDER

``mocrop export FOLDER --to webdataset --cache NAME`` writes ``train-000000.tar`` and so on, in each of which a clip is
``<key>.00000.jpg`` and so on for its slots, ``<key>.cls`` with the number of its class, and ``<key>.json``.
"""

import argparse
from pathlib import Path
from typing import Any

import torch
import webdataset
from torch import nn
from torch.utils.data import DataLoader

FRAMES = 3  # of a clip


def clip_of(sample: dict[str, Any]) -> tuple[torch.Tensor, int]:
    """Some frames of a clip in order of time, uint8, (FRAMES, 3, size, size), RGB, and its label."""
    names = sorted(name for name in sample if name.endswith(("jpg", "png")))
    chosen = [names[slot * len(names) // FRAMES] for slot in range(FRAMES)]  # a short clip repeats some
    return torch.stack([sample[name] for name in chosen]), sample["cls"]


def batches(folder: Path, subset: str, *, batch_size: int, workers: int) -> DataLoader:
    shards = sorted(str(file) for file in folder.glob(f"{subset}-*.tar"))
    data = webdataset.WebDataset(shards, shardshuffle=len(shards) if subset == "train" else False, empty_check=False)
    if subset == "train":
        data = data.shuffle(1000)
    data = data.decode("torchrgb8").map(clip_of).batched(batch_size)
    return DataLoader(data, batch_size=None, num_workers=min(workers, len(shards)))


def main(folder: str, *, classes: int, epochs: int = 10, batch_size: int = 32, workers: int = 2) -> list[float]:
    torch.manual_seed(0)
    network = nn.Sequential(  # answers for each frame, and a clip's answer is the mean
        *(nn.Conv2d(3, 16, 5, stride=4), nn.ReLU(), nn.Conv2d(16, 32, 3, padding=1), nn.ReLU()),
        *(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(32, classes)),
    )

    def logits_of(frames: torch.Tensor) -> torch.Tensor:
        pixels = frames.float() / 127.5 - 1
        return network(pixels.flatten(0, 1)).view(*frames.shape[:2], -1).mean(dim=1)

    train = batches(Path(folder), "train", batch_size=batch_size, workers=workers)
    test = batches(Path(folder), "test", batch_size=batch_size, workers=workers)
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-2)
    losses = []
    for epoch in range(epochs):
        total = clips = 0.0
        for frames, labels in train:
            loss = nn.functional.cross_entropy(logits_of(frames), torch.as_tensor(labels))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total, clips = total + loss.item() * len(frames), clips + len(frames)
        losses.append(total / clips)
        with torch.no_grad():
            right = [logits_of(frames).argmax(dim=1) == torch.as_tensor(labels) for frames, labels in test]
        accuracy = torch.cat(right).float().mean().item()
        print(f"epoch {epoch + 1}: loss {losses[-1]:.3f} on {clips:.0f} clips, test accuracy {accuracy:.2f}")
    return losses


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", help="that holds train-000000.tar and so on")
    parser.add_argument("--classes", type=int, required=True, help="lines of classes.csv there, without its header")
    parser.add_argument("--epochs", type=int, default=10)
    main(**vars(parser.parse_args()))
