"""The file of features beside a cache: an .npy that any numpy reads, with a checksum behind its array."""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt

from mocrop.pipeline.array_file import DTYPE, MAGIC, TRAILER, has_trailer, is_plain_array, is_whole, shape_and_start
from mocrop.pipeline.checksums import checksum
from mocrop.pipeline.errors import CacheError
from mocrop.pipeline.files import whole_file

FloatArray = npt.NDArray[np.float32]
OnFrames = Callable[[int, int], None]  # frames done, frames in all


def write_features(file: Path, batches: Iterator[FloatArray], *, frames: int, on_frames: OnFrames) -> None:
    """Write batches as one file, which appears under its name only when it is complete and on the disk.

    Args:
        batches: float32, shape (n, width), ``frames`` rows in all.
    Raises: DiskFullError.
    """
    done, value = 0, checksum(file.name.encode())  # the name says of which cache and network they are
    with whole_file(file, writer=str(os.getpid())) as stream:  # two runs may compute the same features at once
        for batch in batches:
            parts = [np.ascontiguousarray(batch, dtype=DTYPE).tobytes()]
            if not done:
                parts.insert(0, _header((frames, batch.shape[1])))
            for part in parts:
                stream.write(part)
                value = checksum(part, start=value)
            done += len(batch)
            on_frames(done, frames)
        stream.write(TRAILER.pack(MAGIC, value))


def read_features(file: Path, *, frames: int) -> FloatArray | None:
    """Map the features in a file into memory, after comparing its checksum.

    Returns: float32, shape (frames, width), read-only; None if there is no such file, or one from before such files
        had a checksum, of which nothing shows that it is whole.
    Raises: CacheError if the file is damaged, or holds another number of frames.
    """
    try:
        stream = file.open("rb")
    except FileNotFoundError:
        return None
    with stream:
        if not has_trailer(stream):
            if is_plain_array(stream):
                return None
            raise CacheError(f"{file} is cut off or damaged; delete it, to have it computed again")
        if not is_whole(stream, file.name):
            raise CacheError(
                f"{file} is damaged, or had another name: its checksum differs; delete it, to have it computed again"
            )
        shape, start = shape_and_start(stream)
        if shape[0] != frames:
            raise CacheError(f"{file} holds {shape[0]} frames instead of {frames}; delete it and start again")
        return np.memmap(stream, dtype=DTYPE, mode="r", offset=start, shape=shape)


def _header(shape: tuple[int, int]) -> bytes:
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "<f4", "fortran_order": False, "shape": shape})
    return header.getvalue()
