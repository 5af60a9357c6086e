"""Writes the headers of bitstreams for tests, bit by bit."""

from __future__ import annotations


class Bits:
    """Writes bits, the most significant of each byte first."""

    def __init__(self) -> None:
        self.text = ""

    def fixed(self, value: int, count: int) -> Bits:
        self.text += f"{value:0{count}b}" if count else ""
        return self

    def unsigned(self, *values: int) -> Bits:
        for value in values:
            code = f"{value + 1:b}"
            self.text += "0" * (len(code) - 1) + code
        return self

    def bytes(self) -> bytes:
        padded = self.text + "1" + "0" * (-(len(self.text) + 1) % 8)
        return bytes(int(padded[n : n + 8], 2) for n in range(0, len(padded), 8))
