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
from edge_runtime.errors import AuthFailed, ProtocolError, SyncError, Throttled
from edge_runtime.link.messages import RotateEpoch
from edge_runtime.sync.aside import Aside
from edge_runtime.sync.greeter import GREET_AGAIN_S, Greeter
from edge_runtime.sync.progress import SyncStatus
from edge_runtime.sync.rewinds import Rewinds
from edge_runtime.sync.sender import MAX_UNEXPLAINED, EventSender

if TYPE_CHECKING:
    from collections.abc import Callable

    from edge_runtime.clock import Clock
    from edge_runtime.ledger.queries import Entry
    from edge_runtime.sync.backlog import Backlog
    from edge_runtime.sync.backoff import Backoff
    from edge_runtime.sync.media import MediaSender
    from edge_runtime.sync.orders import Orders
    from edge_runtime.sync.pending import Pending
    from edge_runtime.sync.progress import SyncProgress
    from edge_runtime.sync.transport import Transport

__all__ = ["AGAIN", "GREET_AGAIN_S", "MAX_PENDING", "MAX_UNEXPLAINED", "Pause", "Uploader"]

log = logging.getLogger(__name__)

MAX_PENDING = 8
"""Reports that the ledger has not applied yet; beyond this we wait for it."""
APPLIED_S = 5.0
IDLE_S = 5.0
"""A wake that got lost costs at most this."""
LEAST_PAUSE_S = 0.1
MAX_ROTATIONS = 2
"""Without an ack in between: then it is not the epoch."""
APPLIED_AT_END_S = 2.0
CLOCK_SET_S = 3600
"""A wall clock that jumps by more was wrong, and certificates may be valid by the right one."""
LOOK_S = 2.0
"""While it waits for the collector it looks so often whether token or CA file were renewed."""


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
        self._rewinds = Rewinds(backoff.min_s, backoff.max_s)
        self._greeter = Greeter(
            ledger,
            transport,
            pending=pending,
            progress=progress,
            rewinds=self._rewinds,
            clock=clock,
            device=settings.device,
            software=settings.software,
        )
        self._events = EventSender(
            ledger,
            transport,
            pending=pending,
            progress=progress,
            clock=clock,
            aside=Aside(backoff.min_s, backoff.max_s),
            device=settings.device,
            max_batch=settings.max_batch,
            on_taken=self._succeeded,
        )
        self._attempt = 0
        self._greeted = False
        self._barrier = False
        """Nothing may be read before all reports are applied."""
        self._fork: str | None = None
        """Why the epoch is to be rotated once what it has in common is acknowledged."""
        self._rotations = 0
        self._instance = ""
        """Of the collector that we greeted."""
        self._told = ""
        """What the log has said of this outage."""
        self._quiet_until_ns = 0
        """It forgets too often: nothing is sent before this."""

    def run(self) -> None:
        """Work until told to stop."""
        pause = AGAIN
        while not self._is_over(pause):
            self._orders.look()
            pause = self.step()
            if pause.seconds > 0 and not self._is_over(pause):
                self._rest(pause)
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

    def _rest(self, pause: Pause) -> None:
        if pause.for_rows:
            self._progress.busy(pause.seconds)
            self._orders.rest(pause.seconds, for_rows=True)
            return
        left_s = pause.seconds
        offset_ns = self._wall_offset_ns()
        while left_s > 0 and not self._orders.is_hurried:
            slice_s = left_s if self._orders.is_stopping else min(left_s, LOOK_S)
            self._progress.busy(slice_s)
            self._orders.rest(slice_s, for_rows=False)
            left_s -= slice_s
            if self._orders.is_stopping:
                return
            is_clock_set = abs(self._wall_offset_ns() - offset_ns) > CLOCK_SET_S * NS_PER_S
            if is_clock_set or self._transport.is_renewed():
                log.info("try_again why=%s", "clock" if is_clock_set else "credentials")
                self._attempt = 0
                return

    def _wall_offset_ns(self) -> int:
        stamp = self._clock.stamp()
        return stamp.wall_ns - stamp.boottime_ns

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
        if self._orders.take_hurry():
            self._attempt, self._quiet_until_ns = 0, 0
            self._greeted = False
            self._media.hurry()
            self._events.hurry()
        if not self._greeted or self._greeter.is_due(limits_matter=self._events.are_some_held):
            return self._greet()
        if (quiet_s := self._quiet_s()) > 0:
            return Pause(quiet_s)
        quiet = not self._pending.count()  # an ack on its way may bring media to send
        if entries := self._events.next():
            self._send(entries)
        elif self._fork is not None:
            self._rotate(self._fork)
        elif self._media.step(self._events.limits.max_media_bytes):
            self._greeted = not self._media.is_doubtful
        else:
            self._attempt = 0
            paused_s = self._media.paused_s()
            waits = self._events.are_some_aside or paused_s > 0
            seconds = min(IDLE_S, max(paused_s, LEAST_PAUSE_S)) if paused_s else IDLE_S
            return Pause(seconds, for_rows=True, is_idle=quiet and not waits)
        return AGAIN

    def _quiet_s(self) -> float:
        return (self._quiet_until_ns - self._clock.boottime_ns()) / NS_PER_S

    def _greet(self) -> Pause:
        """Compare notes on every epoch that matters; may rewind, may find a fork."""
        if self._pending.count():
            self._barrier = True
            return Pause(APPLIED_S, for_rows=True)
        found = self._greeter.greet()
        self._fork, self._instance = found.fork, found.instance
        self._events.greeted(found.limits, anew=not self._attempt)
        self._media.greeted(found.instance)
        if found.rewound:
            self._barrier = True
            self._events.forget()
        now_ns = self._clock.boottime_ns()
        if found.wait_s:
            spread_s = found.wait_s * (0.5 + 0.5 * self._chance())
            self._quiet_until_ns = now_ns + int(spread_s * NS_PER_S)
            reason = self._rewinds.reason(now_ns)
            log.warning("sync_unsteady wait_s=%.1f reason=%s", spread_s, reason)
        self._greeted = True
        self._contact()
        return AGAIN

    def _send(self, entries: list[Entry]) -> None:
        found = self._events.send(entries)
        if found is None:
            return
        if self._events.instance != self._instance:
            self._greeted = False  # another life of the collector, perhaps from a backup
        if found.acked.ranges:
            self._rotations = 0
        if found.conflict is not None:
            self._rotate(found.conflict)

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
        self._events.forget()
        self._pending.say(RotateEpoch(self._ledger.identity().epoch, reason))

    def _succeeded(self) -> None:
        self._attempt = 0
        self._contact()

    def _contact(self) -> None:
        self._progress.contact(self._rewinds.reason(self._clock.boottime_ns()))

    def _failed(self, error: SyncError) -> Pause:
        """Say so and back off, for ever if need be."""
        self._attempt += 1
        self._greeted = self._greeted and isinstance(error, Throttled)
        status = _status_of(error)
        if self._attempt == 1 or str(error) != self._told:  # not at each of many tries
            self._told = str(error)
            log.warning("sync_%s error=%s", status.value, error)
        self._progress.failed(status, str(error))
        delay_s = self._backoff.delay_s(error, attempt=self._attempt, chance=self._chance())
        self._progress.gauge("backoff_s", delay_s)
        return Pause(delay_s)


def _status_of(error: SyncError) -> SyncStatus:
    """Away is one thing, and mends itself; somebody else in its place is another."""
    if isinstance(error, AuthFailed):
        return SyncStatus.AUTH_FAILED
    return SyncStatus.STRANGER if isinstance(error, ProtocolError) else SyncStatus.OFFLINE
