"""What the supervisor does for sync: what the collector acknowledged into the ledger."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from edge_runtime import codes
from edge_runtime.ledger import ops
from edge_runtime.link.messages import (
    Acked,
    AnyMessage,
    Applied,
    Hello,
    MediaStored,
    MediaWanted,
    MetCollector,
    Quarantine,
    Rewind,
    RotateEpoch,
    Start,
    Stop,
    Wake,
)
from edge_runtime.supervisor.child import Child
from edge_runtime.supervisor.lanes import patience_of
from edge_runtime.supervisor.spawned import ChildSpec
from edge_runtime.supervisor.states import ChildState

if TYPE_CHECKING:
    from collections.abc import Callable

    from edge_runtime.clock import Clock
    from edge_runtime.config import Config
    from edge_runtime.errors import RequestRefused
    from edge_runtime.supervisor.bridge import Bridge
    from edge_runtime.supervisor.states import Exit

log = logging.getLogger(__name__)

NAME = "sync"
MODULE = "edge_runtime.sync"


class SyncKeeper:
    """The sync process as the supervisor sees it.  Loop only."""

    def __init__(
        self,
        config: Config,
        *,
        bridge: Bridge,
        clock: Clock,
        changed: Callable[[], None],
        module: str = MODULE,
    ) -> None:
        """Nothing runs before `child.begin`."""
        self._config = config
        self._bridge = bridge
        self._clock = clock
        self._changed = changed
        self._life = 0
        self.child = Child(
            ChildSpec(name=NAME, module=module),
            self,
            patience=patience_of(config.supervisor),
            clock=clock,
        )

    def wake(self) -> None:
        """There are new rows."""
        self.child.send(Wake())

    def stop(self, drain_s: float) -> None:
        """Finish; empty the backlog first if that takes no longer than `drain_s`."""
        self.child.stop(Stop(drain_s))

    def restart(self, config: Config, within_s: float) -> asyncio.Future[Exit | None]:
        """With other settings."""
        self._config = config
        return self.child.restart(Stop(), within_s)

    async def make_start(self) -> Start:
        """Once the ledger has what the one before reported."""
        await self._bridge.settled(NAME)
        return Start(name=NAME, config=self._config)

    def on_hello(self, _: Hello) -> None:
        """It sends."""
        self._life += 1

    def on_serving(self) -> None:
        """It sends."""
        self._changed()

    def on_message(self, message: AnyMessage) -> None:
        """What the collector said.

        Each report is answered, also one that the ledger refuses: its rows are sent again.
        """
        if isinstance(message, MediaWanted | MetCollector):
            self._note(message)
            return
        op = _operation(message)
        if op is None:
            return
        life = self._life

        def applied() -> None:
            if life == self._life:
                self.child.send(Applied())

        def refused(error: RequestRefused) -> None:
            log.error("report_refused report=%s error=%s", type(message).__name__, error)
            applied()

        self._bridge.submit(NAME, op, lambda _: applied(), rows=0, refused=refused)

    def now(self) -> bool:
        """Try at once, whatever it waits for; False when it does not run."""
        if self.child.health.pid is None:
            return False
        self.child.send(Wake(now=True))
        return True

    async def retry(self, seqs: tuple[int, ...] | None) -> int:
        """Send refused entries again, all of them or these; how many."""
        released: asyncio.Future[int] = asyncio.get_running_loop().create_future()

        def told(number: int) -> None:
            if not released.done():  # whoever asked may have gone
                released.set_result(number)

        def refused(error: Exception) -> None:
            if not released.done():
                released.set_exception(error)

        self._bridge.submit(NAME, ops.Release(seqs), told, rows=0, refused=refused)
        number = await released
        self.now()
        return number

    def _note(self, message: MediaWanted | MetCollector) -> None:
        """What is not answered, and waits for nothing."""
        if isinstance(message, MediaWanted):
            log.warning("media_wanted files=%d", len(message.sha256s))
            self._bridge.submit(
                NAME, ops.MediaWanted(tuple(message.sha256s)), lambda _: self.wake(), rows=0
            )
            return

        def met(released: int) -> None:
            if released:
                log.info("quarantine_retried entries=%d collector=%s", released, message.software)
                self.wake()

        op = ops.MetCollector(message.software, message.max_event_bytes)
        self._bridge.submit(NAME, op, met, rows=0)

    def on_end(self, ended: Exit) -> None:
        """Everything that it knew is in the ledger."""
        health = self.child.health
        if health.state is ChildState.REFUSED:
            log.error("sync_refused %s", ended.reason)
        crashed = health.state in (ChildState.WAITING, ChildState.REFUSED)
        health.code = codes.SYNC_CRASHED if crashed else ""
        self._changed()


def _operation(message: AnyMessage) -> ops.Op | None:
    match message:
        case Acked():
            return ops.Ack(message.epoch, tuple(message.ranges))
        case Quarantine():
            return ops.Refuse(message.epoch, tuple(message.items))
        case MediaStored():
            return ops.MediaAcked(tuple(message.sha256s))
        case Rewind():
            return ops.RewindTo(message.epoch, message.through)
        case RotateEpoch():
            return ops.RotateEpoch(message.reason, message.epoch)
        case _:
            return None
