"""Tell by its first bytes what a file is that was given as weights, and refuse other kinds by their name."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import BinaryIO

HEAD_BYTES = 512
COPY_AGAIN = "fetch or copy it again"
MAX_SAFETENSORS_HEADER = 100_000_000  # bytes, as the library has it
KINDS = {  # beginnings of files of other kinds: what they are, and the way out
    b"version https://git-lfs": ("is a Git LFS pointer, not the file that it stands for", "fetch that: git lfs pull"),
    b"\x1f\x8b": ("is compressed by gzip", "unpack it"),
    b"\xfd7zXZ": ("is compressed by xz", "unpack it"),
    b"BZh": ("is compressed by bzip2", "unpack it"),
    b"\x28\xb5\x2f\xfd": ("is compressed by zstd", "unpack it"),
    b"7z\xbc\xaf": ("is a 7z archive", "unpack it"),
    b"\x89HDF": ("is an HDF5 file, as Keras writes", "pass weights of PyTorch"),
    b"\x93NUMPY": ("is an array of numpy", "pass weights of PyTorch"),
}


class UnreadableError(Exception):
    """A file is no file of weights, or a damaged one.

    Attributes:
        fact: what is wrong with it, as the rest of a sentence that begins with its name.
        way_out: what to do.
    """

    def __init__(self, fact: str, way_out: str) -> None:
        super().__init__(fact, way_out)
        self.fact, self.way_out = fact, way_out


def require_kind(file: Path, stream: BinaryIO) -> tuple[bytes, int]:
    """Refuse files that are empty or of a kind known to hold no weights; the stream is at its beginning afterwards.

    Returns: how the file begins, and its bytes in all.
    Raises: UnreadableError, OSError.
    """
    size = file.stat().st_size
    head = stream.read(HEAD_BYTES)
    stream.seek(0)
    if not head:
        raise UnreadableError("is empty", COPY_AGAIN)
    for beginning, (fact, way_out) in KINDS.items():
        if head.startswith(beginning):
            raise UnreadableError(fact, way_out)
    if not any(head):
        raise UnreadableError("begins with zeros: writing or copying it has been cut off", COPY_AGAIN)
    if _is_text(head):
        page = head.lstrip().lower().startswith((b"<!doctype html", b"<html"))
        what = "is a web page" if page else "is text"
        raise UnreadableError(f"{what}, and holds no weights", "fetch the file itself")
    if is_zip(head):
        _require_archive_of_torch(stream)
    stream.seek(0)
    return head, size


def is_zip(head: bytes) -> bool:
    """Whether a file that begins so is a zip archive, or the first part of one."""
    return head.startswith(b"PK\x03\x04")


def is_safetensors(head: bytes) -> bool:
    """Whether a file that begins so is one of safetensors: eight bytes of length, and a JSON object.

    >>> is_safetensors(bytes([2, 0, 0, 0, 0, 0, 0, 0]) + b"{}"), is_safetensors(b"PK")
    (True, False)
    """
    return head[8:9] == b"{" and int.from_bytes(head[:8], "little") <= MAX_SAFETENSORS_HEADER


def _require_archive_of_torch(stream: BinaryIO) -> None:
    """Refuse zip archives that are cut off, or of another kind than ``torch.save`` writes."""
    try:
        if not zipfile.is_zipfile(stream):
            raise UnreadableError("is cut off: the end of its archive is missing", COPY_AGAIN)
        with zipfile.ZipFile(stream) as archive:
            names = archive.namelist()
    except (OSError, UnreadableError):
        raise
    except Exception as error:  # zipfile raises more than BadZipFile for bytes that mean something else
        raise UnreadableError(f"is damaged ({error})", COPY_AGAIN) from error
    parts = {name.partition("/")[2] for name in names}
    if "constants.pkl" in parts:
        raise UnreadableError("is a program of TorchScript", "save torch.jit.load(FILE).state_dict() with torch.save")
    if "data.pkl" not in parts:
        some = ", ".join(names[:2]) + (", ..." if len(names) > 2 else "")
        raise UnreadableError(f"is a zip archive that torch.save has not written ({some})", "unpack it")


def _is_text(head: bytes) -> bool:
    try:
        words = head.decode("utf-8")
    except UnicodeDecodeError as error:
        if error.start < len(head) - 3:  # a character may be cut in two at the end
            return False
        words = head[: error.start].decode("utf-8")
    return all(character.isprintable() or character.isspace() for character in words)
