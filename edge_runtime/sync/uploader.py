"""The loop that empties the ledger towards the collector, for ever.

`step` does one unit of work and never waits; `run` is the thin shell that rests between steps.  One
thread owns all of it.  Invariants:

* Nothing counts as sent before the collector has said that it is durable there.
* One request is in flight at a time, oldest rows first, one epoch in a batch.
* No backlog is ever in memory: at most one batch is, and what is not yet applied is ranges.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

from edge_runtime.clock import NS_PER_S
from edge_runtime.errors import (
    AuthFailed,
    BatchRefused,
    BatchTooLarge,
    ProtocolError,
    SyncError,
    Throttled,
)
from edge_runtime.intervals import IntervalSet
from edge_runtime.link.messages import Acked, MediaStored, Quarantine, Rewind, RotateEpoch
from edge_runtime.sync.batch import make_batch
from edge_runtime.sync.decisions import greeting_of, outcome, standing
from edge_runtime.sync.progress import SyncStatus
from edge_runtime.wire.conversation import Limits

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from edge_runtime.clock import Clock
    from edge_runtime.ledger.queries import Entry, EpochSpan, SyncState
    from edge_runtime.sync.backlog import Backlog
    from edge_runtime.sync.backoff import Backoff
    from edge_runtime.sync.batch import Batch
    from edge_runtime.sync.decisions import Outcome
    from edge_runtime.sync.media import MediaSender
    from edge_runtime.sync.orders import Orders
    from edge_runtime.sync.pending import Pending
    from edge_runtime.sync.progress import SyncProgress
    from edge_runtime.sync.transport import Transport
    from edge_runtime.wire.conversation import Welcome

log = logging.getLogger(__name__)

MAX_PENDING = 8
"""Reports that the ledger has not applied yet; beyond this we wait for it."""
APPLIED_S = 5.0
IDLE_S = 5.0
"""A wake that got lost costs at most this."""
GREET_AGAIN_S = 300.0
"""A collector that was restored while nothing was sent is found out no later than this."""
MAX_EPOCHS = 8
"""So many of the newest epochs are compared at each hello."""
READ_BYTES = 8 << 20
"""Of rows, for one batch: what a hundred events of the largest size are."""
MAX_UNEXPLAINED = 10
"""Lone events refused in a row without a reason: then it is not the events."""
MAX_ROTATIONS = 2
"""Without an ack in between: then it is not the epoch."""
APPLIED_AT_END_S = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class UploadSettings:
    """How to send."""

    device: str
    max_batch: int = 500
    software: str = "edge-runtime"
    longest_call_s: float = 250.0
    """A call that takes longer is stuck."""


@dataclass(frozen=True, slots=True)
class Pause:
    """What to do after a step."""

    seconds: float = 0.0
    for_rows: bool = False
    """New rows or an applied report end the pause."""
    is_idle: bool = False
    """There is nothing left to send."""


AGAIN = Pause()


class Uploader:
    """Owned by the thread that calls `run` or `step`."""

    def __init__(
        self,
        ledger: Backlog,
        transport: Transport,
        media: MediaSender,
        *,
        pending: Pending,
        orders: Orders,
        progress: SyncProgress,
        backoff: Backoff,
        settings: UploadSettings,
        clock: Clock,
        chance: Callable[[], float],
    ) -> None:
        """`chance` gives numbers uniform in 0..1, for jitter."""
        self._ledger = ledger
        self._transport = transport
        self._media = media
        self._pending = pending
        self._orders = orders
        self._progress = progress
        self._backoff = backoff
        self._settings = settings
        self._clock = clock
        self._chance = chance
        self._limits = Limits()
        self._batch_events = settings.max_batch
        self._attempt = 0
        self._greeted = False
        self._barrier = False
        """Nothing may be read before all reports are applied."""
        self._fork: str | None = None
        """Why the epoch is to be rotated once what it has in common is acknowledged."""
        self._in_doubt = IntervalSet()
        """Sent, and no answer came."""
        self._unexplained = 0
        self._rotations = 0
        self._instance = ""
        """Of the collector that we greeted."""
        self._greeted_ns = 0

    def run(self) -> None:
        """Work until told to stop."""
        pause = AGAIN
        while not self._is_over(pause):
            self._orders.look()
            pause = self.step()
            if pause.seconds > 0 and not self._is_over(pause):
                self._progress.busy(pause.seconds)
                self._orders.rest(pause.seconds, for_rows=pause.for_rows)
        self._progress.busy(APPLIED_AT_END_S)
        if not self._orders.is_lost:
            self._pending.settle(APPLIED_AT_END_S)

    def step(self) -> Pause:
        """One unit of work: a hello, a batch, or a media file."""
        self._progress.busy(self._settings.longest_call_s)
        if self._must_wait_for_ledger():
            return Pause(APPLIED_S, for_rows=True)
        try:
            return self._advance()
        except SyncError as exc:
            return self._failed(exc)

    def _is_over(self, pause: Pause) -> bool:
        if not self._orders.is_stopping:
            return False
        return self._orders.is_time_up or (pause.is_idle and not self._pending.count())

    def _must_wait_for_ledger(self) -> bool:
        outstanding = self._pending.count()
        if not outstanding:
            self._barrier = False
        return outstanding >= MAX_PENDING or (self._barrier and outstanding > 0)

    def _advance(self) -> Pause:
        if not self._greeted or self._is_greeting_old():
            return self._greet()
        quiet = not self._pending.count()  # an ack on its way may bring media to send
        entries = self._ledger.unsent(self._batch_events, READ_BYTES, beside=self._pending.seqs())
        if entries:
            self._send(entries)
        elif self._fork is not None:
            self._rotate(self._fork)
        elif (media := self._media.next()) is not None:
            if self._media.send(media, max_bytes=self._limits.max_media_bytes):
                self._succeeded()
        else:
            self._attempt = 0
            return Pause(IDLE_S, for_rows=True, is_idle=quiet)
        return AGAIN

    def _greet(self) -> Pause:
        """Compare notes on every epoch that matters; may rewind, may find a fork."""
        if self._pending.count():
            self._barrier = True
            return Pause(APPLIED_S, for_rows=True)
        state = self._ledger.sync_state()
        min_seq = self._ledger.min_seq()
        spans = self._ledger.epochs()
        self._fork = None
        for span in spans[-MAX_EPOCHS:]:
            is_current = span.epoch == state.epoch
            if is_current or span.last >= min_seq:
                self._compare(span, state, min_seq=min_seq, is_current=is_current)
        self._greeted = True
        self._greeted_ns = self._clock.boottime_ns()
        self._progress.contact()
        return AGAIN

    def _is_greeting_old(self) -> bool:
        return self._clock.boottime_ns() - self._greeted_ns > GREET_AGAIN_S * NS_PER_S

    def _compare(
        self, span: EpochSpan, state: SyncState, *, min_seq: int, is_current: bool
    ) -> None:
        stamp = self._clock.stamp()
        welcome = self._transport.hello(
            greeting_of(
                span,
                state,
                device=self._settings.device,
                min_seq=min_seq,
                software=self._settings.software,
                boot_id=stamp.boot_id,
                wall_ns=stamp.wall_ns,
            )
        )
        self._take_limits(welcome)
        found = standing(welcome, span, state.acked, min_seq=min_seq, is_current=is_current)
        if found.rewind_through is not None:
            log.warning("rewind epoch=%s through=%d", span.epoch, found.rewind_through)
            self._progress.count("rewinds")
            self._pending.say(Rewind(span.epoch, found.rewind_through))
            self._barrier = True
        if found.forked:
            self._fork = f"the collector has seq {welcome.max_seq}, this ledger ends at {span.last}"

    def _take_limits(self, welcome: Welcome) -> None:
        self._limits = welcome.limits
        self._instance = welcome.instance
        most = min(self._settings.max_batch, max(1, welcome.limits.max_events))
        self._batch_events = min(self._batch_events, most) if self._attempt else most

    def _send(self, entries: Sequence[Entry]) -> None:
        batch = make_batch(entries, device=self._settings.device, limits=self._limits)
        if batch.refused:
            self._refuse(batch.epoch, batch.refused)
        if not batch.seqs:
            return
        self._note_resends(batch)
        try:
            receipt = self._transport.send_events(batch.body)
        except BatchTooLarge as exc:
            self._shrink(batch, "too_large", exc)
            return
        except BatchRefused as exc:
            self._shrink(batch, "refused", exc)
            return
        self._progress.count("batches")
        if receipt.instance != self._instance:
            self._greeted = False  # another life of the collector, perhaps from a backup
        self._apply(batch, outcome(batch, receipt))

    def _apply(self, batch: Batch, found: Outcome) -> None:
        self._succeeded()
        self._in_doubt = IntervalSet()
        self._batch_events = min(
            self._batch_events * 2, self._settings.max_batch, self._limits.max_events
        )
        if found.acked.ranges:
            self._progress.count("events_acked", found.acked.count())
            self._unexplained = self._rotations = 0
            self._pending.say(Acked(batch.epoch, list(found.acked.ranges)), seqs=found.acked)
        if found.media_stored:
            stored = list(found.media_stored)
            self._pending.say(MediaStored(stored), media=frozenset(stored))
        if found.refused:
            self._refuse(batch.epoch, found.refused)
        if found.conflict is not None:
            self._rotate(found.conflict)

    def _shrink(self, batch: Batch, code: str, error: SyncError) -> None:
        """Halve until it passes, or until the one event that cannot is found."""
        if len(batch.seqs) > 1:
            self._batch_events = len(batch.seqs) // 2
            return
        self._unexplained += 1
        if self._unexplained > MAX_UNEXPLAINED:
            raise ProtocolError(f"every event is refused: {error}")
        self._refuse(batch.epoch, ((batch.seqs[0], code, str(error)),))

    def _refuse(self, epoch: str, items: Sequence[tuple[int, str, str]]) -> None:
        log.warning("events_refused epoch=%s count=%d first=%s", epoch, len(items), items[0])
        self._progress.count("events_refused", len(items))
        seqs = IntervalSet.of((seq, seq) for seq, _, _ in items)
        self._pending.say(Quarantine(epoch, list(items)), seqs=seqs)

    def _rotate(self, reason: str) -> None:
        """From the first row that is not acknowledged on, the ledger gets a new epoch."""
        self._rotations += 1
        if self._rotations > MAX_ROTATIONS:
            raise ProtocolError(f"a new epoch did not help: {reason}")
        log.warning("rotate_epoch reason=%s", reason)
        self._progress.count("rotations")
        self._fork = None
        self._greeted = False
        self._barrier = True
        self._pending.say(RotateEpoch(self._ledger.identity().epoch, reason))

    def _note_resends(self, batch: Batch) -> None:
        again = sum(seq in self._in_doubt for seq in batch.seqs)
        self._progress.count("events_sent", len(batch.seqs))
        self._progress.count("events_resent", again)
        self._in_doubt = self._in_doubt.add(batch.seqs[0], batch.seqs[-1])

    def _succeeded(self) -> None:
        self._attempt = 0
        self._progress.contact()

    def _failed(self, error: SyncError) -> Pause:
        """Say so and back off, for ever if need be."""
        self._attempt += 1
        self._greeted = self._greeted and isinstance(error, Throttled)
        status = SyncStatus.AUTH_FAILED if isinstance(error, AuthFailed) else SyncStatus.OFFLINE
        if status is not self._progress.status or self._attempt == 1:
            log.warning("sync_%s error=%s", status.value, error)
        self._progress.failed(status, str(error))
        delay_s = self._backoff.delay_s(error, attempt=self._attempt, chance=self._chance())
        self._progress.gauge("backoff_s", delay_s)
        return Pause(delay_s)
