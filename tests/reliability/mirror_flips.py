"""Damage a crop cache at an address, and the mirror of one: what is read is what was written, or nothing."""

from __future__ import annotations

import contextlib
import random
import shutil
from collections.abc import Iterator
from pathlib import Path

from mocrop.pipeline.address import Address, RemoteFiles
from mocrop.pipeline.cache.crop_cache import CropCache
from mocrop.pipeline.errors import CacheError
from tests.cloud import put_folder
from tests.reliability.cache_flips import everything
from tests.reliability.cache_growth import make_cache
from tests.reliability.flips import Count, bits_of, deleted, files_below, flipped, with_flipped

CLIPS = 6


def flip_mirror(folder: Path, *, flips: int, seed: int) -> Count:
    """Flip one bit at a time of what a mirror holds; what is damaged is fetched anew, so that nothing is refused.

    Raises: AssertionError if something is refused.
    """
    rng, count = random.Random(seed), Count()
    address, mirror = _stored(folder), folder / "mirror"
    before = everything(CropCache(address, mirror=mirror))
    files = _held(mirror)
    for number in range(flips):
        file = files[number % len(files)]
        bit = rng.randrange(bits_of(file))
        with flipped(file, bit):
            _judge_mirror(count, address, mirror, before, f"bit {bit} of {file.relative_to(mirror)}")
    return count


def delete_mirrored(folder: Path) -> Count:
    """Delete one file of a mirror after the other. Raises: as :func:`flip_mirror` does."""
    count = Count()
    address, mirror = _stored(folder), folder / "mirror"
    before = everything(CropCache(address, mirror=mirror))
    for file in _held(mirror):
        with deleted(file):
            _judge_mirror(count, address, mirror, before, f"without {file.relative_to(mirror)}")
    return count


def flip_address(folder: Path, *, flips: int, seed: int) -> Count:
    """Flip one bit at a time of a cache at an address, and read all of it into an empty mirror."""
    rng, count = random.Random(seed), Count()
    address, mirror = _stored(folder), folder / "empty"
    remote = RemoteFiles(Address.parse(address))
    before = everything(CropCache(address, mirror=mirror))
    names = sorted(remote.list())
    for number in range(flips):
        name = names[number % len(names)]
        bit = rng.randrange(8 * len(remote.read(name)))
        shutil.rmtree(mirror)
        with _flipped_there(remote, name, bit):
            count.judge(
                f"bit {bit} of {name}",
                lambda: everything(CropCache(address, mirror=mirror)) == before,
                refusal=CacheError,
            )
    return count


def _stored(folder: Path) -> str:
    """The address of a small cache, in the memory of this process."""
    path, address = folder / "c.zarr", f"memory://{folder.as_posix().strip('/')}/c.zarr"
    if not path.exists():
        make_cache(path, CLIPS)
    put_folder(path, address)
    return address


def _held(mirror: Path) -> list[Path]:
    """Files of a mirror that have bytes: what locks it has none."""
    return [file for file in files_below(mirror) if file.stat().st_size]


def _judge_mirror(count: Count, address: str, mirror: Path, before: list[object], fault: str) -> None:
    refusal = count.judge(fault, lambda: everything(CropCache(address, mirror=mirror)) == before, refusal=CacheError)
    assert not refusal, f"{fault}: {refusal}"


@contextlib.contextmanager
def _flipped_there(remote: RemoteFiles, name: str, bit: int) -> Iterator[None]:
    content = remote.read(name)
    remote.write(name, with_flipped(content, bit))
    try:
        yield
    finally:
        remote.write(name, content)
