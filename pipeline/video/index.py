"""The packets of a video stream as the index of its file lists them, without reading the file through."""

from __future__ import annotations

import mmap
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

from mocrop.pipeline.bitstream.riff import CHUNK_HEADER_BYTES, all_frames_are_listed, holds_several_videos
from mocrop.pipeline.video.open import OpenVideo

_AVI_INDEX_BYTES = 32  # more than an entry takes in the file: 16 and the header of the chunk


class IndexEntry(NamedTuple):  # there are hundreds in a clip, and a dataclass takes three times as long to make
    """What the index says of a packet."""

    dts: int  # decoding time stamp, in the stream's time base
    hidden: bool  # by an edit list: decoded only because other frames need it
    offset: int  # bytes from the start of the file
    size_bytes: int


def complete_index(video: OpenVideo) -> list[IndexEntry] | None:
    """Packets in the file's index, without those of no bytes, in which some formats say that nothing changes.

    Returns: None unless the index lists all packets, in ascending time and within the file.
    """
    entries = list(video.stream.index_entries)
    avi = video.container.format.name == "avi"
    header = CHUNK_HEADER_BYTES if avi else 0  # to which FFmpeg's index of an AVI file leads
    index = [
        IndexEntry(entry.timestamp, entry.is_discard, entry.pos + header, entry.size) for entry in entries if entry.size
    ]
    if not index or len(entries) != video.stream.frames:
        return None
    rest = video.container.size - max(entry.offset + entry.size_bytes for entry in index)
    rising = all(after.timestamp > before.timestamp for before, after in pairwise(entries))
    if not rising or rest < 0 or (avi and rest > _AVI_INDEX_BYTES * len(entries) and holds_several_videos(video.path)):
        return None
    return index if not avi or _is_all_of_avi(video.path, index) else None


def _is_all_of_avi(path: Path, index: Sequence[IndexEntry]) -> bool:
    """Whether an index lists what FFmpeg plays of an AVI file, which it reads chunk by chunk without the index."""
    places, sizes = [entry.offset - CHUNK_HEADER_BYTES for entry in index], [entry.size_bytes for entry in index]
    with mapped(path) as data:
        return all_frames_are_listed(data, places, sizes)


def packet_bytes(data: mmap.mmap, index: Sequence[IndexEntry]) -> Iterator[bytes]:
    """Yield the bytes of each packet of an index, out of those of the file."""
    for entry in index:
        yield data[entry.offset : entry.offset + entry.size_bytes]


@contextmanager
def mapped(path: Path) -> Iterator[mmap.mmap]:
    """Map a file into memory for reading."""
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        yield data
