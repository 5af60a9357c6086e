"""Elements of Matroska and WebM files, and whether a file is cut off.

Source: RFC 8794 (EBML), 4 and 5; RFC 9559, 5.1 (Segment).
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

SEGMENT = 0x18538067  # holds all but the header of a file
_UNKNOWN = frozenset((1 << 7 * length) - 1 for length in range(1, 9))  # sizes that live streams are written with


def elements(file: BinaryIO) -> Iterator[tuple[int, int]]:
    """Kind and size of the element that begins where the file stands, again and again, until the file ends."""
    while first := file.read(1):
        length = 9 - first[0].bit_length()
        kind = int.from_bytes(first + file.read(length - 1))
        if not (first := file.read(1)):
            return
        length = 9 - first[0].bit_length()
        yield kind, int.from_bytes(bytes([first[0] & (0xFF >> length)]) + file.read(length - 1))


def ends_early(path: Path) -> bool:
    """Whether a file ends before its segment does; False too if the file does not say how long that is."""
    with path.open("rb") as file:
        end = os.fstat(file.fileno()).st_size
        for kind, size in elements(file):
            beyond = file.tell() + size > end
            if kind == SEGMENT:
                return size not in _UNKNOWN and beyond
            if beyond:  # and perhaps beyond where any file can be read
                break
            file.seek(size, 1)
    return False
