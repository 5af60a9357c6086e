"""Run a network over clips of a crop cache, and time each batch."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from mocrop.evaluation.scores.latency import BatchClock, BatchTime
from mocrop.evaluation.views import Look
from mocrop.pipeline.cache.crop_cache import CropCache
from mocrop.pipeline.errors import SettingsError
from mocrop.training.data.crops import cropped_views
from mocrop.training.data.dataset import CropDataset
from mocrop.training.data.inputs import normalise
from mocrop.training.data.loader import CropLoader
from mocrop.training.distributed import Ranks
from mocrop.training.model.backbones import Backbone
from mocrop.training.model.pooling import pooled_logits

IntArray = npt.NDArray[np.int64]
OnBatch = Callable[[int, int], None]  # clips done, clips in all


@dataclass(frozen=True, kw_only=True, eq=False)
class Outputs:
    """Logits of a network for some clips, one row a clip."""

    rows: IntArray  # (clips,) of the cache
    labels: Tensor  # int64, (clips,); of several labels a clip uint8, (clips, classes)
    logits: Tensor  # float32, (clips, classes), averaged over the frames and views of the clip; on the CPU
    seconds: float  # in all
    times: Sequence[BatchTime]


@torch.inference_mode()
def predict(
    cache: CropCache,
    rows: IntArray,
    backbone: Backbone,
    *,
    look: Look,
    batch_size: int,
    device: torch.device,
    on_batch: OnBatch | None = None,
    ranks: Ranks | None = None,
) -> Outputs:
    """Run a network over some clips, in the order of ``rows``, in float32, on the middle frames, windows and crops.

    Args:
        look: what it gets of each clip.
        batch_size: clips, of all processes together.
        ranks: processes that share the clips; each clip is read by one of them, and all return the same logits.
    Raises: SettingsError if there are fewer clips than processes.
    """
    ranks = ranks or Ranks()
    if len(rows) < ranks.ranks:
        raise SettingsError(f"{len(rows)} clips are too few for {ranks.ranks} processes; start fewer")
    start = time.perf_counter()
    backbone.model.to(device).eval()
    if look.clip is None:
        dataset = CropDataset(cache, rows, segments=look.frames, stream=backbone.input)
    else:
        dataset = CropDataset(cache, rows, clip=look.clip, views=look.windows, stream=backbone.input)
    clock, logits, done = BatchClock(), [], 0
    size = max(1, batch_size // ranks.ranks)
    for batch in clock.over(CropLoader(dataset, batch_size=size, rank=ranks.rank, ranks=ranks.ranks)):
        logits.append(batch_logits(backbone, batch.frames, device=device, crop=look.crop, crops=look.crops))
        done += len(batch.labels)
        if on_batch:
            on_batch(min(done * ranks.ranks, len(rows)), len(rows))
    return Outputs(
        rows=rows,
        labels=torch.from_numpy(dataset.labels),
        logits=ranks.in_order(torch.cat(logits), total=len(rows)),
        seconds=time.perf_counter() - start,
        times=clock.times,
    )


def batch_logits(
    backbone: Backbone, frames: Tensor, *, device: torch.device, crop: int | None = None, crops: int = 1
) -> Tensor:
    """Run a network over the frames of some clips, each normalised; on a CPU clip by clip, and everywhere view by view.

    There the logits of a clip do not depend on the clips beside it: libraries sum in another order for another batch.
    With one view at a time, more views take no more memory.

    Args:
        frames: uint8, shape (clips, segments, 3, size, size), or motion fields, int8, (clips, segments, 2, side, side);
            of windows (clips, frames, ...), of several (clips, windows, frames, ...).
        crop: side of the squares that it sees of them, pixels; None: the whole.
        crops: of each frame, 1 or 3.
    Returns: float32, (clips, classes), the mean over windows and crops, on the CPU.
    """
    runs = [frames[n : n + 1] for n in range(len(frames))] if device.type == "cpu" else [frames]
    return torch.cat([_mean_over_views(backbone, cropped_views(run, crop, crops=crops), device) for run in runs])


def _mean_over_views(backbone: Backbone, views: Tensor, device: torch.device) -> Tensor:
    logits = []
    for view in views.unbind(1):
        on_device = view.to(device, non_blocking=True)
        normalised = normalise(on_device, mean=backbone.mean, std=backbone.std)
        logits.append(pooled_logits(backbone, normalised).float().cpu())  # cpu() waits for the device
    return torch.stack(logits, dim=1).mean(dim=1)
