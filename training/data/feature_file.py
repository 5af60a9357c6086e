"""The file of features beside a cache: an .npy that any numpy reads, with a checksum behind its array."""

from __future__ import annotations

import io
import os
import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

import numpy as np
import numpy.typing as npt

from mocrop.pipeline.checksums import BLOCK_BYTES, checksum
from mocrop.pipeline.errors import CacheError
from mocrop.pipeline.files import whole_file

FloatArray = npt.NDArray[np.float32]
OnFrames = Callable[[int, int], None]  # frames done, frames in all

TRAILER = struct.Struct("<12sI")  # behind the array: MAGIC, and CRC-32C of everything before
MAGIC = b"mocropcrc32c"
DTYPE = np.dtype("<f4")


def write_features(file: Path, batches: Iterator[FloatArray], *, frames: int, on_frames: OnFrames) -> None:
    """Write batches as one file, which appears under its name only when it is complete and on the disk.

    Args:
        batches: float32, shape (n, width), ``frames`` rows in all.
    Raises: DiskFullError.
    """
    done, value = 0, 0
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

    Returns: float32, shape (frames, width), read-only; None if there is no such file, or one of before files had a
        checksum, which has no more to show that it is whole.
    Raises: CacheError if the file is damaged, or holds another number of frames.
    """
    try:
        stream = file.open("rb")
    except FileNotFoundError:
        return None
    with stream:
        end = os.fstat(stream.fileno()).st_size - TRAILER.size
        if not _has_trailer(stream, end):
            if _is_plain_array(stream):
                return None
            raise CacheError(f"{file} is cut off or damaged; delete it, to have it computed again")
        if not _is_whole(stream, end):
            raise CacheError(f"{file} is damaged: its checksum differs; delete it, to have it computed again")
        shape, start = _shape_and_start(stream)
        if shape[0] != frames:
            raise CacheError(f"{file} holds {shape[0]} frames instead of {frames}; delete it and start again")
        return np.memmap(stream, dtype=DTYPE, mode="r", offset=start, shape=shape)


def _has_trailer(stream: BinaryIO, end: int) -> bool:
    stream.seek(max(end, 0))
    return stream.read(len(MAGIC)) == MAGIC


def _is_plain_array(stream: BinaryIO) -> bool:
    """Whether a file is an array and nothing behind it."""
    try:
        shape, start = _shape_and_start(stream)
    except Exception:  # numpy lets Python's parser read the header, whose errors come through
        return False
    return os.fstat(stream.fileno()).st_size == start + DTYPE.itemsize * shape[0] * shape[1]


def _is_whole(stream: BinaryIO, end: int) -> bool:
    """Whether the bytes before ``end`` have the checksum that stands there."""
    value, left = 0, end
    stream.seek(0)
    while block := stream.read(min(BLOCK_BYTES, left)):
        value = checksum(block, start=value)
        left -= len(block)
    return stream.read() == TRAILER.pack(MAGIC, value)


def _header(shape: tuple[int, int]) -> bytes:
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "<f4", "fortran_order": False, "shape": shape})
    return header.getvalue()


def _shape_and_start(stream: BinaryIO) -> tuple[tuple[int, int], int]:
    """Shape of the array in a file, and the byte at which it starts. Raises: ValueError, EOFError."""
    stream.seek(0)
    if np.lib.format.read_magic(stream) != (1, 0):
        raise ValueError("its header is not of version 1.0")
    shape, fortran_order, dtype = np.lib.format.read_array_header_1_0(stream)
    if len(shape) != 2 or fortran_order or dtype != DTYPE or min(shape) < 0:
        raise ValueError(f"it holds {dtype} of shape {shape}")
    return (shape[0], shape[1]), stream.tell()
