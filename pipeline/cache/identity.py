"""The identity of a crop cache: equal for caches that hold the same pixels, boxes and labels, made in the same way."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator

import numpy as np

from mocrop.pipeline.cache.crop_cache import CropCache
from mocrop.pipeline.cache.layout import OF_WINDOWS, boxes_of_slots, whole_frames

_LEFT_OUT = (  # of the attributes: what does not change a pixel or a label, or follows from what is hashed
    "schema",
    "software",
    "stages",
    "settings",
    "metadata",
    "checksum",
)
COLUMNS = ("label", "group", "subset", "state", "frame_index", "box", "density", "checksum")


def _boxes_of_its_own(cache: CropCache) -> Iterator[str]:
    """The columns on boxes that say more than `box`, so that a static cache has one identity in any schema."""
    used = cache.frame_index >= 0
    if not np.array_equal(cache.slot_box, boxes_of_slots(cache.box, used)):
        yield "slot_box"
    if not np.array_equal(cache.picture, whole_frames(cache.usable)):
        yield "picture"
    if not np.array_equal(cache.content, whole_frames(used)):
        yield "content"


def _columns(cache: CropCache) -> Iterator[str]:
    yield from COLUMNS
    if cache.labels is not None:
        yield "labels"
    if cache.has_motion:
        yield "motion_checksum"
    if cache.dense is not None:
        yield OF_WINDOWS
    yield from _boxes_of_its_own(cache)


def cache_identity(cache: CropCache) -> str:
    """Hash the settings of a cache, its table, and the checksum of every clip's frames, to 16 hex digits.

    The name of the cache and the versions of the software that has written it do not count.

    Raises: CacheError if a column is damaged; for a cache of schema 1 also if a frame is, as all of them are read.
    """
    attributes = {key: value for key, value in cache.attributes.items() if key not in _LEFT_OUT}
    settings = {key: value for key, value in cache.attributes.get("settings", {}).items() if key != "name"}
    digest = hashlib.sha256(json.dumps([attributes, settings, cache.clip], sort_keys=True).encode())
    for name in _columns(cache):
        column = getattr(cache, name)
        digest.update(f"{name} {column.dtype.str} {column.shape}".encode())
        digest.update(column.tobytes())
    return digest.hexdigest()[:16]
