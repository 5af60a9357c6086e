"""Open the mirror of a cache at an address: its metadata and columns are brought up to date, all files at once."""

from __future__ import annotations

import contextlib
import itertools
import json
import math
import re
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from mocrop.pipeline.address import Address, RemoteFiles
from mocrop.pipeline.address_errors import is_missing_bucket
from mocrop.pipeline.cache.description import GROUP_FILE, OPTIONAL, ROWS, read_attributes, require_sound
from mocrop.pipeline.cache.layout import SHARD_COLUMNS, STREAMS, shard_file
from mocrop.pipeline.cache.mirror.place import MirrorPlace, default_root, place_of
from mocrop.pipeline.cache.mirror.room import waiting_lock
from mocrop.pipeline.checksums import ARRAYS, WHOLE, checksum, digest
from mocrop.pipeline.errors import AddressError, CacheError
from mocrop.pipeline.files import write_whole
from mocrop.pipeline.platform_calls import sync_all
from mocrop.pipeline.strict_json import parsed_json
from mocrop.pipeline.system_errors import as_mocrop_errors

READS_AT_ONCE = 32  # of small files
VERSIONS = "versions.json"
OnFile = Callable[[int, int], None]
UNKNOWN = ""  # version of a file of which the server says no more than its size
_NAME = re.compile(r"[a-z_]{1,64}")  # of an array
_SHARD = re.compile(r"(frames|motion)/c/\d{1,9}/0/0/0/0")


def open_mirror(
    text: str, *, mirror: Path | str | None = None, most_bytes: int | None = None, on_file: OnFile | None = None
) -> Path:
    """Bring the columns of a cache at an address up to date in its mirror, which is made where there is none.

    Args:
        text: the address of the ``.zarr`` folder.
        mirror: the folder that mirrors share; None: see :func:`~mocrop.pipeline.cache.mirror.place.default_root`.
        most_bytes: of all mirrors in it; None: what the disk has, but for a reserve.
        on_file: called with the number of the columns' files that are up to date, and of all, after each.
    Returns: the folder of the mirror, which :class:`~mocrop.pipeline.cache.crop_cache.CropCache` opens as a cache.
    Raises: AddressError; CacheError if there is no crop cache at the address, or a damaged one; FileError.
    """
    address = Address.parse(text)
    files = RemoteFiles(address)
    content = _group(files)
    root = default_root() if mirror is None else Path(mirror)
    place = place_of(address, _seal(content), root, most_bytes)
    with _alone(place):
        try:
            _update(files, place, content, on_file=on_file)
        except CacheError:  # the metadata here may be damaged
            _update(files, place, content, anew=True, on_file=on_file)
        place.save()
    return place.folder


def renew_columns(place: MirrorPlace) -> None:
    """Read all columns of a mirror from its address again, as one of them is damaged here.

    Raises: AddressError; CacheError if another cache is there by now, or a damaged one; FileError.
    """
    files = RemoteFiles(place.address)
    content = _group(files)
    if content != (place.folder / GROUP_FILE).read_bytes():
        raise CacheError(f"{place.address} was written again while it was read; start again")
    with _alone(place):
        _update(files, place, content, anew=True)


@contextlib.contextmanager
def _alone(place: MirrorPlace) -> Iterator[None]:
    """Keep other processes from the columns; errors name the address, where what checks a cache names its folder."""
    with as_mocrop_errors(place.root), waiting_lock(place.folder.parent / ".columns"):
        try:
            yield
        except CacheError as error:
            error.args = tuple(str(each).replace(str(place.folder), str(place.address)) for each in error.args)
            raise


def _group(files: RemoteFiles) -> bytes:
    try:
        return files.read(GROUP_FILE)
    except AddressError as error:
        if not error.missing or is_missing_bucket(error):
            raise
        raise CacheError(
            f"{files.address} is not a crop cache; see that the address is that of the .zarr folder"
        ) from error


def _seal(content: bytes) -> object:
    """The checksum of a cache's attributes; of those that have none, or are damaged, that of the whole file."""
    try:
        return parsed_json(content)["attributes"]["mocrop"][WHOLE]
    except (ValueError, KeyError, TypeError):
        return f"bytes {checksum(content)}"


def _update(
    files: RemoteFiles, place: MirrorPlace, content: bytes, *, anew: bool = False, on_file: OnFile | None = None
) -> None:
    """Args: anew: read what is here already, too."""
    folder, record = place.folder, place.folder.parent / VERSIONS
    if anew:
        record.unlink(missing_ok=True)
    write_whole(folder / GROUP_FILE, content)
    attributes, _ = read_attributes(folder)
    versions = _versions(files)
    known = _known(record)
    metadata = _metadata(folder, attributes)
    changed = _fetch_all(files, place, metadata, versions, known)
    columns = _column_files(require_sound(folder, attributes))
    changed |= _fetch_all(files, place, columns, versions, known, on_file)
    if changed and not _is_still(files, content, versions, [*metadata, *columns]):
        record.unlink(missing_ok=True)
        raise CacheError(
            f"{place.address} is being written just now, or has been; once that is done, run the same command again"
        )
    for name in versions or ():
        if _SHARD.fullmatch(name):  # one that is there counts as written, see `written_shards`
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
    write_whole(record, json.dumps(known, sort_keys=True).encode())


def columns_record(place: MirrorPlace) -> bytes:
    """What tells the columns of a mirror from those that another process may bring into it: equal for equal ones.

    While that goes on it is waited for.

    Raises: CacheError if it was broken off; FileError.
    """
    record = place.folder.parent / VERSIONS
    with contextlib.suppress(FileNotFoundError):
        return record.read_bytes()
    with _alone(place):
        try:
            return record.read_bytes()
        except FileNotFoundError as error:
            raise CacheError(f"{place.address}: some of its columns are not here; start again") from error


def _versions(files: RemoteFiles) -> dict[str, str] | None:
    """Of all files at the address, by name; None: it does not say."""
    if not files.can_list:
        return None
    return {name: f"{each.size} {each.version}" if each.version else UNKNOWN for name, each in files.entries().items()}


def _is_still(files: RemoteFiles, content: bytes, versions: Mapping[str, str] | None, names: list[str]) -> bool:
    """Whether nothing of a cache was written while it was read, so that all is of one and the same."""
    if not files.exists(GROUP_FILE) or files.read(GROUP_FILE) != content:
        return False
    now = _versions(files)
    return now is None or versions is None or all(now.get(name) == versions.get(name) for name in names)


def _metadata(folder: Path, attributes: Mapping[str, Any]) -> list[str]:
    """The files of metadata of all arrays; of a cache of schema 1 those that there may be."""
    sealed = attributes.get(ARRAYS)
    names = list(sealed) if isinstance(sealed, dict) else ["frames", *ROWS, *OPTIONAL]
    for name in names:
        if not _NAME.fullmatch(name):  # it becomes a path here
            raise CacheError(f"{folder} is damaged (it names an array {name!r}); name another address")
    return [f"{name}/{GROUP_FILE}" for name in names]


def _column_files(arrays: Mapping[str, Any]) -> list[str]:
    """The files of all columns, whether they are there or not."""
    return [file for name, array in arrays.items() if name not in STREAMS for file in _chunks(name, array)]


def _chunks(name: str, array: Mapping[str, Any]) -> Iterator[str]:
    shape, chunks = array["shape"], array["chunk_grid"]["configuration"]["chunk_shape"]
    counts = [math.ceil(side / chunk) for side, chunk in zip(shape, chunks, strict=True)]
    for place in itertools.product(*(range(count) for count in counts)):
        yield "/".join([name, "c", *map(str, place)])


def _fetch_all(
    files: RemoteFiles,
    place: MirrorPlace,
    names: list[str],
    versions: Mapping[str, str] | None,
    known: dict[str, str],
    on_file: OnFile | None = None,
) -> bool:
    """Bring files up to date; those that are not at the address are removed from the mirror, too.

    Args:
        versions: of all files at the address; None: it does not say, and all are read again.
        known: versions of those that are here, which is brought up to date.
    Returns: whether any has changed. The record of versions is gone then.
    """

    def fetched(name: str) -> tuple[bool, Path | None]:
        file, version = place.folder / name, UNKNOWN if versions is None else versions.get(name, UNKNOWN)
        if version == known.get(name, UNKNOWN) != UNKNOWN and file.exists():
            return False, None
        old = file.read_bytes() if file.exists() else None
        new = _content(files, name, versions)
        known.pop(name, None)
        if new is not None:
            known[name] = version if version != UNKNOWN else digest(new)
        if new == old:
            return False, None
        (place.folder.parent / VERSIONS).unlink(missing_ok=True)  # from here on nobody takes what is here for whole
        _drop_shards(place.folder, name)
        if new is None:
            file.unlink()
            return True, None
        file.parent.mkdir(parents=True, exist_ok=True)
        partial = file.with_name(f".{file.name}.partial")
        partial.write_bytes(new)
        partial.replace(file)
        return True, file

    changed, written = False, []
    with ThreadPoolExecutor(READS_AT_ONCE, thread_name_prefix="columns") as pool:
        for number, (other, file) in enumerate(pool.map(fetched, names), start=1):
            changed |= other
            written += [] if file is None else [file]
            if on_file is not None:
                on_file(number, len(names))
    if written:
        sync_all(written)
    return changed


def _content(files: RemoteFiles, name: str, versions: Mapping[str, str] | None) -> bytes | None:
    """The content of a file at the address; None: it is not there."""
    if versions is not None and name not in versions:
        return None
    try:
        return files.read(name)
    except AddressError as error:
        if error.missing:
            return None
        raise


def _known(record: Path) -> dict[str, str]:
    try:
        return dict(parsed_json(record.read_bytes()))
    except (OSError, ValueError, TypeError):
        return {}


def _drop_shards(folder: Path, name: str) -> None:
    """Delete the shards that a file of a column tells of, as they are others now."""
    column, _, *numbers = name.split("/")
    if column in SHARD_COLUMNS and numbers and numbers[0].isdecimal():
        for stream in STREAMS:
            shard_file(folder, int(numbers[0]), stream).unlink(missing_ok=True)
