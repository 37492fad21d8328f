"""A file made of pieces: some bytes of our own, some of a file on disk.  Owned by one thread.

So a decoder is given a header that is right in front of sound that is left where it is.
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import BinaryIO

Piece = bytes | tuple[int, int]
"""Bytes of our own, or (first byte, length) of the file."""


class Pieces:
    """What soundfile needs of a file that is open for reading: `seek`, `tell`, `read`.

    Raises what the file raises.
    """

    def __init__(self, file: BinaryIO, pieces: Sequence[Piece]) -> None:
        """`file` stays its owner's, and may be read by others between the calls."""
        self._file = file
        self._pieces = list(pieces)
        self._size = sum(map(_length, pieces))
        self._at = 0

    def tell(self) -> int:
        """Where the next byte is read."""
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """As of a file; never before its beginning."""
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        self._at = max(0, base + offset)
        return self._at

    def read(self, count: int = -1) -> bytes:
        """The next bytes: fewer at the end, none behind it."""
        left = self._size - self._at if count < 0 else count
        found = []
        begin = 0
        for piece in self._pieces:
            length = _length(piece)
            inside = self._at - begin
            if 0 <= inside < length and left > 0:
                part = self._part(piece, inside, min(left, length - inside))
                found.append(part)
                self._at += len(part)
                left -= len(part)
                if not part:
                    break  # the file has become shorter
            begin += length
        return b"".join(found)

    def readinto(self, buffer: bytearray | memoryview) -> int:
        """As `read`, into `buffer`; how many bytes."""
        data = self.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def _part(self, piece: Piece, inside: int, count: int) -> bytes:
        if isinstance(piece, bytes):
            return piece[inside : inside + count]
        self._file.seek(piece[0] + inside)
        return self._file.read(count)


def _length(piece: Piece) -> int:
    return len(piece) if isinstance(piece, bytes) else piece[1]
