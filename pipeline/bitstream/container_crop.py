"""Which part of the picture a container asks to show, which FFmpeg's libraries leave to the program that plays it.

Source: ISO/IEC 14496-12, 12.1.4 (`clap`); RFC 9559, 5.1.4.1.28 (PixelCrop of Matroska).
"""

from __future__ import annotations

import contextlib
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from mocrop.pipeline.bitstream.matroska import SEGMENT, elements

_TO_ENTRIES = (b"trak", b"mdia", b"minf", b"stbl", b"stsd")
_STSD_BYTES, _VISUAL_ENTRY_BYTES = 8, 78  # before the boxes inside a list of sample entries, and inside an entry
_TRACKS, _TRACK, _VIDEO, _CLUSTER = 0x1654AE6B, 0xAE, 0xE0, 0x1F43B675
_PIXEL_CROP = {0x54CC: "left", 0x54BB: "top", 0x54DD: "right", 0x54AA: "bottom"}
_MOST_BYTES = 64 << 20  # of what is read of a file


def container_crop(path: Path, container: str) -> str:
    """Describe the part of the picture that a file asks to show; empty if that is all of it, or nothing is said.

    Args:
        container: FFmpeg's name of its format.
    """
    with contextlib.suppress(struct.error, IndexError, ValueError, OSError), path.open("rb") as file:
        if "mp4" in container:
            return _clean_aperture(_moov(file))
        if "matroska" in container:
            return _pixel_crop(file)
    return ""  # FFmpeg says what is wrong with a file that is damaged


def _moov(file: BinaryIO) -> bytes:
    """The body of the box that describes the tracks of an MP4 or QuickTime file; empty if there is none."""
    while header := file.read(8):
        size, kind = struct.unpack(">I4s", header)
        body = struct.unpack(">Q", file.read(8))[0] - 16 if size == 1 else size - 8
        if kind == b"moov":
            return file.read(_MOST_BYTES if body < 0 else min(body, _MOST_BYTES))
        if body < 0:  # to the end of the file
            break
        file.seek(body, 1)
    return b""


def _clean_aperture(moov: bytes) -> str:
    if b"clap" not in moov:
        return ""
    for entries in _inside(moov, _TO_ENTRIES):
        for _, entry in _boxes(entries[_STSD_BYTES:]):
            for kind, box in _boxes(entry[_VISUAL_ENTRY_BYTES:]):
                if kind == b"clap":
                    stored = struct.unpack(">HH", entry[24:28])
                    across, of_across, down, of_down = struct.unpack(">4I", box[:16])
                    shown = across // max(1, of_across), down // max(1, of_down)
                    if shown[0] < stored[0] or shown[1] < stored[1]:
                        return f"{shown[0]}x{shown[1]} of its pixels"
    return ""


def _inside(body: bytes, path: tuple[bytes, ...]) -> Iterator[bytes]:
    """Bodies of all boxes that lie in one another as ``path`` names them."""
    for kind, inner in _boxes(body):
        if kind == path[0]:
            if len(path) == 1:
                yield inner
            else:
                yield from _inside(inner, path[1:])


def _boxes(body: bytes) -> Iterator[tuple[bytes, bytes]]:
    at = 0
    while at + 8 <= len(body):
        size, kind = struct.unpack(">I4s", body[at : at + 8])
        if size < 8:
            return
        yield kind, body[at + 8 : at + size]
        at += size


def _pixel_crop(file: BinaryIO) -> str:
    """Looks no further than the first pictures, before which the tracks are described."""
    for kind, size in elements(file):
        if kind == _TRACKS:
            return _cropped_track(file.read(min(size, _MOST_BYTES)))
        if kind == _CLUSTER:
            break
        if kind != SEGMENT:
            file.seek(size, 1)
    return ""


def _cropped_track(tracks: bytes) -> str:
    for kind, track in _parts(tracks):
        for inner, video in _parts(track) if kind == _TRACK else ():
            if inner == _VIDEO:
                cut = {_PIXEL_CROP[kind]: int.from_bytes(value) for kind, value in _parts(video) if kind in _PIXEL_CROP}
                if any(cut.values()):
                    return ", ".join(f"{pixels} pixels less at the {side}" for side, pixels in cut.items() if pixels)
    return ""


def _parts(body: bytes) -> Iterator[tuple[int, bytes]]:
    at = 0
    while at < len(body):
        length = 9 - body[at].bit_length()
        kind, at = int.from_bytes(body[at : at + length]), at + length
        length = 9 - body[at].bit_length()
        size = int.from_bytes(body[at : at + length]) & ((1 << 7 * length) - 1)
        yield kind, body[at + length : at + length + size]
        at += length + size
