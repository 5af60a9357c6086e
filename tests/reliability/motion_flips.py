"""Flip single bits of stores and H.264 files and delete files of stores: all of it is refused, or changes nothing read.

The long form: ``python -m tests.reliability.motion_flips 300``.
"""

from __future__ import annotations

import random
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mocrop.pipeline.checksums import file_checksum
from mocrop.pipeline.errors import MotionStoreError
from mocrop.pipeline.motion.clip_motion import ClipMotion
from mocrop.pipeline.motion.store import CLIPS_PER_SHARD, MotionReader, create_store
from mocrop.pipeline.motion.store_writer import MotionRow, write_shard

CLIPS = 40  # of the store that is harmed: one whole group and a part of another


@dataclass(kw_only=True)
class Count:
    """What became of a number of faults."""

    refused: int = 0
    harmless: int = 0  # what is read is as it was
    silent: tuple[str, ...] = ()  # something else is read: what was done

    @property
    def tried(self) -> int:
        return self.refused + self.harmless + len(self.silent)


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
    )


def flip_motion(store: Path, *, flips: int, seed: int = 0) -> Count:
    """Flip single bits, one at a time, anywhere in a motion store, whose files are equally likely by their bytes."""
    files, drawn = _files(store), random.Random(seed)
    right, count = _content(store), Count()
    sizes = [file.stat().st_size for file in files]
    for file in drawn.choices(files, weights=sizes, k=flips):
        bit = drawn.randrange(8 * file.stat().st_size)
        with _flipped(file, bit):
            _judge(count, store, right, f"bit {bit} of {file.relative_to(store)}")
    return count


def flip_each_file(store: Path, *, flips: int, seed: int = 0) -> Count:
    """Flip a number of bits, one at a time, in each file of a motion store, however small."""
    drawn, right, count = random.Random(seed), _content(store), Count()
    for file in _files(store):
        for bit in drawn.sample(range(8 * file.stat().st_size), k=flips):
            with _flipped(file, bit):
                _judge(count, store, right, f"bit {bit} of {file.relative_to(store)}")
    return count


def delete_motion(store: Path) -> Count:
    """Delete each file of a motion store in turn."""
    right, count = _content(store), Count()
    for file in _files(store):
        content = file.read_bytes()
        file.unlink()
        _judge(count, store, right, f"without {file.relative_to(store)}")
        file.write_bytes(content)
    return count


def flip_files(files: dict[Path, int], *, flips: int, seed: int = 0) -> Count:
    """Flip single bits, one at a time, in files whose checksums are known."""
    drawn, count = random.Random(seed), Count()
    for file in drawn.choices(list(files), k=flips):
        bit = drawn.randrange(8 * file.stat().st_size)
        with _flipped(file, bit):
            if file_checksum(file) == files[file]:
                count.silent += (f"bit {bit} of {file}",)
            else:
                count.refused += 1
    return count


def _files(folder: Path) -> list[Path]:
    return sorted(file for file in folder.rglob("*") if file.is_file())


@contextmanager
def _flipped(file: Path, bit: int) -> Iterator[None]:
    content = file.read_bytes()
    changed = bytearray(content)
    changed[bit // 8] ^= 1 << bit % 8
    file.write_bytes(changed)
    try:
        yield
    finally:
        file.write_bytes(content)


def _content(store: Path) -> list[bytes]:
    """All that is read of each clip. Raises: MotionStoreError."""
    reader = MotionReader(store)
    return [b"" if (clip := reader.read(n)) is None else _bytes(clip) for n in range(CLIPS)]


def _bytes(clip: ClipMotion) -> bytes:
    values = (getattr(clip, name) for name in clip.__dataclass_fields__)
    return b"|".join(repr(value).encode() if isinstance(value, int) else value.tobytes() for value in values)


def _judge(count: Count, store: Path, right: list[bytes], fault: str) -> None:
    try:
        found = _content(store)
    except MotionStoreError as error:
        if "\n" in str(error):
            raise AssertionError(f"{fault}: not one line") from error
        count.refused += 1
        return
    if found == right:
        count.harmless += 1
    else:
        count.silent += (fault,)


def main(flips: int) -> None:
    """Print a line for each kind of fault."""
    folder = Path(tempfile.mkdtemp())
    try:
        store = folder / "motion.zarr"
        make_store(store)
        kinds = {
            f"{flips} flips in motion.zarr": flip_motion(store, flips=flips),
            "flips in each of its files": flip_each_file(store, flips=max(1, flips // 20)),
            "each of its files deleted": delete_motion(store),
        }
        for kind, count in kinds.items():
            print(f"{kind}: {count.refused} refused, {count.harmless} harmless, {len(count.silent)} silent")
            print(*count.silent, sep="\n", end="")
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 300)
