"""Harm files one fault at a time, and count what became of it: refused, read as it was, or read without a word."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from mocrop.pipeline.errors import MocropError


@dataclass(kw_only=True)
class Count:
    """What became of a number of faults."""

    refused: int = 0
    harmless: int = 0  # what is read is as it was: a blank in a metadata file, or a byte that nobody reads
    silent: tuple[str, ...] = ()  # something else is read: what was done

    @property
    def tried(self) -> int:
        return self.refused + self.harmless + len(self.silent)

    def judge(self, fault: str, read_as_it_was: Callable[[], bool], *, refusal: type[MocropError]) -> str:
        """Read what is harmed, and count what becomes of it.

        Args:
            fault: what was done.
            read_as_it_was: reads it, and compares.
            refusal: what reading raises where it refuses.
        Returns: the message of the refusal; empty: it was read.
        Raises: AssertionError if the message is not one line.
        """
        message = ""
        try:
            if read_as_it_was():
                self.harmless += 1
            else:
                self.silent += (fault,)
        except refusal as error:
            self.refused += 1
            message = str(error)
        assert "\n" not in message, f"{fault}: not one line"
        return message

    def ended(self) -> Counter[str]:
        """The count as a storm gives it. Raises: AssertionError naming faults after which something else is read."""
        assert not self.silent, f"something else is read, without a word: {', '.join(self.silent[:5])}"
        return Counter({"refused": self.refused, "read as it was": self.harmless})


def files_below(folder: Path) -> list[Path]:
    """All files of a folder and of those in it, sorted."""
    return sorted(file for file in folder.rglob("*") if file.is_file())


def bits_of(file: Path) -> int:
    """Number of bits of a file."""
    return 8 * file.stat().st_size


def with_flipped(content: bytes, bit: int) -> bytes:
    """The same bytes with one bit flipped; bit 8 is the lowest of the second byte."""
    changed = bytearray(content)
    changed[bit // 8] ^= 1 << bit % 8
    return bytes(changed)


@contextmanager
def flipped(file: Path, bit: int) -> Iterator[None]:
    """A file with one bit flipped, while the body runs, as :func:`with_flipped` counts them."""
    content = file.read_bytes()
    file.write_bytes(with_flipped(content, bit))
    try:
        yield
    finally:
        file.write_bytes(content)


@contextmanager
def deleted(file: Path) -> Iterator[None]:
    """No file, while the body runs."""
    content = file.read_bytes()
    file.unlink()
    try:
        yield
    finally:
        file.write_bytes(content)
