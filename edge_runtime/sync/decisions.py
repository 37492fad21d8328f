"""What a hello and a receipt mean for the ledger.  Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from edge_runtime.errors import ProtocolError
from edge_runtime.intervals import IntervalSet
from edge_runtime.wire.conversation import EPOCH_CONFLICT, MAX_RANGES, Greeting

if TYPE_CHECKING:
    from collections.abc import Iterable

    from edge_runtime.ledger.queries import EpochSpan, SyncState
    from edge_runtime.sync.batch import Batch
    from edge_runtime.wire.conversation import Ranges, Receipt, Welcome


@dataclass(frozen=True, slots=True)
class Standing:
    """How the ledger and the collector stand to each other in one epoch."""

    rewind_through: int | None
    """The collector lost what lies above this (a restored backup)."""
    forked: bool
    """The collector has more than this ledger ever wrote (an old disk image)."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one batch."""

    acked: IntervalSet
    refused: tuple[tuple[int, str, str], ...]
    """(seq, code, detail)."""
    conflict: str | None
    """Why the epoch must be rotated, if it must: all before the conflict is settled."""
    media_stored: tuple[str, ...]


def greeting_of(
    span: EpochSpan,
    state: SyncState,
    *,
    device: str,
    min_seq: int,
    software: str,
    boot_id: str,
    wall_ns: int,
) -> Greeting:
    """What to say of one epoch."""
    acked = clipped(state.acked, span.first, span.last)
    settled = clipped(state.settled, span.first, span.last)
    kept_back = [part for gap in _gaps(acked, span) for part in clipped(settled, *gap).ranges]
    unsent = sum(last - first + 1 for first, last in _gaps(settled, span))
    return Greeting(
        device=device,
        epoch=span.epoch,
        first_seq=span.first,
        min_retained_seq=min_seq,
        max_seq=max(span.last, 0) if span.last >= span.first else 0,
        acked=acked.ranges[:MAX_RANGES],
        quarantined=tuple(kept_back[:MAX_RANGES]),
        software=software,
        boot_id=boot_id,
        wall_ns=wall_ns,
        unsent=unsent,
    )


def standing(
    welcome: Welcome, span: EpochSpan, acked: IntervalSet, *, min_seq: int, is_current: bool
) -> Standing:
    """Compare what the collector has with what it once acknowledged.

    Only rows that the ledger still holds count: nothing else could be sent again.
    """
    theirs = ranges_of(welcome.ranges)
    top = span.last
    if welcome.more:
        top = min(top, theirs.ranges[-1][1] if theirs.ranges else 0)
    mine = clipped(acked, max(span.first, min_seq), top)
    lost = next((gap for part in mine.ranges for gap in theirs.missing(*part)), None)
    return Standing(
        rewind_through=None if lost is None else lost[0] - 1,
        forked=is_current and welcome.max_seq > max(span.last, 0),
    )


def outcome(batch: Batch, receipt: Receipt) -> Outcome:
    """What a receipt says of the events in `batch`; what it says of others does not count.

    Raises `ProtocolError` when it says nothing: sending the same again at once would not help.
    """
    sent = IntervalSet.of((seq, seq) for seq in batch.seqs)
    claimed = ranges_of(receipt.acked)
    acked = IntervalSet.of(part for own in sent.ranges for part in clipped(claimed, *own).ranges)
    refused: list[tuple[int, str, str]] = []
    conflicting: list[int] = []
    for reject in receipt.rejected:
        if not 0 <= reject.index < len(batch.seqs) or batch.seqs[reject.index] in acked:
            continue
        seq = batch.seqs[reject.index]
        if reject.code == EPOCH_CONFLICT:
            conflicting.append(seq)
        else:
            refused.append((seq, reject.code[:64], reject.detail[:300]))
    conflict = _conflict(batch, min(conflicting, default=None), acked, refused)
    if not acked.ranges and not refused and conflict is None:
        raise ProtocolError("events: the collector neither acknowledged nor refused anything")
    stored = tuple(sha for sha in receipt.media_stored if sha in batch.media)
    return Outcome(acked, tuple(refused), conflict, stored)


def ranges_of(ranges: Ranges) -> IntervalSet:
    """Ranges as the far side wrote them.  Raises `ProtocolError`."""
    try:
        return IntervalSet.of(ranges)
    except ValueError as exc:
        raise ProtocolError(f"ranges: {exc}") from exc


def clipped(numbers: IntervalSet, first: int, last: int) -> IntervalSet:
    """The part of `numbers` within ``first..last``."""
    if first > last:
        return IntervalSet()
    cut = ((max(a, first), min(b, last)) for a, b in numbers.ranges if b >= first and a <= last)
    return IntervalSet(tuple(cut))


def _conflict(
    batch: Batch, seq: int | None, acked: IntervalSet, refused: list[tuple[int, str, str]]
) -> str | None:
    """Why to rotate; None while there are rows before `seq` that nothing was said of.

    They may be at the collector under this epoch, and must not go there under another.
    """
    if seq is None:
        return None
    known = acked.union(IntervalSet.of((number, number) for number, _, _ in refused))
    if any(number not in known for number in batch.seqs if number < seq):
        return None
    return f"the collector has other content under seq {seq}"


def _gaps(numbers: IntervalSet, span: EpochSpan) -> Iterable[tuple[int, int]]:
    return numbers.missing(span.first, span.last)
