"""A JPEG's own structure: its segments, its scans, and whether the scans are all there.  Pure.

libjpeg decodes whatever scans there are and says nothing of those that are missing: a progressive
picture cut between two scans is a blurred one, a component without a scan is grey.  The scans'
headers tell: each component must have been sent, from its mean to its finest detail, to the last
bit.
"""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass, field

from edge_runtime.files.pictures.damaged import Damaged
from edge_runtime.files.pictures.jpeg_tables import STANDARD, Table, read_tables

SIGNATURE = b"\xff\xd8\xff"
MAX_SCANS = 300
"""A progressive picture has about ten; each one costs a pass over all of it."""

_START, _END, _SCAN = 0xD8, 0xD9, 0xDA
_HUFFMAN, _QUANTISATION, _RESTARTS, _APP1 = 0xC4, 0xDB, 0xDD, 0xE1
# Start-of-frame markers; C4, C8 and CC in their midst are tables.
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_PROGRESSIVE = frozenset({0xC2, 0xCA})
_ARITHMETIC = frozenset({0xC9, 0xCA})
_DECODED = frozenset({0xC0, 0xC1}) | _PROGRESSIVE | _ARITHMETIC
_ALONE = frozenset(range(0xD0, 0xD8)) | {0x01}
# What ends a scan's data: a marker that is no stuffing, no fill byte and no restart.
_BEHIND_DATA = re.compile(rb"\xff[^\x00\xff\xd0-\xd7]")
_EXIF = b"Exif\0\0"
_COEFFICIENTS = 64


@dataclass(frozen=True, slots=True)
class Component:
    """One plane of the picture."""

    across: int
    """Blocks in one MCU."""
    down: int
    quantisation: int
    """Which table."""

    @property
    def blocks(self) -> int:
        """In one MCU of several components."""
        return self.across * self.down


@dataclass(frozen=True, slots=True)
class ScanPart:
    """One component in one scan, and the tables that were there when the scan began."""

    component: Component
    means: Table
    rest: Table
    step: int
    """The quantisation step of the mean."""


@dataclass(frozen=True, slots=True)
class Scan:
    """One scan: which coefficients of which components, to which bit, and where its data are."""

    parts: tuple[ScanPart, ...]
    first: int
    last: int
    high: int
    low: int
    begin: int
    end: int


@dataclass(slots=True)
class Structure:
    """What the segments say."""

    width: int = 0
    height: int = 0
    height_at: int = 0
    """Where the height stands, as two bytes."""
    kind: int = 0
    """The frame's marker; 0 before there is one."""
    restarts: bool = False
    """Whether the data hold restart markers."""
    scans: list[Scan] = field(default_factory=list)
    exif: bytes = b""
    """The first EXIF block, behind its name."""
    components: dict[int, Component] = field(default_factory=dict)

    @property
    def is_progressive(self) -> bool:
        """Whether a coefficient may come in several scans."""
        return self.kind in _PROGRESSIVE

    @property
    def is_arithmetic(self) -> bool:
        """Whether there are no Huffman tables."""
        return self.kind in _ARITHMETIC


def read_structure(data: bytes) -> Structure:
    """Walk the first picture in `data`, up to its end marker.

    Raises `Damaged` for one that is cut short, has no frame or no scan, lacks a scan, or is of a
    kind that no decoder here reads.  What stands behind the end marker is nobody's business.
    """
    try:
        return _Walk(data).whole()
    except (struct.error, IndexError) as exc:
        raise Damaged("the JPEG picture is cut short") from exc


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
            self._tables |= read_tables(body)
        elif marker == _QUANTISATION:
            self._quantisation(body)
        elif marker == _RESTARTS:
            self._found.restarts |= any(body)
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
        behind = _BEHIND_DATA.search(self._data, begin)
        if behind is None:
            raise Damaged("the JPEG picture is cut short")
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
        scan = Scan(tuple(parts), first, last, high, low, begin, behind.start())
        self._found.scans.append(scan)
        if len(self._found.scans) > MAX_SCANS:
            raise Damaged(f"a JPEG picture of more than {MAX_SCANS} scans")
        return behind.start()

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
