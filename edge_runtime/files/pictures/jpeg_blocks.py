"""Follows a baseline JPEG's codes block by block, to see that they end where the data do.  Pure.

Slow (about a second for 300 kB), and only for planes sampled as no camera does (4:1:0 and
stranger): these the decoder that tells of damage does not take.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from edge_runtime.files.pictures.damaged import Damaged

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edge_runtime.files.pictures.jpeg_parts import Structure
    from edge_runtime.files.pictures.jpeg_tables import Table

_RESTART = re.compile(rb"\xff+[\xd0-\xd7]")
_COEFFICIENTS = 64
_SKIP_SIXTEEN = 0xF0


def can_follow(structure: Structure) -> bool:
    """Whether all of the picture is in one scan of Huffman codes whose tables are there."""
    return (
        not structure.is_progressive
        and not structure.is_arithmetic
        and len(structure.scans) == 1
        and len(structure.scans[0].parts) > 1
        and all(part.means.counts and part.rest.counts for part in structure.scans[0].parts)
    )


def check_blocks(data: bytes, structure: Structure) -> None:
    """Raise `Damaged` where the codes of a picture that `can_follow` do not fit its blocks."""
    (scan,) = structure.scans
    across, down = (
        max(part.component.across for part in scan.parts),
        max(part.component.down for part in scan.parts),
    )
    mcus = -(-structure.width // (8 * across)) * -(-structure.height // (8 * down))
    looked_up: dict[Table, Sequence[int]] = {}
    blocks = []
    for part in scan.parts:
        tables = [looked_up.setdefault(t, _look_up(t)) for t in (part.means, part.rest)]
        blocks += [(tables[0], tables[1])] * part.component.blocks
    pieces = _RESTART.split(data[scan.begin : scan.end])
    each = structure.interval or mcus
    if len(pieces) != -(-mcus // each):
        raise Damaged("the JPEG picture is damaged: restart markers are missing or too many")
    for number, piece in enumerate(pieces):
        _follow(piece.replace(b"\xff\x00", b"\xff"), blocks * min(each, mcus - number * each))


def _look_up(table: Table) -> list[int]:
    """By the next 16 bits: how many of them are the code, and what it says; 0: no such code."""
    found: list[int] = []
    at = 0
    for bits, count in enumerate(table.counts, 1):
        for symbol in table.symbols[at : at + count]:
            found += [bits << 8 | symbol] * (1 << (16 - bits))
        at += count
    return found + [0] * ((1 << 16) - len(found))


def _follow(data: bytes, blocks: list[tuple[Sequence[int], Sequence[int]]]) -> None:
    bits = len(data) * 8
    # Behind the end there are ones, as far as a block can reach.
    padded = data + b"\xff" * 512
    at = 0
    for means, rest in blocks:
        place = 0
        table = means
        while place < _COEFFICIENTS:
            byte = at >> 3
            ahead = padded[byte] << 16 | padded[byte + 1] << 8 | padded[byte + 2]
            found = table[ahead >> (8 - (at & 7)) & 0xFFFF]
            if not found:
                raise Damaged("the JPEG picture is damaged or cut short: bad Huffman code")
            symbol = found & 0xFF
            at += (found >> 8) + (symbol & 15)
            if table is means and place == 0:
                table, place = rest, 1
            elif symbol & 15 or symbol == _SKIP_SIXTEEN:
                place += (symbol >> 4) + 1
            else:
                break
        if at > bits:
            raise Damaged("the JPEG picture is damaged or cut short: premature end of data segment")
    left = data[-(-at // 8) :]
    if left.strip(b"\0") and left.strip(b"\xff"):
        raise Damaged(f"the JPEG picture is damaged: {len(left)} extraneous bytes")
