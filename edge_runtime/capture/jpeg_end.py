"""Where a JPEG ends, by its own markers: a camera's word for its length is often wrong.  Pure."""

from __future__ import annotations

import re

START = b"\xff\xd8"
_ALONE = frozenset(range(0xD0, 0xD8)) | {0x01}
_MARK, _SOI, _EOI, _SOS = 0xFF, 0xD8, 0xD9, 0xDA
_IN_SCAN = re.compile(rb"\xff+([^\x00\xd0-\xd7\xff])", re.DOTALL)
"""Within compressed data FF is followed by 00, by a restart's number, or it is a marker."""
_BETWEEN_SCANS = frozenset({0xC4, _SOS, 0xDB, 0xDC, 0xDD, 0xFE}) | frozenset(range(0xE0, 0xF0))
"""Segments that may stand between the scans of a progressive picture."""


class JpegEnd:
    """Walks one picture as it comes in.  `data` of every call begins with the picture."""

    def __init__(self) -> None:
        """At its first byte."""
        self._at = 2
        self._in_scan = False
        self.is_lost = False
        """The markers lead nowhere, or the next picture begins: the end has to be found by other
        means, and a decoder will refuse what is there."""
        self.next_start: int | None = None
        """Where another picture begins before this one has ended."""

    def find(self, data: bytes | bytearray) -> int | None:
        """The index behind the end marker; None while it is not there (yet)."""
        while not self.is_lost:
            step = self._scan(data) if self._in_scan else self._segment(data)
            if step is not False:
                return step
        return None

    def _scan(self, data: bytes | bytearray) -> int | bool | None:
        """Up to the next marker; the end, None for more data, False to go on."""
        found = _IN_SCAN.search(data, self._at)
        if found is None:
            # An FF at the very end may be the first half of a marker.
            self._at = max(self._at, len(data) - (1 if data.endswith(b"\xff") else 0))
            return None
        marker = found[1][0]
        if marker == _EOI:
            return found.end()
        if marker == _SOI:
            self.is_lost, self.next_start = True, found.end() - 2
            return False
        self._at = found.end()
        if marker in _BETWEEN_SCANS:
            self._at -= 2
            self._in_scan = False
        return False

    def _segment(self, data: bytes | bytearray) -> int | bool | None:
        at = self._at
        while data[at : at + 2] == b"\xff\xff":
            at += 1
        if len(data) < at + 2:
            return None
        marker = data[at + 1]
        if marker == _EOI and data[at] == _MARK:
            return at + 2
        length = 0
        if marker not in _ALONE:
            if len(data) < at + 4:
                return None
            length = int.from_bytes(data[at + 2 : at + 4], "big")
        if data[at] != _MARK or marker in (0x00, _SOI) or (length < 2 and marker not in _ALONE):
            self.is_lost = True
        elif len(data) < at + 2 + length:
            return None
        else:
            self._at = at + 2 + length
            self._in_scan = marker == _SOS
        return False
