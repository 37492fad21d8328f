"""The daemon: start in order, watch, stop in order.  The only place that wires the parts."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from edge_runtime.errors import ConfigError, EdgeRuntimeError, LedgerError
from edge_runtime.ledger import ops
from edge_runtime.ledger.writer import LedgerWriter
from edge_runtime.supervisor.anchors import watch_clock
from edge_runtime.supervisor.bridge import Bridge
from edge_runtime.supervisor.checking import model_problems
from edge_runtime.supervisor.child import DEFECT
from edge_runtime.supervisor.commands import Commands
from edge_runtime.supervisor.control import ControlServer
from edge_runtime.supervisor.crew import Crew, Modules
from edge_runtime.supervisor.entries import STATION, Entries
from edge_runtime.supervisor.feed import Feed
from edge_runtime.supervisor.memory import Memory
from edge_runtime.supervisor.notify import Notifier
from edge_runtime.supervisor.readiness import headline, is_ready, refusal, refused_at_start
from edge_runtime.supervisor.reloading import Reloading
from edge_runtime.supervisor.status import Station, one_line, snapshot
from edge_runtime.supervisor.stopping import Deadline, handled_signals, in_thread
from edge_runtime.supervisor.summary import RunSummary, add_ledger, conclude, of_run
from edge_runtime.supervisor.switching import Switching

if TYPE_CHECKING:
    from pathlib import Path

    from edge_runtime.clock import Clock
    from edge_runtime.config import Config

__all__ = ["Daemon", "Modules", "RunOptions", "RunSummary"]

log = logging.getLogger(__name__)

TICK_S = 1.0
RESERVE_S = 3.0
"""Of a stop's time, for what comes behind the lanes: field, sync, ledger; a quarter at most."""
CLOSE_S = 1.0
"""The ledger may write its last rows, however late it is."""


@dataclass(frozen=True, slots=True)
class RunOptions:
    """How to run."""

    until_done: bool = False
    """Stop by itself once every replay has ended."""
    drain_s: float = 60.0
    """With `until_done`: how long the backlog may take to reach the collector."""
    anew: bool = False
    """Replays begin at their beginning, not behind what is stored of them."""


class Daemon:
    """One run of the runtime.  Make it and `await run()` on one loop, once."""

    def __init__(
        self,
        config: Config,
        options: RunOptions,
        clock: Clock,
        *,
        path: Path | None = None,
        modules: Modules | None = None,
    ) -> None:
        """Nothing is opened yet.  `path`: where the config is read from again."""
        self._config = config
        self._options = options
        self._clock = clock
        self._path = path
        self._modules = modules or Modules()
        self._notifier = Notifier()
        self._feed = Feed()
        self._memory = Memory(config.data_dir)
        self._is_known = False
        """This config once reached READY on this ledger."""
        self._is_up = False
        self._signals = 0
        self._wake = asyncio.Event()
        self._failure: EdgeRuntimeError | None = None
        self._refusal: tuple[int, list[str]] | None = None
        self._deadline: Deadline | None = None
        self._started = clock.stamp()
        self._noted: set[str] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    async def run(self) -> RunSummary:
        """Until stopped, failed or (`until_done`) done.

        Raises `EdgeRuntimeError` for what keeps it from starting: models, ledger, sockets.
        """
        config = self._config
        self._is_known = self._memory.knows(config.sha256())
        if not self._is_known and (problems := model_problems(config)):
            raise ConfigError(problems)
        with self._notifier.still_starting():
            self._writer = LedgerWriter.open(
                config.data_dir, config.device.id, config.ledger, self._clock
            )
        self._bridge = Bridge(self._writer, self._fail)
        with contextlib.ExitStack() as until_closed:
            try:
                await self._run_with_ledger(until_closed)
            finally:
                unstored = await self._close_ledger()
        summary = of_run(self._crew, self._entries)
        summary.unstored = unstored
        add_ledger(summary, config.data_dir, has_sync=self._crew.config.sync is not None)
        conclude(
            summary,
            failure=self._failure,
            refusal=self._refusal,
            was_told=self._is_up,
            is_aborted=self._signals > 1,
            until_done=self._options.until_done,
        )
        return summary

    async def _run_with_ledger(self, until_closed: contextlib.ExitStack) -> None:
        """`until_closed`: signals are heard, and kill nobody, as long as the ledger is open."""
        self._entries = Entries(self._bridge, self._feed, clock=self._clock)
        self._crew = Crew(
            self._config,
            modules=self._modules,
            bridge=self._bridge,
            entries=self._entries,
            memory=self._memory,
            pins=self._memory.pins(),
            anew=self._options.anew,
            refuses_whole=lambda: not self._is_known and not self._is_up,
            changed=self._wake.set,
            clock=self._clock,
        )
        self._entries.on_stored = self._crew.wake_sync
        self._reloading = Reloading(self._path, self._crew, self._entries, changed=self._wake.set)
        commands = Commands(
            crew=self._crew,
            reloading=self._reloading,
            switching=Switching(self._crew, self._entries, self._memory),
            status=self._status,
            stop=self._on_signal,
        )
        control = ControlServer(self._config.data_dir, commands.by_name(), self._feed)
        try:
            await control.start()
        except EdgeRuntimeError:
            self._crew.close()
            raise
        asyncio.get_running_loop().set_exception_handler(self._on_defect)
        handlers = dict.fromkeys((signal.SIGTERM, signal.SIGINT), self._on_signal)
        handlers[signal.SIGHUP] = self._on_hangup
        until_closed.enter_context(handled_signals(handlers))
        self._task(self._tick())
        self._task(self._crew.watch_room())
        self._task(watch_clock(self._clock, self._note))
        self._crew.begin()
        try:
            await self._until_ready()
            await self._until_stop()
        finally:
            await self._stop()
            for task in self._tasks:
                task.cancel()
            await control.close()

    async def _until_ready(self) -> None:
        """READY once each lane serves, was refused or is in back-off, and the ledger is well.

        A config that never was ready here is refused whole when a lane refuses it: somebody is
        looking, and can mend it.  One that was ready runs without that lane.
        """
        while not is_ready(self._crew.holds_the_line(), self._writer.state):
            if self._is_ending:
                return
            await self._woken()
        if not self._is_known:
            self._refusal = refusal(refused_at_start(self._crew.standings()))
        if self._is_ending:
            return
        self._is_up = True
        self._notifier.ready()
        log.info("ready %s", headline(self._crew.standings()))

    async def _until_stop(self) -> None:
        while not self._is_ending:
            self._note_ready()
            if self._options.until_done and self._crew.is_done():
                self._refusal = refusal(self._crew.standings())
                return
            await self._woken()

    async def _stop(self) -> None:
        """Children in their order, all by one deadline from the first signal on."""
        self._notifier.stopping()
        stop_s = self._config.supervisor.stop_timeout_s
        is_done = self._options.until_done and not self._is_ending
        drain_s = self._options.drain_s if is_done else 0.0
        if self._deadline is None:
            self._deadline = Deadline(self._clock, stop_s + drain_s)
        await self._crew.stop(self._deadline, drain_s=drain_s, reserve_s=min(RESERVE_S, stop_s / 4))
        if not self._bridge.is_full:  # else nothing comes of waiting
            await self._bridge.all_settled(self._deadline)

    async def _close_ledger(self) -> dict[str, int]:
        """The rows that it could not take, by lane: counted and named, never waited for."""
        deadline = self._deadline or Deadline(self._clock, self._config.supervisor.stop_timeout_s)
        self._bridge.closing()
        close_s = max(CLOSE_S, deadline.left_s)
        closed = in_thread("ledger-close", lambda: self._writer.close(close_s))
        if not await Deadline(self._clock, 2 * close_s).wait_for(closed):
            log.critical("ledger_not_closed data_dir=%s", self._config.data_dir)
        unstored = self._bridge.give_up()
        for owner, rows in unstored.items():
            log.error("unstored lane=%s rows=%d", owner, rows)
        return unstored

    @property
    def _is_ending(self) -> bool:
        return bool(self._signals or self._failure is not None or self._refusal is not None)

    async def _woken(self) -> None:
        await self._wake.wait()
        self._wake.clear()

    def _note_ready(self) -> None:
        """This ledger knows the config from now on."""
        sha256 = self._reloading.loaded_sha256 or self._config.sha256()
        standings = self._crew.standings()
        if sha256 in self._noted or not is_ready(standings, self._writer.state):
            return
        if refusal(standings) is None:
            self._noted.add(sha256)
            self._note(ops.RecordReady(sha256))

    async def _tick(self) -> None:
        """Feed the watchdog while the ledger lives, and tell the service manager how it is."""
        period_s = min(TICK_S, self._notifier.watchdog_s or TICK_S)
        while True:
            if self._writer.state == "failed":  # also when nobody asks anything of it
                self._fail(LedgerError(self._writer.detail))
            if self._writer.is_alive():
                self._notifier.watchdog()
            self._notifier.status(one_line(self._station()))
            await asyncio.sleep(period_s)

    def _on_signal(self) -> None:
        """The first: drain, by one deadline.  The second: now."""
        self._signals += 1
        stop_s = 0.0 if self._signals > 1 else self._config.supervisor.stop_timeout_s
        if self._deadline is None:
            self._deadline = Deadline(self._clock, stop_s)
        elif self._crew.sync is not None:
            self._crew.sync.stop(0.0)  # it was sending a finished run's backlog
        self._deadline.at_most(stop_s)
        log.info("stopping signals=%d within_s=%.1f", self._signals, self._deadline.left_s)
        self._wake.set()

    def _on_hangup(self) -> None:
        if not self._is_ending and self._deadline is None:
            self._task(self._reloading.reload_for_signal())

    def _on_defect(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        loop.default_exception_handler(context)
        if context.get("message") == DEFECT:
            self._fail(EdgeRuntimeError(f"{DEFECT}: {context['exception']!r}"))

    def _fail(self, error: EdgeRuntimeError) -> None:
        if self._failure is None:
            log.critical("failed error=%s", error)
            self._failure = error
        self._wake.set()

    def _note(self, op: ops.Op) -> None:
        """Write down what nobody waits for."""
        self._bridge.submit(STATION, op, lambda _: None, rows=0)

    def _task(self, work: Any) -> None:  # noqa: ANN401 - a coroutine
        task: asyncio.Task[None] = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _status(self) -> dict[str, Any]:
        return await snapshot(self._station())

    def _station(self) -> Station:
        crew = self._crew
        return Station(
            config=crew.config,
            lanes=crew.lanes,
            field=crew.field,
            sync=crew.sync,
            writer=self._writer,
            reload=self._reloading,
            started=self._started,
            clock=self._clock,
        )
