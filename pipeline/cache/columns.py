"""Check the columns of a crop cache for damage and for values that cannot be right."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import tensorstore as ts

from mocrop.pipeline.arrays import open_array, short
from mocrop.pipeline.cache.crop_cache import CropCache
from mocrop.pipeline.cache.dense import windows_fit
from mocrop.pipeline.cache.description import DamagedCacheError
from mocrop.pipeline.cache.layout import CHECKSUMS, OF_WINDOWS, SHARD_COLUMNS, TABLE_COLUMNS, USABLE, ClipState
from mocrop.pipeline.cache.slots import UNUSED
from mocrop.pipeline.errors import CacheError

SUBSETS = 4  # no list, train, test, validation
SLOT_BOXES = ("slot_box", "content")  # columns with a box for each used slot

Column = npt.NDArray[Any]
Scope = Literal["shard", "table", "cache"]  # what must be written again


@dataclass(frozen=True, kw_only=True)
class Fault:
    """One thing that is wrong with a row of a cache, or with the whole cache."""

    fact: str
    scope: Scope
    row: int | None = None  # None: the whole cache


def read_columns(cache: CropCache) -> tuple[dict[str, Column], list[Fault]]:
    """Read every column but the names.

    Returns: the columns by name, and what is wrong. Columns that cannot be opened or have another number of rows are
        left out; rows that cannot be read are zeros.
    """
    columns: dict[str, Column] = {}
    faults: list[Fault] = []
    for name in (*SHARD_COLUMNS, *TABLE_COLUMNS):
        if not cache.has_column(name):
            continue
        try:
            array = open_array(cache.path, name)
        except ValueError as error:
            faults.append(Fault(fact=f"{name} cannot be opened ({short(error)})", scope="cache"))
            continue
        if array.shape[0] != len(cache):
            faults.append(Fault(fact=f"{name} has {array.shape[0]} rows for {len(cache)} clips", scope="cache"))
            continue
        columns[name] = np.zeros(array.shape, array.dtype.numpy_dtype)
        damaged = list(_fill(columns[name], array, name, per_file=cache.clips_per_shard))
        faults += damaged or _missing(cache, name, columns[name])
    return columns, faults


def _missing(cache: CropCache, name: str, column: Column) -> Iterator[Fault]:
    """The rows of files that must be there and are not, or the whole table."""
    try:
        files = cache.missing_files(name, column)
    except CacheError:  # the states, which say what must be there, are damaged themselves
        return
    for file in files:
        fact = f"{file.relative_to(cache.path)} is missing"
        if name in TABLE_COLUMNS:
            yield Fault(fact=fact, scope="table")
            continue
        first = int(file.relative_to(cache.path / name / "c").parts[0]) * cache.clips_per_shard
        for row in range(first, min(first + cache.clips_per_shard, len(cache))):
            yield Fault(fact=fact, scope="shard", row=row)


def _fill(column: Column, array: ts.TensorStore, name: str, *, per_file: int) -> Iterator[Fault]:
    """Read a column and yield the rows or files of it that are damaged."""
    try:
        column[...] = array.read().result()
        return
    except ValueError:
        column[...] = 0  # and read file by file, which takes longer: there may be thousands
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
                else (Fault(fact=fact, scope="table"),)
            )


def column_faults(cache: CropCache, columns: Mapping[str, Column], *, rows: npt.NDArray[np.bool_]) -> Iterator[Fault]:
    """Find values that cannot be right.

    Args:
        columns: by name, as :func:`read_columns` returns them.
        rows: bool, shape (clips,): rows whose shard columns are checked; the others are known to be damaged.
    """
    state = columns.get("state")
    if state is not None:
        for row in np.flatnonzero(rows & ~np.isin(state, list(ClipState))).tolist():
            yield Fault(fact=f"its state is {state[row]}, and there is no such state", scope="shard", row=row)
        usable = rows & np.isin(state, USABLE)
        for name, (valid, fact) in _CHECKS.items():
            if name in columns:
                for row in np.flatnonzero(usable & ~valid(columns[name])).tolist():
                    yield Fault(fact=fact.format(np.array2string(columns[name][row])), scope="shard", row=row)
        yield from _slot_faults(columns, rows=usable)
        yield from _window_faults(cache, columns, rows=usable)
    yield from _table_faults(cache, columns)


def _slot_faults(columns: Mapping[str, Column], *, rows: npt.NDArray[np.bool_]) -> Iterator[Fault]:
    """Find rows that are sound, but name boxes of other slots than those that hold frames."""
    if "frame_index" not in columns:
        return
    used = columns["frame_index"] >= 0
    rows = rows & _valid_frame_index(columns["frame_index"])
    for name in (name for name in SLOT_BOXES if name in columns):
        named = np.asarray(columns[name].any(axis=2))
        for row in np.flatnonzero(rows & _valid_slot_box(columns[name]) & (named != used).any(axis=1)).tolist():
            fact = f"{name} is of {np.count_nonzero(named[row])} slots, and {np.count_nonzero(used[row])} hold frames"
            yield Fault(fact=fact, scope="shard", row=row)


def _window_faults(cache: CropCache, columns: Mapping[str, Column], *, rows: npt.NDArray[np.bool_]) -> Iterator[Fault]:
    """Find rows that are sound, but hold other frames than those that their windows need."""
    if OF_WINDOWS not in columns or "frame_index" not in columns:
        return
    try:
        dense = cache.dense
        assert dense is not None
    except DamagedCacheError as error:
        yield Fault(fact=error.fact, scope="cache")
        return
    index, window = columns["frame_index"], columns[OF_WINDOWS]
    rows = rows & _valid_frame_index(index) & _valid_frame_index(window)
    for row in np.flatnonzero(rows)[~windows_fit(index[rows], window[rows], dense)].tolist():
        windows = window[row, window[row] != UNUSED].tolist()
        fact = f"its windows begin at {windows}, and the frames that it holds are not theirs"
        yield Fault(fact=fact, scope="shard", row=row)


def require_plausible(cache: CropCache) -> None:
    """Check the values of all columns, as `mocrop verify` does, before anything relies on them.

    Raises: CacheError naming the first that cannot be right, or a column that is damaged.
    """
    names = [name for name in SHARD_COLUMNS if name not in CHECKSUMS.values() and cache.has_column(name)]
    tables = [name for name in TABLE_COLUMNS if cache.has_column(name)]
    columns = {name: getattr(cache, name) for name in (*names, *tables)}
    for fault in column_faults(cache, columns, rows=np.ones(len(cache), np.bool_)):
        clip = "" if fault.row is None else f"{cache.clip[fault.row]}: "
        raise CacheError(f"{cache.path}: {clip}{fault.fact}; `mocrop verify` says how to repair it")


def _table_faults(cache: CropCache, columns: Mapping[str, Column]) -> Iterator[Fault]:
    classes, splits = len(cache.class_names), len(cache.split_names)
    label, subset = columns.get("label"), columns.get("subset")
    if label is not None:
        for row in np.flatnonzero((label < -1) | (label >= classes)).tolist():
            yield Fault(fact=f"its label is {label[row]}, and there are {classes} classes", scope="table", row=row)
    if subset is not None and subset.shape[1:] != (splits,):
        yield Fault(fact=f"subset has shape {subset.shape} for {splits} splits", scope="table")
    elif subset is not None:
        most, words = (SUBSETS, "0, 1, 2 or 3") if cache.attributes["schema"] >= 4 else (SUBSETS - 1, "0, 1 or 2")
        for row in np.flatnonzero(np.any(subset >= most, axis=1)).tolist():
            yield Fault(fact=f"its subsets are {subset[row].tolist()}, not {words}", scope="table", row=row)
    yield from _labels_faults(columns, classes=classes)


def _labels_faults(columns: Mapping[str, Column], *, classes: int) -> Iterator[Fault]:
    """Whether several labels are marks of known classes, and `label` is one of them."""
    label, labels = columns.get("label"), columns.get("labels")
    if labels is None:
        return
    if labels.shape[1:] != (classes,):
        yield Fault(fact=f"labels has shape {labels.shape} for {classes} classes", scope="table")
        return
    for row in np.flatnonzero((labels > 1).any(axis=1)).tolist():
        yield Fault(fact="its labels are not 0 or 1 for each class", scope="table", row=row)
    if label is not None:
        known = (label >= 0) & (label < classes)
        own = labels[np.arange(len(label)), np.where(known, label, 0)] if classes else np.zeros(len(label))
        for row in np.flatnonzero(np.where(known, own == 0, (label == -1) & labels.any(axis=1))).tolist():
            yield Fault(fact=f"its label, {label[row]}, is not one of its labels", scope="table", row=row)


def _valid_frame_index(values: Column) -> Column:
    """At least one used slot, or window; used ones first, in ascending order."""
    used = values >= 0
    steps = np.diff(values, axis=1)
    ascending = np.where(used[:, 1:], used[:, :-1] & (steps > 0), values[:, 1:] == UNUSED)
    return np.asarray(used[:, 0] & ascending.all(axis=1))


def _valid_box(values: Column) -> Column:
    """Inside the picture and not empty; false for NaN."""
    left, top, right, bottom = values.T
    return np.asarray((left >= 0) & (left < right) & (right <= 1) & (top >= 0) & (top < bottom) & (bottom <= 1))


def _valid_slot_box(values: Column) -> Column:
    """As a box where the slot is used, zeros elsewhere."""
    boxes = values.reshape(-1, 4)
    unused = ~boxes.any(axis=1).reshape(values.shape[:2])
    sound = _valid_box(boxes).reshape(values.shape[:2])
    return np.asarray(sound[:, 0] & (sound | unused).all(axis=1))


def _valid_density(values: Column) -> Column:
    return np.asarray((np.isfinite(values) & (values >= 0)).all(axis=(1, 2)))


_CHECKS: Mapping[str, tuple[Callable[[Column], Column], str]] = {
    "frame_index": (_valid_frame_index, "its frame numbers are not ascending, or there are none: {}"),
    OF_WINDOWS: (_valid_frame_index, "its windows are not ascending, or there are none: {}"),
    "box": (_valid_box, "its box is not inside the picture: {}"),
    "slot_box": (_valid_slot_box, "the box of a slot is not inside the picture: {}"),
    "picture": (_valid_box, "the picture that its density spans is not inside the frame: {}"),
    "content": (_valid_slot_box, "what is not padding is not inside its frame: {}"),
    "density": (_valid_density, "its density map has values that are negative or no numbers"),
}
