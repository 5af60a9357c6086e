"""Check a shard file that has arrived, before anything relies on it.

The layout is that of Zarr's ``sharding_indexed`` codec with its index at the end: (offset, size) of every frame, then a
CRC-32C; each stored frame, compressed or not, is followed by its own.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from mocrop.pipeline.checksums import checksum

CHECKSUM_BYTES = 4
ENTRY_BYTES = 16
MISSING = 2**64 - 1  # offset and size of a frame that is not stored


class BadShardError(ValueError):
    """A file is not the shard that the cache speaks of."""


@dataclass(frozen=True, kw_only=True, eq=False)
class ShardFacts:
    """What the columns of a cache say of one shard."""

    clips: int  # rows of the index, also of a short last shard
    checksums: npt.NDArray[np.uint32] | None  # (rows, slots) of the clips that there are; None: of schema 1
    compressed: bool  # then they are of decoded frames, and readers compare them
    slots: int


def check_shard(file: Path, facts: ShardFacts) -> None:
    """Compare all of a shard file with its own checksums, and with those of the cache's column.

    Raises: BadShardError saying what is wrong; OSError.
    """
    content = np.fromfile(file, np.uint8)
    index = _index(content, facts)
    for row, slot in np.ndindex(facts.clips, facts.slots):
        expected = _expected(facts, row, slot)
        offset, size = (int(value) for value in index[row, slot])
        if offset == MISSING:
            if expected:
                raise BadShardError(f"lacks slot {slot} of clip {row}")
            continue
        end = offset + size
        if size < CHECKSUM_BYTES or end > len(content):
            raise BadShardError("has an index that leads out of it")
        found = checksum(content[offset : end - CHECKSUM_BYTES])
        if found != int.from_bytes(content[end - CHECKSUM_BYTES : end].tobytes(), "little"):
            raise BadShardError(f"is damaged (checksum of slot {slot} of clip {row})")
        if expected is not None and not facts.compressed and found != expected:
            raise BadShardError(f"is of another cache, or was written again (slot {slot} of clip {row})")


def _index(content: npt.NDArray[np.uint8], facts: ShardFacts) -> npt.NDArray[Any]:
    length = ENTRY_BYTES * facts.clips * facts.slots
    if len(content) < length + CHECKSUM_BYTES:
        raise BadShardError("is cut off")
    entries = content[-length - CHECKSUM_BYTES : -CHECKSUM_BYTES]
    if checksum(entries) != int.from_bytes(content[-CHECKSUM_BYTES:].tobytes(), "little"):
        raise BadShardError("is cut off or damaged (checksum of its index)")
    return entries.view("<u8").reshape(facts.clips, facts.slots, 2)


def _expected(facts: ShardFacts, row: int, slot: int) -> int | None:
    """The checksum in the column; None where there is none."""
    if facts.checksums is None or row >= len(facts.checksums):
        return None
    return int(facts.checksums[row, slot])
