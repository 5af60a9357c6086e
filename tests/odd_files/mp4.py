"""Change boxes of MP4 files whose `moov` stands last: key frames, edit lists, display matrix, sizes of samples."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from struct import pack

import av

TRACK = (b"moov", b"trak")
TABLES = (*TRACK, b"mdia", b"minf", b"stbl")
EDITS = (*TRACK, b"edts")
MOVIE_SCALE = 1000  # ticks a second of the durations of edits, as FFmpeg writes them
_HEAD_BYTES = 24 + 8  # ftyp and the head of mdat
_MOST_DELAYED = 4  # frames by which a picture is shown later than decoded
Matrix = tuple[int, int, int, int]  # a, b, c, d: x' = a x + c y, y' = b x + d y, each -1, 0 or 1

MATRICES: tuple[Matrix, ...] = (
    (1, 0, 0, 1),
    (0, -1, 1, 0),  # turn anticlockwise by 90 degrees
    (-1, 0, 0, -1),
    (0, 1, -1, 0),
    (-1, 0, 0, 1),  # mirror left to right
    (0, 1, 1, 0),  # and then turn anticlockwise
    (1, 0, 0, -1),
    (0, -1, -1, 0),
)


def set_matrix(path: Path, matrix: Matrix) -> Path:
    """Set the display matrix of the first track."""
    data = bytearray(path.read_bytes())
    _start, end = _find(data, (*TRACK, b"tkhd"))
    a, b, c, d = (value << 16 for value in matrix)
    data[end - 44 : end - 8] = pack(">9i", a, b, 0, c, d, 0, 0, 0, 1 << 30)
    path.write_bytes(data)
    return path


def set_key_frames(path: Path, numbers: Sequence[int] | None) -> Path:
    """Let `stss` name these packets, from 0 on, as key frames; None: no `stss`, by which all packets are."""
    body = b"" if numbers is None else pack(f">I{len(numbers)}I", len(numbers), *(number + 1 for number in numbers))
    return _replace(path, (*TABLES, b"stss"), b"" if numbers is None else _box(b"stss", b"\0\0\0\0" + body))


def set_edits(path: Path, edits: Sequence[tuple[int, int]]) -> Path:
    """Replace the edit list: duration of each edit in ms, and its start on the track's clock (-1: nothing is shown)."""
    rows = b"".join(pack(">IiI", duration, start, 1 << 16) for duration, start in edits)
    elst = _box(b"elst", b"\0\0\0\0" + pack(">I", len(edits)) + rows)
    return _replace(path, EDITS, _box(b"edts", elst))


def ticks_per_frame(path: Path, *, rate: int = 25) -> int:
    """Length of a frame on the track's clock."""
    data = path.read_bytes()
    start, _ = _find(data, (*TRACK, b"mdia", b"mdhd"))
    return int.from_bytes(data[start + 20 : start + 24]) // rate


def first_shown(path: Path) -> int:
    """Where the first edit begins on the track's clock."""
    data = path.read_bytes()
    start, _ = _find(data, (*EDITS, b"elst"))
    return int.from_bytes(data[start + 20 : start + 24])


def _box(kind: bytes, body: bytes) -> bytes:
    return pack(">I", len(body) + 8) + kind + body


def _find(data: bytes | bytearray, path: Sequence[bytes]) -> tuple[int, int]:
    """Start and end of the box at a path; of several, the first."""
    start, end = 0, len(data)
    for depth, kind in enumerate(path):
        at = start + (8 if depth else 0)
        while data[at + 4 : at + 8] != kind:
            at += int.from_bytes(data[at : at + 4])
            if at >= end:
                raise ValueError(f"no box {kind.decode()}")
        start, end = at, at + int.from_bytes(data[at : at + 4])
    return start, end


def _replace(path: Path, where: Sequence[bytes], box: bytes) -> Path:
    """Put another box, or nothing, in the place of one, and correct the sizes of those around it."""
    data = bytearray(path.read_bytes())
    start, end = _find(data, where)
    grown = len(box) - (end - start)
    for depth in range(1, len(where)):
        outer, _ = _find(data, where[:depth])
        data[outer : outer + 4] = pack(">I", int.from_bytes(data[outer : outer + 4]) + grown)
    data[start:end] = box
    path.write_bytes(data)
    return path


def join_with_descriptions(first: Path, second: Path, target: Path) -> Path:
    """Write the packets of two files of one rate after each other, with a description of each, as MP4Box does."""
    body, entries = b"", b""
    chunks: list[int] = []
    counts: list[int] = []
    sizes: list[int] = []
    keys: list[int] = []
    delays: list[int] = []
    step = ticks_per_frame(first)
    for path in (first, second):
        chunks.append(_HEAD_BYTES + len(body))
        with av.open(path) as container:
            packets = [packet for packet in container.demux(video=0) if packet.pts is not None]
        counts.append(len(packets))
        start = min(packet.pts for packet in packets)
        for number, packet in enumerate(packets):
            keys += [len(sizes) + 1] if packet.is_keyframe else []
            delays += [1, packet.pts - start + _MOST_DELAYED * step - number * step]
            sizes.append(packet.size)
            body += bytes(packet)
        at, end = _find(data := path.read_bytes(), (*TABLES, b"stsd"))
        entries += data[at + 16 : end]
    tables = {
        b"stsd": pack(">II", 0, 2) + entries,
        b"stts": pack(">4I", 0, 1, len(sizes), step),
        b"stss": pack(f">2I{len(keys)}I", 0, len(keys), *keys),
        b"ctts": pack(f">2I{len(delays)}I", 0, len(sizes), *delays),
        b"stsc": pack(">2I6I", 0, 2, 1, counts[0], 1, 2, counts[1], 2),
        b"stsz": pack(f">3I{len(sizes)}I", 0, 0, len(sizes), *sizes),
        b"stco": pack(">4I", 0, 2, *chunks),
    }
    target.write_bytes(first.read_bytes())
    _replace(target, TABLES, _box(b"stbl", b"".join(_box(kind, table) for kind, table in tables.items())))
    _replace(target, EDITS, b"")
    movie = slice(*_find(data := target.read_bytes(), (b"moov",)))
    target.write_bytes(_box(b"ftyp", b"isom\0\0\2\0isommp41") + _box(b"mdat", body) + data[movie])
    return target
