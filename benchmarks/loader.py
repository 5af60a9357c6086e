"""CPU time of reading training batches from a crop cache: mocrop, TensorStore, zarr-python and a numpy memmap gather.

A batch is some clips with a few random frames each, the same for everybody, read into memory that is there already. The
memmap is a flat .npy file of the same frames, opened read-only; both files are in the page cache. CropLoader, which
draws its own batches and reads ahead, finds its memory by itself. No worker processes anywhere.
"""

from __future__ import annotations

import argparse
import itertools
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from statistics import median

import numpy as np
import numpy.typing as npt
import tensorstore as ts
import zarr
from harness import report

from mocrop.pipeline.cache_writer import CacheWriter, Shard
from mocrop.pipeline.crop_cache import CacheLayout, ClipTable, CropCache, create_cache
from mocrop.training.dataset import Batch, CropDataset
from mocrop.training.frame_reader import FrameReader
from mocrop.training.loader import CropLoader

IntArray = npt.NDArray[np.int64]
Pick = tuple[IntArray, IntArray]  # rows (clips,) and slots (clips, segments) of one batch
Read = Callable[[IntArray, IntArray, npt.NDArray[np.uint8]], object]  # fills the last
Seconds = dict[str, list[float]]
PEER = "numpy memmap gather"
SLOW = "zarr-python, frame by frame"


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cache", type=Path, help="a cache to read; default: a synthetic one")
    parser.add_argument("--clips", type=int, default=256, help="clips of the synthetic cache")
    parser.add_argument("--size", type=int, default=192, help="frame size of the synthetic cache, pixels")
    parser.add_argument("--compression", choices=("none", "zstd"), default="none", help="of the synthetic cache")
    parser.add_argument("--batch", type=int, default=32, help="clips per batch")
    parser.add_argument("--segments", type=int, default=3, help="frames per clip and batch")
    parser.add_argument("--batches", type=int, default=40, help="batches per round")
    parser.add_argument("--rounds", type=int, default=7, help="measured rounds; one more comes first as warm-up")
    return parser.parse_args()


def synthetic_cache(
    path: Path, *, clips: int, size: int, compression: str, slots: int = 16, per_shard: int = 32
) -> Path:
    """A cache of smooth random frames, which compress about as well as pictures do."""
    table = ClipTable(
        names=[f"Noise/clip{row}" for row in range(clips)],
        label=np.zeros(clips, dtype=np.int32),
        group=np.full(clips, -1, dtype=np.int32),
        subset=np.ones((clips, 1), dtype=np.uint8),
        class_names=["Noise"],
        split_names=["1"],
    )
    layout = CacheLayout(frames=slots, size=size, grid=(6, 8), clips_per_shard=per_shard, compression=compression)
    create_cache(path, layout, table, attributes={"policy": "full"})
    writer = CacheWriter(path)
    rng = np.random.default_rng(0)
    for first in range(0, clips, per_shard):
        count = min(per_shard, clips - first)
        coarse = rng.integers(0, 250, (count, slots, 3, -(-size // 8), -(-size // 8)), dtype=np.uint8)
        frames = coarse.repeat(8, axis=-1).repeat(8, axis=-2)[..., :size, :size]
        frames = frames + rng.integers(0, 6, frames.shape, dtype=np.uint8)
        writer.write(
            Shard(
                first=first,
                frames=list(frames),
                frame_index=np.tile(np.arange(slots, dtype=np.int32), (count, 1)),
                box=np.zeros((count, 4), dtype=np.float32),
                density=np.zeros((count, 6, 8), dtype=np.float32),
                state=np.ones(count, dtype=np.uint8),
            )
        )
    return path


def flat_copy(cache: CropCache, path: Path) -> npt.NDArray[np.uint8]:
    """The frames of a cache as one .npy file, mapped read-only."""
    reader, slots = FrameReader(cache), np.arange(cache.slots)[np.newaxis]
    flat = np.lib.format.open_memmap(path, mode="w+", dtype=np.uint8, shape=cache.shape)
    for row in range(len(cache)):
        flat[row] = reader.read(np.array([row]), slots)[0]
    flat.flush()
    return np.load(path, mmap_mode="r")


def readers(cache: CropCache, flat: npt.NDArray[np.uint8]) -> dict[str, Read]:
    """Every way to read a batch into memory that is there: uint8, shape (clips, segments, 3, size, size)."""
    reader, store = FrameReader(cache), cache.open_frames()
    array = zarr.open_group(cache.path, mode="r")["frames"]
    by_frame = flat.reshape(-1, *flat.shape[2:])

    def gather(clips: IntArray, slots: IntArray, out: npt.NDArray[np.uint8]) -> None:
        np.take(by_frame, clips[:, np.newaxis] * cache.slots + slots, axis=0, out=out, mode="clip")

    def one_by_one(clips: IntArray, slots: IntArray, out: npt.NDArray[np.uint8]) -> None:
        for number, segment in np.ndindex(slots.shape):
            out[number, segment] = array[int(clips[number]), int(slots[number, segment])]

    return {
        PEER: gather,
        "mocrop FrameReader": lambda clips, slots, out: reader.read(clips, slots, out=out),
        "TensorStore vindex": lambda clips, slots, out: (
            ts.array(out).write(store.vindex[clips[:, np.newaxis], slots]).result()
        ),
        SLOW: one_by_one,
    }


def epochs(loader: CropLoader) -> Iterator[Batch]:
    """Batches without end, epoch after epoch."""
    for epoch in itertools.count():
        loader.set_epoch(epoch)
        yield from loader


def random_picks(cache: CropCache, rows: IntArray, chosen: argparse.Namespace) -> list[Pick]:
    rng = np.random.default_rng(0)
    shape = (min(chosen.batch, len(rows)), chosen.segments)
    clips = [rng.choice(rows, shape[0], replace=False) for _ in range(chosen.batches)]
    return [(some, np.sort(rng.integers(0, cache.used_slots[some][:, np.newaxis], shape))) for some in clips]


def interleave(
    cases: Mapping[str, Callable[[int], object]], *, batches: Mapping[str, int], rounds: int
) -> tuple[Seconds, Seconds]:
    """CPU and wall seconds per batch of each case; the cases take turns, and a first round does not count."""
    cpu: Seconds = {name: [] for name in cases}
    wall: Seconds = {name: [] for name in cases}
    for turn in range(rounds + 1):
        for name, read in cases.items():
            start_cpu, start_wall = time.process_time(), time.perf_counter()
            for number in range(batches[name]):
                read(number)
            if turn:
                cpu[name].append((time.process_time() - start_cpu) / batches[name])
                wall[name].append((time.perf_counter() - start_wall) / batches[name])
    return cpu, wall


def report_throughput(wall: Seconds, *, clips: int) -> None:
    print("throughput in wall time, clips/s, and its ratio to the memmap gather:")
    for name, values in wall.items():
        pairs = [theirs / mine for mine, theirs in zip(values, wall[PEER], strict=True)]
        print(f"{name:28s} {clips / median(values):10,.0f} {median(pairs):6.2f} ({min(pairs):.2f} to {max(pairs):.2f})")


def main() -> None:
    chosen = options()
    with tempfile.TemporaryDirectory() as folder:
        path = chosen.cache or synthetic_cache(
            Path(folder) / "noise.zarr", clips=chosen.clips, size=chosen.size, compression=chosen.compression
        )
        cache = CropCache(path)
        rows = np.flatnonzero(cache.usable & (cache.used_slots > 0))
        picks = random_picks(cache, rows, chosen)
        ways = readers(cache, flat_copy(cache, Path(folder) / "flat.npy"))
        expected, out = (np.zeros((*picks[0][1].shape, *cache.shape[2:]), dtype=np.uint8) for _ in range(2))
        ways[PEER](*picks[0], expected)
        for name, read in ways.items():
            out.fill(0)
            read(*picks[0], out)
            assert np.array_equal(out, expected), f"{name} reads other pixels"
        dataset = CropDataset(cache, rows, segments=chosen.segments, random=True)
        endless = epochs(CropLoader(dataset, batch_size=len(picks[0][0]), shuffle=True))
        cases = {name: lambda number, read=read: read(*picks[number], out) for name, read in ways.items()}
        batches = dict.fromkeys(cases, chosen.batches) | {SLOW: max(1, chosen.batches // 20)}
        cases |= {"mocrop CropLoader": lambda _: next(endless)}
        cpu, wall = interleave(cases, batches={"mocrop CropLoader": chosen.batches, **batches}, rounds=chosen.rounds)
        codec = "zstd" if cache.compressed else "uncompressed"
        title = f"loader, {cache.size} px, {codec}, batches of {len(picks[0][0])} clips x {chosen.segments} frames"
        report(title, cpu, unit="clips", count=len(picks[0][0]), peer=PEER)
        report_throughput(wall, clips=len(picks[0][0]))


if __name__ == "__main__":
    main()
