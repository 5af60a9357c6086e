"""What a crop cache says of itself: the ``zarr.json`` of the group and of its arrays, and whether they can be believed.

The attributes of the group hold checksums of themselves and of the metadata of every array, see
:mod:`mocrop.pipeline.checksums`. They are written last, so whoever can read them finds the rest.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path

from mocrop.pipeline.cache.dense import MOST_SLOTS
from mocrop.pipeline.cache.layout import OF_BOXES, OF_WINDOWS
from mocrop.pipeline.checksums import SealError, array_metadata, require_checksum, require_seal, seal, with_checksum
from mocrop.pipeline.errors import CacheError, NewerError
from mocrop.pipeline.files import write_whole
from mocrop.pipeline.names import shell_word
from mocrop.pipeline.settings import Plain
from mocrop.pipeline.strict_json import parsed_json
from mocrop.pipeline.versions import other_layout

SCHEMA_VERSION = 4  # `labels`, validation lists; 3: `slot_box`, `picture`; from 2 on each byte has a checksum
OLDEST_SCHEMA = 1
DENSE = "dense"  # attribute of a cache of windows: how many, of how many frames, how far apart
UPDATING = "updating"  # attribute of a cache of which some files are new and some are old
MOST_CLIPS = 1 << 24  # larger numbers are damage or an attack: columns of so many rows are read into memory
MOST_PIXELS = 1 << 14  # of a side
GROUP_FILE = "zarr.json"
ROWS = ("frame_index", "box", "density", "label", "group", "subset", "clip", "state")  # columns of any schema
OPTIONAL = ("motion", "checksum", "motion_checksum", "labels", *OF_BOXES, OF_WINDOWS)


class NewerCacheError(CacheError, NewerError):
    """A newer mocrop wrote a cache."""


class DamagedCacheError(CacheError):
    """The metadata of a cache are damaged; ``fact`` says how, without the name of the cache."""

    def __init__(self, message: str, fact: str) -> None:
        super().__init__(message)
        self.fact = fact

    def __reduce__(self) -> tuple[type[DamagedCacheError], tuple[str, str]]:
        return type(self), (str(self), self.fact)


def group_file(path: Path) -> Path:
    """File with the attributes of a cache."""
    return path / GROUP_FILE


def read_attributes(path: Path) -> tuple[Plain, bytes]:
    """Read the attributes of a cache, whatever its arrays look like, and the bytes of the file that they are from.

    Raises: CacheError if there is no cache, or one that this mocrop cannot read, or if its attributes are damaged.
    """
    try:
        content = group_file(path).read_bytes()
    except (FileNotFoundError, NotADirectoryError) as error:
        raise CacheError(f"{path} is not a crop cache; make one with `mocrop precrop --size 192`") from error
    try:
        group = parsed_json(content)
        attributes = group.get("attributes", {}).get("mocrop")
    except (ValueError, AttributeError) as error:
        raise damaged(path, f"{GROUP_FILE} is no JSON of a group") from error
    if not isinstance(attributes, dict) or "schema" not in attributes:
        raise CacheError(f"{path} is not a crop cache (it has no schema); make one with `mocrop precrop --size 192`")
    _require_schema(path, attributes["schema"])
    if attributes["schema"] >= 2:
        try:
            require_checksum(attributes)
        except SealError as error:
            raise damaged(path, str(error)) from error
    return attributes, content


def _require_schema(path: Path, schema: object) -> None:
    if isinstance(schema, int) and schema > SCHEMA_VERSION:
        raise NewerCacheError(other_layout(f"{path} has schema", schema, reads=SCHEMA_VERSION, older=""))
    if not isinstance(schema, int) or schema < OLDEST_SCHEMA:
        raise damaged(path, f"there is no schema {schema!r}")


def require_sound(path: Path, attributes: Plain) -> dict[str, Plain]:
    """Check that the arrays of a cache are those that its attributes speak of; no chunk is read.

    Returns: the metadata of each array, by name.
    Raises: CacheError if a cache is being changed, or its metadata are damaged or impossible.
    """
    if attributes.get(UPDATING):
        raise CacheError(
            f"{path}: mocrop is changing its table of clips, or was killed while it did; "
            f"`mocrop precrop --name {shell_word(path.stem)}` completes that"
        )
    try:
        arrays = require_seal(attributes, path) if attributes["schema"] >= 2 else _unsealed(path)
        _require_shapes(arrays)
    except (SealError, ValueError, KeyError, TypeError, AttributeError, OSError) as error:
        if isinstance(error, PermissionError):
            raise
        raise damaged(path, _fact(error)) from error
    return arrays


def _unsealed(path: Path) -> dict[str, Plain]:
    """The metadata of each array of a cache of schema 1. Raises: OSError; ValueError where they are no JSON."""
    arrays: dict[str, Plain] = {}
    for name in ("frames", *ROWS, *(name for name in OPTIONAL if (path / name).is_dir())):
        try:
            arrays[name] = array_metadata(path, name)
        except ValueError as error:
            raise ValueError(f"{name}/{GROUP_FILE} is no JSON") from error
    return arrays


def damaged(path: Path, fact: str) -> DamagedCacheError:
    """The error for a cache whose metadata are damaged."""
    return DamagedCacheError(f"{path} is damaged ({fact}); `mocrop verify` says how to repair it", fact)


def _fact(error: Exception) -> str:
    if isinstance(error, OSError) and error.filename:
        return f"{Path(error.filename).parent.name}/{GROUP_FILE}: {error.strerror}"
    return str(error) or type(error).__name__


def _require_shapes(arrays: Mapping[str, Plain]) -> None:
    """Raises: ValueError unless all arrays have as many rows as ``frames``, and no more than there can be."""
    clips, slots, colours, height, width = arrays["frames"]["shape"]
    if not (1 <= clips <= MOST_CLIPS and 1 <= slots <= MOST_SLOTS and 1 <= height <= MOST_PIXELS):
        raise ValueError(f"frames cannot have shape {arrays['frames']['shape']}")
    if (colours, height) != (3, width):
        raise ValueError(f"frames have shape {arrays['frames']['shape']}")
    per_shard = arrays["frames"]["chunk_grid"]["configuration"]["chunk_shape"]
    if per_shard[1:] != [slots, 3, height, width] or not 1 <= per_shard[0] <= MOST_CLIPS:
        raise ValueError(f"frames have shards of {per_shard}")
    tails = {"frame_index": [slots], "box": [4], "checksum": [slots], "motion_checksum": [slots]}
    tails |= {"slot_box": [slots, 4], "picture": [4], "content": [slots, 4]}
    for name in set(arrays) - {"frames"}:
        rows, *tail = arrays[name]["shape"]
        if rows != clips:
            raise ValueError(f"{name} has {rows} rows, frames have {clips}")
        if name == "labels" and len(tail) != 1:
            raise ValueError(f"{name} has shape {[rows, *tail]}")
        if tail != tails.get(name, tail) or any(not 0 <= side <= MOST_SLOTS for side in tail):
            raise ValueError(f"{name} has shape {[rows, *tail]}")


def write_sealed(folder: Path, arrays: Iterable[str], attributes: Plain) -> None:
    """Write the attributes of a cache whose arrays are on the disk, with checksums if its schema has them.

    Args:
        arrays: all of their names.
    """
    _write(folder, seal(attributes, folder, sorted(arrays)) if attributes["schema"] >= 2 else attributes)


def mark_updating(path: Path) -> None:
    """Let readers refuse a cache until :func:`write_sealed` is called; one whose attributes are damaged is left."""
    with contextlib.suppress(CacheError):
        attributes, _ = read_attributes(path)
        marked = {**attributes, UPDATING: True}
        _write(path, with_checksum(marked) if attributes["schema"] >= 2 else marked)


def _write(folder: Path, attributes: Plain) -> None:
    group = parsed_json(group_file(folder).read_bytes())
    group["attributes"] = {**group.get("attributes", {}), "mocrop": attributes}
    write_whole(group_file(folder), json.dumps(group, indent=2).encode())


def is_consolidated(path: Path) -> bool:
    """Whether somebody has had Zarr copy the metadata of all arrays into those of the group."""
    try:
        return parsed_json(group_file(path).read_bytes()).get("consolidated_metadata") is not None
    except (OSError, ValueError, AttributeError):
        return False
