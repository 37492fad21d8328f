"""What the supervisor does for sync: what the collector acknowledged into the ledger."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edge_runtime.ledger import writer as ledger
from edge_runtime.link.messages import (
    Acked,
    AnyMessage,
    Applied,
    MediaStored,
    Quarantine,
    Rewind,
    RotateEpoch,
    Start,
    Stop,
    Wake,
)
from edge_runtime.supervisor.child import Child, ChildSpec

if TYPE_CHECKING:
    from edge_runtime.clock import Clock
    from edge_runtime.config import Config
    from edge_runtime.supervisor.bridge import Bridge

NAME = "sync"
MODULE = "edge_runtime.sync"


class SyncKeeper:
    """The sync process as the supervisor sees it.  Loop only."""

    def __init__(self, config: Config, *, bridge: Bridge, clock: Clock) -> None:
        """Nothing runs before `child.run`."""
        self._config = config
        self._bridge = bridge
        self.crashes: list[str] = []
        self.child = Child(
            ChildSpec(NAME, MODULE),
            make_start=self._start,
            on_message=self._on_message,
            on_crash=self.crashes.append,
            settings=config.supervisor,
            clock=clock,
        )

    def wake(self) -> None:
        """There are new rows."""
        self.child.send(Wake())

    def stop(self, drain_s: float) -> None:
        """Finish; empty the backlog first if that takes no longer than `drain_s`."""
        self.child.stop(Stop(drain_s))

    async def _start(self) -> Start:
        await self._bridge.settled(NAME)
        return Start(name=NAME, config=self._config)

    def _on_message(self, message: AnyMessage) -> None:
        op = _operation(message)
        if op is not None:
            self._bridge.submit(NAME, op, lambda _: self.child.send(Applied()))


def _operation(message: AnyMessage) -> ledger.Op | None:
    match message:
        case Acked():
            return ledger.Ack(message.epoch, tuple(message.ranges))
        case Quarantine():
            return ledger.Refuse(message.epoch, tuple(message.items))
        case MediaStored():
            return ledger.MediaAcked(tuple(message.sha256s))
        case Rewind():
            return ledger.RewindTo(message.epoch, message.through)
        case RotateEpoch():
            return ledger.RotateEpoch(message.reason, message.epoch)
        case _:
            return None
