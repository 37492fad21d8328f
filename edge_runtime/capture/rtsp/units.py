"""Pictures made of RTP packets: H.264 (RFC 6184) and H.265 (RFC 7798).  Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from edge_runtime.capture.rtsp.packets import Packet

START: Final = b"\0\0\0\1"
UNIT_BYTES_MAX: Final = 64 << 20
"""More than any picture: what grows beyond it is no stream."""

_ALONE_MAX: Final = 16
"""Units that come without a picture (parameter sets) and wait for theirs."""
_SEI: Final = 6
_RECOVERY_POINT: Final = 6


@dataclass(frozen=True, slots=True)
class Syntax:
    """How one codec's NAL units are told apart."""

    header_bytes: int
    aggregate: int
    fragment: int
    pictures: range
    """Types that hold (a slice of) a picture."""
    keys: range
    """Types of pictures that need no other."""
    parameters: range
    delimiter: bytes
    """A unit that ends the picture before it."""

    def kind(self, nal: bytes) -> int:
        """The type in a unit's header."""
        return nal[0] & 31 if self.header_bytes == 1 else nal[0] >> 1 & 63

    def whole(self, begin: bytes, kind: int) -> bytes:
        """The header of a unit that came in fragments; `begin`: the packet's."""
        if self.header_bytes == 1:
            return bytes([begin[0] & 0xE0 | kind])
        return bytes([begin[0] & 0x81 | kind << 1, begin[1]])


SYNTAX: Final = {
    "h264": Syntax(1, 24, 28, range(1, 6), range(5, 6), range(7, 9), START + b"\x09\xf0"),
    "hevc": Syntax(2, 48, 49, range(32), range(16, 24), range(32, 35), START + b"\x46\x01\x50"),
}


@dataclass(frozen=True, slots=True)
class Unit:
    """The packets of one moment: one picture."""

    nals: tuple[bytes, ...]
    timestamp: int
    arrived_ns: int
    """CLOCK_BOOTTIME of its first packet."""
    has_gap: bool
    """Packets before it, or of it, are missing."""
    is_whole: bool
    recovery: int | None
    """0: it needs no other picture.  n: the nth picture after it is right again.  None: neither."""


@dataclass(slots=True)
class _Open:
    timestamp: int
    arrived_ns: int
    has_gap: bool = False
    is_torn: bool = False
    """Something within it is missing."""
    nals: list[bytes] = field(default_factory=list)
    fragment: bytearray | None = None
    size: int = 0


class Units:
    """Packets in order become pictures; what is missing makes one that is not whole."""

    def __init__(self, codec: str) -> None:
        """`codec`: a key of `SYNTAX`."""
        self._syntax = SYNTAX[codec]
        self._open: _Open | None = None
        self._has_markers = False
        self._parameters: list[bytes] = []
        self._key_has: set[int] = set()
        """Types of the parameter sets that come with this camera's key pictures."""
        self._has_gap = False

    def put(self, packet: Packet) -> list[Unit]:
        """The pictures that are complete, or given up, with this packet."""
        done = []
        unit = self._open
        if unit is not None and (packet.timestamp != unit.timestamp or unit.size > UNIT_BYTES_MAX):
            # Its last packet would have closed it, where the camera marks last packets at all.
            unit.is_torn |= self._has_markers or packet.has_gap
            done.append(self._closed(unit))
            unit = None
        if unit is None:
            unit = _Open(packet.timestamp, packet.arrived_ns, packet.has_gap)
        elif packet.has_gap:
            unit.has_gap = unit.is_torn = True
        self._open = unit
        if packet.body:
            self._add(unit, packet.body)
        if packet.is_last:
            self._has_markers = True
            self._open = None
            done.append(self._closed(unit))
        return [each for each in done if each is not None]

    def _add(self, unit: _Open, body: bytes) -> None:
        syntax, head = self._syntax, self._syntax.header_bytes
        unit.size += len(body)
        if len(body) <= head:
            unit.is_torn = True
            return
        kind = syntax.kind(body)
        if kind == syntax.fragment:
            self._add_fragment(unit, body)
            return
        unit.is_torn |= unit.fragment is not None
        unit.fragment = None
        if kind != syntax.aggregate:
            unit.nals.append(body)
            return
        at = head
        while at + 2 <= len(body):
            length = int.from_bytes(body[at : at + 2], "big")
            nal = body[at + 2 : at + 2 + length]
            if len(nal) < length or length <= head:
                unit.is_torn = True
                return
            unit.nals.append(nal)
            at += 2 + length

    def _add_fragment(self, unit: _Open, body: bytes) -> None:
        syntax, head = self._syntax, self._syntax.header_bytes
        told = body[head]
        if told & 0x80:
            unit.is_torn |= unit.fragment is not None
            kind = told & (31 if head == 1 else 63)
            unit.fragment = bytearray(syntax.whole(body, kind))
        if unit.fragment is None:
            unit.is_torn = True  # its beginning is missing
            return
        unit.fragment += body[head + 1 :]
        if told & 0x40:
            unit.nals.append(bytes(unit.fragment))
            unit.fragment = None

    def _closed(self, unit: _Open) -> Unit | None:
        """None where no picture is in it, as in parameter sets that come alone."""
        syntax = self._syntax
        kinds = [syntax.kind(nal) for nal in unit.nals]
        slices = [
            nal for nal, kind in zip(unit.nals, kinds, strict=True) if kind in syntax.pictures
        ]
        is_torn = unit.is_torn or unit.fragment is not None
        if not slices and not is_torn:
            self._parameters = (self._parameters + unit.nals)[-_ALONE_MAX:]
            self._has_gap |= unit.has_gap
            return None
        nals, self._parameters = (*self._parameters, *unit.nals), []
        has_gap, self._has_gap = self._has_gap or unit.has_gap, False
        # The first slice begins at the first block: this bit is set.  After a gap it may be lost.
        begins = bool(slices) and bool(slices[0][syntax.header_bytes] & 0x80)
        recovery = _recovery(syntax, unit.nals)
        is_whole = begins and not is_torn
        if recovery is not None and is_whole:
            is_whole = self._has_its_parameters(nals, has_gap=has_gap)
        return Unit(nals, unit.timestamp, unit.arrived_ns, has_gap, is_whole, recovery)

    def _has_its_parameters(self, nals: tuple[bytes, ...], *, has_gap: bool) -> bool:
        """Whether a key picture has the parameter sets that this camera sends with one.

        They may be what was lost in a gap before it, and new ones at that.
        """
        has = {self._syntax.kind(nal) for nal in nals} & set(self._syntax.parameters)
        if has_gap:
            return has >= self._key_has
        self._key_has = has
        return True


def _recovery(syntax: Syntax, nals: list[bytes]) -> int | None:
    """After how many pictures all is right, whatever was before these units."""
    if any(syntax.kind(nal) in syntax.keys for nal in nals):
        return 0
    if syntax.header_bytes != 1:
        return None
    points = [_recovery_point(nal) for nal in nals if syntax.kind(nal) == _SEI]
    return next((point for point in points if point is not None), None)


def _recovery_point(nal: bytes) -> int | None:
    """The number in H.264's recovery point message, of cameras that send no IDR pictures."""
    at = 1
    while at + 2 < len(nal):
        kind, at = _ff_number(nal, at)
        size, at = _ff_number(nal, at)
        if kind == _RECOVERY_POINT and at < len(nal):
            bits = "".join(f"{byte:08b}" for byte in nal[at : at + 4])
            zeros = len(bits) - len(bits.lstrip("0"))
            code = bits[zeros : 2 * zeros + 1]
            return int(code, 2) - 1 if len(code) == zeros + 1 else None
        at += size
    return None


def _ff_number(nal: bytes, at: int) -> tuple[int, int]:
    """A number of an SEI message, and where the next begins."""
    number = 0
    while at < len(nal) and nal[at] == 0xFF:
        number, at = number + 255, at + 1
    return number + (nal[at] if at < len(nal) else 0), at + 1
