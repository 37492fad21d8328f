"""A JPEG's own structure: its segments, its scans, and whether the scans are all there.  Pure.

libjpeg decodes whatever scans there are and says nothing of those that are missing: a progressive
picture cut between two scans is a blurred one, a component without a scan is grey.  The scans'
headers tell: each component must have been sent, from its mean to its finest detail, to the last
bit.
"""

from __future__ import annotations

import functools
import struct
from dataclasses import replace

from edge_runtime.files.pictures.damaged import Damaged
from edge_runtime.files.pictures.jpeg_parts import (
    ARITHMETIC,
    PROGRESSIVE,
    Component,
    Scan,
    ScanPart,
    Structure,
)
from edge_runtime.files.pictures.jpeg_tables import STANDARD, read_tables

SIGNATURE = b"\xff\xd8\xff"
MAX_SCANS = 300
"""A progressive picture has about ten; each one costs a pass over all of it."""

MAX_KNOWN_BYTES = 4096
"""Longer headers are not kept."""

_START, _END, _SCAN = 0xD8, 0xD9, 0xDA
_HUFFMAN, _QUANTISATION, _RESTARTS, _APP1 = 0xC4, 0xDB, 0xDD, 0xE1
# Start-of-frame markers; C4, C8 and CC in their midst are tables.
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_DECODED = frozenset({0xC0, 0xC1}) | PROGRESSIVE | ARITHMETIC
_ALONE = frozenset(range(0xD0, 0xD8)) | {0x01}
# What may follow 0xFF within a scan's data: stuffing, a fill byte, a restart.
_WITHIN_DATA = frozenset({0x00, 0xFF, *range(0xD0, 0xD8)})
_EXIF = b"Exif\0\0"
_COEFFICIENTS = 64


def read_structure(data: bytes) -> Structure:
    """Walk the first picture in `data`, up to its end marker.

    Raises `Damaged` for one that is cut short, has no frame or no scan, lacks a scan, or is of a
    kind that no decoder here reads.  What stands behind the end marker is nobody's business.
    """
    try:
        return _known(data) or _Walk(data).whole()
    except (struct.error, IndexError) as exc:
        raise Damaged("the JPEG picture is cut short") from exc


def _known(data: bytes) -> Structure | None:
    """For one scan behind a header that was seen before, as a camera's pictures have."""
    at = len(SIGNATURE) - 1
    try:
        while data[at] == 0xFF and data[at + 1] != _SCAN:
            at += 2 + (data[at + 2] << 8 | data[at + 3])
        begin = at + 2 + (data[at + 2] << 8 | data[at + 3])
    except IndexError:
        return None
    if data[at] != 0xFF or begin > MAX_KNOWN_BYTES:
        return None
    known = _one_scan(data[:begin])
    if known is None:
        return None
    end = _data_end(data, begin)
    if data[end + 1] != _END:
        return None
    return replace(known, scans=[replace(known.scans[0], end=end)])


@functools.lru_cache(maxsize=16)
def _one_scan(header: bytes) -> Structure | None:
    """What `header` says, if all of the picture is in the scan that follows it."""
    try:
        found = _Walk(header + bytes((0xFF, _END))).whole()
    except (Damaged, struct.error, IndexError):
        return None  # walking the whole picture tells why
    return found if len(found.scans) == 1 else None


def _data_end(data: bytes, begin: int) -> int:
    """Where the marker stands that ends the scan's data."""
    at = data.find(0xFF, begin)
    while at >= 0 and data[at + 1] in _WITHIN_DATA:
        at = data.find(0xFF, at + 1)
    if at < 0:
        raise Damaged("the JPEG picture is cut short")
    return at


class _Walk:
    def __init__(self, data: bytes) -> None:
        self._data = data
        self._found = Structure()
        self._tables = dict(STANDARD)
        self._steps: dict[int, int] = {}
        self._left: dict[int, list[int]] = {}
        """By component: how many bits of each coefficient are still to come; -1: none was sent."""

    def whole(self) -> Structure:
        at = len(SIGNATURE) - 1
        while True:
            at, marker = self._marker(at)
            if marker == _END:
                break
            if marker == _START:
                raise Damaged("the JPEG picture is cut short: another one begins in its midst")
            if marker in _ALONE:
                continue
            (length,) = struct.unpack_from(">H", self._data, at)
            body = self._data[at + 2 : at + length]
            if length < 2 or len(body) != length - 2:
                raise Damaged("the JPEG picture is cut short")
            if marker == _SCAN:
                at = self._scan(body, at + length)
                continue
            self._segment(marker, body, at + 2)
            at += length
        if not self._found.kind:
            raise Damaged("the JPEG picture is damaged: no frame header")
        self._check_complete()
        return self._found

    def _marker(self, at: int) -> tuple[int, int]:
        """(behind the marker at `at`, which)."""
        data = self._data
        if data[at] != 0xFF:
            raise Damaged("the JPEG picture is damaged: a marker is missing")
        while data[at] == 0xFF:  # fill bytes
            at += 1
        return at + 1, data[at]

    def _segment(self, marker: int, body: bytes, at: int) -> None:
        if marker in _FRAMES:
            self._frame(marker, body, at)
        elif marker == _HUFFMAN:
            self._tables.update(read_tables(body))
        elif marker == _QUANTISATION:
            self._quantisation(body)
        elif marker == _RESTARTS:
            (self._found.interval,) = struct.unpack(">H", body[:2])
        elif marker == _APP1 and body.startswith(_EXIF) and not self._found.exif:
            self._found.exif = body[len(_EXIF) :]

    def _frame(self, marker: int, body: bytes, at: int) -> None:
        if self._found.kind:
            raise Damaged("the JPEG picture is damaged: a second frame header")
        depth, height, width, count = struct.unpack_from(">BHHB", body)
        if marker not in _DECODED:
            raise Damaged("a lossless or hierarchical JPEG picture; these are not read")
        if depth != 8:
            raise Damaged(f"a JPEG picture of {depth} bits; those of 8 bits are read")
        self._found.width, self._found.height, self._found.kind = width, height, marker
        self._found.height_at = at + 1
        for each in range(6, 6 + 3 * count, 3):
            name, sampling, table = body[each], body[each + 1], body[each + 2]
            self._found.components[name] = Component(sampling >> 4, sampling & 15, table)
            self._left[name] = [-1] * _COEFFICIENTS

    def _quantisation(self, body: bytes) -> None:
        at = 0
        while at < len(body):
            is_wide, table = body[at] >> 4, body[at] & 15
            self._steps[table] = (body[at + 1] << 8 | body[at + 2]) if is_wide else body[at + 1]
            at += 129 if is_wide else 65

    def _scan(self, header: bytes, begin: int) -> int:
        """Take the scan whose data begin at `begin`; where they end."""
        if not self._found.kind:
            raise Damaged("the JPEG picture is damaged: no frame header")
        end = _data_end(self._data, begin)
        count = header[0]
        first, last, bits = header[1 + 2 * count], header[2 + 2 * count], header[3 + 2 * count]
        high, low = bits >> 4, bits & 15
        if not self._found.is_progressive:
            first, last, high, low = 0, _COEFFICIENTS - 1, 0, 0
        if not first <= last < _COEFFICIENTS:
            raise Damaged("the JPEG picture is damaged: a scan of coefficients that do not exist")
        parts = []
        for at in range(1, 1 + 2 * count, 2):
            parts.append(self._part(header[at], header[at + 1]))
            self._left[header[at]][first : last + 1] = [low] * (last + 1 - first)
        scan = Scan(tuple(parts), first, last, high, low, begin, end)
        self._found.scans.append(scan)
        if len(self._found.scans) > MAX_SCANS:
            raise Damaged(f"a JPEG picture of more than {MAX_SCANS} scans")
        return end

    def _part(self, name: int, tables: int) -> ScanPart:
        component = self._found.components.get(name)
        if component is None:
            raise Damaged("the JPEG picture is damaged: a scan of a component that is not there")
        return ScanPart(
            component,
            self._tables.get((0, tables >> 4), STANDARD[0, 0]),
            self._tables.get((1, tables & 15), STANDARD[1, 0]),
            self._steps.get(component.quantisation, 1),
        )

    def _check_complete(self) -> None:
        """Every coefficient of every component, to the last bit."""
        if any(any(left) for left in self._left.values()):
            raise Damaged(
                "the JPEG picture is cut short: of its scans only the first "
                f"{len(self._found.scans)} are there"
            )
