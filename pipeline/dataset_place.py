"""Where a data set is: a folder on a disk, or an address."""

from __future__ import annotations

import os
import re
from pathlib import Path, PosixPath
from typing import Self

from mocrop.pipeline.address import Address, is_address
from mocrop.pipeline.errors import AddressError

_COLLAPSED = re.compile(r"([a-z][a-z0-9+.-]+):/(?=[^/])")


class AddressPath(PosixPath):
    """The path of a folder or file at an address. It reads as the address; the system finds nothing there.

    >>> AddressPath("s3://bucket/videos") / "Archery/a.avi"
    AddressPath('s3://bucket/videos/Archery/a.avi')
    """

    def __str__(self) -> str:
        return _COLLAPSED.sub(r"\1://", super().__str__(), count=1)

    def __fspath__(self) -> str:
        return str(self)

    def absolute(self) -> Self:
        return self

    @property
    def address(self) -> Address:
        """The same as an address."""
        return Address.parse(str(self))


def dataset_place(text: Path | str) -> Path:
    """Where a data set is, from how it is named.

    Raises: AddressError for an address with credentials in it, or with names of folders that a path cannot have.

    >>> dataset_place("s3://bucket/videos/"), dataset_place("videos/")
    (AddressPath('s3://bucket/videos'), PosixPath('videos'))
    """
    if isinstance(text, Path):
        return text
    if not is_address(text):
        return Path(os.fspath(text))
    address = Address.parse(text)
    if str(place := AddressPath(str(address))) != str(address):
        raise AddressError(
            f"{address}: a folder in it has no name, or is a dot, as no path has; see whether it is {place}"
        )
    return place
