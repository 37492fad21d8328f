"""All children of one daemon: begun in order, changed by a reload, stopped in order."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

from edge_runtime.errors import NotServing, UsageError
from edge_runtime.link.messages import Stop
from edge_runtime.supervisor import fielding, syncing
from edge_runtime.supervisor.fielding import FieldKeeper, needs_field
from edge_runtime.supervisor.lanes import LaneKeeper
from edge_runtime.supervisor.readiness import Standing
from edge_runtime.supervisor.starting import Around
from edge_runtime.supervisor.states import IS_OVER, ChildState, Exit
from edge_runtime.supervisor.stopping import Deadline
from edge_runtime.supervisor.syncing import SyncKeeper

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from edge_runtime.clock import Clock
    from edge_runtime.config import Config
    from edge_runtime.supervisor.bridge import Bridge
    from edge_runtime.supervisor.changes import Changes
    from edge_runtime.supervisor.child import Child
    from edge_runtime.supervisor.entries import Entries
    from edge_runtime.supervisor.memory import Memory
    from edge_runtime.supervisor.pinning import Pins

log = logging.getLogger(__name__)

ROOM_S = 0.1
"""A ledger that is full or has room again is told within this."""
DIES_S = 1.0
"""A killed process is gone within this, unless the kernel holds it."""
FIELD_GRACE_S = 1.5
"""Above what the field process takes at most by itself."""
FIELD_STARTS_S = 3.0
SYNC_STOP_S = 5.0
"""Above what a stopping sync was given for its backlog: the request in flight may finish."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Modules:
    """What is started with ``python -m``."""

    lane: str = "edge_runtime.lane"
    field: str = fielding.MODULE
    sync: str = syncing.MODULE


class Crew:
    """Loop only."""

    def __init__(
        self,
        config: Config,
        *,
        modules: Modules,
        bridge: Bridge,
        entries: Entries,
        memory: Memory,
        pins: Mapping[str, Pins],
        anew: bool,
        refuses_whole: Callable[[], bool],
        changed: Callable[[], None],
        clock: Clock,
    ) -> None:
        """Nothing runs before `begin`.  `changed` is called when a child's state is another one.

        `refuses_whole`: see `Around`.

        Raises `AddressInUse`.
        """
        self.config = config
        self.field: FieldKeeper | None = None
        self.sync: SyncKeeper | None = None
        self.changing = asyncio.Lock()
        """One at a time gives lanes another config or another model."""
        self._is_stopping = False
        self._modules = modules
        self._bridge = bridge
        self._entries = entries
        self._pins = pins
        self._changed = changed
        self._clock = clock
        self._around = Around(
            entries=entries,
            bridge=bridge,
            memory=memory,
            field=lambda: self.field,
            clock=clock,
            module=modules.lane,
            anew=anew,
            refuses_whole=refuses_whole,
            changed=changed,
        )
        self.lanes = [self._lane(name, config) for name in config.lanes]
        if needs_field(config):
            self.field = self._make_field(config)
        if config.sync is not None:
            self.sync = self._make_sync(config)

    def begin(self) -> None:
        """The field first: lanes connect to it, and its outputs are to be safe by then."""
        if self.field is not None:
            self.field.child.begin()
        for keeper in self.lanes:
            keeper.child.begin()
        if self.sync is not None:
            self.sync.child.begin()

    def close(self) -> None:
        """Let go of the field's socket.  Idempotent."""
        if self.field is not None:
            self.field.close()

    def retry(self) -> None:
        """Try again now what waits long: somebody says that it was mended."""
        for keeper in self.lanes:
            if keeper.child.health.state in (ChildState.REFUSED, ChildState.WAITING):
                keeper.child.nudge()
        if self.sync is not None:
            beat = self.sync.child.health.heartbeat
            if beat is not None and beat.state == "auth_failed":  # it asks again in 15 minutes
                self.sync.restart(self.config, SYNC_STOP_S)

    def wake_sync(self) -> None:
        """There are new rows."""
        if self.sync is not None:
            self.sync.wake()

    def lane(self, name: str) -> LaneKeeper | None:
        """By its name."""
        return next((keeper for keeper in self.lanes if keeper.name == name), None)

    def standings(self) -> list[Standing]:
        """Of the lanes."""
        return [keeper.standing() for keeper in self.lanes]

    def holds_the_line(self) -> list[Standing]:
        """Of everything that READY waits for."""
        field = self.field
        if field is None:
            return self.standings()
        health = field.child.health
        return [Standing(name="field", state=health.state, has_settled=health.has_settled),
                *self.standings()]  # fmt: skip

    def is_done(self) -> bool:
        """Every lane's source has ended, or can never be begun."""
        over = (*IS_OVER, ChildState.REFUSED)
        return all(keeper.child.health.state in over for keeper in self.lanes)

    async def watch_room(self) -> None:
        """Tell lanes when the ledger is full, and when it has room again."""
        told = False
        while True:
            if self._bridge.is_full != told:
                told = not told
                for keeper in self.lanes:
                    keeper.say_room(full=told)
            await asyncio.sleep(ROOM_S)

    async def apply(self, changes: Changes, config: Config) -> dict[str, str]:
        """Become what `config` says; lane -> why it does not serve, empty where it does.

        Lanes that the change does not concern keep their process.  Others are drained first.
        """
        if self._is_stopping:
            raise NotServing("the daemon is stopping")
        within_s = config.supervisor.stop_timeout_s
        self.config = config
        removed = [k for k in self.lanes if k.name in changes.removed]
        added = [self._lane(name, config) for name in changes.added]
        for keeper in self.lanes:
            if keeper.name in changes.restarted:
                keeper.starting.reconfigure(config)
            elif keeper.name in changes.kept:
                keeper.starting.config = config
        for keeper in removed:  # first: what they drain still acts on their outputs
            keeper.stop()
        await asyncio.gather(*(self._end(keeper, within_s) for keeper in removed))
        await self._change_field(config, changes)
        if self._is_stopping:  # meanwhile: nobody would end what is begun now
            raise NotServing("the daemon is stopping")
        attempts = {
            k.name: k.restart("the config was changed", within_s)
            for k in self.lanes
            if k.name in changes.restarted
        }
        self.lanes = [k for k in self.lanes if k not in removed] + added
        self.lanes.sort(key=lambda k: list(config.lanes).index(k.name))
        for keeper in added:
            attempts[keeper.name] = keeper.child.attempt()
            keeper.child.begin()
        if changes.sync:
            await self._change_sync(config, within_s)
        told = {name: _told(await attempt) for name, attempt in attempts.items()}
        if self.field is not None and not needs_field(config):
            await self._end_field()  # the lanes that used it have drained
        return told

    async def stop(self, deadline: Deadline, *, drain_s: float, reserve_s: float) -> None:
        """End them, each for what it waits for.

        Lanes first: only what they have drained can be stored and acted upon.  Then the field,
        which is told by each lane's end whether to hold: it carries out the pulses that were asked
        for and leaves the safe state.  Sync last, so that it may send what the lanes ended with.
        `reserve_s` of the time is kept for those behind the lanes.
        """
        self._is_stopping = True
        for keeper in self.lanes:
            keeper.stop()
        await self._join([k.child for k in self.lanes], deadline.but(reserve_s))
        if self.field is not None:
            await self._end_field(deadline)
        if self.sync is not None:
            if not self._bridge.is_full:  # else nothing comes before there is room
                await self._bridge.all_settled(deadline.within(reserve_s))
            self.sync.stop(drain_s)
            await self._join([self.sync.child], deadline.within(drain_s + SYNC_STOP_S))

    async def _join(self, children: list[Child], deadline: Deadline) -> None:
        """Wait until they are over; what is not by then is killed."""
        tasks = [child.begin() for child in children if not child.is_over]
        if not tasks:
            return
        if not await deadline.wait_for(asyncio.ensure_future(asyncio.wait(tasks))):
            for child in children:
                if not child.is_over:
                    log.warning("killed name=%s it did not end in time", child.spec.name)
                    child.kill()
            await asyncio.wait(tasks, timeout=DIES_S)

    async def _end(self, keeper: LaneKeeper, within_s: float) -> None:
        await self._join([keeper.child], self._deadline(within_s))
        if self.field is not None:
            self.field.lane_is(keeper.name, "over", "it is no more in the config")
            self.field.forget(keeper.name)

    async def _end_field(self, deadline: Deadline | None = None) -> None:
        field = self.field
        if field is None:
            return
        field.stop()
        # Never cut short, not by a second signal either: killed in mid-pulse it would leave the
        # ejector on for ever.  It ends within `STOP_S` by itself.
        await self._join([field.child], self._deadline(fielding.STOP_S + FIELD_GRACE_S))
        if field.child.health.last_exit.startswith("signal="):
            await self._make_safe(field)
        field.close()
        self.field = None if deadline is None else field

    async def _make_safe(self, field: FieldKeeper) -> None:
        """The field process hung or was killed as it was to end: another one leaves the line safe.

        It knows of no lane that serves, so that its first connection is the safe state.
        """
        log.error("field_did_not_end reason=%s: another one", field.child.health.last_exit)
        served = field.child.attempt()
        field.child.begin()
        await self._deadline(FIELD_STARTS_S).wait_for(served)
        field.stop()
        await self._join([field.child], self._deadline(fielding.STOP_S + FIELD_GRACE_S))

    async def _change_field(self, config: Config, changes: Changes) -> None:
        if self.field is None and needs_field(config):
            self.field = self._make_field(config)
            self.field.child.begin()
        elif self.field is not None and needs_field(config) and changes.concern_field:
            try:
                await self.field.reconfigure(config)
            except (NotServing, UsageError) as exc:  # its successor begins with the new config
                log.warning("field_restarted instead of reconfigured: %s", exc)
                self.field.child.restart(Stop(), fielding.STOP_S)

    async def _change_sync(self, config: Config, within_s: float) -> None:
        if self.sync is not None and config.sync is not None:
            await self.sync.restart(config, within_s)
        elif self.sync is not None:
            self.sync.stop(0.0)
            await self._join([self.sync.child], self._deadline(SYNC_STOP_S))
            self.sync = None
        elif config.sync is not None:
            self.sync = self._make_sync(config)
            self.sync.child.begin()

    def _deadline(self, seconds: float) -> Deadline:
        return Deadline(self._clock, seconds)

    def _lane(self, name: str, config: Config) -> LaneKeeper:
        return LaneKeeper(name, config, self._around, self._pins.get(name, {}))

    def _make_field(self, config: Config) -> FieldKeeper:
        return FieldKeeper(
            config,
            entries=self._entries,
            clock=self._clock,
            changed=self._changed,
            module=self._modules.field,
        )

    def _make_sync(self, config: Config) -> SyncKeeper:
        return SyncKeeper(
            config,
            bridge=self._bridge,
            clock=self._clock,
            changed=self._changed,
            module=self._modules.sync,
        )


def _told(ended: Exit | None) -> str:
    return "" if ended is None else ended.reason
