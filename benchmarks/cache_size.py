"""Size of a crop cache on the disk under several codecs, and the CPU time of writing and reading it.

The same crops of real clips, written shard by shard as `mocrop precrop` does and read as training batches of 32 clips
with 3 random frames: through the shard files where they are uncompressed, else through TensorStore. Beside them the
same crops as JPEG in WebDataset's tar files, which are lossy and read sequentially.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jpeg_peer
import numpy as np
import tensorstore as ts
from harness import REAL_CLIPS, choose_clips, save_table
from peers import Absent, Frames, Task

from mocrop.evaluation.bench.batch_reads import TRAINING, BatchShape, Pick, draw_picks, flat_copy, readable_rows
from mocrop.evaluation.bench.interleaved_timing import Case, Spread, spread, take_turns
from mocrop.evaluation.bench.sample_run import run_sample
from mocrop.pipeline.arrays import worker_context
from mocrop.pipeline.cache.crop_cache import CropCache
from mocrop.training.data.frame_reader import INDEX_CACHE_BYTES, FrameReader

PICKS = 8
CODECS: dict[str, list[dict[str, Any]]] = {
    "zstd level 1": [{"name": "zstd", "configuration": {"level": 1}}],
    "zstd level 3": [{"name": "zstd", "configuration": {"level": 3}}],
    "zstd level 9": [{"name": "zstd", "configuration": {"level": 9}}],
    "bitshuffle, zstd level 3": [
        {
            "name": "blosc",
            "configuration": {"cname": "zstd", "clevel": 3, "shuffle": "bitshuffle", "typesize": 1, "blocksize": 0},
        }
    ],
}


@dataclass(frozen=True, kw_only=True)
class Kept:
    """One way to store the frames."""

    write: Callable[[], object]  # writes all frames
    files: Callable[[], Iterator[Path]]  # files that it has written
    read: Callable[[int], object]  # reads one training batch


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=REAL_CLIPS, help="folder of class folders of videos")
    parser.add_argument("--clips", type=int, default=96, help="clips of the cache, evenly spread over the data set")
    parser.add_argument("--size", type=int, default=192, help="side of the frames, pixels")
    parser.add_argument("--batch", type=int, default=32, help="clips per batch")
    parser.add_argument("--rounds", type=int, default=5, help="measured rounds; one more comes first as warm-up")
    return parser.parse_args()


def sharded(cache: CropCache, stored: Frames, task: Task, path: Path, codecs: list[dict[str, Any]]) -> Kept:
    """Frames as the cache keeps them, with other codecs inside the shards."""
    per_shard, used = cache.clips_per_shard, cache.frame_counts
    checksum = {"name": "crc32c"}
    inner = [{"name": "bytes"}, *codecs, checksum]
    little = {"name": "bytes", "configuration": {"endian": "little"}}
    sharding = {"chunk_shape": [1, 1, *stored.shape[2:]], "codecs": inner, "index_codecs": [little, checksum]}
    spec = {
        "driver": "zarr3",
        "kvstore": {"driver": "file", "path": str(path)},
        "store_data_equal_to_fill_value": True,
        "recheck_cached_data": False,
        "metadata": {
            "shape": list(stored.shape),
            "data_type": "uint8",
            "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": [per_shard, *stored.shape[1:]]}},
            "codecs": [{"name": "sharding_indexed", "configuration": sharding}],
        },
    }

    def write() -> None:
        array = ts.open(spec, create=True, delete_existing=True, context=worker_context()).result()
        for first in range(0, len(stored), per_shard):
            with ts.Transaction() as transaction:
                rows = range(first, min(first + per_shard, len(stored)))
                shard = array.with_transaction(transaction)
                for writing in [shard[row, : used[row]].write(stored[row, : used[row]]) for row in rows if used[row]]:
                    writing.copy.result()

    opened: list[ts.TensorStore] = []

    def read(number: int) -> None:
        if not opened:
            context = ts.Context({"cache_pool": {"total_bytes_limit": INDEX_CACHE_BYTES}})
            opened.append(ts.open(spec, open=True, context=context).result())
        pick = task.pick(number)
        ts.array(task.out).write(opened[0].vindex[pick.rows[:, np.newaxis], pick.slots]).result()

    return Kept(write=write, files=lambda: path.rglob("c/**/*"), read=read)


def tars(cache: CropCache, stored: Frames, task: Task, folder: Path) -> Kept:
    """Frames as JPEG in tar files."""
    folder.mkdir()
    jpeg_peer.require_webdataset()
    reading: list[Callable[[int], object]] = []

    def read(number: int) -> None:
        if not reading:
            reading.append(jpeg_peer.webdataset_jpeg(task, sorted(folder.glob("*.tar"))).read)
        reading[0](number)

    write = lambda: jpeg_peer.write_tars(cache, stored, folder)  # noqa: E731
    return Kept(write=write, files=lambda: folder.glob("*.tar"), read=read)


def verify(kept: Kept, task: Task, name: str) -> None:
    """Check that the frames read back are the same; those of JPEG are checked by loader.py."""
    kept.read(0)
    pick: Pick = task.pick(0)
    assert np.array_equal(task.out, task.stored[pick.rows[:, np.newaxis], pick.slots]), f"{name} reads other pixels"


def measure(cache: CropCache, stored: Frames, task: Task, folder: Path, rounds: int) -> list[list[str]]:
    """Rows of the table: name, bytes, share, MB/s of CPU time written, clips/s of CPU time read."""
    ways = {"uncompressed": sharded(cache, stored, task, folder / "raw", [])}
    ways |= {name: sharded(cache, stored, task, folder / name, codecs) for name, codecs in CODECS.items()}
    try:
        ways["JPEG 90 in tar files"] = tars(cache, stored, task, folder / "tars")
    except Absent as why:
        print(f"JPEG in WebDataset: skipped, {why}")
    writes = take_turns(
        {name: Case(run=lambda _, kept=kept: kept.write()) for name, kept in ways.items()}, rounds=rounds
    )
    for name, kept in ways.items():
        if not name.startswith("JPEG"):
            verify(kept, task, name)
    reader = FrameReader(cache)
    reads = {name: Case(run=kept.read, times=4) for name, kept in ways.items()}
    reads["uncompressed"] = Case(
        run=lambda n: reader.read(task.pick(n).rows, task.pick(n).slots, out=task.out), times=PICKS
    )
    read = take_turns(reads, rounds=rounds)
    frames = int(cache.frame_counts.sum())
    raw = frames * 3 * cache.size**2
    clips = task.shape.clips
    rows = []
    for name, kept in ways.items():
        taken = sum(file.stat().st_size for file in kept.files() if file.is_file())
        written = spread([raw / 1e6 / seconds for seconds in writes[name].cpu])
        got = spread([clips / seconds for seconds in read[name].cpu])
        rows.append([name, f"{taken / frames:,.0f}", f"{taken / raw:.2f}", shown(written), shown(got)])
    return rows


def shown(values: Spread) -> str:
    return f"{values.median:,.0f} ({values.least:,.0f} to {values.most:,.0f})"


def main() -> None:
    chosen = options()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        clips = choose_clips(chosen.data, chosen.clips, folder)
        made = run_sample(clips, folder, extract={"source": "original"}, precrop={"size": chosen.size})
        cache = CropCache(made.workspace.choose_cache(None))
        rows = readable_rows(cache)
        stored = np.load(flat_copy(cache, np.arange(len(cache)), folder / "flat.npy"))
        shape = BatchShape(clips=min(chosen.batch, len(rows)), segments=TRAINING.segments, random=True)
        out = np.zeros((shape.clips, shape.segments, *cache.shape[2:]), dtype=np.uint8)
        task = Task(shape=shape, picks=draw_picks(cache, rows, shape, batches=PICKS), stored=stored, out=out)
        table = measure(cache, stored, task, folder, chosen.rounds)
        frames = int(cache.frame_counts.sum())
    title = f"{frames:,} frames of {len(clips)} clips, {chosen.size} px"
    columns = ["kept as", "bytes/frame", "of raw", "written, MB/s", "read, clips/s"]
    note = f"{chosen.rounds} rounds after one warm-up, median and range, per second of CPU time"
    print(f"{title}; {note}")
    for row in (columns, *table):
        print(f"{row[0]:26s} {row[1]:>12s} {row[2]:>7s} {row[3]:>26s} {row[4]:>34s}")
    save_table(title, columns, table, note=note)


if __name__ == "__main__":
    main()
