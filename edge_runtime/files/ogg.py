"""FLAC in Ogg, as many recorders write it, into a FLAC file.  Raises `ItemError`; one thread.

libsndfile does not open what the reference encoder writes.
"""

from __future__ import annotations

import struct
import zlib
from typing import TYPE_CHECKING

from edge_runtime.errors import ItemError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import BinaryIO

MAGIC = b"OggS"
_FLAC = b"\x7fFLAC"
_WRAP_BYTES = 9
"""What stands before the FLAC's own first bytes: mark, version, how many headers follow."""
_PAGE_BYTES = 27
_CRC_AT = 22
_BEGINS = 2
_TURNED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))


def unwrap(ogg: BinaryIO, flac: BinaryIO) -> str:
    """Write the FLAC streams in `ogg` to `flac`, one behind the other, up to the first damage.

    What is damaged or missing, for people; empty where nothing is.  Raises `ItemError` for another
    kind of sound.
    """
    ogg.seek(0)
    order: dict[int, int] = {}
    try:
        for flags, serial, number, body in _pages(ogg):
            if flags & _BEGINS and not body.startswith(_FLAC):
                raise ItemError("OGG sound")
            if not flags & _BEGINS and number != order.get(serial, -1) + 1:
                return "damaged: a page of its Ogg is missing"
            order[serial] = number
            # Packets that go on in the next page go on in the next body.
            flac.write(body[_WRAP_BYTES if flags & _BEGINS else 0 :])
    except _Damage as exc:
        return str(exc)
    finally:
        flac.flush()
    return ""


class _Damage(Exception):
    """From here on the pages are not what they were."""


def _pages(ogg: BinaryIO) -> Iterator[tuple[int, int, int, bytes]]:
    """(flags, stream, number, body) of each."""
    while head := ogg.read(_PAGE_BYTES):
        if len(head) < _PAGE_BYTES or head[:4] != MAGIC:
            raise _Damage("damaged or cut short: its Ogg does not go on as it should")
        lengths = ogg.read(head[26])
        size = sum(lengths)
        body = ogg.read(size)
        serial, number, crc = struct.unpack_from("<III", head, 14)
        if len(lengths) < head[26] or len(body) < size:
            yield head[5], serial, number, body  # frames in it have checksums of their own
            raise _Damage("cut short: the last page of its Ogg is not whole")
        bare = head[:_CRC_AT] + bytes(4) + head[26:] + lengths + body
        if _crc(bare) != crc:
            raise _Damage("damaged: a page of its Ogg is not what its checksum is of")
        yield head[5], serial, number, body


def _crc(data: bytes) -> int:
    """Ogg's CRC-32 is zlib's with every byte's bits, and the result's, the other way round."""
    turned = zlib.crc32(data.translate(_TURNED), 0xFFFF_FFFF) ^ 0xFFFF_FFFF
    return int(f"{turned:032b}"[::-1], 2)
