"""Keep a crop cache's table of clips in step with the manifest: labels, groups, splits, and rows for new clips."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import zarr

from mocrop.pipeline.arrays import write_names
from mocrop.pipeline.cache.crop_cache import CropCache
from mocrop.pipeline.cache.layout import ClipTable
from mocrop.pipeline.workspace.manifest import Manifest


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
    )


def update_cache(path: Path, table: ClipTable, *, attributes: Mapping[str, Any]) -> None:
    """Bring an existing cache up to date with ``table``; frames and states of known clips stay as they are.

    Clips keep their rows, so the table may only have grown. Nothing is written if nothing has changed.

    Args:
        attributes: join those under the group attribute ``mocrop``.
    Raises: CacheError if there is no cache at ``path``.
    """
    cache = CropCache(path)
    group = zarr.open_group(path, mode="r+", zarr_format=3)
    if len(table.names) > len(cache):
        motion = ("motion",) if cache.has_motion else ()
        for name in ("frames", "frame_index", "box", "density", "state", *motion):
            array = cast("zarr.Array[Any]", group[name])
            array.resize((len(table.names), *array.shape[1:]))
    for name in ("label", "group", "subset"):
        values: npt.NDArray[Any] = getattr(table, name)
        if not np.array_equal(values, getattr(cache, name)):
            group.create_array(name, data=values, chunks=values.shape, overwrite=True)
    if list(table.names) != cache.clip:
        write_names(group, table.names)
    names = {"class_names": list(table.class_names), "split_names": list(table.split_names)}
    described = {**cache.attributes, **attributes, **names}
    if described != cache.attributes:
        group.update_attributes({"mocrop": described})
