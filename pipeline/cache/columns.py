"""Check the columns of a crop cache: the cache goes in, what cannot be read or cannot be comes out, row by row."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import tensorstore as ts

from mocrop.pipeline.arrays import open_array
from mocrop.pipeline.cache.crop_cache import CropCache
from mocrop.pipeline.cache.layout import USABLE, ClipState
from mocrop.pipeline.cache.slots import UNUSED

SHARD_COLUMNS = ("state", "frame_index", "box", "density")  # written with the frames, one file a shard
TABLE_COLUMNS = ("label", "group", "subset")  # kept in step with the manifest
SUBSETS = 3  # neither list, train, test

Column = npt.NDArray[Any]
Scope = Literal["shard", "table", "cache"]  # what must be written anew


@dataclass(frozen=True, kw_only=True)
class Fault:
    """One thing that is wrong with a row of a cache, or with all of it."""

    fact: str
    scope: Scope
    row: int | None = None  # None: all of it


def read_columns(cache: CropCache) -> tuple[dict[str, Column], list[Fault]]:
    """Read every column but the names.

    Returns: the columns, without those that cannot be read at all and with zeros in the rows of single shards that
        cannot; and what is wrong.
    """
    columns: dict[str, Column] = {}
    faults: list[Fault] = []
    for name in (*SHARD_COLUMNS, *TABLE_COLUMNS):
        try:
            array = open_array(cache.path, name)
        except ValueError as error:
            faults.append(Fault(fact=f"{name} cannot be opened ({short(error)})", scope="cache"))
            continue
        if array.shape[0] != len(cache):
            faults.append(Fault(fact=f"{name} has {array.shape[0]} rows for {len(cache)} clips", scope="cache"))
            continue
        columns[name] = np.zeros(array.shape, array.dtype.numpy_dtype)
        faults += _fill(columns[name], array, name, per_file=cache.clips_per_shard)
    return columns, faults


def _fill(column: Column, array: ts.TensorStore, name: str, *, per_file: int) -> Iterator[Fault]:
    """Read a column; file by file only where something is wrong, as there may be thousands."""
    try:
        column[...] = array.read().result()
        return
    except ValueError:
        column[...] = 0
    in_shards = name in SHARD_COLUMNS
    step = per_file if in_shards else max(1, len(column))
    for first in range(0, len(column), step):
        rows = range(first, min(first + step, len(column)))
        try:
            column[rows.start : rows.stop] = array[rows.start : rows.stop].read().result()
        except ValueError as error:
            fact = f"{name} cannot be read ({short(error)})"
            yield from (
                (Fault(fact=fact, scope="shard", row=row) for row in rows)
                if in_shards
                else (Fault(fact=fact, scope="cache"),)
            )


def column_faults(cache: CropCache, columns: Mapping[str, Column], *, rows: npt.NDArray[np.bool_]) -> Iterator[Fault]:
    """What in the columns cannot be.

    Args:
        rows: (clips,) which to look at; the others are known to be damaged.
    """
    state = columns.get("state")
    if state is not None:
        for row in np.flatnonzero(rows & ~np.isin(state, list(ClipState))).tolist():
            yield Fault(fact=f"its state is {state[row]}, and there is no such state", scope="shard", row=row)
        usable = rows & np.isin(state, USABLE)
        for name, (sound, fact) in _SOUND.items():
            if name in columns:
                for row in np.flatnonzero(usable & ~sound(columns[name])).tolist():
                    yield Fault(fact=fact.format(np.array2string(columns[name][row])), scope="shard", row=row)
    yield from _table_faults(cache, columns)


def _table_faults(cache: CropCache, columns: Mapping[str, Column]) -> Iterator[Fault]:
    classes, splits = len(cache.class_names), len(cache.split_names)
    label, subset = columns.get("label"), columns.get("subset")
    if label is not None:
        for row in np.flatnonzero((label < -1) | (label >= classes)).tolist():
            yield Fault(fact=f"its label is {label[row]}, and there are {classes} classes", scope="table", row=row)
    if subset is not None and subset.shape[1:] != (splits,):
        yield Fault(fact=f"subset has shape {subset.shape} for {splits} splits", scope="table")
    elif subset is not None:
        for row in np.flatnonzero(np.any(subset >= SUBSETS, axis=1)).tolist():
            yield Fault(fact=f"its subsets are {subset[row].tolist()}, not 0, 1 or 2", scope="table", row=row)


def _sound_frame_index(values: Column) -> Column:
    """Used slots first, in ascending order, at least one."""
    used = values >= 0
    steps = np.diff(values, axis=1)
    ascending = np.where(used[:, 1:], used[:, :-1] & (steps > 0), values[:, 1:] == UNUSED)
    return np.asarray(used[:, 0] & ascending.all(axis=1))


def _sound_box(values: Column) -> Column:
    """Inside the picture, and not empty; NaN is neither."""
    left, top, right, bottom = values.T
    return np.asarray((left >= 0) & (left < right) & (right <= 1) & (top >= 0) & (top < bottom) & (bottom <= 1))


def _sound_density(values: Column) -> Column:
    return np.asarray((np.isfinite(values) & (values >= 0)).all(axis=(1, 2)))


_SOUND: Mapping[str, tuple[Callable[[Column], Column], str]] = {
    "frame_index": (_sound_frame_index, "its frame numbers are not ascending, or there are none: {}"),
    "box": (_sound_box, "its box is not inside the picture: {}"),
    "density": (_sound_density, "its density map has values that are negative or no numbers"),
}


def short(error: Exception) -> str:
    """The end of a message, where TensorStore says what is wrong after saying where.

    >>> short(ValueError('DATA_LOSS: Error reading local file "/box/c/0": Digest mismatch, stored is 0x8ad22b'))
    'checksum differs'
    """
    fact = str(error).partition("\n")[0].rpartition('": ')[2].partition("; at ")[0]
    return "checksum differs" if fact.startswith("Digest mismatch") else fact
