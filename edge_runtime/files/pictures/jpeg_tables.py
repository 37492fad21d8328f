"""What two of a Huffman table's codes say: enough to know runs of zeros and to write a grey block.

Pure.
"""

from __future__ import annotations

from dataclasses import dataclass

_SKIP_SIXTEEN = 0xF0
_CHANGING = 63
"""Coefficients of a block behind its mean."""


@dataclass(frozen=True, slots=True)
class Table:
    """One Huffman table, of means (DC) or of the rest (AC)."""

    bits: int
    """Of the shortest code, which is all zeros."""
    symbol: int
    """What the shortest code says."""
    nothing: str = ""
    """The code that says "as before" (DC) or "all zero from here" (AC), in 0 and 1; empty where
    there is none."""

    @property
    def size(self) -> int:
        """Bits of a value that follow the shortest code."""
        return self.symbol & 15

    def mean(self) -> str:
        """The bits of one mean that is as the one before, or nearly."""
        return self.nothing or "0" * (self.bits + self.size)

    def rest(self) -> str:
        """The bits of the rest of one block, grey where that can be said."""
        if self.nothing:
            return self.nothing
        if not self.size:  # what skips sixteen at a time, or an end that is no end
            return "0" * self.bits * (4 if self.symbol == _SKIP_SIXTEEN else 1)
        codes = -(-_CHANGING // ((self.symbol >> 4) + 1))
        return "0" * (self.bits + self.size) * codes


# Motion JPEG leaves the tables of the standard (K.3) away.
STANDARD = {
    (0, 0): Table(2, 0x00, "00"),
    (0, 1): Table(2, 0x00, "00"),
    (1, 0): Table(2, 0x01, "1010"),
    (1, 1): Table(2, 0x00, "00"),
}


def read_tables(body: bytes) -> dict[tuple[int, int], Table]:
    """(class, number) to the tables of one DHT segment.  Raises `IndexError` where it is short."""
    found = {}
    at = 0
    while at < len(body):
        counts = body[at + 1 : at + 17]
        symbols = body[at + 17 : at + 17 + sum(counts)]
        bits = next((n for n, count in enumerate(counts, 1) if count), 0)
        if bits:
            key = body[at] >> 4, body[at] & 15
            found[key] = Table(bits, symbols[0], _code_of_zero(counts, symbols))
        at += 17 + sum(counts)
    return found


def _code_of_zero(counts: bytes, symbols: bytes) -> str:
    wanted = symbols.find(0)
    if wanted < 0:
        return ""
    code = 0
    index = 0
    for bits, count in enumerate(counts, 1):
        if wanted < index + count:
            return f"{code + wanted - index:0{bits}b}"
        code = (code + count) << 1
        index += count
    return ""
