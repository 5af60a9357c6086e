"""Windows of neighbouring frames: what precrop decodes for them, and the time of a training batch of them.

Decoding: the data set's own files, those that transcode has made, and files with B-frames and far key frames, with the
windows of the usual settings and with fewer and shorter ones, which leave gaps.

Reading: a batch of clips, a window of each. Ours are the crop cache through FrameReader and CropLoader; peers decode
the same windows out of the videos, with the crop on top (torchcodec), or read tar files with a sample a window, a JPEG
a frame (WebDataset). The pixels of every peer are compared with the cache's before its time counts. No worker processes
are used.
"""

from __future__ import annotations

import argparse
import random
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jpeg_peer
import numpy as np
import store_peers as store
import torch
import video_peers
from dense_decode import PEER, decode_cases, re_encoded
from harness import arguments, choose_clips, interleave, report, report_timings
from peers import Absent, Drawn, Peer, Task, check

from mocrop.evaluation.bench.batch_reads import BatchShape, Pick, flat_copy, readable_rows
from mocrop.evaluation.bench.interleaved_timing import Case, take_turns
from mocrop.evaluation.bench.sample_run import run_sample
from mocrop.pipeline.cache.crop_cache import CropCache
from mocrop.pipeline.cache.dense import DenseWindows
from mocrop.training.data.dataset import CropDataset
from mocrop.training.data.loader import CropLoader

USUAL = DenseWindows(windows=4, frames=16, stride=2)
APART = DenseWindows(windows=2, frames=8, stride=2)
PICKS = 20  # different batches that take turns
READER = "mocrop FrameReader"


def options() -> argparse.Namespace:
    parser = arguments(__doc__ or "")
    parser.add_argument("--size", type=int, default=112, help="side of the frames, pixels")
    parser.add_argument("--batch", type=int, default=8, help="clips per batch")
    parser.add_argument("--parts", nargs="+", default=["decode", "read"], choices=["decode", "read"])
    return parser.parse_args()


def measure_decoding(kinds: dict[str, list[Path]], *, rounds: int) -> None:
    for kind, paths in kinds.items():
        for name, dense in (("4 windows of 16", USUAL), ("2 windows of 8", APART)):
            seconds = interleave(decode_cases(paths, dense), rounds=rounds)
            title = f"decoding {name}, {kind}"
            report(title, seconds, unit="clips", count=len(paths), peer=PEER)


def window_picks(cache: CropCache, *, batch: int) -> list[Pick]:
    """Batches of clips, a window of each, drawn at random."""
    rng, rows = np.random.default_rng(0), readable_rows(cache)
    used = np.count_nonzero(cache.window >= 0, axis=1)
    picks = []
    for _ in range(PICKS):
        chosen = rng.choice(rows, min(batch, len(rows)), replace=False)
        picks.append(Pick(rows=chosen, slots=cache.window_slots[chosen, rng.integers(0, used[chosen])]))
    return picks


def crop_loader(task: Task, cache: CropCache) -> Peer:
    """Ours, in its own order, reading ahead."""
    assert cache.dense is not None
    clip = (cache.dense.frames, cache.dense.stride)
    dataset = CropDataset(cache, readable_rows(cache), clip=clip, random=True)
    loader = CropLoader(dataset, batch_size=task.shape.clips, shuffle=True, drop_last=True)

    def endless() -> Iterator[Any]:
        while True:
            yield from loader

    batches = endless()

    def read(_: int) -> Drawn:
        batch = next(batches)
        return Drawn(rows=batch.rows.numpy(), frames=batch.frames.numpy())

    return Peer(read=read, times=20)


def write_window_tars(cache: CropCache, stored: np.ndarray, folder: Path) -> list[Path]:
    """One sample a window, one JPEG a frame, in random order; returns the tar files. Raises: Absent."""
    webdataset = jpeg_peer.require_webdataset()
    folder.mkdir()
    places = [(row, which) for row in readable_rows(cache).tolist() for which in np.flatnonzero(cache.window[row] >= 0)]
    random.Random(0).shuffle(places)
    files = []
    for first in range(0, len(places), 64):
        files.append(folder / f"windows-{first:06d}.tar")
        with webdataset.TarWriter(str(files[-1])) as tar:
            for row, which in places[first : first + 64]:
                frames = jpeg_peer.jpegs(stored[row, cache.window_slots[row, which]])
                tar.write({"__key__": f"{row:06d}-{which:02d}", **frames})
    return files


def webdataset_windows(task: Task, tars: list[Path]) -> Peer:
    """Batches in WebDataset's own order, decoded by torchvision's libjpeg-turbo."""
    from torchvision.io import decode_jpeg

    webdataset = jpeg_peer.require_webdataset()

    def decode(sample: dict[str, Any]) -> tuple[int, np.ndarray]:
        names = sorted(key for key in sample if key.endswith(".jpg"))
        jpegs = (torch.frombuffer(bytearray(sample[name]), dtype=torch.uint8) for name in names)
        return int(sample["__key__"].partition("-")[0]), np.stack([decode_jpeg(jpeg).numpy() for jpeg in jpegs])

    def endless() -> Iterator[tuple[int, np.ndarray]]:
        urls = [str(file) for file in tars]
        while True:
            clips = webdataset.WebDataset(urls, shardshuffle=len(urls), empty_check=False)
            yield from clips.shuffle(jpeg_peer.BUFFER_CLIPS, rng=random.Random(0)).map(decode)

    samples = endless()

    def read(_: int) -> Drawn:
        rows = np.empty(len(task.out), np.int64)
        for place in range(len(rows)):
            rows[place], task.out[place] = next(samples)
        return Drawn(rows=rows, frames=task.out)

    return Peer(read=read, files=tars, tolerance=jpeg_peer.TOLERANCE, times=12)


def measure_reading(cache: CropCache, folder: Path, *, batch: int, rounds: int) -> None:
    stored = np.load(flat_copy(cache, np.arange(len(cache)), folder / "flat.npy"))
    picks = window_picks(cache, batch=batch)
    shape = BatchShape(clips=len(picks[0].rows), segments=USUAL.frames, random=True)
    out = np.zeros((shape.clips, shape.segments, *cache.shape[2:]), np.uint8)
    task = Task(shape=shape, picks=picks, stored=stored, out=out)
    makers: dict[str, Callable[[], Peer]] = {
        READER: lambda: store.frame_reader(task, cache, anew=False),
        "mocrop CropLoader": lambda: crop_loader(task, cache),
        "torchcodec, windows on the fly": lambda: video_peers.torchcodec_decoding(
            task, video_peers.Videos(cache, folder / "data")
        ),
        "WebDataset, JPEG 90, a window a sample": lambda: webdataset_windows(
            task, write_window_tars(cache, stored, folder / "tars")
        ),
    }
    cases = {}
    for name, make in makers.items():
        try:
            peer = make()
        except Absent as why:
            print(f"{name}: skipped, {why}")
            continue
        worst = check(name, peer, task)
        if peer.tolerance:
            print(f"{name}: its frames differ from the cache's by {worst:.1f} grey levels at the most, on average")
        cases[name] = Case(run=peer.read, times=peer.times)
    title = f"training batch of {shape.clips} clips x a window of {shape.segments} frames, {cache.size} px, in memory"
    timings = take_turns(cases, rounds=rounds)
    packages = ("torchcodec", "webdataset")
    clocks = ("cpu", "wall")
    report_timings(title, timings, unit="clips", count=shape.clips, peer=READER, clocks=clocks, packages=packages)


def main() -> None:
    chosen = options()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        clips = choose_clips(chosen.data, chosen.clips, folder)
        windows = {"select": "dense", "clips": USUAL.windows, "frames": USUAL.frames, "stride": USUAL.stride}
        precrop = {"size": chosen.size, "policy": "motion", "source": "original", **windows}
        made = run_sample(clips, folder, extract={"source": "original"}, precrop=precrop)
        if "decode" in chosen.parts:
            (folder / "again").mkdir()
            again = [re_encoded(clip, folder / f"again/{number}.mp4") for number, clip in enumerate(clips)]
            transcoded = run_sample(clips, folder / "h264", precrop={"size": 16, "frames": 1, "policy": "full"})
            files = sorted(transcoded.workspace.h264.rglob("*.mp4"))
            kinds = {"the data set's own files": clips, "transcoded": files, "B-frames, far key frames": again}
            measure_decoding(kinds, rounds=chosen.rounds)
        if "read" in chosen.parts:
            cache = CropCache(made.workspace.choose_cache(None))
            measure_reading(cache, folder, batch=chosen.batch, rounds=chosen.rounds)


if __name__ == "__main__":
    main()
