"""Sending events, a batch at a time, and what an answer makes of them.

An answer that refuses a whole batch says nothing of the events in it: the batch is halved until the
one is found that cannot pass, and that one is set `aside`.  What is larger than the collector takes
*now* is held, until it says that it takes more.  Owned by the uploader's thread.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from edge_runtime.errors import BatchError, BatchTooLarge, ProtocolError
from edge_runtime.intervals import IntervalSet
from edge_runtime.link.messages import Acked, MediaStored, MediaWanted, Quarantine
from edge_runtime.sync.aside import MAX_ASIDE, Aside, all_but
from edge_runtime.sync.batch import make_batch
from edge_runtime.sync.decisions import outcome
from edge_runtime.wire.conversation import Limits

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from edge_runtime.clock import Clock
    from edge_runtime.ledger.queries import Entry
    from edge_runtime.sync.backlog import Backlog
    from edge_runtime.sync.batch import Batch
    from edge_runtime.sync.decisions import Outcome
    from edge_runtime.sync.pending import Pending
    from edge_runtime.sync.progress import SyncProgress
    from edge_runtime.sync.transport import Transport

log = logging.getLogger(__name__)

READ_BYTES = 8 << 20
"""Of rows, for one batch: what a hundred events of the largest size are."""
MAX_UNEXPLAINED = 10
"""Lone events refused in a row without a reason: then it is not the events."""


class EventSender:
    """Takes the rows that the ledger wants sent to the collector."""

    def __init__(
        self,
        ledger: Backlog,
        transport: Transport,
        *,
        pending: Pending,
        progress: SyncProgress,
        clock: Clock,
        aside: Aside,
        device: str,
        max_batch: int,
        on_taken: Callable[[], None],
    ) -> None:
        """`on_taken` is called after each answer that is a collector's."""
        self._ledger = ledger
        self._transport = transport
        self._pending = pending
        self._progress = progress
        self._clock = clock
        self._aside = aside
        self._device = device
        self._max_batch = max_batch
        self._on_taken = on_taken
        self._owners: dict[str, str] = {}
        self._limits = Limits()
        self._batch_events = max_batch
        self._suspect_through = 0
        """Up to here there is one that a whole batch was refused for."""
        self._held = IntervalSet()
        """Larger than the collector takes now."""
        self._in_doubt = IntervalSet()
        """Sent, and no answer came."""
        self._unexplained = 0
        self.instance = ""
        """Who answered last."""

    @property
    def limits(self) -> Limits:
        """What the collector takes now."""
        return self._limits

    @property
    def are_some_aside(self) -> bool:
        """Whether some wait for another try."""
        return len(self._aside) > 0

    @property
    def are_some_held(self) -> bool:
        """Whether some wait for a larger limit."""
        return bool(self._held.ranges)

    def greeted(self, limits: Limits, *, anew: bool) -> None:
        """What the collector takes now; `anew`: after a failure a batch is as small as it was."""
        if _takes_more(limits, self._limits):
            self._held = IntervalSet()
        self._limits = limits
        self._owners = {span.epoch: span.device or self._device for span in self._ledger.epochs()}
        most = min(self._max_batch, max(1, limits.max_events))
        self._batch_events = most if anew else min(self._batch_events, most)
        self._tell()

    def forget(self) -> None:
        """The rows have other epochs, or count as unsent again: nothing is known of them."""
        self._aside.clear()
        self._held = IntervalSet()
        self._suspect_through = 0
        self._tell()

    def next(self) -> list[Entry]:
        """What is to be sent now: new rows, or some that were set aside and are due."""
        due = self._due(idle=False)
        if due:
            return due
        beside = self._pending.seqs().union(self._aside.seqs()).union(self._held)
        found = self._ledger.unsent(self._batch_events, READ_BYTES, beside=beside)
        return found or self._due(idle=True)

    def send(self, entries: Sequence[Entry]) -> Outcome | None:
        """One request; what the collector said of its events, if it did.  Raises `SyncError`."""
        device = self._owners.get(entries[0].epoch, self._device)
        batch = make_batch(entries, device=device, limits=self._limits)
        if batch.refused:
            self._quarantine(batch.epoch, batch.refused)
        if batch.held:
            self._held = self._held.union(IntervalSet.of((seq, seq) for seq in batch.held))
            self._aside.drop(batch.held)
            self._tell()
        if not batch.seqs:
            return None
        self._note_resends(batch)
        try:
            receipt = self._transport.send_events(batch.body)
        except BatchError as exc:
            self._shrink(batch, exc)
            return None
        self._progress.count("batches")
        found = outcome(batch, receipt)
        self._put_media_back([sha for sha in receipt.media_wanted if sha in batch.media])
        self._apply(batch, found)
        self.instance = receipt.instance
        return found

    def hurry(self) -> None:
        """Wait for nothing that was waited for."""
        self._aside.clear()

    def _due(self, *, idle: bool) -> list[Entry]:
        now_ns = self._clock.boottime_ns()
        while seqs := self._aside.due(now_ns, most=self._batch_events, idle=idle):
            found = self._ledger.unsent(len(seqs), READ_BYTES, beside=all_but(seqs))
            on_its_way = self._pending.seqs()
            found = [entry for entry in found if entry.seq not in on_its_way]
            if found:
                return found
            self._aside.drop(seqs)  # settled meanwhile, by whatever way
        return []

    def _apply(self, batch: Batch, found: Outcome) -> None:
        self._on_taken()
        self._in_doubt = IntervalSet()
        if found.acked.ranges:
            self._progress.count("events_acked", found.acked.count())
            self._unexplained = 0
            self._aside.taken(found.acked)
            self._pending.say(Acked(batch.epoch, list(found.acked.ranges)), seqs=found.acked)
        if found.media_stored:
            stored = list(found.media_stored)
            self._pending.say(MediaStored(stored), media=frozenset(stored))
        if found.refused:
            self._refused(batch, found)
        self._grow(batch)
        self._tell()

    def _grow(self, batch: Batch) -> None:
        """Twice as many next time; half of what is left where the culprit is still looked for."""
        left = self._suspect_through - batch.seqs[-1]
        if left > 0:
            self._batch_events = max(1, min(left, len(batch.seqs) + 1) // 2)
        else:
            self._suspect_through = 0
            most = min(self._max_batch, self._limits.max_events)
            self._batch_events = max(1, min(self._batch_events * 2, most))

    def _refused(self, batch: Batch, found: Outcome) -> None:
        """The collector's own word on single events; for good where it took their neighbours."""
        now_ns = self._clock.boottime_ns()
        if found.acked.ranges:
            self._aside.drop(seq for seq, _, _ in found.refused)
            self._quarantine(batch.epoch, found.refused)
            return
        judged = [
            item
            for item in found.refused
            if self._aside.put(
                item[0], item[1], f"{item[1]}: {item[2]}", own=True, alone=False, now_ns=now_ns
            )
        ]
        if judged:
            self._quarantine(batch.epoch, judged)
        if len(self._aside) > MAX_ASIDE:
            reason = self._aside.reason
            self._aside.clear()
            raise ProtocolError(f"every event is refused: {reason}")

    def _shrink(self, batch: Batch, error: BatchError) -> None:
        """Halve until it passes, or until the one event that cannot is found."""
        if len(batch.seqs) > 1:
            self._batch_events = len(batch.seqs) // 2
            if not isinstance(error, BatchTooLarge):
                self._suspect_through = batch.seqs[-1]
            return
        seq, detail = batch.seqs[0], str(error)
        code = "too_large" if isinstance(error, BatchTooLarge) else "refused"
        self._unexplained += 1
        if self._unexplained > MAX_UNEXPLAINED:
            self._aside.clear()
            self._suspect_through = 0
            whose = "" if error.own else ", and not by the collector"
            raise ProtocolError(f"every event is refused{whose}: {detail}")
        now_ns = self._clock.boottime_ns()
        if self._aside.put(seq, code, detail, own=error.own, alone=True, now_ns=now_ns):
            self._quarantine(batch.epoch, ((seq, code, detail),))
        if seq >= self._suspect_through:
            self._suspect_through = 0
        self._tell()

    def _quarantine(self, epoch: str, items: Sequence[tuple[int, str, str]]) -> None:
        log.warning("events_refused epoch=%s count=%d first=%s", epoch, len(items), items[0])
        self._progress.count("events_refused", len(items))
        seqs = IntervalSet.of((seq, seq) for seq, _, _ in items)
        self._pending.say(Quarantine(epoch, list(items)), seqs=seqs)

    def _put_media_back(self, wanted: list[str]) -> None:
        """The collector lacks what it was thought to have."""
        if wanted and (lost := self._ledger.stored_among(wanted)):
            self._progress.count("media_wanted", len(lost))
            self._pending.tell(MediaWanted(lost))

    def _note_resends(self, batch: Batch) -> None:
        again = sum(seq in self._in_doubt for seq in batch.seqs)
        self._progress.count("events_sent", len(batch.seqs))
        self._progress.count("events_resent", again)
        self._in_doubt = self._in_doubt.add(batch.seqs[0], batch.seqs[-1])

    def _tell(self) -> None:
        held = self._held.count()
        told = []
        if held:
            most = self._limits
            told.append(
                f"{held} entries wait: larger than the collector takes now (event "
                f"{most.max_event_bytes} bytes, batch {most.max_bytes} packed and "
                f"{most.max_plain_bytes} plain)"
            )
        if aside := len(self._aside):
            told.append(f"{aside} entries wait: {self._aside.reason}")
        self._progress.gauge("held_back", held + aside)
        self._progress.held_back("; ".join(told))


def _takes_more(now: Limits, before: Limits) -> bool:
    return (
        now.max_event_bytes > before.max_event_bytes
        or now.max_bytes > before.max_bytes
        or now.max_plain_bytes > before.max_plain_bytes
    )
