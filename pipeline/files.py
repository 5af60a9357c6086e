"""Files that appear under their names only when they are whole and on the disk."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from mocrop.pipeline.errors import raise_if_disk_full


def write_whole(file: Path, content: bytes) -> None:
    """Write a file that appears under its name only when it is whole and on the disk.

    Raises: DiskFullError.
    """
    with whole_file(file) as stream:
        stream.write(content)


@contextlib.contextmanager
def whole_file(file: Path, *, writer: str = "") -> Iterator[BinaryIO]:
    """Open a file that appears under its name, in a folder made where missing, when the body is done and it is on the
    disk; if the body fails, or a signal ends it, nothing is left of it.

    Args:
        writer: joins the name under which it grows, where several processes may write the same file at once.
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
