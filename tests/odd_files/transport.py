"""Change packets of MPEG transport streams (.ts: 188 bytes each; .m2ts: 192, of which four come first)."""

from __future__ import annotations

from pathlib import Path

PACKET_BYTES = {".ts": 188, ".m2ts": 192}
SYNC = 0x47
VIDEO_PID = 0x100  # as FFmpeg numbers the first stream; in .m2ts 0x1011
VIDEO_PIDS = (VIDEO_PID, 0x1011)


def wrong_counters(path: Path) -> Path:
    """Every twentieth packet of the video has a wrong continuity counter; nothing is lost."""
    packets = _packets(path)
    video = [number for number, packet in enumerate(packets) if _is_video(packet)]
    for number in video[10::20]:
        at = _start(path) + 3
        packets[number][at] = packets[number][at] & 0xF0 | (packets[number][at] + 5) & 0x0F
    return _write(path, packets)


def lose_packets(path: Path) -> Path:
    """Every fortieth packet of the video is lost."""
    packets = _packets(path)
    lost = set([number for number, packet in enumerate(packets) if _is_video(packet)][25::40])
    return _write(path, [packet for number, packet in enumerate(packets) if number not in lost])


def cut_start(path: Path) -> Path:
    """The first fifth is missing, as of a broadcast that has been switched on late."""
    packets = _packets(path)
    tables = [packet for packet in packets if not _is_video(packet)][:4]
    return _write(path, tables + packets[len(packets) // 5 :])


def _start(path: Path) -> int:
    return PACKET_BYTES[path.suffix] - 188


def _packets(path: Path) -> list[bytearray]:
    data, size = path.read_bytes(), PACKET_BYTES[path.suffix]
    return [bytearray(data[at : at + size]) for at in range(0, len(data), size)]


def _is_video(packet: bytearray) -> bool:
    start = len(packet) - 188
    return (packet[start + 1] << 8 | packet[start + 2]) & 0x1FFF in VIDEO_PIDS


def _write(path: Path, packets: list[bytearray]) -> Path:
    path.write_bytes(b"".join(packets))
    return path
