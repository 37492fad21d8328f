"""What a dead lane leaves: what is lost as a number, and which item to bury.  Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from edge_runtime import codes
from edge_runtime.clock import NS_PER_S
from edge_runtime.supervisor.entries import printable
from edge_runtime.supervisor.states import ChildState
from edge_runtime.types import Stamp, Tombstone, TombstoneReason

if TYPE_CHECKING:
    from edge_runtime.link.in_hand import InHand
    from edge_runtime.supervisor.memory import Blindness, Unfinished
    from edge_runtime.supervisor.states import Exit


@dataclass(frozen=True, slots=True, kw_only=True)
class Death:
    """How a lane's process ended out of order."""

    lane: str
    reason: str
    alive_at: Stamp
    """It was heard of last."""
    now: Stamp
    page: InHand | None
    received: int = 0
    """Rows of this life that reached the supervisor."""
    goes_on_behind: str | None = None
    """A replay repeats what was not handed over."""
    is_replay: bool = False


def crash_tombstone(death: Death) -> Tombstone:
    """For what the process had in hand.

    A replay does it again, so nothing is lost.  Live: the parts that were acted upon and whose row
    never came here, exactly; where there is no page, nobody can know.
    """
    page = death.page
    first = death.alive_at
    lost = None if page is None else page.lost((page.base or 0) + page.carried + death.received)
    if page is not None and page.last_wall_ns and lost:
        first = min(
            first, Stamp(page.last_wall_ns, page.last_boottime_ns, death.now.boot_id),
            key=lambda stamp: stamp.boottime_ns,
        )  # fmt: skip
    told = [printable(death.reason)]
    if death.is_replay:
        count: int | None = 0
        if death.goes_on_behind is not None:
            told.append(f"goes on behind {death.goes_on_behind}")
    else:
        count = lost
        if count:
            told.append(f"{count} parts were acted upon and are not recorded")
    in_hand = sorted(set(page.items.values())) if page is not None else []
    if in_hand:
        told.append("in hand: " + ", ".join(printable(item) for item in in_hand))
    return Tombstone(
        lane=death.lane,
        reason=TombstoneReason.LANE_CRASH,
        first=first,
        last=death.now,
        count=count,
        detail="; ".join(told)[:1000],
    )


def undecided_tombstone(
    lane: str, page: InHand, first: Stamp, last: Stamp, *, is_replay: bool
) -> Tombstone | None:
    """For parts that had begun and were not decided; None without any.  A replay repeats them.

    Nothing was done about them: the outputs were held, because the lane was gone.
    """
    if is_replay or not page.open:
        return None
    return Tombstone(
        lane=lane,
        reason=TombstoneReason.CAPTURE_GAP,
        first=first,
        last=last,
        count=page.open,
        detail="begun, and not decided when the lane's process ended",
    )


def left_by_a_daemon(lane: str, page: InHand, rows: int, now: Stamp) -> Tombstone | None:
    """For what a daemon that was killed, or had no room when it ended, never stored.

    `rows`: how many of this lane the ledger has now; None when nothing is missing.
    """
    lost = page.lost(rows)
    if not lost:
        return None
    last = Stamp(page.last_wall_ns, page.last_boottime_ns, now.boot_id)
    return Tombstone(
        lane=lane,
        reason=TombstoneReason.LANE_CRASH,
        first=last,
        last=last,
        count=lost,
        detail="acted upon; the daemon ended before their rows were stored",
    )


def never_came(lane: str, unfinished: Unfinished) -> Tombstone:
    """For evidence, or an output's answer, that was still to come when the lane died."""
    return Tombstone(
        lane=lane,
        reason=TombstoneReason.LANE_CRASH,
        first=unfinished.captured,
        last=unfinished.captured,
        count=0,
        detail=f"never came of result {unfinished.seq}: {', '.join(unfinished.missing)}",
    )


def blind_until_now(lane: str, blindness: Blindness, now: Stamp) -> Tombstone:
    """For the time without its source, of a lane that died before it could tell the end of it."""
    return Tombstone(
        lane=lane,
        reason=TombstoneReason.SOURCE_GAP,
        first=blindness.first,
        last=now,
        detail=f"{blindness.reason}; the lane's process ended meanwhile and is started now",
    )


def burial(lane: str, item: str, crashes: int, now: Stamp) -> Tombstone:
    """For an item that ended the lane again and again."""
    return Tombstone(
        lane=lane,
        reason=TombstoneReason.BAD_ITEM,
        first=now,
        last=now,
        count=1,
        detail=f"it ended the lane's process {crashes} times",
        item=printable(item),
    )


def gap_tombstone(
    lane: str, since: Stamp, until: Stamp, why: str, rate_hz: float = 0.0
) -> Tombstone:
    """For the time in which a live lane did not look, because it was started anew.

    `rate_hz`: parts a second just before it.  What was missed at that rate is told for people; it
    is no count, because nobody saw them.
    """
    missed = rate_hz * (until.boottime_ns - since.boottime_ns) / NS_PER_S
    about = f"; about {missed:.0f} parts, at {rate_hz:.1f} a second before" if missed >= 1 else ""
    return Tombstone(
        lane=lane, reason=TombstoneReason.RESTART_GAP, first=since, last=until, detail=why + about
    )


def code_of(ended: Exit, state: ChildState, *, is_loop: bool) -> str:
    """``EDGE-…`` of why a lane does not serve; empty while all is in order."""
    if state is ChildState.REFUSED:
        return (ended.failed.code if ended.failed else "") or codes.LANE_REFUSED
    if state is not ChildState.WAITING:
        return ""
    if ended.never_ran:
        return codes.LANE_CANNOT_START
    if is_loop:
        return codes.LANE_CRASH_LOOP
    return codes.LANE_STALLED if ended.stuck else codes.LANE_CRASHED
