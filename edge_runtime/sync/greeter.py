"""Comparing notes with the collector, epoch by epoch.  Owned by the uploader's thread."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

from edge_runtime.clock import NS_PER_S
from edge_runtime.link.messages import MetCollector, Rewind
from edge_runtime.sync.decisions import greeting_of, standing
from edge_runtime.wire.conversation import MEDIA_CHECK, PROVES, Limits

if TYPE_CHECKING:
    from edge_runtime.clock import Clock
    from edge_runtime.ledger.queries import EpochSpan, SyncState
    from edge_runtime.sync.backlog import Backlog
    from edge_runtime.sync.pending import Pending
    from edge_runtime.sync.progress import SyncProgress
    from edge_runtime.sync.rewinds import Rewinds
    from edge_runtime.sync.transport import Transport
    from edge_runtime.wire.conversation import Welcome

log = logging.getLogger(__name__)

GREET_AGAIN_S = 300.0
"""A collector that was restored while nothing was sent is found out no later than this."""
GREET_FOR_LIMITS_S = 15.0
"""While something is larger than the collector takes."""
MAX_EPOCHS = 8
"""Of a life of the collector that all epochs were compared with, so many of the newest again."""


@dataclass(frozen=True, slots=True)
class Greeted:
    """What came of it."""

    limits: Limits
    instance: str
    fork: str | None
    """Why the epoch is to be rotated once what it has in common is acknowledged."""
    rewound: bool
    wait_s: float
    """For how long to send nothing: it takes back too often what it acknowledged."""


class Greeter:
    """Says hello for each epoch that matters."""

    def __init__(
        self,
        ledger: Backlog,
        transport: Transport,
        *,
        pending: Pending,
        progress: SyncProgress,
        rewinds: Rewinds,
        clock: Clock,
        device: str,
        software: str,
    ) -> None:
        """Nobody was greeted yet."""
        self._ledger = ledger
        self._transport = transport
        self._pending = pending
        self._progress = progress
        self._rewinds = rewinds
        self._clock = clock
        self._device = device
        self._software = software
        self._all_compared_with = ""
        self._introduced: tuple[str, int] | None = None
        self._greeted_ns = 0

    def is_due(self, *, limits_matter: bool = False) -> bool:
        """Whether the last time is long ago; `limits_matter`: rows wait for a larger limit."""
        again_s = GREET_FOR_LIMITS_S if limits_matter else GREET_AGAIN_S
        return self._clock.boottime_ns() - self._greeted_ns > again_s * NS_PER_S

    def greet(self) -> Greeted:
        """Compare notes; may rewind, may find a fork.  Raises what the transport raises."""
        state = self._ledger.sync_state()
        min_seq = self._ledger.min_seq()
        spans = [
            span
            for span in self._ledger.epochs()
            if span.epoch == state.epoch or span.last >= min_seq
        ]
        fork, rewound = None, False
        newest: Welcome | None = None
        # The newest first: it tells which life of the collector this is.
        for number, span in enumerate(reversed(spans)):
            known = newest is not None and newest.instance == self._all_compared_with
            if number >= MAX_EPOCHS and known:
                break
            welcome = self._hello(span, state, min_seq)
            newest = newest or welcome
            is_current = span.epoch == state.epoch
            found = standing(welcome, span, state.acked, min_seq=min_seq, is_current=is_current)
            if found.rewind_through is not None:
                log.warning("rewind epoch=%s through=%d", span.epoch, found.rewind_through)
                self._progress.count("rewinds")
                self._pending.say(Rewind(span.epoch, found.rewind_through))
                rewound = True
            if found.forked:
                fork = f"the collector has seq {welcome.max_seq}, this ledger ends at {span.last}"
        assert newest is not None  # the current epoch is always among them
        self._all_compared_with = newest.instance
        self._greeted_ns = self._clock.boottime_ns()
        self._introduce(newest)
        self._rewinds.met(newest.instance)
        wait_s = self._rewinds.note(self._greeted_ns) if rewound else 0.0
        return Greeted(newest.limits, newest.instance, fork, rewound, wait_s)

    def _hello(self, span: EpochSpan, state: SyncState, min_seq: int) -> Welcome:
        stamp = self._clock.stamp()
        return self._transport.hello(
            greeting_of(
                span,
                state,
                device=span.device or self._device,
                min_seq=min_seq,
                software=self._software,
                boot_id=stamp.boot_id,
                wall_ns=stamp.wall_ns,
            )
        )

    def _introduce(self, welcome: Welcome) -> None:
        """Tell the ledger who it is: a newer one may take what an older one refused."""
        who = (welcome.software[:100], welcome.limits.max_event_bytes)
        if who == self._introduced:
            return
        self._introduced = who
        self._pending.tell(MetCollector(*who))
        missing = [name for name in (PROVES, MEDIA_CHECK) if name not in welcome.features]
        if missing:
            log.warning(
                "older_collector software=%s not_proved=%s",
                who[0] or "unknown",
                "size and instance of media, lost media, whose refusal a refusal is",
            )
