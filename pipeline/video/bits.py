"""Bit reader for the headers of video bitstreams."""

from __future__ import annotations


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
        self._data = data
        self._position = start

    def fixed(self, count: int) -> int:
        """Read the next ``count`` bits as a number. Raises: IndexError past the end."""
        end = self._position + count
        if end > 8 * len(self._data):
            raise IndexError(f"bit {end} of {8 * len(self._data)}")
        value = int.from_bytes(self._data[self._position >> 3 : (end + 7) >> 3], "big") >> (-end & 7)
        self._position = end
        return value & ((1 << count) - 1)

    def unsigned(self) -> int:
        """Read an unsigned Exp-Golomb code.

        Raises: IndexError past the end.
        Source: ITU-T H.264, 9.1.
        """
        zeros = 0
        while not self.fixed(1):
            zeros += 1
        return (1 << zeros) - 1 + self.fixed(zeros)

    def signed(self) -> int:
        """Read a signed Exp-Golomb code.

        Raises: IndexError past the end.
        Source: ITU-T H.264, 9.1.1.
        """
        code = self.unsigned()
        return (code + 1) // 2 if code % 2 else -(code // 2)
