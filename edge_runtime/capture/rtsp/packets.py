"""RTP packets in their order, and which are missing.  Pure.

A packet that is late is waited for while `depth` others come, and for `LATE_NS` at most: of a slow
camera few others come.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Final

from edge_runtime.clock import NS_PER_MS

LATE_NS: Final = 100 * NS_PER_MS
_HALF, _WHOLE = 1 << 15, 1 << 16
_RESTART = 3000
"""A number further on than this is no loss: the sender has begun anew (RFC 3550, A.1)."""


@dataclass(frozen=True, slots=True)
class Packet:
    """One RTP packet."""

    payload: int
    seq: int
    timestamp: int
    is_last: bool
    """The marker: the last packet of its picture."""
    body: bytes
    arrived_ns: int
    """CLOCK_BOOTTIME."""
    ssrc: int = 0
    has_gap: bool = False
    """Packets are missing before this one."""


def parsed(data: bytes, arrived_ns: int) -> Packet | None:
    """None for what is no RTP packet."""
    if len(data) < 12 or data[0] >> 6 != 2:
        return None
    first, second, seq, timestamp, ssrc = struct.unpack_from(">BBHII", data)
    begin, end = 12 + 4 * (first & 15), len(data)
    if first & 0x10:
        if len(data) < begin + 4:
            return None
        begin += 4 + 4 * int.from_bytes(data[begin + 2 : begin + 4], "big")
    if first & 0x20:
        end -= data[-1]
    if begin > end:
        return None
    body = data[begin:end]
    return Packet(second & 127, seq, timestamp, bool(second & 128), body, arrived_ns, ssrc)


def sender_report(data: bytes) -> int | None:
    """The RTP time that an RTCP packet says it is now; None where it says none."""
    if len(data) < 20 or data[0] >> 6 != 2 or data[1] != 200:
        return None
    seconds, _, timestamp = struct.unpack_from(">III", data, 8)
    return timestamp if seconds else None


class Order:
    """Gives packets by their numbers; waits `depth` packets for one that is late.

    Over TCP nothing comes out of order, and `depth` is 0.
    """

    def __init__(self, depth: int) -> None:
        """`depth`: so many packets are held back at most."""
        self._depth = depth
        self._next: int | None = None
        self._held: dict[int, Packet] = {}
        self._ssrc: int | None = None
        self._first = 0
        self._is_early = False
        self.lost = 0
        """Packets that never came."""

    def put(self, packet: Packet) -> list[Packet]:
        """What is next by now, `has_gap` set behind what never came."""
        if self._next is None or packet.ssrc != self._ssrc:
            is_first = self._next is None
            self._begin(packet)
            return [packet if is_first else _behind_gap(packet)]
        ahead = (packet.seq - self._next) % _WHOLE
        if ahead >= _HALF:  # it came too late, or twice
            if _WHOLE - ahead <= _RESTART:
                # One from before the very first: the beginning is missing.
                self._is_early |= 0 < (self._first - packet.seq) % _WHOLE <= self._depth
                return []
            self._begin(packet)
            return [_behind_gap(packet)]
        if ahead > _RESTART:
            self._begin(packet)
            return [_behind_gap(packet)]
        self._held[packet.seq] = packet
        ready = self._in_order()
        while len(self._held) > self._depth:
            ready += self._over_gap()
        return ready

    @property
    def due_ns(self) -> int | None:
        """CLOCK_BOOTTIME from which what is missing is waited for no longer; None: nothing is."""
        if not self._held:
            return None
        return min(packet.arrived_ns for packet in self._held.values()) + LATE_NS

    def late(self, now_ns: int) -> list[Packet]:
        """What is next without that which did not come in time."""
        ready = []
        while (due_ns := self.due_ns) is not None and now_ns >= due_ns:
            ready += self._over_gap()
        return ready

    def _begin(self, packet: Packet) -> None:
        self._held.clear()
        self._first = packet.seq
        self._next = (packet.seq + 1) % _WHOLE
        self._ssrc = packet.ssrc

    def _in_order(self) -> list[Packet]:
        ready = []
        while self._next in self._held:
            packet = self._held.pop(self._next)
            ready.append(_behind_gap(packet) if self._is_early else packet)
            self._is_early = False
            self._next = (self._next + 1) % _WHOLE
        return ready

    def _over_gap(self) -> list[Packet]:
        assert self._next is not None
        start = self._next
        missing, first = min(((seq - start) % _WHOLE, seq) for seq in self._held)
        self.lost += missing
        behind = self._held.pop(first)
        self._next = (first + 1) % _WHOLE
        return [_behind_gap(behind), *self._in_order()]


def _behind_gap(packet: Packet) -> Packet:
    return Packet(
        packet.payload,
        packet.seq,
        packet.timestamp,
        packet.is_last,
        packet.body,
        packet.arrived_ns,
        packet.ssrc,
        has_gap=True,
    )
