"""Check one crop cache, wherever it is, clip by clip.

Every used frame and motion field is read and its checksum compared; every column is read and its values are checked.
Clips that failed or are not written yet do not count as damage.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np

from mocrop.pipeline.arrays import short, worker_context
from mocrop.pipeline.cache.columns import Column, Fault, Scope, column_faults, read_columns
from mocrop.pipeline.cache.crop_cache import CropCache
from mocrop.pipeline.cache.description import DamagedCacheError
from mocrop.pipeline.cache.layout import CHECKSUMS, STREAMS, USABLE, slot_checksums
from mocrop.pipeline.checks.damage import Damage
from mocrop.pipeline.choices import Stream
from mocrop.pipeline.errors import CacheError
from mocrop.pipeline.names import shell_word

READ_CACHE_BYTES = 64 << 20  # without it TensorStore reads a shard's index again for every clip
# for a cache outside a workspace: how it was made is not known
NO_WAY_OUT: Mapping[Scope, str] = {"shard": "", "table": "", "cache": ""}


def ways_out(name: str) -> Mapping[Scope, str]:
    """Commands that repair a cache of a workspace: shards whose file is missing, its table, or all of it."""
    command = f"mocrop precrop --name {shell_word(name)}"
    return {"shard": command, "table": command, "cache": f"{command} --overwrite"}


def verify_cache(
    path: Path,
    commands: Mapping[Scope, str] = NO_WAY_OUT,
    *,
    more: Callable[[CropCache, Mapping[str, Column]], Iterable[Fault]] = lambda *_: (),
    on_clips: Callable[[int], None] = lambda _: None,
) -> list[Damage]:
    """Check a cache from its description down to the checksum of each frame.

    Args:
        path: the ``.zarr`` folder.
        commands: commands that repair it, see :func:`ways_out`.
        more: finds further faults in the columns that can be read.
        on_clips: called after each shard with its number of clips.
    Returns: what is wrong; empty for an undamaged cache.
    """
    try:
        cache = CropCache(path)
    except CacheError as error:
        fact = error.fact if isinstance(error, DamagedCacheError) else str(error)
        return [Damage(part=part_name(path), clip="", fact=fact, repair=commands["table"])]
    names, faults = _names(cache)
    columns, unreadable = read_columns(cache)
    columns |= {} if faults else {"clip": np.array(names)}
    readable = np.ones(len(cache), np.bool_)
    readable[[fault.row for fault in unreadable if fault.row is not None]] = False
    faults += [*unreadable, *column_faults(cache, columns, rows=readable), *more(cache, columns)]
    checksums = {name for name in CHECKSUMS.values() if cache.has_column(name)}
    if {"state", "frame_index", *checksums} <= columns.keys():
        faults += _frame_faults(cache, columns, on_clips=on_clips)
    return list(_damage(cache, names, faults, commands))


def part_name(path: Path) -> str:
    """Name of a cache in reports."""
    return f"cache {path.stem}"


def _names(cache: CropCache) -> tuple[list[str], list[Fault]]:
    """Names of the clips, or "row N" and a fault where the names are damaged."""
    try:
        names = cache.clip
    except CacheError as error:
        fact = f"the names of the clips cannot be read ({error.__cause__})"
    else:
        if len(names) == len(cache) == len(set(names)):
            return names, []
        fact = f"{len(names)} names, {len(set(names))} of them different, for {len(cache)} clips"
    return [f"row {row}" for row in range(len(cache))], [Fault(fact=fact, scope="table")]


def _frame_faults(
    cache: CropCache, columns: Mapping[str, Column], *, on_clips: Callable[[int], None]
) -> Iterator[Fault]:
    """Read every used slot, shard by shard, which compares its checksum."""
    used = np.count_nonzero(columns["frame_index"] >= 0, axis=1) * np.isin(columns["state"], USABLE)
    streams = STREAMS if cache.has_motion else STREAMS[:1]
    context = worker_context(cache_bytes=READ_CACHE_BYTES)
    opened = {stream: cache.open_stream(stream, context=context) for stream in streams}
    for first in range(0, len(cache), cache.clips_per_shard):
        rows = range(first, min(first + cache.clips_per_shard, len(cache)))
        read = {row: int(used[row]) for row in rows if used[row]}
        for stream in streams:
            if not (file := cache.shard_file(first // cache.clips_per_shard, stream)).exists():
                fact = f"the file of its {_CONTENT[stream]} is gone: {file.relative_to(cache.path)}"
                yield from (Fault(fact=fact, scope="shard", row=row) for row in read)
                continue
            pending = {row: opened[stream][row, :slots].read() for row, slots in read.items()}
            for row, frames in pending.items():
                try:
                    found = slot_checksums(frames.result(), of=cache.frames_per_clip)
                except ValueError as error:
                    where = f"{short(error)}, {file.relative_to(cache.path)}"
                    yield Fault(fact=f"its {_CONTENT[stream]} are damaged ({where})", scope="shard", row=row)
                    continue
                if cache.checked and not np.array_equal(found, columns[CHECKSUMS[stream]][row]):
                    fact = f"its {_CONTENT[stream]} are not those that its checksums are of"
                    yield Fault(fact=fact, scope="shard", row=row)
        on_clips(len(rows))


_CONTENT: Mapping[Stream, str] = {"frames": "frames", "motion": "motion fields"}


def _damage(
    cache: CropCache, names: list[str], faults: Iterable[Fault], commands: Mapping[Scope, str]
) -> Iterator[Damage]:
    """Add clip names and repairs to faults."""
    for fault in faults:
        damage = Damage(part=part_name(cache.path), clip="", fact=fault.fact, repair=commands[fault.scope])
        if fault.row is not None:
            damage = replace(damage, clip=names[fault.row])
        if damage.repair and fault.scope == "table":
            damage = replace(damage, describe=True)
        elif damage.repair and fault.scope == "shard" and fault.row is not None:
            first = fault.row - fault.row % cache.clips_per_shard
            damage = replace(damage, positions=(first, min(first + cache.clips_per_shard, len(cache))))
        yield damage
