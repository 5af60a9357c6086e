"""Change bytes of AVI files: the flags of the index, the index itself, the number of frames in the header."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

KEY_FLAG = 0x10  # AVIIF_KEYFRAME
ENTRY_BYTES = 16  # chunk id, flags, offset, size


def set_key_flags(path: Path, key: Callable[[int], bool]) -> Path:
    """Write the key flag of every packet into the index, by the packet's number."""
    data = bytearray(path.read_bytes())
    start, count = _index(data)
    for number in range(count):
        at = start + number * ENTRY_BYTES + 4
        data[at] = data[at] & ~KEY_FLAG | (KEY_FLAG if key(number) else 0)
    path.write_bytes(data)
    return path


def remove_index(path: Path) -> Path:
    """Make a file of which nobody has written the index, as after a crash of the recorder."""
    data = path.read_bytes()
    start, _ = _index(data)
    path.write_bytes(data[: start - 8])
    return path


def set_frame_count(path: Path, count: int) -> Path:
    """Let both headers declare another number of frames."""
    data = bytearray(path.read_bytes())
    for name, offset in ((b"avih", 8 + 16), (b"strh", 8 + 32)):
        at = data.index(name) + offset
        data[at : at + 4] = count.to_bytes(4, "little")
    path.write_bytes(data)
    return path


def edit_index(path: Path, edit: Callable[[list[bytes]], list[bytes]]) -> Path:
    """Let the index and both headers list other packets, each in 16 bytes, than the file holds."""
    data = path.read_bytes()
    start, count = _index(data)
    end = start + count * ENTRY_BYTES
    entries = edit([data[at : at + ENTRY_BYTES] for at in range(start, end, ENTRY_BYTES)])
    length = len(entries) * ENTRY_BYTES
    made = bytearray(data[: start - 4] + length.to_bytes(4, "little") + b"".join(entries) + data[end:])
    made[4:8] = (int.from_bytes(made[4:8], "little") + length - (end - start)).to_bytes(4, "little")
    path.write_bytes(made)
    return set_frame_count(path, sum(entry[2:4] == b"dc" for entry in entries))


def _index(data: bytes | bytearray) -> tuple[int, int]:
    """Where the entries of idx1 begin, and how many they are."""
    at = data.rindex(b"idx1")
    return at + 8, int.from_bytes(data[at + 4 : at + 8], "little") // ENTRY_BYTES
