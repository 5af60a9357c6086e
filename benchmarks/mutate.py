"""Damage a video file in one of several ways, the same each time for a seed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

HEAD = 0.06  # share of a file that is left as it is: without its header nothing opens
Rng = np.random.Generator
Mutation = Callable[[Path, Path, Rng], None]  # from an intact file to a damaged one


def _bytes(change: Callable[[bytearray, Rng], bytearray]) -> Mutation:
    """A mutation of the bytes after the header, up to the last fiftieth, where indexes are."""

    def mutate(source: Path, target: Path, rng: Rng) -> None:
        data = source.read_bytes()
        start, end = int(len(data) * HEAD), int(len(data) * 0.98)
        target.write_bytes(data[:start] + change(bytearray(data[start:end]), rng) + data[end:])

    return mutate


def _flip(count: int) -> Mutation:
    def change(data: bytearray, rng: Rng) -> bytearray:
        for at in rng.integers(0, len(data), count):
            data[at] ^= 1 << int(rng.integers(8))
        return data

    return _bytes(change)


def _zero(data: bytearray, rng: Rng) -> bytearray:
    length = min(int(rng.integers(64, 1024)), len(data) // 4)
    at = int(rng.integers(0, len(data) - length))
    data[at : at + length] = bytes(length)
    return data


def _noise(data: bytearray, rng: Rng) -> bytearray:
    length = min(int(rng.integers(64, 1024)), len(data) // 4)
    at = int(rng.integers(0, len(data) - length))
    data[at : at + length] = rng.bytes(length)
    return data


def _cut_out(data: bytearray, rng: Rng) -> bytearray:
    length = min(int(rng.integers(32, 1024)), len(data) // 4)
    at = int(rng.integers(0, len(data) - length))
    del data[at : at + length]
    return data


def _cut_off(source: Path, target: Path, rng: Rng) -> None:
    data = source.read_bytes()
    target.write_bytes(data[: int(len(data) * rng.uniform(0.3, 0.97))])


def _packets(*, twice: bool) -> Mutation:
    """Lose one to three packets, or write them twice; the file is well-formed."""

    def mutate(source: Path, target: Path, rng: Rng) -> None:
        with av.open(str(source)) as old, av.open(str(target), "w") as new:
            template = old.streams.video[0]
            stream = new.add_stream_from_template(template)
            packets = [packet for packet in old.demux(template) if packet.size]
            hit = set(rng.choice(np.arange(2, len(packets)), int(rng.integers(1, 4)), replace=False).tolist())
            written = 0
            for number, packet in enumerate(packets):
                lag = max(0, (packet.pts or 0) - (packet.dts or 0)) if packet.pts is not None else 0
                lag_frames = round(lag * (packet.time_base or Fraction(1, 25)) * 25)
                for _ in range((2 if twice else 0) if number in hit else 1):
                    copy = av.Packet(bytes(packet))
                    copy.stream, copy.time_base, copy.is_keyframe = stream, Fraction(1, 25), packet.is_keyframe
                    copy.dts, copy.pts, copy.duration = written, written + lag_frames, 1
                    new.mux(copy)
                    written += 1

    return mutate


MUTATIONS: Mapping[str, Mutation] = {
    "one bit flipped": _flip(1),
    "ten bits flipped": _flip(10),
    "a run of zeros": _bytes(_zero),
    "a run of noise": _bytes(_noise),
    "a run of bytes missing": _bytes(_cut_out),
    "packets missing": _packets(twice=False),
    "packets twice": _packets(twice=True),
    "cut off": _cut_off,
}
