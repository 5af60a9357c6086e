"""Bit reader for the headers of video bitstreams."""

from __future__ import annotations

_MOST_ZEROS = 31  # at the start of a code


class UnusualError(Exception):
    """The headers do not follow the rules that are read here, so that only a decoder can tell what comes of them."""


class BitReader:
    """Reads bits, the most significant of each byte first.

    >>> bits = BitReader(bytes([0b10100000]))
    >>> bits.fixed(2), bits.fixed(1)
    (2, 1)

    Args:
        data: the bytes.
        start: bits to skip first.
    """

    def __init__(self, data: bytes, *, start: int = 0) -> None:
        self._bits = int.from_bytes(data, "big")
        self._left = 8 * len(data) - start  # bits that are not read yet

    def fixed(self, count: int) -> int:
        """Read the next ``count`` bits as a number. Raises: IndexError past the end."""
        self._left -= count
        if self._left < 0:
            raise IndexError(f"{-self._left} bits past the end")
        return self._bits >> self._left & (1 << count) - 1

    def unsigned(self) -> int:
        """Read an unsigned Exp-Golomb code.

        Raises: IndexError past the end, or where the number would be beyond those that there are.
        Source: ITU-T H.264, 9.1 and 7.4: all of them are below 2^32.
        """
        rest = self._bits & (1 << self._left) - 1
        zeros = self._left - rest.bit_length()
        if zeros > _MOST_ZEROS:
            raise IndexError(f"a code of {2 * zeros + 1} bits")
        return self.fixed(2 * zeros + 1) - 1

    def signed(self) -> int:
        """Read a signed Exp-Golomb code.

        Raises: as :meth:`unsigned`.
        Source: ITU-T H.264, 9.1.1.
        """
        code = self.unsigned()
        return (code + 1) // 2 if code % 2 else -(code // 2)
