"""Create an empty crop cache: its arrays and their codecs, and the table of clips."""

from __future__ import annotations

import dataclasses
import shutil
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import zarr
from zarr.codecs import Crc32cCodec, ZstdCodec

from mocrop.pipeline.arrays import write_names
from mocrop.pipeline.cache.description import DENSE, SCHEMA_VERSION, write_sealed
from mocrop.pipeline.cache.layout import OF_WINDOWS, STEPS_PER_PIXEL, CacheLayout, ClipState, ClipTable
from mocrop.pipeline.cache.slots import UNUSED
from mocrop.pipeline.choices import Stream
from mocrop.pipeline.errors import full_disk_as_error


def create_cache(
    path: Path, layout: CacheLayout, table: ClipTable, *, attributes: Mapping[str, Any], replace: bool = False
) -> None:
    """Create an empty cache (every state 0) at ``path``, whole or not at all.

    Args:
        path: the ``.zarr`` folder to create.
        attributes: stored under ``mocrop`` beside schema version, size, class names and split names.
        replace: delete a cache that is there; who has it open is told that it is gone.
    Raises: FileExistsError if ``path`` exists; ValueError if the table has no clips.
    """
    if path.exists() and not replace:
        raise FileExistsError(path)
    partial = build_cache(path, layout, table, attributes=attributes)
    if not path.exists():
        partial.rename(path)
        return
    old = path.with_name(f".{path.name}.overwritten")
    shutil.rmtree(old, ignore_errors=True)
    path.rename(old)
    partial.rename(path)
    shutil.rmtree(old)


def build_cache(
    path: Path,
    layout: CacheLayout,
    table: ClipTable,
    *,
    attributes: Mapping[str, Any],
    schema: int = SCHEMA_VERSION,
    consolidated: bool = False,
) -> Path:
    """Make an empty cache under another name, beside the place of ``path``.

    Args:
        schema: of the cache: 1 has no checksums of the columns and the metadata, 2 no boxes of slots, 3 neither
            several labels nor validation lists.
        consolidated: let Zarr copy the metadata of all arrays into those of the group.
    Returns: its folder.
    Raises: ValueError if the table has no clips.
    """
    if not table.names:
        raise ValueError("a crop cache needs at least one clip")
    partial = path.with_name(f".{path.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    description = {
        "schema": schema,
        "size": layout.size,
        "class_names": list(table.class_names),
        "split_names": list(table.split_names),
        **({} if layout.dense is None else {DENSE: dataclasses.asdict(layout.dense)}),
        **attributes,
    }
    with full_disk_as_error():
        group = zarr.open_group(partial, mode="w", zarr_format=3)
        _create_shard_arrays(group, layout, clips=len(table.names), schema=schema)
        _write_table(group, table, checked=schema >= 2)
        write_sealed(partial, group.array_keys(), description)
        if consolidated:
            _consolidate(partial)
    return partial


def create_arrays(path: Path, layout: CacheLayout, *, clips: int) -> None:
    """Create the arrays of a cache that a CacheWriter fills, and nothing that tells of clips: no reader takes it.

    Args:
        path: the folder to create; one that is there is replaced.
    """
    with full_disk_as_error():
        _create_shard_arrays(zarr.open_group(path, mode="w", zarr_format=3), layout, clips=clips, schema=SCHEMA_VERSION)


def _consolidate(folder: Path) -> None:
    with warnings.catch_warnings():  # zarr warns that this is not yet in the specification
        warnings.simplefilter("ignore")
        zarr.consolidate_metadata(folder)


def _create_shard_arrays(group: zarr.Group, layout: CacheLayout, *, clips: int, schema: int) -> None:
    """Create the arrays that a CacheWriter fills, one file per shard."""
    checked, slots = schema >= 2, layout.frames
    _create_stream(group, "frames", layout, shape=(clips, layout.frames, 3, layout.size, layout.size))
    if layout.motion_side:
        _create_stream(group, "motion", layout, shape=(clips, layout.frames, 2, layout.motion_side, layout.motion_side))
    for name, tail, dtype, fill in (
        ("frame_index", (slots,), "int32", UNUSED),
        ("box", (4,), "float32", 0.0),
        ("density", layout.grid, "float32", 0.0),
        ("state", (), "uint8", int(ClipState.NOT_WRITTEN)),
        *([("slot_box", (slots, 4), "float32", 0.0), ("picture", (4,), "float32", 0.0)] if schema >= 3 else []),
        *([("content", (slots, 4), "float32", 0.0)] if schema >= 3 and layout.padded else []),
        *([(OF_WINDOWS, (layout.dense.windows,), "int32", UNUSED)] if layout.dense else []),
        *([("checksum", (slots,), "uint32", 0)] if checked else []),
        *([("motion_checksum", (slots,), "uint32", 0)] if checked and layout.motion_side else []),
    ):
        shape, chunks = (clips, *tail), (layout.clips_per_shard, *tail)
        group.create_array(
            name, shape=shape, chunks=chunks, dtype=dtype, fill_value=fill, compressors=_compressors(checked)
        )


def _write_table(group: zarr.Group, table: ClipTable, *, checked: bool) -> None:
    columns: dict[str, npt.NDArray[Any]] = {"label": table.label, "group": table.group, "subset": table.subset}
    columns |= {} if table.labels is None else {"labels": table.labels}
    for name, values in columns.items():
        group.create_array(
            name,
            data=np.ascontiguousarray(values),
            chunks=tuple(max(1, side) for side in values.shape),
            compressors=_compressors(checked),
            config={"write_empty_chunks": checked},
        )
    write_names(group, table.names, checked=checked)


def _compressors(checked: bool) -> Any:
    return [ZstdCodec(), Crc32cCodec()] if checked else "auto"


def _create_stream(group: zarr.Group, name: Stream, layout: CacheLayout, *, shape: tuple[int, ...]) -> None:
    """Create an array with one chunk per slot of each clip."""
    checksum = Crc32cCodec()
    group.create_array(
        name,
        shape=shape,
        dtype="uint8" if name == "frames" else "int8",
        chunks=(1, 1, *shape[2:]),
        shards=(layout.clips_per_shard, *shape[1:]),
        compressors=[ZstdCodec(level=1), checksum] if layout.compression == "zstd" else [checksum],
        dimension_names=("clip", "frame", "channel", "y", "x"),
        attributes={} if name == "frames" else {"steps_per_pixel": STEPS_PER_PIXEL},
    )
