"""The RIFF chunks that an AVI file consists of: one, or several if it is larger than a gigabyte."""

from __future__ import annotations

import mmap
import os
import struct
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

HEADER_BYTES = 12
AVI_FORM = b"AVI "  # of the first chunk; of those that continue it b"AVIX"
CHUNK_HEADER_BYTES = 8
_CHUNK_HEADER = struct.Struct("<4sI")  # name, length
_LIST_HEADER_BYTES = 12
_TOP_LEVEL = frozenset({b"idx1", b"RIFF"})  # what follows the list of frames
_NO_FRAMES = frozenset({b"pc", b"ix"})  # at the end of a name: palette, index


class RiffChunk(NamedTuple):
    """One chunk at the top of a file."""

    form: bytes
    end: int  # bytes from the start of the file, as the chunk says: the file may end before


def riff_chunks(path: Path) -> Iterator[RiffChunk]:
    """Yield the chunks of a file until something else comes, as some programs append, or the file ends."""
    with path.open("rb", buffering=0) as file:
        size, offset = os.fstat(file.fileno()).st_size, 0
        while offset < size:
            file.seek(offset)
            header = file.read(HEADER_BYTES)
            if header[:4] != b"RIFF":
                return
            offset += 8 + int.from_bytes(header[4:8], "little")
            yield RiffChunk(header[8:], offset)
            offset += offset % 2  # an odd length is followed by one byte


def is_cut_off(path: Path) -> bool:
    """Whether a file ends inside one of its RIFF chunks, or begins with none."""
    ends = [chunk.end for chunk in riff_chunks(path)]
    return not ends or ends[-1] > path.stat().st_size


def holds_several_videos(path: Path) -> bool:
    """Whether a file is several AVI files in a row, which FFmpeg plays to the end but indexes the first of alone."""
    return sum(chunk.form == AVI_FORM for chunk in riff_chunks(path)) > 1


def all_frames_are_listed(data: mmap.mmap, places: Sequence[int], lengths: Sequence[int]) -> bool:
    """Whether an index lists every chunk of a stream that holds bytes, in the order of the file, which is how it plays.

    Args:
        data: the file.
        places: of the headers of the chunks in the index.
        lengths: of these chunks without header, as the index says.
    """
    starts, sizes = np.array(places), np.array(lengths)
    ends = starts + CHUNK_HEADER_BYTES + sizes + sizes % 2
    gaps = starts[1:] - ends[:-1]
    if (gaps < 0).any():
        return False
    between = np.flatnonzero(gaps)
    spans = [
        (max(data.rfind(b"movi", 0, places[0]), 0) + 4, places[0]),
        *zip(ends[between].tolist(), starts[between + 1].tolist(), strict=True),
        (int(ends[-1]), len(data)),
    ]
    stream = data[places[0] : places[0] + 2]
    return not any(_holds_frame(data, start, end, stream) for start, end in spans)


def _holds_frame(data: mmap.mmap, start: int, end: int, stream: bytes) -> bool:
    """Whether a chunk of a stream (two digits) that holds bytes is between two places of a file."""
    while start + CHUNK_HEADER_BYTES <= end:
        name, length = _CHUNK_HEADER.unpack_from(data, start)
        if name in _TOP_LEVEL:
            return False
        if name[:2] == stream and length and name[2:] not in _NO_FRAMES:
            return True
        start += _LIST_HEADER_BYTES if name == b"LIST" else CHUNK_HEADER_BYTES + length + length % 2
    return False
