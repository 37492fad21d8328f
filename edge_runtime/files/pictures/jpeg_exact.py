"""Makes libjpeg tell whether a baseline picture's data end where its last block ends.  Pure.

Left to itself libjpeg takes up to seven bytes into its hands before it needs them, and what is
left over of those it never mentions; it also has a fast way that takes codes which do not exist
for zeros.  Both are so only in data without restart markers.  So the picture is given one: it is
declared one row of blocks higher, a restart marker is put behind its last block, and behind that a
row of grey.  At a restart libjpeg counts what it has left; the comment behind the grey row makes it
say so.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from edge_runtime.files.pictures.jpeg_structure import Scan, Structure

_BLOCK_PX = 8
_MAX_INTERVAL = 0xFFFF
_MAX_PX = 65_500
"""As high as libjpeg goes."""
_RESTART_0 = b"\xff\xd0"
_COMMENT_AND_END = b"\xff\xfe\x00\x02\xff\xd9"
_EXTRANEOUS = re.compile(r"(\d+) extraneous bytes")
_PADDING = frozenset({0x00, 0xFF})


def with_a_row_more(data: bytes, structure: Structure) -> bytes | None:
    """`data` with a restart and a row of grey behind the last block.

    None where it cannot be had, or is not needed: several scans, restart markers of its own, or
    more MCUs than a restart interval can count.
    """
    if structure.is_progressive or structure.is_arithmetic or structure.restarts:
        return None
    if len(structure.scans) != 1:
        return None
    (scan,) = structure.scans
    rows_px = _mcu_px(scan, down=True)
    across = -(-structure.width // _mcu_px(scan, down=False))
    rows = -(-structure.height // rows_px)
    height = (rows + 1) * rows_px
    if across * rows > _MAX_INTERVAL or height > _MAX_PX:
        return None
    at = structure.height_at
    return b"".join(
        (
            data[:2],
            b"\xff\xdd\x00\x04",
            (across * rows).to_bytes(2, "big"),
            data[2:at],
            height.to_bytes(2, "big"),
            data[at + 2 : scan.end],
            _RESTART_0,
            _grey(scan, across),
            _COMMENT_AND_END,
        )
    )


def mixes_into_the_last(structure: Structure) -> bool:
    """Whether the grey row shines through in the picture's last row of pixels.

    Colours of half the height are drawn between their rows, by a quarter of the next one; where
    the blocks go on below the picture that is their own next row.
    """
    down = [each.down for each in structure.components.values()]
    return down == [2, 1, 1] and structure.height % (2 * _BLOCK_PX) == 0


def is_only_padding(data: bytes, structure: Structure, told: str) -> bool:
    """Whether what libjpeg calls extraneous (`told`) is a few bytes of filling.

    Encoders in cameras fill their data up to a whole word; nobody else would hear of it.
    """
    found = _EXTRANEOUS.search(told)
    if found is None or int(found[1]) >= 8:
        return False
    end = structure.scans[0].end
    left = data[end - 16 : end].replace(b"\xff\x00", b"\xff")[-int(found[1]) :]
    return len(set(left)) == 1 and left[0] in _PADDING


def _mcu_px(scan: Scan, *, down: bool) -> int:
    if len(scan.parts) == 1:
        return _BLOCK_PX  # a component alone has one block in an MCU, whatever it says
    sampled = (p.component.down if down else p.component.across for p in scan.parts)
    return _BLOCK_PX * max(sampled)


def _grey(scan: Scan, mcus: int) -> bytes:
    """The data of so many MCUs that say nothing new, filled up with ones."""
    alone = len(scan.parts) == 1
    mcu = "".join(
        (part.means.mean() + part.rest.rest()) * (1 if alone else part.component.blocks)
        for part in scan.parts
    )
    bits = mcu * mcus
    bits += "1" * (-len(bits) % 8)
    return int(bits, 2).to_bytes(len(bits) // 8, "big").replace(b"\xff", b"\xff\x00")
