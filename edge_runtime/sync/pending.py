"""What sync has told the supervisor and the ledger has not made durable yet.

The supervisor answers every `Acked`, `Quarantine`, `MediaStored`, `Rewind` and `RotateEpoch` with
one `Applied`, in order.  Until then the rows still look unsent in the ledger; this is what keeps
them from being sent again.
"""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

from edge_runtime.intervals import IntervalSet

if TYPE_CHECKING:
    from collections.abc import Callable

    from edge_runtime.link.messages import (
        Acked,
        MediaStored,
        MediaWanted,
        MetCollector,
        Quarantine,
        Rewind,
        RotateEpoch,
    )

    Report = Acked | Quarantine | MediaStored | Rewind | RotateEpoch
    Note = MediaWanted | MetCollector


@dataclass(frozen=True, slots=True)
class _Outstanding:
    seqs: IntervalSet
    media: frozenset[str]


class Pending:
    """`say`, `seqs`, `media`: the uploader's thread; `applied`: the link's thread."""

    def __init__(
        self, send: Callable[[Report], None], tell: Callable[[Note], None] | None = None
    ) -> None:
        """`send` hands a message to the supervisor, and so does `tell` one that is not answered."""
        self._send = send
        self._tell = tell or (lambda _: None)
        self._lock = threading.Condition()
        self._outstanding: deque[_Outstanding] = deque()

    def say(
        self,
        report: Report,
        *,
        seqs: IntervalSet | None = None,
        media: frozenset[str] = frozenset(),
    ) -> None:
        """Send a report that settles these rows and media."""
        with self._lock:
            self._outstanding.append(_Outstanding(seqs or IntervalSet(), media))
        self._send(report)

    def tell(self, note: Note) -> None:
        """Send what settles nothing and is not answered."""
        self._tell(note)

    def applied(self) -> None:
        """The oldest report is durable in the ledger."""
        with self._lock:
            if self._outstanding:
                self._outstanding.popleft()
            self._lock.notify_all()

    def count(self) -> int:
        """Reports on their way."""
        with self._lock:
            return len(self._outstanding)

    def seqs(self) -> IntervalSet:
        """Rows that are settled by reports on their way."""
        with self._lock:
            return IntervalSet.of(r for item in self._outstanding for r in item.seqs.ranges)

    def media(self) -> frozenset[str]:
        """Media that are settled by reports on their way."""
        with self._lock:
            return frozenset().union(*(item.media for item in self._outstanding))

    def settle(self, timeout_s: float) -> bool:
        """Wait until nothing is on its way; False when it took longer."""
        with self._lock:
            return self._lock.wait_for(lambda: not self._outstanding, timeout_s)
