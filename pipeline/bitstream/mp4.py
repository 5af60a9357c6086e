"""Boxes of MP4 files: whether a file is complete, without decoding it, and whether its headers change inside it."""

from __future__ import annotations

import mmap
import os
from io import FileIO
from pathlib import Path

NEEDED = frozenset({b"ftyp", b"moov", b"mdat"})
HEADER_BYTES, LONG_HEADER_BYTES = 8, 16


def mp4_fault(path: Path) -> str:
    """Describe what is wrong with the boxes of an MP4 file; empty if nothing is.

    A file that was cut off anywhere ends inside a box or lacks one. Changed bytes inside a box are not noticed.
    """
    try:
        with path.open("rb", buffering=0) as file:
            return _fault(file)
    except FileNotFoundError:
        return "the file is gone"
    except OSError as error:
        return f"the file cannot be read ({error.strerror})"


def _fault(file: FileIO) -> str:
    size, offset, found = os.fstat(file.fileno()).st_size, 0, set[bytes]()
    while offset < size:
        file.seek(offset)
        header = file.read(LONG_HEADER_BYTES)
        length, kind = int.from_bytes(header[:4]), header[4:8]
        if length == 1:
            length = int.from_bytes(header[8:])
        if length < HEADER_BYTES:  # 0 means "to the end of the file", which mocrop's own files do not use
            return f"byte {offset:,} begins no box: the file is damaged"
        if offset + length > size:
            return f"the file is cut off: {size:,} of at least {offset + length:,} bytes are there"
        found.add(kind)
        offset += length
    if missing := NEEDED - found:
        return f"the file is cut off: it has no {', '.join(sorted(name.decode() for name in missing))}"
    return ""


def has_several_descriptions(data: mmap.mmap) -> bool:
    """Whether a track of an MP4 file has more than one sample description (`stsd`), as files joined by editors have.

    Headers that stand in a description, such as avcC, are then not those of all packets.
    """
    at = 0
    while at + LONG_HEADER_BYTES <= len(data):
        length, kind = int.from_bytes(data[at : at + 4]), data[at + 4 : at + 8]
        if length == 1:
            length = int.from_bytes(data[at + 8 : at + LONG_HEADER_BYTES])
        if kind == b"moov":
            return _lists_several(data[at : at + length])
        at += length if length >= HEADER_BYTES else len(data)
    return False


def _lists_several(movie: bytes) -> bool:
    tables = movie.split(b"stsd")[1:]
    return any(int.from_bytes(table[4:8]) > 1 for table in tables)
