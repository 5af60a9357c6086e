"""Several labels a clip, and validation lists, in the table of a crop cache: new ones, grown ones, and older ones."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import zarr

from mocrop.pipeline.cache.columns import require_plausible
from mocrop.pipeline.cache.create import build_cache, create_cache
from mocrop.pipeline.cache.crop_cache import CropCache
from mocrop.pipeline.cache.identity import cache_identity
from mocrop.pipeline.cache.layout import CacheLayout, ClipTable
from mocrop.pipeline.cache.table import clip_table, update_cache
from mocrop.pipeline.checks.crop_cache import verify_cache
from mocrop.pipeline.errors import CacheError
from mocrop.pipeline.workspace.manifest import ClipRow, Manifest

LAYOUT = CacheLayout(frames=1, size=8, grid=(2, 3), clips_per_shard=2)
SEVERAL = ([1, 0, 1], [0, 1, 0])  # the first clip is of A and C, the second of B


def table(labels: Sequence[Sequence[int]] | None = None, *, subset: Sequence[int] = (1, 2)) -> ClipTable:
    """Two clips, of A and B at least."""
    return ClipTable(
        names=["a", "b"],
        label=np.array([0, 1], np.int32),
        group=np.full(2, -1, np.int32),
        subset=np.array(subset, np.uint8).reshape(2, 1),
        class_names=["A", "B", "C"],
        split_names=["1"],
        labels=None if labels is None else np.array(labels, np.uint8),
    )


def made(path: Path, of: ClipTable, *, schema: int = 4) -> Path:
    """An empty cache, as a mocrop of that schema has made it."""
    build_cache(path, LAYOUT, of, attributes={}, schema=schema).rename(path)
    return path


def schema_of(path: Path) -> int:
    return int(CropCache(path).attributes["schema"])


def test_labels_are_marks_of_classes_and_plain_zarr_reads_them(tmp_path: Path) -> None:
    path = made(tmp_path / "c.zarr", table(SEVERAL))
    labels = CropCache(path).labels
    assert labels is not None
    assert (labels.tolist(), labels.dtype) == ([[1, 0, 1], [0, 1, 0]], np.uint8)
    assert np.array_equal(zarr.open_group(path, mode="r")["labels"][...], labels)
    require_plausible(CropCache(path))
    assert verify_cache(path) == []


def test_a_cache_of_one_label_a_clip_has_no_labels(tmp_path: Path) -> None:
    path = made(tmp_path / "c.zarr", table())
    assert CropCache(path).labels is None
    assert not (path / "labels").exists()
    require_plausible(CropCache(path))


def test_the_table_takes_labels_from_the_manifest_only_where_there_may_be_several(tmp_path: Path) -> None:
    def row(name: str, *labels: int) -> ClipRow:
        return ClipRow(
            name=name,
            path=f"{name}.mp4",
            label=labels[0],
            group=-1,
            subset=(1,),
            size_bytes=1,
            mtime_ns=1,
            labels=labels,
        )

    rows, classes = [row("a", 0, 2), row("b", 1)], ["A", "B", "C"]
    with Manifest(tmp_path / "m.sqlite") as manifest:
        manifest.replace_clips(rows, class_names=classes, split_names=["1"], label_kind="several")
        several = clip_table(manifest).labels
        manifest.replace_clips(rows, class_names=classes, split_names=["1"])
        assert clip_table(manifest).labels is None
    assert several is not None
    assert several.tolist() == [[1, 0, 1], [0, 1, 0]]


def test_another_mark_makes_another_cache_and_one_label_a_clip_stays_what_it_was(tmp_path: Path) -> None:
    one = cache_identity(CropCache(made(tmp_path / "one.zarr", table())))
    third = cache_identity(CropCache(made(tmp_path / "old.zarr", table(), schema=3)))
    several = [cache_identity(CropCache(made(tmp_path / f"{n}.zarr", table(([1, 0, n], [0, 1, 0]))))) for n in (0, 1)]
    assert one == third
    assert len({one, *several}) == 3


@pytest.mark.parametrize("newer", [table(SEVERAL), table(subset=(1, 3))], ids=["labels", "validation"])
def test_a_cache_of_schema_3_that_gets_what_it_cannot_say_is_newer_to_older_mocrops(
    tmp_path: Path, newer: ClipTable
) -> None:
    path = made(tmp_path / "c.zarr", table(), schema=3)
    update_cache(path, LAYOUT, table(subset=(2, 1)), attributes={})
    assert schema_of(path) == 3
    update_cache(path, LAYOUT, newer, attributes={})
    assert schema_of(path) == 4
    assert verify_cache(path) == []
    update_cache(path, LAYOUT, newer, attributes={}, schema=3)  # what a manifest remembers from before
    assert schema_of(path) == 4


@pytest.mark.parametrize("schema", [1, 2])
@pytest.mark.parametrize(
    ("newer", "what"), [(table(SEVERAL), "several labels a clip"), (table(subset=(3, 1)), "validation lists")]
)
def test_an_earlier_cache_refuses_what_it_cannot_hold_and_stays(
    tmp_path: Path, schema: int, newer: ClipTable, what: str
) -> None:
    path = made(tmp_path / "c.zarr", table(), schema=schema)
    before = {file: file.read_bytes() for file in path.rglob("*") if file.is_file()}
    with pytest.raises(CacheError, match=f"schema {schema}.*cannot hold {what}.*--overwrite"):
        update_cache(path, LAYOUT, newer, attributes={})
    assert {file: file.read_bytes() for file in path.rglob("*") if file.is_file()} == before
    update_cache(path, LAYOUT, table(subset=(2, 2)), attributes={})
    assert (schema_of(path), CropCache(path).subset.tolist()) == (schema, [[2], [2]])


def test_labels_that_a_data_set_has_lost_are_gone_from_the_disk(tmp_path: Path) -> None:
    path = made(tmp_path / "c.zarr", table(SEVERAL))
    update_cache(path, LAYOUT, table(), attributes={})
    assert CropCache(path).labels is None
    assert "labels" not in zarr.open_group(path, mode="r")
    assert verify_cache(path) == []


@pytest.mark.parametrize(
    ("labels", "fact"),
    [
        (([1, 0, 2], [0, 1, 0]), "its labels are not 0 or 1 for each class"),
        (([0, 0, 1], [0, 1, 0]), "its label, 0, is not one of its labels"),
        (([1, 0], [0, 1]), "labels has shape (2, 2) for 3 classes"),
    ],
)
def test_labels_that_cannot_be_right_are_damage(tmp_path: Path, labels: Sequence[Sequence[int]], fact: str) -> None:
    path = made(tmp_path / "c.zarr", table(labels))
    assert [damage.fact for damage in verify_cache(path)] == [fact]
    with pytest.raises(CacheError, match="mocrop verify"):
        require_plausible(CropCache(path))


def test_a_validation_code_in_a_cache_that_can_have_none_is_damage(tmp_path: Path) -> None:
    path = made(tmp_path / "c.zarr", table(subset=(1, 3)), schema=3)
    assert [damage.fact for damage in verify_cache(path)] == ["its subsets are [3], not 0, 1 or 2"]


def test_a_cache_without_classes_and_splits_is_sound(tmp_path: Path) -> None:
    unlabelled = ClipTable(
        names=["a", "b"],
        label=np.full(2, -1, np.int32),
        group=np.full(2, -1, np.int32),
        subset=np.zeros((2, 0), np.uint8),
        class_names=[],
        split_names=[],
    )
    create_cache(tmp_path / "c.zarr", LAYOUT, unlabelled, attributes={})
    require_plausible(CropCache(tmp_path / "c.zarr"))
    assert verify_cache(tmp_path / "c.zarr") == []
