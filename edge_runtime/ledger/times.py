"""When an entry really was, by what is known of the clock since.  Pure.

An entry has the wall clock as the box believed it, and the time since that boot, which nobody can
set.  The two run at one pace, so one moment of a boot at which the wall clock was right (an anchor)
puts right every entry of that boot, also those from before.  Entries are never changed: this is for
whoever lists them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from edge_runtime.types import Stamp

_NS: Final = 10**9
EARLIEST_NS: Final = 1_672_531_200 * _NS
"""2023: this program is not older."""
LATEST_NS: Final = 4_102_444_800 * _NS
"""2100."""
SAME_NS: Final = _NS
"""A clock that is slewed is never so far off; one that was set is."""
PROVEN: Final = ("ntp", "collector")
"""Origins of anchors at which somebody else told the time."""
_MOST_BOOTS: Final = 200


@dataclass(frozen=True, slots=True)
class Anchor:
    """At this moment of a boot the wall clock said this."""

    boot_id: str
    boottime_ns: int
    wall_ns: int
    origin: str
    """``start``, ``set``, ``ntp``, ``collector``."""


@dataclass(frozen=True, slots=True)
class Moment:
    """When something was."""

    wall_ns: int
    """UTC, ns since 1970, as far as is known now."""
    is_trusted: bool
    is_corrected: bool = False
    """The entry itself has another time."""


@dataclass(frozen=True, slots=True)
class Since:
    """Which entries are not older than a time."""

    wall_ns: int
    """Of all other boots: by the time in the entry."""
    boottimes_ns: tuple[tuple[str, int], ...]
    """(boot, its entries from here on), where the clock was set."""
    unknown: tuple[str, ...]
    """Boots whose time nobody knows, and that may have been since."""


class Times:
    """What is known of the clock.  Immutable."""

    def __init__(self, anchors: Sequence[Anchor]) -> None:
        """`anchors` in the order in which they were written."""
        self._offsets: dict[str, int] = {}
        self._set: set[str] = set()
        self._ended_ns: dict[str, int] = {}
        """Boot whose time is not known -> the first known time behind it."""
        by_boot: dict[str, list[Anchor]] = {}
        for anchor in anchors:
            by_boot.setdefault(anchor.boot_id, []).append(anchor)
        for boot, own in by_boot.items():
            known = [anchor for anchor in own if is_plausible(anchor.wall_ns)]
            proven = [anchor for anchor in known if anchor.origin in PROVEN]
            if known:
                last = (proven or known)[-1]
                offset = self._offsets[boot] = last.wall_ns - last.boottime_ns
                if any(abs(a.wall_ns - a.boottime_ns - offset) > SAME_NS for a in own):
                    self._set.add(boot)
        known_ns: int | None = None
        for anchor in reversed(anchors):
            if anchor.boot_id in self._offsets:
                known_ns = anchor.boottime_ns + self._offsets[anchor.boot_id]
            elif known_ns is not None:
                self._ended_ns[anchor.boot_id] = known_ns
        self._unknown = tuple(boot for boot in by_boot if boot not in self._offsets)

    def of(self, stamp: Stamp) -> Moment:
        """When that was."""
        offset = self._offsets.get(stamp.boot_id)
        if offset is None:
            return Moment(stamp.wall_ns, is_plausible(stamp.wall_ns))
        corrected = stamp.boottime_ns + offset
        if abs(corrected - stamp.wall_ns) <= SAME_NS:
            return Moment(stamp.wall_ns, is_trusted=True)
        return Moment(corrected, is_trusted=True, is_corrected=True)

    def since(self, wall_ns: int) -> Since:
        """Entries not older than that; of boots whose time is not known those that may be."""
        set_ = [
            (boot, wall_ns - self._offsets[boot]) for boot in self._offsets if boot in self._set
        ]
        unknown = [boot for boot in self._unknown if self._ended_ns.get(boot, LATEST_NS) >= wall_ns]
        return Since(wall_ns, tuple(set_[-_MOST_BOOTS:]), tuple(unknown[-_MOST_BOOTS:]))


def since_clause(since: Since, boots: Mapping[str, int]) -> tuple[str, list[int]]:
    """SQL over ``entries`` and its values.  `boots`: id -> number in the table."""
    set_ = [(boots[boot], at) for boot, at in since.boottimes_ns if boot in boots]
    unknown = [boots[boot] for boot in since.unknown if boot in boots]
    if not set_ and not unknown:
        return "wall_ns >= ?", [since.wall_ns]
    others = f"(boot NOT IN ({_marks([*set_, *unknown])}) AND wall_ns >= ?)"
    values = [*(number for number, _ in set_), *unknown, since.wall_ns]
    clauses = [others, *["(boot = ? AND boottime_ns >= ?)"] * len(set_)]
    values += [value for pair in set_ for value in pair]
    if unknown:
        clauses.append(f"boot IN ({_marks(unknown)})")
        values += unknown
    return f"({' OR '.join(clauses)})", values


def is_plausible(wall_ns: int) -> bool:
    """Whether a clock that is right can say so."""
    return EARLIEST_NS <= wall_ns < LATEST_NS


def _marks(of: Iterable[object]) -> str:
    return ", ".join("?" for _ in of)
