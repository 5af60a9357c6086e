"""Say whether an MP4 file is all there without decoding it: its boxes follow one another from start to end."""

from __future__ import annotations

import os
from pathlib import Path

NEEDED = frozenset({b"ftyp", b"moov", b"mdat"})
HEADER_BYTES, LONG_HEADER_BYTES = 8, 16


def mp4_fault(path: Path) -> str:
    """What is wrong with the boxes of an MP4 file, in words; empty if nothing.

    A file that was cut anywhere ends inside a box or lacks one. Bytes that have changed inside a box are not noticed.
    """
    try:
        with path.open("rb") as file:
            return _fault(file.fileno())
    except FileNotFoundError:
        return "the file is gone"
    except OSError as error:
        return f"the file cannot be read ({error.strerror})"


def _fault(descriptor: int) -> str:
    size, place, seen = os.fstat(descriptor).st_size, 0, set[bytes]()
    while place < size:
        header = os.pread(descriptor, LONG_HEADER_BYTES, place)
        length, kind = int.from_bytes(header[:4]), header[4:8]
        if length == 1:
            length = int.from_bytes(header[8:])
        if length < HEADER_BYTES:  # 0, "to the end", is for streams; our files have none
            return f"byte {place:,} begins no box: the file is damaged"
        if place + length > size:
            return f"the file is cut off: {size:,} of at least {place + length:,} bytes are there"
        seen.add(kind)
        place += length
    if missing := NEEDED - seen:
        return f"the file is cut off: it has no {', '.join(sorted(name.decode() for name in missing))}"
    return ""
