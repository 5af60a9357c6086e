"""Features of a frozen backbone: the inputs of its head for every slot in use of a crop cache.

They are stored beside the cache, in ``<cache>.features/<arch>-<weights>-<cache hash>.npy``, for all epochs and later
runs on the same frames with the same weights.
"""

from __future__ import annotations

import contextlib
import copy
import hashlib
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from mocrop.pipeline.cache.crop_cache import CropCache
from mocrop.pipeline.errors import SettingsError
from mocrop.training.data.feature_file import FloatArray, OnFrames, read_features, write_features
from mocrop.training.data.frame_reader import FrameReader, require_shards
from mocrop.training.data.inputs import normalise
from mocrop.training.model.backbones import Backbone
from mocrop.training.model.checkpoint import describe_cache
from mocrop.training.model.device import takes_channels_last
from mocrop.training.model.pooling import head_layer, pooled

IntArray = npt.NDArray[np.int64]
Body = Callable[[Tensor], Tensor]  # float32 frames (n, 3, size, size) to features (n, width)

FRAMES_PER_BATCH = {"cpu": 4, "cuda": 128}  # large ones take 1.5 times as long on a CPU: the system clears new memory


@dataclass(frozen=True, kw_only=True, eq=False)
class Features:
    """Features of every slot in use of the usable clips of one cache."""

    values: FloatArray  # (frames, width), slots of clip after clip; a memory map of the file
    first: IntArray  # (clips,) row of `values` where the slots of each row of the cache begin
    used: IntArray  # (clips,) slots of each row of the cache; 0 where its frames cannot be used
    computed: bool  # just now, rather than found on the disk

    @property
    def width(self) -> int:
        """Numbers per frame."""
        return int(self.values.shape[1])

    def of(self, rows: IntArray, slots: IntArray) -> Tensor:
        """Features of some slots of some clips.

        Args:
            rows: int64, shape (n,), rows of the cache.
            slots: int64, shape (n, segments).
        Returns: float32, shape (n, segments, width), on the CPU.
        """
        return torch.from_numpy(self.values[self.first[rows, np.newaxis] + slots])


def load_features(
    cache: CropCache, backbone: Backbone, *, device: torch.device, on_frames: OnFrames = lambda done, total: None
) -> Features:
    """Load the features of a cache, or compute and store them; in float32, without augmentation.

    Args:
        on_frames: called with the frames done and the frames in all.
    Raises: SettingsError if the network has no linear head; CacheError for frames that cannot be read, or if the file
        that is there is damaged; DiskFullError.
    """
    head_layer(backbone)
    used = np.where(cache.usable, cache.frame_counts, 0).astype(np.int64)
    file, frames = features_file(cache, backbone), int(used.sum())
    values = read_features(file, frames=frames)
    computed = values is None
    if values is None:
        write_features(file, _batches(cache, used, backbone, device), frames=frames, on_frames=on_frames)
        for stale in file.parent.glob(f"{file.stem.rpartition('-')[0]}-*.npy"):
            if stale != file:
                with contextlib.suppress(PermissionError):  # Windows: a training that is under way has it mapped
                    stale.unlink()
        values = np.load(file, mmap_mode="r", allow_pickle=False)
    return Features(values=values, first=np.cumsum(used) - used, used=used, computed=computed)


def features_file(cache: CropCache, backbone: Backbone) -> Path:
    """File of the features of a cache; its name changes with the weights and with the cache's attributes and table."""
    name = f"{backbone.arch.replace('/', '-')}-{weights_hash(backbone)}-{describe_cache(cache)['hash']}.npy"
    return cache.path.with_suffix(".features") / name


def weights_hash(backbone: Backbone) -> str:
    """Hash of everything that features depend on besides the frames: all parameters and statistics but the head's."""
    head = tuple(f"{layer}." for layer in backbone.head)
    digest = hashlib.sha256(repr((backbone.arch, backbone.mean, backbone.std)).encode())
    for name, tensor in sorted(backbone.model.state_dict().items()):
        if not name.startswith(head) and tensor.is_floating_point():
            digest.update(
                name.encode() + tensor.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy().tobytes()
            )
    return digest.hexdigest()[:12]


def _batches(cache: CropCache, used: IntArray, backbone: Backbone, device: torch.device) -> Iterator[FloatArray]:
    """Features batch by batch, in the order of rows and slots; the next frames are read meanwhile."""
    require_shards(cache, backbone.input)
    rows = np.repeat(np.arange(len(used)), used)
    slots = np.arange(len(rows)) - np.repeat(np.cumsum(used) - used, used)
    reader = FrameReader(cache, backbone.input)
    model = backbone.model.to(device).eval()
    if takes_channels_last(model):
        model = model.to(memory_format=torch.channels_last)  # twice as fast on CPUs
    step = FRAMES_PER_BATCH.get(device.type, 32)
    parts = [slice(start, start + step) for start in range(0, len(rows), step)]
    body: Body | None = None
    with ThreadPoolExecutor(1, thread_name_prefix="features") as pool:
        pending = pool.submit(reader.read, rows[parts[0]], slots[parts[0], np.newaxis])
        for following in [*parts[1:], None]:
            frames = torch.from_numpy(pending.result()[:, 0]).to(device)
            if following is not None:
                pending = pool.submit(reader.read, rows[following], slots[following, np.newaxis])
            pixels = normalise(frames, mean=backbone.mean, std=backbone.std).contiguous(
                memory_format=torch.channels_last
            )
            if body is None:
                body = _compiled(backbone, model, pixels)
            yield body(pixels).cpu().numpy()


def _compiled(backbone: Backbone, model: nn.Module, frames: Tensor) -> Body:
    """A function from as many frames as ``frames``, or fewer, to their features.

    On a CPU the network is traced and its norms are folded into its convolutions, which halves the time. If it cannot
    be traced, or the trace gives other numbers, the function runs the network itself.
    """

    def plain(pixels: Tensor) -> Tensor:
        return head_inputs(backbone, model, pixels)

    expected = plain(frames)
    if frames.device.type != "cpu":
        return plain
    body = copy.deepcopy(model)
    body.set_submodule(backbone.head[0], nn.Identity())
    try:
        with warnings.catch_warnings(), torch.inference_mode():
            warnings.simplefilter("ignore")  # deprecations, and what a trace may miss, which the check below finds
            traced = torch.jit.freeze(torch.jit.trace(body, frames))  # type: ignore[no-untyped-call]
            same = torch.allclose(traced(frames), expected, rtol=1e-3, atol=1e-4)
    except Exception:  # each network fails to trace in its own way
        return plain

    def folded(pixels: Tensor) -> Tensor:
        short = len(frames) - len(pixels)  # frames missing to the batch size that was traced
        with torch.inference_mode():
            features: Tensor = traced(torch.cat([pixels, frames[:short]]) if short else pixels)
        return features[: len(pixels)].float()

    return folded if same else plain


@torch.inference_mode()
def head_inputs(backbone: Backbone, model: nn.Module, frames: Tensor) -> Tensor:
    """Inputs of the head for some frames: float32, (n, 3, size, size) to (n, width).

    Raises: SettingsError if the network does more to them than apply its head.
    """
    layer, seen = head_layer(backbone), list[tuple[Tensor, Tensor]]()

    def see(_: nn.Module, inputs: tuple[Tensor, ...]) -> Tensor:
        taken = pooled(inputs[0].unsqueeze(1), backbone.pool) if inputs[0].ndim == 2 else inputs[0]  # a clip a frame
        seen.append((inputs[0], taken))
        return taken

    hook = layer.register_forward_pre_hook(see)
    try:
        logits: Tensor = model(frames)
    finally:
        hook.remove()
    if len(seen) != 1 or seen[0][0].ndim != 2 or not torch.allclose(layer(seen[0][1]), logits, rtol=1e-3, atol=1e-4):
        raise SettingsError(
            f"--freeze-backbone does not work with {backbone.arch}: something follows its head; pass another --arch"
        )
    return seen[0][0].float()
