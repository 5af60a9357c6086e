"""The motion store, motion.zarr: the motion of every clip, one Zarr v3 group for each run of 32 clips.

A group such as ``shard-00012`` holds the clips of 32 consecutive positions; :mod:`.store_group` says how.
"""

from __future__ import annotations

import json
from pathlib import Path

from mocrop.pipeline.arrays import short
from mocrop.pipeline.errors import MotionStoreError, NewerError
from mocrop.pipeline.files import write_whole
from mocrop.pipeline.motion.clip_motion import ClipMotion
from mocrop.pipeline.motion.store_group import SCHEMA_VERSION, TIMES_AND_BARS, MotionGroup, NewerSchemaError
from mocrop.pipeline.strict_json import parsed_json
from mocrop.pipeline.versions import other_layout

CLIPS_PER_SHARD = 32
_ROOT = {"attributes": {}, "zarr_format": 3, "node_type": "group"}


def shard_folder(store: Path, index: int) -> Path:
    """Folder of the group with the clips from position ``index * CLIPS_PER_SHARD`` on."""
    return store / f"shard-{index:05d}"


def create_store(store: Path) -> None:
    """Make an empty motion store, or put right the zarr.json of one that has groups; done by one process at a time.

    Raises: DiskFullError.
    """
    file = store / "zarr.json"
    try:
        there = parsed_json(file.read_bytes())
    except (FileNotFoundError, ValueError):
        there = None
    if there != _ROOT:
        write_whole(file, json.dumps(_ROOT, indent=2).encode())


def has_older_groups(store: Path) -> bool:
    """Whether any group was written before times of frames and bars were; one that cannot be read does not count."""
    return any(_is_older(folder / "zarr.json") for folder in store.glob("shard-*"))


def _is_older(file: Path) -> bool:
    try:
        schema = parsed_json(file.read_bytes())["attributes"]["mocrop"]["schema"]
    except (OSError, ValueError, LookupError, TypeError):
        return False
    return isinstance(schema, int) and schema < TIMES_AND_BARS


class NewerMotionError(MotionStoreError, NewerError):
    """A newer mocrop wrote a group."""


class MotionReader:
    """Reads clips of a motion store; keeps the last group open, as clips are mostly read in order of position."""

    def __init__(self, store: Path) -> None:
        self._store = store
        self._group: MotionGroup | None = None
        self._index = -1  # of the open group

    def read(self, position: int) -> ClipMotion | None:
        """Read the motion of the clip at a position; None if the store has none.

        Raises: MotionStoreError if the group is damaged, of another schema, or may not be read.
        """
        index = position // CLIPS_PER_SHARD
        try:
            if self._group is None or self._index != index:
                self._group, self._index = self._open(index), index
            return None if self._group is None else self._group.motion(position)
        except PermissionError as error:
            raise MotionStoreError(f"{error.filename} cannot be read ({error.strerror}); make it readable") from error
        except NewerSchemaError as error:  # no damage: not to be removed
            subject = f"{shard_folder(self._store, index)} has schema"
            raise NewerMotionError(other_layout(subject, error.schema, reads=SCHEMA_VERSION, older="")) from error
        except _DAMAGE as error:
            folder = shard_folder(self._store, index)
            raise MotionStoreError(
                f"{folder} is damaged ({short(error)}); remove the folder and run `mocrop extract-mv` again"
            ) from error

    def _open(self, index: int) -> MotionGroup | None:
        folder = shard_folder(self._store, index)
        first = index * CLIPS_PER_SHARD
        return MotionGroup(folder, range(first, first + CLIPS_PER_SHARD)) if folder.is_dir() else None


_DAMAGE = (ArithmeticError, AttributeError, LookupError, OSError, RuntimeError, TypeError, ValueError)  # zarr, codecs
