"""Read a MATLAB 5 file (what `save` writes by default): bytes in, numbers, texts, structures and cells out.

Only what annotations need: objects, functions and sparse arrays are refused. Nothing in a file is ever run.
Source of the format: MathWorks, "MAT-File Format", level 5.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from mocrop.pipeline.errors import DatasetError

Matrix = npt.NDArray[np.float64]
MatlabValue: TypeAlias = "str | Matrix | list[MatlabValue] | list[dict[str, MatlabValue]]"

HEADER_BYTES = 128
LARGEST_BYTES = 1 << 30  # of a decompressed variable: a file of a stranger may be made to swell
DEEPEST = 32  # structures within structures
_MATRIX, _COMPRESSED = 14, 15
_NUMBERS = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8", 12: "i8", 13: "u8"}
_TEXTS = {2: "latin-1", 4: "utf-16", 16: "utf-8", 17: "utf-16", 18: "utf-32"}
_CELL, _STRUCT, _CHAR, _NUMERIC = 1, 2, 4, range(6, 16)
_COMPLEX = 0x0800


def read_matlab(path: Path) -> dict[str, MatlabValue]:
    """Read all variables of a file.

    Returns: by name: text as str, numbers as float64 of their shape, a structure array as a list of dicts and a cell
        array as a list, both in column order.
    Raises: DatasetError if the file is none, is damaged, or holds what is refused.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise DatasetError(f"{path}: cannot be read ({error.strerror})") from error
    try:
        return dict(_variables(data))
    except _Refused as error:
        raise DatasetError(f"{path}: {error}") from error
    except (struct.error, zlib.error, ValueError, IndexError) as error:
        raise DatasetError(f"{path}: is no whole MATLAB 5 file ({error})") from error


class _Refused(Exception):
    """A fact about the file that the reader cannot or will not deal with."""


@dataclass
class _Cursor:
    """Reads elements one after the other."""

    data: memoryview
    order: str  # "<" or ">"
    at: int = 0

    def element(self) -> tuple[int, memoryview]:
        """Type and content of the next element; its padding is skipped."""
        (word,) = struct.unpack_from(self.order + "I", self.data, self.at)
        if word >> 16:  # a small element: size and type share a word, the content is the next
            kind, size, start, end = word & 0xFFFF, word >> 16, self.at + 4, self.at + 8
        else:
            kind, size = struct.unpack_from(self.order + "II", self.data, self.at)
            start = self.at + 8
            end = start + size + (0 if kind == _COMPRESSED else -size % 8)
        if start + size > len(self.data):
            raise ValueError(f"an element of {size} bytes does not fit")
        self.at = min(end, len(self.data))
        return kind, self.data[start : start + size]

    def numbers(self) -> Matrix:
        """Content of the next element as float64, shape (n,)."""
        kind, content = self.element()
        if kind not in _NUMBERS:
            raise ValueError(f"data type {kind} where numbers belong")
        return np.frombuffer(content, self.order + _NUMBERS[kind]).astype(np.float64)

    def text(self, dimensions: tuple[int, ...]) -> str:
        """Content of the next element as one line of text."""
        kind, content = self.element()
        if not len(content):
            return ""
        if kind not in _TEXTS:
            raise ValueError(f"data type {kind} where text belongs")
        if len(dimensions) != 2 or dimensions[0] > 1:
            raise _Refused("it holds a block of text of several lines")
        codec = _TEXTS[kind]
        suffix = ("-le" if self.order == "<" else "-be") if codec in ("utf-16", "utf-32") else ""
        return bytes(content).decode(codec + suffix)


def _variables(data: bytes) -> Iterator[tuple[str, MatlabValue]]:
    if data[:8] == b"\x89HDF\r\n\x1a\n" or data[:10] == b"MATLAB 7.3":
        raise _Refused("is a MATLAB 7.3 file; save it again with `save(..., '-v7')`")
    mark = data[126:128]
    if len(data) < HEADER_BYTES or mark not in (b"IM", b"MI"):
        raise _Refused("is no MATLAB 5 file")
    cursor = _Cursor(memoryview(data), "<" if mark == b"IM" else ">", HEADER_BYTES)
    while cursor.at < len(data):
        kind, content = cursor.element()
        if kind == _COMPRESSED:
            kind, content = _Cursor(memoryview(_inflated(content)), cursor.order).element()
        if kind == _MATRIX:
            yield _matrix(content, cursor.order, 0)


def _inflated(content: memoryview) -> bytes:
    unpacker = zlib.decompressobj()
    inflated = unpacker.decompress(content, LARGEST_BYTES)
    if not unpacker.eof:
        raise _Refused(f"a variable is cut off or larger than {LARGEST_BYTES >> 20} MiB")
    return inflated


def _matrix(content: memoryview, order: str, depth: int) -> tuple[str, MatlabValue]:
    """Name and value of one matrix element."""
    if not len(content):
        return "", np.empty((0, 0))
    if depth > DEEPEST:
        raise _Refused(f"it nests more than {DEEPEST} deep")
    cursor = _Cursor(content, order)
    flags = int(cursor.numbers()[0])
    kind = flags & 0xFF
    dimensions = tuple(int(side) for side in cursor.numbers())
    name = bytes(cursor.element()[1]).decode("latin-1")
    count = int(np.prod(dimensions, dtype=np.int64))
    if kind == _CHAR:
        return name, cursor.text(dimensions)
    if kind == _CELL:
        _require_room(count, content)
        return name, [_next(cursor, depth) for _ in range(count)]
    if kind == _STRUCT:
        fields = _field_names(cursor)
        _require_room(count * max(1, len(fields)), content)
        return name, [{field: _next(cursor, depth) for field in fields} for _ in range(count)]
    if kind not in _NUMERIC or flags & _COMPLEX:
        raise _Refused(f"variable {name or '(inside another)'} is of class {kind}, which is not read")
    return name, cursor.numbers().reshape(dimensions, order="F")


def _require_room(matrices: int, content: memoryview) -> None:
    """Refuse to make room for more matrices than there can be: each has a tag of 8 bytes."""
    if 8 * matrices > len(content):
        raise ValueError(f"{matrices} matrices do not fit in {len(content)} bytes")


def _next(cursor: _Cursor, depth: int) -> MatlabValue:
    kind, content = cursor.element()
    if kind != _MATRIX:
        raise ValueError(f"data type {kind} where a matrix belongs")
    return _matrix(content, cursor.order, depth + 1)[1]


def _field_names(cursor: _Cursor) -> list[str]:
    length = int(cursor.numbers()[0])
    names = bytes(cursor.element()[1])
    if length < 1:
        raise ValueError("field names of no length")
    return [names[at : at + length].split(b"\0")[0].decode("latin-1") for at in range(0, len(names), length)]
