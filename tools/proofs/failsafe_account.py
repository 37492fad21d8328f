"""What became of each part: did it pass the gate, was it judged, who tells of it.  Pure.

A part passes *wrongly* when it is bad, or when nobody judged it: it has no row that lets it pass
and no tombstone counts it among those that were acted upon and could not be stored.  A part is
*accounted for* by a row, by the count of a tombstone or of missed triggers, or because it was
triggered while the station was known to be down (no supervisor, no field process, no PLC).
"""

from __future__ import annotations

import bisect
import statistics
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from edge_runtime.clock import NS_PER_S
from tools.proofs.failsafe_line import (
    FOR_EVER_NS,
    SAFE_COIL,
    Line,
    Written,
    held_spans,
    is_in,
    on_spans,
    passed,
    silent_spans,
    united,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from tools.proofs.failsafe_faults import Injected

GOOD_KINDS = ("pass", "review")


@dataclass(slots=True)
class Row:
    """One fault, all its injections."""

    name: str
    n: int = 0
    wrong_bad: int = 0
    wrong_unjudged: int = 0
    without_row: int = 0
    safe_s: list[float] = field(default_factory=list)
    """From the injection to the safe coil, or to the rungs where these were first."""
    limit_s: float | None = None
    late: int = 0
    """Injections of which the safe coil was later than promised."""
    not_well: int = 0
    """Injections after which the station did not come back by itself."""

    @property
    def p50_s(self) -> float | None:
        return statistics.median(self.safe_s) if self.safe_s else None

    @property
    def max_s(self) -> float | None:
        return max(self.safe_s, default=None)


@dataclass(slots=True)
class Account:
    """The whole run."""

    parts: int = 0
    bad: int = 0
    passed: int = 0
    rows: int = 0
    twice: int = 0
    told_lost: int = 0
    """By tombstones: acted upon, and not stored."""
    told_missed: int = 0
    """Triggers that were counted as not taken, and gaps of restarts."""
    while_down: int = 0
    unaccounted: int = 0
    wrong_bad: int = 0
    wrong_unjudged: int = 0
    good_rejected: int = 0
    bad_without_off_delay: int = 0
    """Bad parts that would pass a gate that opens as soon as the station lets go of it."""
    faults: dict[str, Row] = field(default_factory=dict)

    @property
    def is_well(self) -> bool:
        faults = self.faults.values()
        return not (
            self.wrong_bad
            or self.wrong_unjudged
            or self.unaccounted
            or any(row.late or row.not_well for row in faults)
        )


@dataclass(frozen=True, slots=True)
class Told:
    """What the station says, by its ledger and its counters."""

    verdicts: Mapping[int, Sequence[str]]
    """Part -> kinds of its rows."""
    acted_unstored: int
    """Sum of the tombstones `lane_crash` and `store_full`."""
    gaps: int
    """Sum of those of `restart_gap`, `capture_gap` and `bad_item`."""
    missed: int
    down: Sequence[tuple[int, int]]


def account(
    written: Written,
    line: Line,
    begin_ns: int,
    injected: Sequence[Injected],
    told: Told,
    is_bad: Callable[[int], bool],
    slack_s: float,
) -> Account:
    """Everything, once it has ended.  `slack_s` is allowed on top of each promised time."""
    found = Account(parts=len(written.parts), told_lost=told.acted_unstored)
    found.told_missed = told.missed + told.gaps
    for one in injected:
        row = found.faults.setdefault(one.fault.name, Row(one.fault.name))
        row.n += 1
        row.limit_s = one.fault.limit_s(line)
        row.not_well += not one.until_ns
    _times(found, written, line, begin_ns, injected, slack_s)
    _parts(found, written, line, begin_ns, injected, told, is_bad)
    return found


def _times(
    found: Account,
    written: Written,
    line: Line,
    begin_ns: int,
    injected: Sequence[Injected],
    slack_s: float,
) -> None:
    safe = united(on_spans(written, SAFE_COIL))
    rungs = united(silent_spans(written, line, begin_ns) + written.dead)
    either = held_spans(written, line, begin_ns)
    for one in injected:
        row = found.faults[one.fault.name]
        spans = safe if row.limit_s is not None else either
        at_ns = _first(spans, one.at_ns)
        end_ns = one.until_ns or FOR_EVER_NS
        if at_ns > end_ns:
            row.late += row.limit_s is not None and not is_in(rungs, one.at_ns)
            continue
        taken_s = (at_ns - one.at_ns) / NS_PER_S
        row.safe_s.append(taken_s)
        row.late += row.limit_s is not None and taken_s > row.limit_s + slack_s


def _fault_of(
    found: Account, injected: Sequence[Injected], starts: Sequence[int], at_ns: int, gate_ns: int
) -> Row:
    """The one that lasted when the part was before the camera, else the last before its gate."""
    place = bisect.bisect_right(starts, at_ns) - 1
    if place < 0 or (injected[place].until_ns or FOR_EVER_NS) < at_ns:
        place = bisect.bisect_right(starts, gate_ns) - 1
    return found.faults[injected[place].fault.name] if place >= 0 else Row("before any")


def _first(spans: Sequence[tuple[int, int]], at_ns: int) -> int:
    """The first moment from `at_ns` on that lies in a span."""
    for since, until in spans:
        if until > at_ns:
            return max(since, at_ns)
    return FOR_EVER_NS


def _parts(
    found: Account,
    written: Written,
    line: Line,
    begin_ns: int,
    injected: Sequence[Injected],
    told: Told,
    is_bad: Callable[[int], bool],
) -> None:
    through = passed(written, line, begin_ns)
    found.passed = len(through)
    at_once = passed(written, line, begin_ns, has_off_delay=False)
    found.bad_without_off_delay = sum(is_bad(number) for number in at_once)
    starts = [one.at_ns for one in injected]
    down = united(told.down)
    unjudged: list[int] = []
    missing = 0
    for number, at_ns in written.parts.items():
        row = _fault_of(found, injected, starts, at_ns, at_ns + line.way_ns)
        kinds = told.verdicts.get(number, ())
        found.bad += is_bad(number)
        found.rows += bool(kinds)
        found.twice += len(kinds) > 1
        if not kinds:
            row.without_row += 1
            found.while_down += is_in(down, at_ns)
            missing += not is_in(down, at_ns)
        if number not in through:
            found.good_rejected += not is_bad(number)
        elif is_bad(number):
            found.wrong_bad += 1
            row.wrong_bad += 1
        elif not any(kind in GOOD_KINDS for kind in kinds):
            unjudged.append(number)
            row.wrong_unjudged += 1
    with_row = sum(bool(told.verdicts.get(number)) for number in unjudged)
    found.wrong_unjudged = with_row + max(0, len(unjudged) - with_row - told.acted_unstored)
    found.unaccounted = max(0, missing - told.acted_unstored - told.gaps - told.missed)
