"""An uploader wired to fakes, driven step by step."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

from edge_runtime.link.messages import Acked, MediaStored, Quarantine, Rewind, RotateEpoch
from edge_runtime.sync.backoff import Backoff
from edge_runtime.sync.media import MediaSender
from edge_runtime.sync.media_check import MediaCheck
from edge_runtime.sync.orders import Orders
from edge_runtime.sync.pending import Pending
from edge_runtime.sync.progress import SyncProgress
from edge_runtime.sync.uploader import Pause, Uploader, UploadSettings
from tests.support.fakes import FakeClock

if TYPE_CHECKING:
    from edge_runtime.sync.transport import Transport
    from tests.support.fake_ledger import FakeLedger

Report = Acked | Quarantine | MediaStored | Rewind | RotateEpoch


@dataclass
class Rig:
    """One life of the sync process."""

    uploader: Uploader
    pending: Pending
    orders: Orders
    progress: SyncProgress
    clock: FakeClock
    ledger: FakeLedger
    reports: deque[Report]
    """Said, and not applied yet."""

    def apply_one(self) -> bool:
        """The supervisor makes the oldest report durable."""
        if not self.reports:
            return False
        self.ledger.apply(self.reports.popleft())
        self.pending.applied()
        return True

    def apply_all(self) -> None:
        while self.apply_one():
            pass

    def drain(self, *, most: int = 2000) -> int:
        """Steps until there is nothing left to send, every report applied at once."""
        for count in range(most):
            self.apply_all()
            pause: Pause = self.uploader.step()
            if pause.is_idle and not self.reports:
                return count
        message = f"not drained after {most} steps: {self.progress.detail}"
        raise AssertionError(message)


def make_rig(
    ledger: FakeLedger,
    transport: Transport,
    *,
    max_batch: int = 10,
    reports: deque[Report] | None = None,
) -> Rig:
    clock = FakeClock()
    said: deque[Report] = deque() if reports is None else reports
    pending = Pending(said.append, ledger.note)
    orders = Orders(clock)
    progress = SyncProgress(clock)
    uploader = Uploader(
        ledger,
        transport,
        MediaSender(
            ledger,
            transport,
            pending=pending,
            progress=progress,
            clock=clock,
            check=MediaCheck(ledger, transport, pending=pending, progress=progress),
        ),
        pending=pending,
        orders=orders,
        progress=progress,
        backoff=Backoff(1.0, 300.0),
        settings=UploadSettings(device=ledger.device, max_batch=max_batch),
        clock=clock,
        chance=lambda: 0.5,
    )
    return Rig(uploader, pending, orders, progress, clock, ledger, said)


__all__ = ["Report", "Rig", "make_rig"]
