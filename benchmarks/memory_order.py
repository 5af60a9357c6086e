"""CPU time of a forward and a backward pass with channels first and channels last in memory, on random frames.

Of a network of clips, the frames are those of one clip, twice.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable

import torch
from harness import interleave, report
from torch.nn import functional

from mocrop.training.model.backbones import build_backbone
from mocrop.training.model.video import is_video

PEER = "channels first"
LAST = "channels last"


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--arch", default="mobilenet_v3_large")
    parser.add_argument("--size", type=int, default=192, help="frame size, pixels")
    parser.add_argument("--frames", type=int, default=12, help="frames per pass")
    parser.add_argument(
        "--threads", type=int, default=1, help="threads of PyTorch; the CPU time of several includes their waiting"
    )
    parser.add_argument("--rounds", type=int, default=7, help="measured rounds; one more comes first as warm-up")
    return parser.parse_args()


def passes(arch: str, order: torch.memory_format, frames: torch.Tensor) -> Callable[[], None]:
    model = build_backbone(arch, classes=101, size=frames.shape[-1]).model.to(memory_format=order).train()
    labels = torch.zeros(len(frames), dtype=torch.int64)

    def run() -> None:
        model.zero_grad()
        functional.cross_entropy(model(frames), labels).backward()

    return run


def main() -> None:
    chosen = options()
    torch.set_num_threads(chosen.threads)
    frames, last = torch.rand(chosen.frames, 3, chosen.size, chosen.size), torch.channels_last
    if is_video(chosen.arch):
        frames, last = torch.stack([frames, frames]).transpose(1, 2), torch.channels_last_3d
    orders = {PEER: torch.contiguous_format, LAST: last}
    cases = {name: passes(chosen.arch, order, frames) for name, order in orders.items()}
    title = f"memory order, {chosen.arch}, {chosen.size} px, {chosen.threads} threads"
    report(title, interleave(cases, rounds=chosen.rounds), unit="frames", count=chosen.frames, peer=PEER)


if __name__ == "__main__":
    main()
