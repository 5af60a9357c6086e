"""The same crops as JPEG in WebDataset's tar files, read sequentially through a shuffle buffer.

WebDataset has no random access: a clip comes when its place in its shard comes, and the bytes of all its frames are
read even where three are wanted; only those three are decoded.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from peers import INSTALL, Absent, Drawn, Frames, Peer, Task

from mocrop.evaluation.bench.batch_reads import draw_slots
from mocrop.pipeline.cache.crop_cache import CropCache

QUALITY = 90
CLIPS_PER_TAR = 16
BUFFER_CLIPS = 100
TOLERANCE = 12.0  # grey levels on average; JPEG of this quality differs by 1 to 5 on real clips


def require_webdataset() -> Any:
    try:
        import webdataset
    except ImportError as error:
        raise Absent(f"WebDataset is not installed; {INSTALL}") from error
    return webdataset


def write_tars(cache: CropCache, stored: Frames, folder: Path) -> list[Path]:
    """Write one sample a clip, with one JPEG a frame; returns the tar files.

    Raises: Absent if WebDataset is not installed.
    """
    webdataset = require_webdataset()
    files = []
    for first in range(0, len(cache), CLIPS_PER_TAR):
        files.append(folder / f"clips-{first:06d}.tar")
        with webdataset.TarWriter(str(files[-1])) as tar:
            for row in range(first, min(first + CLIPS_PER_TAR, len(cache))):
                tar.write({"__key__": f"{row:06d}", **jpegs(stored[row, : cache.frame_counts[row]])})
    return files


def jpegs(frames: Frames) -> dict[str, bytes]:
    """A JPEG of each frame, by the end of its name."""
    from torchvision.io import encode_jpeg

    encoded = (encode_jpeg(torch.from_numpy(np.array(frame)), quality=QUALITY) for frame in frames)
    return {f"{slot:02d}.jpg": jpeg.numpy().tobytes() for slot, jpeg in enumerate(encoded)}


def webdataset_jpeg(task: Task, tars: list[Path]) -> Peer:
    """Batches in WebDataset's own order, decoded by torchvision's libjpeg-turbo."""
    webdataset = require_webdataset()
    rng = np.random.default_rng(0)

    def decode(sample: dict[str, Any]) -> tuple[int, list[Frames]]:
        from torchvision.io import decode_jpeg

        jpegs = sorted(key for key in sample if key.endswith(".jpg"))
        slots = draw_slots(np.array([len(jpegs)]), task.shape, rng)[0]
        bytes_of = (torch.frombuffer(bytearray(sample[jpegs[slot]]), dtype=torch.uint8) for slot in slots)
        return int(sample["__key__"]), [decode_jpeg(jpeg).numpy() for jpeg in bytes_of]

    def endless() -> Iterator[tuple[int, list[Frames]]]:
        urls = [str(file) for file in tars]
        while True:
            clips = webdataset.WebDataset(urls, shardshuffle=len(urls), empty_check=False)
            yield from clips.shuffle(BUFFER_CLIPS, rng=random.Random(0)).map(decode)

    samples = [endless()]

    def renew() -> None:
        samples[0] = endless()

    def read(_: int) -> Drawn:
        rows = np.empty(len(task.out), np.int64)
        for place in range(len(rows)):
            rows[place], task.out[place] = next(samples[0])
        return Drawn(rows=rows, frames=task.out)

    return Peer(read=read, files=tars, tolerance=TOLERANCE, times=2, stop=renew)
