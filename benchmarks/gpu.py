"""How long a training loop on a GPU waits for data: CropLoader against a DataLoader, and several devices.

Each loader feeds the same steps of the same network, in turn: frames to the device, normalised there, forward and
backward in mixed precision, and the optimiser's step. The device is waited for after each step, so that the time in
which the loop waits for its next batch is time in which the device has nothing to do; its share of the epoch is the
waiting share. "memory" gives one batch again and again, and bounds what a loader can reach. The first epoch of each is
not counted.

With several devices each is a process with DistributedDataParallel, over NCCL on GPUs and gloo on a CPU, and reads its
part by a CropLoader; the figure is the clips per second of all of them against one alone.

Without options it measures what is asked most: resnet50 at 192 px, three frames a clip, and video/r2plus1d_18 on clips
of 16 frames at 112 px, with 8 workers, on as many GPUs as there are. It runs on a CPU too, to be tried.
"""

from __future__ import annotations

import argparse
import os
import socket
import tempfile
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import repeat
from pathlib import Path
from statistics import median
from typing import NamedTuple

import torch
from harness import save_table
from torch import distributed, nn
from torch.nn.parallel import DistributedDataParallel
from torch.utils.data import DataLoader

from mocrop.evaluation.bench.synthetic_cache import make_cache
from mocrop.training import CropDataset, CropLoader, normalise, to_video
from mocrop.training.data.dataset import Batch
from mocrop.training.model.backbones import Backbone, build_backbone
from mocrop.training.model.device import autocast, choose_device, mixed_precision, precision_name

USUAL = ("resnet50:192:3", "video/r2plus1d_18:112:16")
COLUMNS = ("loader", "waiting share", "clips/s", "of memory's")


@dataclass(frozen=True, kw_only=True)
class Case:
    """A network and what it is fed."""

    arch: str
    size: int  # pixels
    frames: int  # of a clip

    @classmethod
    def parse(cls, text: str) -> Case:
        arch, size, frames = text.rsplit(":", 2)
        return cls(arch=arch, size=int(size), frames=int(frames))


class Epoch(NamedTuple):
    """Measured epoch of one process."""

    waiting_share: float
    clips_per_second: float


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", nargs="+", type=Case.parse, default=[Case.parse(text) for text in USUAL])
    parser.add_argument("--batch", type=int, default=32, help="clips per batch and device")
    parser.add_argument("--batches", type=int, default=30, help="of an epoch")
    parser.add_argument("--rounds", type=int, default=3, help="measured epochs of each loader; one more comes first")
    parser.add_argument("--workers", type=int, default=8, help="of the DataLoader")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--amp", default="bf16")
    parser.add_argument("--ranks", type=int, help="processes to compare with one; default: as many as there are GPUs")
    return parser.parse_args()


def steps(batches: Iterable[Batch], backbone: Backbone, network: nn.Module, device: torch.device, amp: str) -> Epoch:
    """Train for one epoch, waiting for the device after each step."""
    optimizer = torch.optim.SGD(network.parameters(), lr=1e-4)
    precision, waiting, clips, start = mixed_precision(device, amp), 0.0, 0, time.perf_counter()
    since = start
    for batch in batches:
        waiting += time.perf_counter() - since
        frames = batch.frames.to(device, non_blocking=True)
        labels = batch.labels.to(device, non_blocking=True)
        pixels = normalise(frames, mean=backbone.mean, std=backbone.std)
        with autocast(device, precision):
            if backbone.video:
                logits = network(to_video(pixels))
            else:
                logits = network(pixels.flatten(0, 1)).view(*pixels.shape[:2], -1).mean(dim=1)
            loss = nn.functional.cross_entropy(logits.float(), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        clips += len(labels)
        since = time.perf_counter()
    seconds = time.perf_counter() - start
    return Epoch(waiting / seconds, clips / seconds)


def loaders(cache: Path, case: Case, chosen: argparse.Namespace, device: torch.device) -> dict[str, Iterable[Batch]]:
    def clips() -> CropDataset:
        return CropDataset.from_cache(cache, segments=case.frames)

    pinned = device.type == "cuda"
    ours = CropLoader(clips(), batch_size=chosen.batch, shuffle=True, drop_last=True)
    theirs = DataLoader(
        clips(),
        batch_size=chosen.batch,
        shuffle=True,
        drop_last=True,
        num_workers=chosen.workers,
        persistent_workers=chosen.workers > 0,
        pin_memory=pinned,
        collate_fn=CropDataset.collate,
    )
    batch = next(iter(CropLoader(clips(), batch_size=chosen.batch)))
    return {"memory": Repeated(batch, chosen.batches), "CropLoader": ours, f"DataLoader, {chosen.workers}": theirs}


class Repeated:
    """One batch again and again."""

    def __init__(self, batch: Batch, times: int) -> None:
        self._batch, self._times = batch, times

    def __iter__(self) -> Iterator[Batch]:
        return repeat(self._batch, self._times)


def compare_loaders(cache: Path, case: Case, chosen: argparse.Namespace) -> None:
    device = choose_device(chosen.device)
    backbone = build_backbone(case.arch, classes=2, size=case.size, frames=case.frames)
    network, peers = backbone.model.to(device).train(), loaders(cache, case, chosen, device)
    found: dict[str, list[Epoch]] = {name: [] for name in peers}
    for turn in range(1 + chosen.rounds):
        for name, batches in peers.items():
            epoch = steps(batches, backbone, network, device, chosen.amp)
            if turn:
                found[name].append(epoch)
    rows = []
    for name, epochs in found.items():
        waits = [epoch.waiting_share for epoch in epochs]
        against = [
            epoch.clips_per_second / best.clips_per_second for epoch, best in zip(epochs, found["memory"], strict=True)
        ]
        speed = median(epoch.clips_per_second for epoch in epochs)
        span = f"{median(waits):.2%} ({min(waits):.2%} to {max(waits):.2%})"
        rows.append([name, span, f"{speed:.1f}", f"{median(against):.3f}"])
    show(f"waiting, {case.arch}, {described(case, chosen, device)}", COLUMNS, rows)


def described(case: Case, chosen: argparse.Namespace, device: torch.device) -> str:
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else f"CPU, {torch.get_num_threads()} threads"
    precision = precision_name(mixed_precision(device, chosen.amp))
    return f"batches of {chosen.batch} clips x {case.frames} frames, {case.size} px, {precision}, {name}"


def show(title: str, columns: tuple[str, ...], rows: list[list[str]]) -> None:
    print(title)
    for row in (list(columns), *rows):
        print("  " + "".join(f"{cell:28s}" for cell in row).rstrip())
    save_table(title, columns, rows)


def one_rank(rank: int, ranks: int, port: int, cache: str, case: Case, chosen: argparse.Namespace, out: str) -> None:
    """Train as one of several processes; the first writes the clips per second of all of them, epoch by epoch."""
    cuda = chosen.device != "cpu" and torch.cuda.is_available()
    device = torch.device("cuda", rank) if cuda else torch.device("cpu")
    if cuda:
        torch.cuda.set_device(device)
    else:
        os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo")
    address = f"tcp://127.0.0.1:{port}"
    distributed.init_process_group("nccl" if cuda else "gloo", init_method=address, rank=rank, world_size=ranks)
    try:
        backbone = build_backbone(case.arch, classes=2, size=case.size, frames=case.frames)
        network = DistributedDataParallel(backbone.model.to(device).train())
        clips = CropDataset.from_cache(cache, segments=case.frames)
        loader = CropLoader(clips, batch_size=chosen.batch, shuffle=True, drop_last=True)
        for turn in range(1 + chosen.rounds):
            speed = torch.tensor(steps(loader, backbone, network, device, chosen.amp).clips_per_second, device=device)
            distributed.all_reduce(speed)
            if rank == 0 and turn:
                with open(out, "a", encoding="utf-8") as file:
                    file.write(f"{speed.item()}\n")
    finally:
        distributed.destroy_process_group()


def compare_ranks(cache: Path, case: Case, chosen: argparse.Namespace, folder: Path) -> None:
    gpus = torch.cuda.device_count() if chosen.device != "cpu" else 0
    most = gpus if chosen.ranks is None else chosen.ranks
    if most < 2:
        print(f"several devices: skipped, with {most}; --ranks 2 --device cpu tries two processes")
        return
    speeds = {}
    for ranks in (1, most):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        out = folder / f"{ranks}.txt"
        out.unlink(missing_ok=True)
        torch.multiprocessing.spawn(one_rank, (ranks, port, str(cache), case, chosen, str(out)), nprocs=ranks)
        speeds[ranks] = median(map(float, out.read_text().split()))
    rows = [[str(ranks), f"{speed:.1f}", f"{speed / speeds[1] / ranks:.3f}"] for ranks, speed in speeds.items()]
    over = "NCCL" if gpus else "gloo"
    title = f"several devices over {over}, {case.arch}, {described(case, chosen, choose_device(chosen.device))}"
    show(title, ("processes", "clips/s", "efficiency"), rows)


def main() -> None:
    chosen = options()
    with tempfile.TemporaryDirectory() as scratch:
        for number, case in enumerate(chosen.cases):
            clips = chosen.batch * chosen.batches
            cache = make_cache(
                Path(scratch) / f"{number}.zarr", clips=clips, size=case.size, slots=max(16, case.frames)
            )
            compare_loaders(cache, case, chosen)
            compare_ranks(cache, case, chosen, Path(scratch))


if __name__ == "__main__":
    main()
