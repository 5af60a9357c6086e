"""An .npy file that any numpy reads, of float32 values in rows, with a checksum behind its array."""

from __future__ import annotations

import os
import struct
from pathlib import Path
from typing import BinaryIO

import numpy as np

from mocrop.pipeline.checksums import BLOCK_BYTES, checksum

TRAILER = struct.Struct("<12sI")  # behind the array: MAGIC, and CRC-32C of the file's name and everything before
MAGIC = b"mocropcrc32c"
DTYPE = np.dtype("<f4")


def array_fault(file: Path) -> str | None:
    """What is wrong with the bytes of a file; empty: nothing; None: that cannot be known, as it has no checksum.

    Raises: OSError.
    """
    with file.open("rb") as stream:
        if has_trailer(stream):
            return "" if is_whole(stream, file.name) else "its checksum differs"
        return None if is_plain_array(stream) else "it is cut off or damaged"


def has_trailer(stream: BinaryIO) -> bool:
    """Whether there is a checksum behind the array."""
    stream.seek(max(_end(stream), 0))
    return stream.read(len(MAGIC)) == MAGIC


def is_whole(stream: BinaryIO, name: str) -> bool:
    """Whether the bytes before the checksum are those that it is of, and were written under this name."""
    value, left = checksum(name.encode()), _end(stream)
    stream.seek(0)
    while block := stream.read(min(BLOCK_BYTES, left)):
        value = checksum(block, start=value)
        left -= len(block)
    return stream.read() == TRAILER.pack(MAGIC, value)


def _end(stream: BinaryIO) -> int:
    return os.fstat(stream.fileno()).st_size - TRAILER.size


def is_plain_array(stream: BinaryIO) -> bool:
    """Whether a file is an array and nothing behind it."""
    try:
        shape, start = shape_and_start(stream)
    except Exception:  # numpy lets Python's parser read the header, whose errors come through
        return False
    return os.fstat(stream.fileno()).st_size == start + DTYPE.itemsize * shape[0] * shape[1]


def shape_and_start(stream: BinaryIO) -> tuple[tuple[int, int], int]:
    """Shape of the array in a file, and the byte at which it starts. Raises: ValueError, EOFError."""
    stream.seek(0)
    if np.lib.format.read_magic(stream) != (1, 0):
        raise ValueError("its header is not of version 1.0")
    shape, fortran_order, dtype = np.lib.format.read_array_header_1_0(stream)
    if len(shape) != 2 or fortran_order or dtype != DTYPE or min(shape) < 0:
        raise ValueError(f"it holds {dtype} of shape {shape}")
    return (shape[0], shape[1]), stream.tell()
