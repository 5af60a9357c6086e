"""Flip single bits, and delete single files, of a motion store: what is read then is refused or what was written."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np

from mocrop.pipeline.errors import MotionStoreError
from mocrop.pipeline.motion.clip_motion import ClipMotion
from mocrop.pipeline.motion.store import CLIPS_PER_SHARD, MotionReader, create_store
from mocrop.pipeline.motion.store_writer import MotionRow, write_shard
from tests.reliability.flips import Count, bits_of, deleted, files_below, flipped

CLIPS = 40  # of the store that is harmed: one whole group and a part of another


def make_store(store: Path, *, seed: int = 0) -> None:
    """Write a store of random clips; some have no motion, some no vector, some columns are zeros."""
    rng = np.random.default_rng(seed)
    create_store(store)
    for first in range(0, CLIPS, CLIPS_PER_SHARD):
        rows = (
            MotionRow(position=n, clip=f"Class/clip-{n}", motion=None if n % 7 == 3 else _motion(rng, n))
            for n in range(first, min(first + CLIPS_PER_SHARD, CLIPS))
        )
        write_shard(store, first // CLIPS_PER_SHARD, rows, attributes={"settings": {"source": "h264"}})


def _motion(rng: np.random.Generator, number: int) -> ClipMotion:
    frames = int(rng.integers(1, 9))
    per_frame = rng.integers(0, 40, frames).astype(np.int32) * (number % 5 != 1)
    count, still = int(per_frame.sum()), np.zeros(frames, np.int32)
    return ClipMotion(
        width=320,
        height=240,
        vectors_per_frame=per_frame.astype(np.int32),
        zero_vectors=still,
        frame_type=rng.integers(1, 3, frames).astype(np.uint8),
        camera=np.zeros((frames, 6), np.float32),
        camera_support=rng.random(frames).astype(np.float32),
        x=rng.integers(0, 320, count).astype(np.int16),
        y=rng.integers(0, 240, count).astype(np.int16),
        dx=rng.integers(1, 20, count).astype(np.int16),
        dy=np.zeros(count, np.int16),
        w=np.full(count, 16, np.uint8),
        h=np.full(count, 16, np.uint8),
        ref=np.full(count, -1, np.int8),
        seconds=np.arange(frames) / 25,
        picture=(0, number, 320, 230),
    )


def flip_motion(store: Path, *, flips: int, seed: int = 0) -> Count:
    """Flip single bits, one at a time, anywhere in a motion store; a file is drawn as often as it is large."""
    files, drawn = files_below(store), random.Random(seed)
    right, count = _content(store), Count()
    for file in drawn.choices(files, weights=list(map(bits_of, files)), k=flips):
        _flip(count, store, file, drawn.randrange(bits_of(file)), right)
    return count


def flip_each_file(store: Path, *, flips: int, seed: int = 0) -> Count:
    """Flip a number of bits, one at a time, in each file of a motion store, however small."""
    drawn, right, count = random.Random(seed), _content(store), Count()
    for file in files_below(store):
        for bit in drawn.sample(range(bits_of(file)), k=flips):
            _flip(count, store, file, bit, right)
    return count


def _flip(count: Count, store: Path, file: Path, bit: int, right: list[bytes]) -> None:
    with flipped(file, bit):
        _judge(count, store, right, f"bit {bit} of {file.relative_to(store)}")


def delete_motion(store: Path) -> Count:
    """Delete each file of a motion store in turn."""
    right, count = _content(store), Count()
    for file in files_below(store):
        with deleted(file):
            _judge(count, store, right, f"without {file.relative_to(store)}")
    return count


def _judge(count: Count, store: Path, right: list[bytes], fault: str) -> None:
    count.judge(fault, lambda: _content(store) == right, refusal=MotionStoreError)


def _content(store: Path) -> list[bytes]:
    """All that is read of each clip. Raises: MotionStoreError."""
    reader = MotionReader(store)
    return [b"" if (clip := reader.read(n)) is None else _bytes(clip) for n in range(CLIPS)]


def _bytes(clip: ClipMotion) -> bytes:
    values = (getattr(clip, name) for name in clip.__dataclass_fields__)
    return b"|".join(value.tobytes() if isinstance(value, np.ndarray) else repr(value).encode() for value in values)
