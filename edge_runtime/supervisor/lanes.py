"""What the supervisor does for a lane: how it starts, what it stores, what its death means."""

from __future__ import annotations

import itertools
import logging
from collections import Counter
from typing import TYPE_CHECKING, Final

from edge_runtime import codes
from edge_runtime.capture.address import redacted
from edge_runtime.errors import ExitCode, NotServing, UsageError
from edge_runtime.ledger import ops
from edge_runtime.link import in_hand
from edge_runtime.link.messages import (
    AnyMessage,
    Heartbeat,
    Hello,
    Reply,
    Room,
    Start,
    Stop,
    Triggered,
)
from edge_runtime.supervisor.asking import Questions
from edge_runtime.supervisor.child import Child
from edge_runtime.supervisor.memory import is_replay
from edge_runtime.supervisor.policy import Suspects
from edge_runtime.supervisor.readiness import Standing
from edge_runtime.supervisor.remains import (
    Death,
    burial,
    code_of,
    crash_tombstone,
    gap_tombstone,
    undecided_tombstone,
)
from edge_runtime.supervisor.spawned import ChildSpec
from edge_runtime.supervisor.starting import Around, Starting
from edge_runtime.supervisor.states import ChildState, Exit
from edge_runtime.supervisor.storing import Storing
from edge_runtime.supervisor.watching import Patience
from edge_runtime.types import Result, Stamp, Tombstone, Trigger

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Sequence

    from edge_runtime.config import Config, Lane, Supervision
    from edge_runtime.link.messages import ResolvedModel
    from edge_runtime.supervisor.devices import Devices
    from edge_runtime.supervisor.fielding import LaneState
    from edge_runtime.supervisor.pinning import Pins

log = logging.getLogger(__name__)

NICE: Final = 5
_NOTED: Final = (codes.LANE_CANNOT_START, codes.LANE_CRASH_LOOP)
"""What is written down when a lane comes into this state; and each refusal."""


class LaneKeeper:
    """One lane as the supervisor sees it.  Loop only."""

    def __init__(self, name: str, config: Config, around: Around, pins: Pins) -> None:
        """`pins`: what the ledger says this lane is to load.  Nothing runs before `child.begin`."""
        self.name = name
        self.buried: list[str] = []
        """Items that are not tried again."""
        self.starting = Starting(name, config, around, pins)
        self.child = Child(
            ChildSpec(name=name, module=around.module, nice=NICE),
            self,
            patience=patience_of(config.supervisor),
            clock=around.clock,
        )
        self.questions = Questions(self.child)
        self._around = around
        self._storing = Storing(name, around.entries, self.child)
        self._suspects = Suspects(config.supervisor.bury_after)
        self._alive_at = around.clock.stamp()
        self._gap: tuple[Stamp, str, float] | None = None
        self._noted = ""
        """Of its last end: each state is written down once."""
        self._triggers = itertools.count(1)

    @property
    def settings(self) -> Lane:
        """As the config has it now."""
        return self.starting.settings

    @property
    def pinned(self) -> Sequence[ResolvedModel]:
        """The models that it was started with last."""
        return self.starting.models

    @property
    def verdicts(self) -> Counter[str]:
        """Stored by this run."""
        return self._around.entries.verdicts.get(self.name, Counter())

    @property
    def tombstones(self) -> Counter[str]:
        """Stored by this run."""
        return self._around.entries.tombstones.get(self.name, Counter())

    @property
    def last(self) -> Result | None:
        """The last one stored."""
        return self._around.entries.last.get(self.name)

    @property
    def devices(self) -> Devices:
        """Which device answers as its microphone."""
        return self.starting.devices

    def standing(self) -> Standing:
        """For the question whether the station is ready."""
        health = self.child.health
        failed = health.failed
        return Standing(
            name=self.name,
            state=health.state,
            has_settled=health.has_settled,
            has_served=health.has_served,
            reason=health.last_exit if failed is None else failed.message,
            exit_code=int(ExitCode.FAILED) if failed is None else failed.exit_code,
        )

    def restart(self, why: str, within_s: float) -> asyncio.Future[Exit | None]:
        """Drain it and start it anew; None once it serves, else how it ended."""
        if self.child.health.pid is not None and not is_replay(self.settings):
            told = self.child.health.heartbeat
            rate_hz = told.gauges.get("rate_hz", 0.0) if told is not None else 0.0
            self._gap = (self._around.clock.stamp(), why, rate_hz)
        self._tell_field("gone", why)
        return self.child.restart(Stop(), within_s)

    def stop(self) -> None:
        """End of input: drain what is in hand."""
        self.child.stop(Stop())

    def say_room(self, *, full: bool) -> None:
        """Whether the ledger takes rows."""
        self.child.send(Room(full))

    def trigger(self, part: str | None) -> Trigger:
        """A part is there.  Raises `UsageError`, `NotServing`."""
        if self.settings.trigger is None:
            raise UsageError(
                f"lane '{self.name}' takes no triggers: give it a [lanes.{self.name}.trigger] "
                'table, such as kind = "command"'
            )
        health = self.child.health
        if health.state is not ChildState.RUNNING:
            raise NotServing(f"lane '{self.name}' does not serve: it is {health.state.value}")
        if self.child.is_ending:  # it drains: nobody would look at this part
            raise NotServing(f"lane '{self.name}' is ending")
        number = next(self._triggers)
        trigger = Trigger(
            id=number,
            at=self._around.clock.stamp(),
            part_name=part or f"command-{number}",
            origin="command",
        )
        if not self.child.send(Triggered(trigger)):
            raise NotServing(f"lane '{self.name}' is ending")
        return trigger

    # What the child asks and tells.

    async def make_start(self) -> Start:
        """Where the lane goes on: behind what it had already handed over."""
        return await self.starting.make(
            self.buried,
            lambda: self._storing.outstanding,
            one_at_a_time=bool(self._suspects.crashes),
        )

    def on_hello(self, hello: Hello) -> None:
        """Warm: what it has loaded is pinned, and it is told how much room there is."""
        self._storing.begin()
        self.starting.loaded(hello)
        self.say_room(full=self._around.bridge.is_full)

    def on_serving(self) -> None:
        """It begins to look."""
        self._tell_field("serving", "")
        if self._gap is not None:
            (since, why, rate_hz), self._gap = self._gap, None
            self._put(gap_tombstone(self.name, since, self._around.clock.stamp(), why, rate_hz))
        self._around.changed()

    def on_message(self, message: AnyMessage) -> None:
        """What it stores, and its answers."""
        self._alive_at = self._around.clock.stamp()
        if isinstance(message, Reply):
            self.questions.answered(message)
            return
        if isinstance(message, Heartbeat):
            self._device_is(message)
            return
        for item in self._storing.take(message):
            self.starting.last_item = item
            self._suspects.clear(item)

    def _device_is(self, message: Heartbeat) -> None:
        """Which device answers as its microphone; another one than before is an event."""
        identity, moved = self.devices.heard(
            redacted(self.settings.source), message.words.get("device", "")
        )
        if identity:
            self._around.bridge.submit(
                self.name, ops.NoteSource(self.name, identity), _nothing_came, rows=0
            )
        if moved:
            self._around.entries.note(codes.SOURCE_MOVED, moved, lane=self.name)

    def on_end(self, ended: Exit) -> None:
        """Whatever the lane had in hand is gone, unless its source is a replay and repeats it."""
        health = self.child.health
        self.questions.lost()
        is_loop = health.crashes.is_loop(self._around.clock.boottime_ns())
        health.code = code_of(ended, health.state, is_loop=is_loop)
        drained = ended.code == 0 and ended.was_done
        if drained and health.state in (ChildState.DONE, ChildState.STOPPED):
            self._tell_field("over", "")
        else:
            self._tell_field("gone", ended.reason)
        if not drained and ended.had_process:
            self._examine(ended)
        self._write_down(ended)
        self._around.changed()

    def _write_down(self, ended: Exit) -> None:
        health = self.child.health
        is_refused = health.state is ChildState.REFUSED
        before, self._noted = self._noted, ""
        if is_refused or health.code in _NOTED:
            self._noted = f"{health.code} {ended.reason}" if is_refused else health.code
        if self._noted in ("", before):
            return
        is_told = is_refused and not health.has_served and self._around.refuses_whole()
        self._around.entries.note(health.code, ended.reason, lane=self.name, is_told=is_told)

    def _examine(self, ended: Exit) -> None:
        """Read what it left, bury what ended it, and clear the page for its successor.

        One that refused to start, or was started anew before it served, had nothing in hand.
        """
        is_crash = ended.failed is None and self.child.health.state is not ChildState.STARTING
        if not ended.had_served and not is_crash:
            return
        path = self.starting.config.data_dir / in_hand.FOLDER / self.name
        page = in_hand.read(path)
        death = Death(
            lane=self.name,
            reason=ended.reason,
            alive_at=self._alive_at,
            now=self._around.clock.stamp(),
            page=page,
            received=self._storing.received,
            goes_on_behind=self.starting.last_item,
            is_replay=is_replay(self.settings),
        )
        self._put(crash_tombstone(death))
        if page is None:
            return
        undecided = undecided_tombstone(
            self.name, page, self._alive_at, death.now, is_replay=death.is_replay
        )
        if undecided is not None:
            self._put(undecided)
        if ended.failed is None and (item := self._suspects.add(page.items)) is not None:
            log.error("item_buried code=%s lane=%s item=%s", codes.ITEM_BURIED, self.name, item)
            self.buried.append(item)
            self._put(burial(self.name, item, self._suspects.bury_after, death.now))
        self.starting.forget_page()

    def _put(self, tombstone: Tombstone) -> None:
        self._around.entries.put(self.name, tombstone, _nothing)

    def _tell_field(self, state: LaneState, reason: str) -> None:
        field = self._around.field()
        if field is not None:
            field.lane_is(self.name, state, reason)


def patience_of(settings: Supervision) -> Patience:
    """With lanes and sync."""
    return Patience(
        start_s=settings.start_timeout_s,
        stall_s=settings.stall_s,
        backoff_min_s=settings.backoff_min_s,
        backoff_max_s=settings.backoff_max_s,
    )


def _nothing(_: int) -> None:
    """Nobody waits for it."""


def _nothing_came(_: object) -> None:
    """Nobody waits for it."""
