"""Write files atomically: each appears under its name only when it is whole and on the disk."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from mocrop.pipeline.errors import raise_if_disk_full


def write_whole(file: Path, content: bytes) -> None:
    """Write a file atomically, in a folder that is created where missing.

    Raises: DiskFullError.
    """
    with whole_file(file) as stream:
        stream.write(content)


@contextlib.contextmanager
def whole_file(file: Path, *, writer: str = "") -> Iterator[BinaryIO]:
    """Open a file for writing; it takes its name once the body has ended and its content is on the disk.

    If the body fails, or a signal ends it, the partial file is removed. The folder is created where missing.

    Args:
        writer: part of the temporary name, for files that several processes may write at once.
    Raises: DiskFullError.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    partial = file.with_name(f".{file.name}.{writer}.partial" if writer else f".{file.name}.partial")
    try:
        with partial.open("wb") as stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(partial, file)
    except BaseException as error:
        partial.unlink(missing_ok=True)
        raise_if_disk_full(error)
        raise
