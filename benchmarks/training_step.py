"""Time of the parts of a training step, and the share of it spent waiting for data, in a real `train` on a crop cache.

Epochs take turns. In one only the run's own meter reads the clock, which gives the share of waiting and clips per
second. In the next each part of a step is timed, on a GPU by waiting for it after each part. Times are wall time, since
waiting costs no CPU; on a busy machine the parts of a step and the waiting grow alike.
"""

from __future__ import annotations

import argparse
import os
import platform
import tempfile
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Any

import torch
from harness import save_table

from mocrop.evaluation.bench.synthetic_cache import make_cache
from mocrop.pipeline.cache.crop_cache import CropCache
from mocrop.training.loop import step
from mocrop.training.loop.callbacks import EpochRecord, RunFacts, TrainCallback
from mocrop.training.loop.train import train
from mocrop.training.recipe import RECIPES, TrainSettings, recipe_table

PARTS = {
    "vary": "augment",
    "forward": "forward",
    "backward": "backward",
    "update": "optimiser",
}  # functions of a step, and their names here


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cache", type=Path, help="a cache to train on; default: a synthetic one")
    parser.add_argument("--steps", type=int, default=8, help="batches per epoch of the synthetic cache")
    parser.add_argument("--size", type=int, default=192, help="frame size of the synthetic cache, pixels")
    parser.add_argument("--arch", default="mobilenet_v3_large")
    parser.add_argument("--recipe", choices=tuple(RECIPES), default="reference")
    parser.add_argument("--batch", type=int, default=32, help="clips per batch")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--amp", default="auto")
    parser.add_argument("--channels-last", choices=("auto", "on", "off"), default="auto")
    parser.add_argument("--compile", action="store_true")
    parser.add_argument("--rounds", type=int, default=3, help="pairs of epochs; one more comes first as warm-up")
    return parser.parse_args()


class Stopwatch(TrainCallback):
    """Collects seconds of the parts of a step in every other epoch, and the meter's values in the others."""

    def __init__(self) -> None:
        self.waiting: list[float] = []  # shares of the time, one an epoch
        self.clips_per_second: list[float] = []
        self.seconds: dict[str, list[float]] = {part: [] for part in PARTS.values()}  # one a step
        self._timing = False

    def epoch(self, record: EpochRecord) -> None:
        if record.epoch <= 2:
            for seconds in self.seconds.values():
                seconds.clear()
        elif not self._timing:
            self.waiting.append(record.waiting_share)
            self.clips_per_second.append(record.clips_per_second)
        self._timing = not self._timing

    def around(self, function: Callable[..., Any], part: str) -> Callable[..., Any]:
        """The function, timed in epochs in which parts are timed."""

        def timed(job: Any, *arguments: Any, **others: Any) -> Any:
            if not self._timing:
                return function(job, *arguments, **others)
            start = _now(job.device)
            result = function(job, *arguments, **others)
            self.seconds[part].append(_now(job.device) - start)
            return result

        return timed


def _now(device: torch.device) -> float:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter()


def settings_of(chosen: argparse.Namespace) -> TrainSettings:
    epochs = 2 * (chosen.rounds + 1)
    return TrainSettings(
        **recipe_table(chosen.recipe, {"epochs": epochs}),
        arch=chosen.arch,
        weights="none",
        epochs=epochs,
        batch_size=chosen.batch,
        validation_share=0.0,
        device=chosen.device,
        amp=chosen.amp,
        channels_last={"auto": None, "on": True, "off": False}[chosen.channels_last],
        compile=chosen.compile,
    )


def report(callback: Stopwatch, settings: TrainSettings, *, size: int, facts: RunFacts) -> None:
    cuda = facts.device.startswith("cuda")
    device = torch.cuda.get_device_name(facts.device) if cuda else f"{torch.get_num_threads()} threads"
    print(
        f"training step: {settings.arch}, {size} px, batches of {settings.batch_size} clips x {settings.segments} "
        f"frames, {facts.train_clips} clips, {facts.precision}, {device}, "
        f"{len(callback.waiting)} rounds after one warm-up"
    )
    versions = ", ".join(f"{name} {version(name)}" for name in ("torch", "torchvision", "tensorstore"))
    print(f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}, {versions}")
    whole, rows = sum(median(seconds) for seconds in callback.seconds.values()), []
    for part, seconds in callback.seconds.items():
        spread = f"({min(seconds) * 1e3:.0f} to {max(seconds) * 1e3:.0f})"
        rows.append([part, f"{median(seconds) * 1e3:.1f}", spread, f"{median(seconds) / whole:.1%}"])
        print(f"{part:10s} {rows[-1][1]:>9s} ms {spread:>18s} {rows[-1][3]:>7s} of a step")
    spread = f"({min(callback.waiting):.2%} to {max(callback.waiting):.2%})"
    speed = median(callback.clips_per_second)
    waiting = f"waiting for data {median(callback.waiting):.2%} {spread} of the time; {speed:.1f} clips/s"
    print(waiting)
    save_table(f"training step, {settings.arch}", ["part", "ms", "range", "share"], rows, note=waiting)


def main() -> None:
    chosen = options()
    settings, callback = settings_of(chosen), Stopwatch()
    for function, part in PARTS.items():
        setattr(step, function, callback.around(getattr(step, function), part))
    with tempfile.TemporaryDirectory() as folder:
        noise = Path(folder) / "noise.zarr"
        clips = chosen.batch * chosen.steps
        path = chosen.cache or make_cache(noise, clips=clips, size=chosen.size)
        result = train(path, Path(folder) / "run", settings, callback=callback)
        report(callback, settings, size=CropCache(path).size, facts=result.facts)


if __name__ == "__main__":
    main()
