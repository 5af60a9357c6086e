"""The RIFF chunks that an AVI file consists of: one, or several if it is larger than a gigabyte."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

HEADER_BYTES = 12
AVI_FORM = b"AVI "  # of the first chunk; of those that continue it b"AVIX"


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
