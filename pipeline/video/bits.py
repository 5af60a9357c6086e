"""Read single bits of a bitstream's headers: bytes in, whole numbers out."""

from __future__ import annotations


class BitReader:
    """Reads bits from the left.

    >>> bits = BitReader(bytes([0b10100000]))
    >>> bits.fixed(2), bits.fixed(1)
    (2, 1)

    Args:
        data: the bytes.
        start: bits to leave out in front.
    """

    def __init__(self, data: bytes, *, start: int = 0) -> None:
        self._data = data
        self._place = start

    def fixed(self, count: int) -> int:
        """The next ``count`` bits as a number. Raises: IndexError past the end."""
        end = self._place + count
        if end > 8 * len(self._data):
            raise IndexError(f"bit {end} of {8 * len(self._data)}")
        value = int.from_bytes(self._data[self._place >> 3 : (end + 7) >> 3], "big") >> (-end & 7)
        self._place = end
        return value & ((1 << count) - 1)

    def unsigned(self) -> int:
        """An Exp-Golomb code, ITU-T H.264, 9.1. Raises: IndexError past the end."""
        zeros = 0
        while not self.fixed(1):
            zeros += 1
        return (1 << zeros) - 1 + self.fixed(zeros)
