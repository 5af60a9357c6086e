"""Make tar files whose bytes depend on nothing but the names and contents of their members."""

from __future__ import annotations

import shutil
import tarfile
from collections.abc import Iterable
from pathlib import Path

Member = tuple[str, bytes]  # name and content
_END = bytes(2 * tarfile.BLOCKSIZE)


def tar_members(members: Iterable[Member]) -> bytes:
    """Members one after the other, without the end of a tar file, so that such pieces can be joined.

    Plain files of no owner, dated 1970, mode 644, in the plainest format of tar (USTAR).

    Args:
        members: names in ASCII of at most 100 bytes.
    """
    return b"".join(part for name, content in members for part in (_header(name, content), content, _padding(content)))


def _header(name: str, content: bytes) -> bytes:
    header = tarfile.TarInfo(name)
    header.size, header.mode = len(content), 0o644
    return header.tobuf(tarfile.USTAR_FORMAT, "ascii", "strict")


def _padding(content: bytes) -> bytes:
    return bytes(-len(content) % tarfile.BLOCKSIZE)


def join_tar(pieces: Iterable[Path], file: Path) -> None:
    """Write the tar file that holds the members of some pieces, in their order. Raises: OSError."""
    with file.open("wb") as tar:
        for piece in pieces:
            with piece.open("rb") as members:
                shutil.copyfileobj(members, tar)
        tar.write(_END)
