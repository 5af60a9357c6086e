"""Keep a crop cache's table of clips in step with the manifest: labels, groups, splits, and rows for new clips."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from mocrop.pipeline.cache.create import build_cache
from mocrop.pipeline.cache.crop_cache import CropCache
from mocrop.pipeline.cache.description import GROUP_FILE, is_consolidated, mark_updating, read_attributes
from mocrop.pipeline.cache.layout import TABLE_COLUMNS, CacheLayout, ClipTable
from mocrop.pipeline.errors import CacheError
from mocrop.pipeline.names import shell_word
from mocrop.pipeline.platform_calls import sync
from mocrop.pipeline.workspace.manifest import Manifest

WITH_BOXES = 3  # the first schema that differs from the present one in the table alone


def clip_table(manifest: Manifest) -> ClipTable:
    """Make the table of a cache from the clips of a manifest."""
    clips = list(manifest.clips())
    splits = manifest.names("split_names")
    subset = np.array([clip.subset for clip in clips], np.uint8).reshape(len(clips), len(splits))
    return ClipTable(
        names=[clip.name for clip in clips],
        label=np.array([clip.label for clip in clips], np.int32),
        group=np.array([clip.group for clip in clips], np.int32),
        subset=subset,
        class_names=manifest.names("class_names"),
        split_names=splits,
        labels=_marks([clip.labels for clip in clips], classes=len(manifest.names("class_names")))
        if manifest.label_kind() == "several"
        else None,
    )


def _marks(labels: Sequence[tuple[int, ...]], *, classes: int) -> npt.NDArray[np.uint8]:
    """Several labels a clip as marks: uint8, shape (clips, classes), 1 for each class of a clip."""
    marks = np.zeros((len(labels), classes), np.uint8)
    rows = np.repeat(np.arange(len(labels)), [len(own) for own in labels])
    marks[rows, np.array([index for own in labels for index in own], np.int64)] = 1
    return marks


def update_cache(
    path: Path, layout: CacheLayout, table: ClipTable, *, attributes: Mapping[str, Any], schema: int | None = None
) -> None:
    """Bring an existing cache in step with ``table``; frames and states of known clips stay as they are.

    All that precrop does not write shard by shard is made anew, and the files that differ replace those that are
    there: so metadata or names that are damaged are repaired, and what a killed process has left half done is
    completed. Meanwhile readers refuse the cache. Nothing is written if nothing has changed.

    Clips keep their rows, so the table may only have grown.

    Args:
        layout: of the cache.
        attributes: all those under the group attribute ``mocrop`` that follow neither from layout nor table.
        schema: of the cache, if its own attributes cannot tell; None: they can. One of schema 3 becomes one of schema 4
            where the table has what an older mocrop would misread.
    Raises: CacheError if there is no cache at ``path``, if its schema is not known, if it is of other clips, or if it
        is of an earlier schema than 3 and cannot hold the table.
    """
    _require_same_clips(path, table)
    if schema is None:
        schema = read_attributes(path)[0]["schema"]
    schema = _schema_for(path, schema, table)
    fresh = build_cache(path, layout, table, attributes=attributes, schema=schema, consolidated=is_consolidated(path))
    group = Path(GROUP_FILE)
    changed = {file for file in _files(fresh) if not _same(fresh / file, path / file)}
    gone = [name for name in TABLE_COLUMNS if (path / name).exists() and not (fresh / name).exists()]
    if gone or changed - {group}:
        mark_updating(path)
        changed.add(group)
    for name in gone:  # else other readers of Zarr would find labels that hold no more
        shutil.rmtree(path / name)
    for file in sorted(changed, key=lambda file: (file == group, file)):  # what readers look at first is written last
        (path / file).parent.mkdir(parents=True, exist_ok=True)
        sync(fresh / file)
        (fresh / file).replace(path / file)
        sync((path / file).parent)
    shutil.rmtree(fresh)


def _schema_for(path: Path, schema: int, table: ClipTable) -> int:
    """The schema that a cache of ``schema`` has once it holds the table. Raises: CacheError if it cannot."""
    if schema < table.schema_needed and schema < WITH_BOXES:
        what = "validation lists" if table.labels is None else "several labels a clip"
        raise CacheError(
            f"{path} is of schema {schema}, which an early mocrop wrote, and cannot hold {what}; write it anew with "
            f"`mocrop precrop --name {shell_word(path.stem)} --overwrite` and its options"
        )
    return max(schema, table.schema_needed)


def _require_same_clips(path: Path, table: ClipTable) -> None:
    """Refuse a cache of other clips, such as a copy from elsewhere, whose frames would get the names of these.

    Raises: CacheError.
    """
    try:
        names = CropCache(path).clip
    except CacheError:  # damaged, or half changed: that is repaired
        return
    if names != list(table.names[: len(names)]):
        raise CacheError(
            f"{path} is of other clips than those of this workspace; move it away, or replace it with "
            f"`mocrop precrop --name {shell_word(path.stem)} --overwrite`"
        )


def _files(folder: Path) -> list[Path]:
    return [file.relative_to(folder) for file in folder.rglob("*") if file.is_file()]


def _same(one: Path, other: Path) -> bool:
    try:
        return one.read_bytes() == other.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return False
