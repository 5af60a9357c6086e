"""Video files of a few bytes that claim much: huge pictures, long indexes, deep nesting."""

from __future__ import annotations

import zlib
from pathlib import Path
from struct import pack

from tests.odd_files.avi import set_frame_count
from tests.pipeline.bitstream.bit_writer import Bits

SIDE = 16_000  # of a picture that FFmpeg would decode: 256 million pixels
PACKETS = 10**7


def png(side: int) -> bytes:
    """A black picture of one bit a pixel: 32 MB of rows become 30 KB."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return pack(">I", len(body)) + kind + body + pack(">I", zlib.crc32(kind + body))

    head = pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0)
    rows = zlib.compress(bytes((1 + side // 8) * side), 9)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def gif(side: int) -> bytes:
    """Three pictures of 2x2 pixels on a canvas of any size."""
    picture = b"\x21\xf9\x04\0\x04\0\0\0\x2c" + pack("<4HB", 0, 0, 2, 2, 0) + b"\x02\x02\x44\x0a\0"
    return b"GIF89a" + pack("<HHBBB", side, side, 0x80, 0, 0) + b"\0\0\0\xff\xff\xff" + picture * 3 + b"\x3b"


def avi(codec: bytes, packets: list[bytes], *, side: int) -> bytes:
    """An AVI file whose headers say that its pictures are squares of this side."""
    count = len(packets)
    main = _chunk(b"avih", pack("<14I", 40_000, 0, 0, 16, count, 0, 1, 0, side, side, 0, 0, 0, 0))
    stream = b"vids" + codec + pack("<IHH8I4H", 0, 0, 0, 0, 1, 25, 0, count, 0, 0, 0, 0, 0, 0, 0)
    form = pack("<IiiHH4s5I", 40, side, side, 1, 24, codec, 0, 0, 0, 0, 0)
    streams = _list(b"strl", _chunk(b"strh", stream) + _chunk(b"strf", form))
    index, data = b"", b""
    for packet in packets:
        index += b"00dc" + pack("<3I", 16, 4 + len(data), len(packet))
        data += _chunk(b"00dc", packet)
    body = b"AVI " + _list(b"hdrl", main + streams) + _list(b"movi", data) + _chunk(b"idx1", index)
    return b"RIFF" + pack("<I", len(body)) + body


def _chunk(kind: bytes, body: bytes) -> bytes:
    return kind + pack("<I", len(body)) + body + bytes(len(body) % 2)


def _list(kind: bytes, body: bytes) -> bytes:
    return _chunk(b"LIST", kind + body)


def h264(side: int) -> bytes:
    """A stream whose sequence parameter set says that its pictures are squares of this side, without a macroblock."""
    blocks = side // 16 - 1
    sequence = Bits().fixed(66, 8).fixed(0, 8).fixed(62, 8).unsigned(0, 0, 0, 0, 1).fixed(0, 1)
    sequence.unsigned(blocks, blocks).fixed(0b1100, 4)
    parameters = Bits().unsigned(0, 0).fixed(0, 2).unsigned(0, 0, 0).fixed(0, 3).unsigned(0, 0, 0).fixed(0, 3)
    pictures = [Bits().unsigned(0, 7, 0).fixed(0, 4).unsigned(n % 2).fixed(0, 4).fixed(0, 2) for n in range(5)]
    units = [(0x67, sequence), (0x68, parameters), *((0x65, picture) for picture in pictures)]
    return b"".join(b"\0\0\0\1" + bytes([kind]) + _escaped(bits.bytes()) for kind, bits in units)


def _escaped(data: bytes) -> bytes:
    for low in range(4):
        data = data.replace(bytes([0, 0, low]), bytes([0, 0, 3, low]))
    return data


def mp4(*, samples: int, in_fragment: bool) -> bytes:
    """An MP4 file that claims so many samples of two bytes, in the table of its track or in one fragment."""
    matrix = pack(">9i", 1 << 16, 0, 0, 0, 1 << 16, 0, 0, 0, 1 << 30)
    movie = _box(b"mvhd", pack(">5IIH10x", 0, 0, 0, 1000, 1000, 1 << 16, 256), matrix, bytes(24), pack(">I", 2))
    track = _box(b"tkhd", pack(">6I16x", 3, 0, 0, 1, 0, 1000), matrix, pack(">II", 64 << 16, 48 << 16))
    media = _box(b"mdhd", pack(">5IHH", 0, 0, 0, 25, 1000, 0, 0)) + _box(b"hdlr", bytes(8), b"vide", bytes(13))
    data = _box(b"dinf", _box(b"dref", pack(">II", 0, 1), _box(b"url ", pack(">I", 1))))
    entry = _box(b"mp4v", pack(">6xH16xHHIIIH32xHh", 1, 64, 48, 72 << 16, 72 << 16, 0, 1, 24, -1))
    rows = 0 if in_fragment else 1
    here = 0 if in_fragment else samples
    tables = (
        _box(b"stsd", pack(">II", 0, 1), entry),
        _box(b"stts", pack(">II", 0, rows), pack(">II", samples, 1) * rows),
        _box(b"stsc", pack(">II", 0, rows), pack(">III", 1, samples, 1) * rows),
        _box(b"stsz", pack(">III", 0, 2, here)),
        _box(b"stco", pack(">II", 0, rows), pack(">I", 40) * rows),
    )
    inside = _box(b"minf", _box(b"vmhd", pack(">I8x", 1)), data, _box(b"stbl", *tables))
    extends = _box(b"mvex", _box(b"trex", pack(">6I", 0, 1, 1, 1, 2, 0)))
    run = _box(b"tfhd", pack(">II", 0x20000, 1)) + _box(b"trun", pack(">II", 0, samples))
    fragment = _box(b"moof", _box(b"mfhd", pack(">II", 0, 1)), _box(b"traf", run)) + _box(b"mdat", bytes(64))
    moov = _box(b"moov", movie, _box(b"trak", track, _box(b"mdia", media, inside)), extends if in_fragment else b"")
    start = _box(b"ftyp", b"isom\0\0\2\0isommp41") + _box(b"mdat", bytes(64))
    return start + moov + (fragment if in_fragment else b"")


def nested(depth: int) -> bytes:
    """An MP4 file whose boxes lie in one another."""
    body = b""
    for _ in range(depth):
        body = _box(b"trak", body)
    return _box(b"ftyp", b"isom\0\0\2\0isommp41") + _box(b"moov", body)


def _box(kind: bytes, *parts: bytes) -> bytes:
    body = b"".join(parts)
    return pack(">I", len(body) + 8) + kind + body


def write_hostile_files(folder: Path) -> dict[str, Path]:
    """Write all of them, by name."""
    contents = {
        "canvas.gif": gif(SIDE),
        "largest-canvas.gif": gif(65_535),
        "picture.avi": avi(b"MPNG", [png(SIDE)] * 3, side=SIDE),
        "said-to-be-small.avi": avi(b"MPNG", [png(SIDE)] * 3, side=64),
        "headers.avi": avi(b"FMP4", [bytes(100)] * 3, side=30_000),
        "headers.h264": h264(16_384),
        "table.mp4": mp4(samples=PACKETS, in_fragment=False),
        "fragment.mp4": mp4(samples=PACKETS, in_fragment=True),
        "nested.mp4": nested(10_000),
        "frames.avi": avi(b"MPNG", [png(64)] * 3, side=64),
    }
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in contents.items():
        (folder / name).write_bytes(content)
    set_frame_count(folder / "frames.avi", 10**9)
    return {name: folder / name for name in contents}
