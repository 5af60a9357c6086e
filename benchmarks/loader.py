"""Time of a batch of frames from a crop cache, against the alternatives that a user has.

A training batch is 32 clips with 3 random frames each, an evaluation batch 32 clips with the middle frame of 8
segments. All peers read the same batches, except those that draw their own (CropLoader, WebDataset). The pixels of
every peer are compared with the cache's before its time counts: bit by bit where the cache is read, within a few grey
levels on average where videos or JPEGs are decoded. Three states of the page cache: as writing has left it (warm), with
the files evicted before each round (cold), and as those cold reads have left it (again). No worker processes are used.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

import jpeg_peer
import numpy as np
import store_peers as store
import video_peers
from harness import REAL_CLIPS, choose_clips, report_timings
from peers import Absent, Frames, Peer, Task, check

from mocrop.evaluation.bench.batch_reads import (
    EVALUATION,
    TRAINING,
    BatchShape,
    MemmapReader,
    draw_picks,
    flat_copy,
    readable_rows,
)
from mocrop.evaluation.bench.interleaved_timing import Case, take_turns
from mocrop.evaluation.bench.page_cache import CAN_EVICT, evict
from mocrop.evaluation.bench.sample_run import run_sample
from mocrop.pipeline.cache.crop_cache import CropCache

PICKS = 20  # different batches that take turns
FLOOR = "numpy memmap gather"
OURS = "mocrop FrameReader"
PEER_PACKAGES = ("opencv-python-headless", "torchcodec", "webdataset", "zarrs")
NO_FFCV = "FFCV: left out, it has no wheel and its source needs the headers of OpenCV and libjpeg-turbo"


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=REAL_CLIPS, help="folder of class folders of videos")
    parser.add_argument("--clips", type=int, default=300, help="clips of the cache, evenly spread over the data set")
    parser.add_argument("--size", type=int, default=192, help="side of the frames, pixels")
    parser.add_argument("--compression", choices=("none", "zstd"), default="none", help="of the cache")
    parser.add_argument("--batch", type=int, default=32, help="clips per batch")
    parser.add_argument("--rounds", type=int, default=5, help="measured rounds; one more comes first as warm-up")
    parser.add_argument("--states", nargs="+", default=["warm", "cold", "again"], help="of the page cache")
    return parser.parse_args()


def make_peers(task: Task, cache: CropCache, folder: Path, *, state: str) -> dict[str, Peer]:
    """All peers that can take part, with their pixels checked; prints which cannot, and why."""
    cold = state == "cold"
    rows = np.arange(len(cache))
    videos = video_peers.Videos(cache, folder / "data")
    zarrs = "zarrs.ZarrsCodecPipeline"
    makers: dict[str, Callable[[], Peer]] = {
        "memcpy": lambda: store.memory_copy(task),
        FLOOR: lambda: store.memmap_gather(task, MemmapReader(folder / "flat.npy", rows)),
        OURS: lambda: store.frame_reader(task, cache, anew=cold),
        "mocrop CropLoader": lambda: store.crop_loader(task, cache, anew=cold),
        "mocrop FrameReader, first epoch": lambda: store.frame_reader(task, cache, anew=True),
        "TensorStore vindex": lambda: store.tensorstore_vindex(task, cache),
        "zarr-python, by chunk": lambda: store.zarr_by_chunk(task, cache),
        "zarr-python, oindex": lambda: store.zarr_oindex(task, cache),
        "zarrs, by chunk": lambda: store.zarr_by_chunk(task, cache, pipeline=zarrs),
        "zarrs, oindex": lambda: store.zarr_oindex(task, cache, pipeline=zarrs),
        "WebDataset, JPEG 90": lambda: jpeg_peer.webdataset_jpeg(task, sorted((folder / "tars").glob("*.tar"))),
        "torchcodec": lambda: video_peers.torchcodec_decoding(task, videos),
        "OpenCV, the reference's pattern": lambda: video_peers.opencv_pattern(task, videos),
    }
    if cold:  # another row measures the same already
        del makers["mocrop FrameReader, first epoch"], makers["memcpy"]
    peers = {}
    for name, make in makers.items():
        try:
            peers[name] = make()
        except Absent as why:
            print(f"{name}: skipped, {why}")
            continue
        worst = check(name, peers[name], task)
        if peers[name].tolerance and state == "warm":
            print(f"{name}: its frames differ from the cache's by {worst:.1f} grey levels at the most, on average")
    return peers


def cases(peers: Mapping[str, Peer], *, cold: bool) -> dict[str, Case]:
    def prepare(peer: Peer) -> None:
        if cold:
            peer.stop()
            evict(peer.files)
        peer.start()

    once = {"mocrop CropLoader"}  # its round is an epoch
    return {
        name: Case(
            run=peer.read,
            times=peer.times if not cold or name in once else min(2, peer.times),
            prepare=lambda peer=peer: prepare(peer),  # type: ignore[misc]
        )
        for name, peer in peers.items()
    }


def compare(task: Task, cache: CropCache, folder: Path, chosen: argparse.Namespace, *, state: str) -> None:
    peers = make_peers(task, cache, folder, state=state)
    timings = take_turns(cases(peers, cold=state == "cold"), rounds=chosen.rounds)
    kind = "training" if task.shape.random else "evaluation"
    said = {"warm": "in memory", "cold": "evicted from memory", "again": "in memory again, after cold reads"}[state]
    codec = "zstd" if cache.compressed else "uncompressed"
    title = f"{kind} batch of {task.shape.clips} clips x {task.shape.segments} frames, {cache.size} px, {codec}, {said}"
    report_timings(
        title,
        timings,
        unit="clips",
        count=task.shape.clips,
        peer=OURS,
        clocks=("wall", "cpu") if state == "cold" else ("cpu", "wall"),
        packages=PEER_PACKAGES,
    )


def main() -> None:
    chosen = options()
    print(NO_FFCV)
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        clips = choose_clips(chosen.data, chosen.clips, folder)
        precrop = {"size": chosen.size, "compression": chosen.compression}
        made = run_sample(clips, folder, extract={"source": "original"}, precrop=precrop)
        cache = CropCache(made.workspace.choose_cache(None))
        stored = np.load(flat_copy(cache, np.arange(len(cache)), folder / "flat.npy"))
        try:
            (folder / "tars").mkdir()
            jpeg_peer.write_tars(cache, stored, folder / "tars")
        except Absent:
            pass  # make_peers prints it
        tasks = [task_of(shape, cache, stored, batch=chosen.batch) for shape in (TRAINING, EVALUATION)]
        for state in chosen.states:  # cold reads leave other pages in memory, so all warm reads come first
            if state == "cold" and not CAN_EVICT:
                print("cold: skipped, this system does not let a program evict files from memory")
                continue
            for task in tasks:
                compare(task, cache, folder, chosen, state=state)


def task_of(standard: BatchShape, cache: CropCache, stored: Frames, *, batch: int) -> Task:
    """Batches of this kind, no larger than the cache allows."""
    rows = readable_rows(cache)
    shape = BatchShape(clips=min(batch, len(rows)), segments=standard.segments, random=standard.random)
    out = np.zeros((shape.clips, shape.segments, *cache.shape[2:]), dtype=np.uint8)
    return Task(shape=shape, picks=draw_picks(cache, rows, shape, batches=PICKS), stored=stored, out=out)


if __name__ == "__main__":
    main()
