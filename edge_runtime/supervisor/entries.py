"""What goes into the ledger's sequence, from whoever; counted, and shown to followers."""

from __future__ import annotations

import logging
from collections import Counter
from typing import TYPE_CHECKING, Any

from edge_runtime.codes import ENTRY_REFUSED
from edge_runtime.ledger import ops
from edge_runtime.supervisor.feed import feed_entry
from edge_runtime.types import Addition, Event, Result, Tombstone, TombstoneReason

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from edge_runtime.clock import Clock
    from edge_runtime.errors import RequestRefused
    from edge_runtime.supervisor.bridge import Bridge
    from edge_runtime.supervisor.feed import Feed
    from edge_runtime.types import EntryBody

log = logging.getLogger(__name__)

DETAIL = 1000
STATION = "station"
"""The owner of what is no lane's."""


class Entries:
    """Loop only.

    An entry that the ledger refuses for good is named by a tombstone in its place: one row that
    cannot be written ends neither the lane nor the daemon.
    """

    def __init__(self, bridge: Bridge, feed: Feed, *, clock: Clock) -> None:
        """Nothing is stored yet."""
        self.on_stored: Callable[[], None] = _nobody
        """Called for each entry, so that sync may look."""
        self.verdicts: dict[str, Counter[str]] = {}
        """Stored by this run: lane -> verdict -> number."""
        self.tombstones: dict[str, Counter[str]] = {}
        self.last: dict[str, Result] = {}
        self._bridge = bridge
        self._feed = feed
        self._clock = clock

    def put(
        self, owner: str, body: EntryBody, done: Callable[[int], None], *, once: str = ""
    ) -> None:
        """`done` is told the entry's `seq`; 0: refused for good, or its `once` was there."""

        def stored(seq: int) -> None:
            if seq:
                self._tell(seq, body)
            done(seq)

        def refused(error: RequestRefused) -> None:
            self._bury(owner, body, str(error))
            done(0)

        self._bridge.submit(owner, _operation(body, once), stored, refused=refused)

    def put_together(
        self, owner: str, results: Sequence[Result], done: Callable[[list[int]], None]
    ) -> None:
        """One transaction, all or none."""

        def stored(seqs: Sequence[int]) -> None:
            for seq, result in zip(seqs, results, strict=True):
                self._tell(seq, result)
            done(list(seqs))

        def refused(error: RequestRefused) -> None:
            for result in results:
                self._bury(owner, result, str(error))
            done([0] * len(results))

        self._bridge.submit(
            owner, ops.PutResults(tuple(results)), stored, rows=len(results), refused=refused
        )

    def note(
        self, code: str, text: str, *, lane: str = "", output: str = "", is_told: bool = False
    ) -> None:
        """Something happened: into the log and the ledger.

        `is_told`: into the ledger alone; somebody else says it to those who look.
        """
        if not is_told:
            log.warning("event code=%s lane=%s text=%s", code, lane or "-", text)
        event = Event(
            code=code, at=self._clock.stamp(), text=printable(text), lane=lane, output=output
        )
        self.put(lane or STATION, event, _nothing)

    def _tell(self, seq: int, body: EntryBody) -> None:
        if isinstance(body, Result):
            self.last[body.lane] = body
            self.verdicts.setdefault(body.lane, Counter())[body.verdict.kind.value] += 1
        elif isinstance(body, Tombstone):
            self.tombstones.setdefault(body.lane, Counter())[body.reason.value] += 1
        self._feed.publish(feed_entry(seq, body))
        self.on_stored()

    def _bury(self, owner: str, body: EntryBody, why: str) -> None:
        """Say in the sequence that something is not there.

        Of what was refused only its name is taken over: anything else may be why.
        """
        log.error("entry_refused code=%s owner=%s error=%s", ENTRY_REFUSED, owner, why)
        item, now = None, self._clock.stamp()
        match body:
            case Result():
                what, item = "a result", body.item
            case Addition():
                what = f"what came later about seq {body.about}"
            case Event():
                what = f"an event {body.code}"
            case Tombstone():
                what, item = f"a tombstone {body.reason.value}", body.item
        tombstone = Tombstone(
            lane=owner,
            reason=TombstoneReason.BAD_ITEM,
            first=now,
            last=now,
            count=1 if isinstance(body, Result) else 0,
            detail=printable(f"the ledger cannot take {what}: {why}")[:DETAIL],
            item=None if item is None else printable(item)[:DETAIL],
        )
        self._bridge.submit(
            owner, ops.PutTombstone(tombstone), lambda seq: self._tell(seq, tombstone)
        )


def printable(text: str) -> str:
    """The text where every name that is no UTF-8 can be stored and said."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def _operation(body: EntryBody, once: str) -> ops.Op:
    match body:
        case Result():
            return ops.PutResult(body)
        case Tombstone():
            return ops.PutTombstone(body, once)
        case Addition():
            return ops.PutAddition(body)
    return ops.PutEvent(body)


def _nothing(_: Any) -> None:  # noqa: ANN401
    """Nobody waits for it."""


def _nobody() -> None:
    """Without [sync] nobody is woken."""
