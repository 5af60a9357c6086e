"""CRC-32C checksums: of bytes, of files, and of the metadata of Zarr groups, whose chunks have their own.

They tell whether bytes have been damaged, not whether two files are the same: a CRC of bytes and of their own CRC after
them is a constant, so all files of a cache that are laid out alike, frames or columns, have one checksum, whatever is
in them. Such are compared by their bytes, or by :func:`digest`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import google_crc32c

from mocrop.pipeline.strict_json import parsed_json

BLOCK_BYTES = 1 << 20
ARRAYS, WHOLE = "metadata", "checksum"  # keys that :func:`seal` adds


class SealError(ValueError):
    """The metadata of a Zarr group are not those that were written."""


def checksum(*parts: Any, start: int = 0) -> int:
    """CRC-32C over several buffers, one after the other; an array must be C-contiguous.

    Args:
        start: the checksum of what comes before them.

    >>> hex(checksum(b"123456789")), checksum(b"1234", b"56789") == checksum(b"123456789")
    ('0xe3069283', True)
    """
    value = start
    for part in parts:
        value = google_crc32c.extend(value, part)
    return value


def digest(*parts: bytes) -> str:
    """SHA-256 over several byte strings, one after the other, in hex digits."""
    return hashlib.sha256(b"".join(parts)).hexdigest()


def file_checksum(file: Path) -> int:
    """CRC-32C of the content of a file, but for those of Zarr groups, which all have one. Raises: OSError."""
    value = 0
    with file.open("rb") as stream:
        while block := stream.read(BLOCK_BYTES):
            value = google_crc32c.extend(value, block)
    return value


def json_checksum(value: Any) -> int:
    """CRC-32C of a value as JSON, however a file spaces and orders it."""
    return checksum(json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True).encode())


def seal(attributes: Mapping[str, Any], folder: Path, arrays: Iterable[str]) -> dict[str, Any]:
    """Attributes of a Zarr group with checksums of themselves and of the metadata of its arrays, which are on the disk.

    Args:
        folder: of the group.
        arrays: their names.
    """
    return with_checksum({**attributes, ARRAYS: {name: json_checksum(array_metadata(folder, name)) for name in arrays}})


def with_checksum(attributes: Mapping[str, Any]) -> dict[str, Any]:
    """The same attributes with a checksum of themselves."""
    content = {key: value for key, value in attributes.items() if key != WHOLE}
    return {**content, WHOLE: json_checksum(content)}


def require_checksum(attributes: Mapping[str, Any]) -> None:
    """Check attributes that :func:`with_checksum` has made. Raises: SealError."""
    if with_checksum(attributes)[WHOLE] != attributes.get(WHOLE):
        raise SealError("zarr.json: checksum differs")


def require_seal(attributes: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """Check attributes that :func:`seal` has made, and the metadata of the arrays.

    Returns: the metadata of each array, by name.
    Raises: SealError naming the file that is damaged or missing.
    """
    require_checksum(attributes)
    if not isinstance(arrays := attributes.get(ARRAYS), dict):
        raise SealError("zarr.json: checksum differs")
    metadata: dict[str, Any] = {}
    for name, expected in arrays.items():
        try:
            metadata[name] = array_metadata(folder, name)
        except FileNotFoundError as error:
            raise SealError(f"{name}/zarr.json is missing") from error
        except ValueError as error:
            raise SealError(f"{name}/zarr.json is no JSON") from error
        if json_checksum(metadata[name]) != expected:
            raise SealError(f"{name}/zarr.json: checksum differs")
    return metadata


def array_metadata(folder: Path, name: str) -> Any:
    """The metadata of one array of a group. Raises: OSError if there are none, ValueError if they are no JSON."""
    return parsed_json((folder / name / "zarr.json").read_bytes())
