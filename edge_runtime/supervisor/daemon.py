"""The daemon: start in order, watch, stop in reverse.  The only place that wires the parts."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edge_runtime.errors import EdgeRuntimeError, ExitCode
from edge_runtime.ledger.writer import LedgerWriter
from edge_runtime.manifest import find_bundle, load_manifest
from edge_runtime.supervisor.bridge import Bridge
from edge_runtime.supervisor.child import ChildState
from edge_runtime.supervisor.control import Command, ControlServer, Feed
from edge_runtime.supervisor.lanes import LaneKeeper
from edge_runtime.supervisor.notify import Notifier
from edge_runtime.supervisor.status import one_line, snapshot
from edge_runtime.supervisor.syncing import SyncKeeper

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from edge_runtime.clock import Clock
    from edge_runtime.config import Config

log = logging.getLogger(__name__)

TICK_S = 1.0
SYNC_STOP_S = 5.0
"""Above what a stopping sync was given for its backlog: the request in flight may finish."""


@dataclass(frozen=True, slots=True)
class RunOptions:
    """How long to run."""

    until_done: bool = False
    """Stop by itself once every replay has ended."""
    drain_s: float = 60.0
    """With `until_done`: how long the backlog may take to reach the collector."""


@dataclass(slots=True)
class RunSummary:
    """What a run did, for people and scripts."""

    exit_code: ExitCode = ExitCode.OK
    error: str = ""
    verdicts: dict[str, dict[str, int]] = field(default_factory=dict)
    """Stored in this run, by lane and verdict."""
    tombstones: dict[str, dict[str, int]] = field(default_factory=dict)
    restarts: dict[str, int] = field(default_factory=dict)
    counters: dict[str, dict[str, int]] = field(default_factory=dict)
    max_seq: int = 0
    unsynced: int | None = None
    """Results that the collector does not have yet; None without [sync]."""
    unsynced_media: int | None = None


class Daemon:
    """One run of the runtime.  Make it and `await run()` on one loop."""

    def __init__(self, config: Config, options: RunOptions, clock: Clock) -> None:
        """Nothing is opened yet."""
        self._config = config
        self._options = options
        self._clock = clock
        self._notifier = Notifier()
        self._feed = Feed()
        self._signals = 0
        self._wake = asyncio.Event()
        self._failure: EdgeRuntimeError | None = None
        self._lanes: list[LaneKeeper] = []
        self._sync: SyncKeeper | None = None
        self._ready = False
        self._started = clock.stamp()

    async def run(self) -> RunSummary:
        """Until stopped, failed or (`until_done`) done.

        Raises `EdgeRuntimeError` for what keeps it from starting: models, ledger, socket.
        """
        check_models(self._config)
        self._writer = LedgerWriter.open(
            self._config.data_dir, self._config.device.id, self._config.ledger, self._clock
        )
        try:
            return await self._run_with_ledger()
        finally:
            self._writer.close()

    async def _run_with_ledger(self) -> RunSummary:
        self._bridge = Bridge(self._writer, self._fail)
        commands: dict[str, Command] = {"status": self._status, "stop": self._stop_command}
        control = ControlServer(self._config.data_dir, commands, self._feed)
        await control.start()
        self._make_keepers()
        with self._handled_signals():
            tasks = [self._task(keeper.child.run()) for keeper in self._lanes]
            sync_task = self._task(self._sync.child.run()) if self._sync else None
            ticker = asyncio.create_task(self._tick())
            try:
                await self._settle_start()
                await self._until_stop(tasks)
            finally:
                self._notifier.stopping()
                await self._stop_children(tasks, sync_task)
                ticker.cancel()
                await control.close()
        return self._summary()

    def _make_keepers(self) -> None:
        config = self._config
        if config.sync is not None:
            self._sync = SyncKeeper(config, bridge=self._bridge, clock=self._clock)
        on_stored = self._sync.wake if self._sync else _nothing
        self._lanes = [
            LaneKeeper(
                name,
                config,
                bridge=self._bridge,
                feed=self._feed,
                on_stored=on_stored,
                clock=self._clock,
            )
            for name in config.lanes
        ]

    async def _settle_start(self) -> None:
        """READY once every lane has loaded its models, or refused."""
        children = [keeper.child for keeper in self._lanes]
        waits = [asyncio.create_task(child.settled.wait()) for child in children]
        wake = asyncio.create_task(self._wake.wait())
        while not all(task.done() for task in waits) and not wake.done():
            pending = [task for task in (*waits, wake) if not task.done()]
            await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
        for task in (*waits, wake):
            task.cancel()
        if not self._refused() and not self._signals:
            self._ready = True
            self._notifier.ready()
            log.info("ready lanes=%s", ",".join(keeper.name for keeper in self._lanes))

    async def _until_stop(self, tasks: list[asyncio.Task[None]]) -> None:
        while not self._signals and self._failure is None and not self._refused():
            if self._options.until_done and all(task.done() for task in tasks):
                return
            self._wake.clear()
            await self._wake.wait()

    async def _stop_children(
        self, tasks: list[asyncio.Task[None]], sync_task: asyncio.Task[None] | None
    ) -> None:
        """Lanes drain under one deadline, then sync; a second signal, and it is now."""
        for keeper in self._lanes:
            keeper.stop()
        await self._join(tasks, self._config.supervisor.stop_timeout_s)
        for keeper in self._lanes:
            keeper.child.kill()
        if self._sync is not None and sync_task is not None:
            done = self._options.until_done and not self._signals and self._failure is None
            drain_s = self._options.drain_s if done else 0.0
            if self._failure is None:
                await self._bridge.all_settled()
            self._sync.stop(drain_s)
            await self._join([sync_task], drain_s + SYNC_STOP_S)
            self._sync.child.kill()
            await asyncio.wait([sync_task])
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._failure is None:
            await self._bridge.all_settled()

    async def _join(self, tasks: list[asyncio.Task[None]], timeout_s: float) -> None:
        """Wait for tasks, at most so long, or until a second signal."""
        waiting = asyncio.gather(*tasks, return_exceptions=True)
        deadline_ns = self._clock.boottime_ns() + int(timeout_s * 1e9)
        while not waiting.done() and self._clock.boottime_ns() < deadline_ns:
            if self._signals > 1:
                log.warning("stopping_now second signal")
                break
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(asyncio.shield(waiting), 0.1)

    async def _tick(self) -> None:
        """Feed the watchdog while the ledger lives, and tell the service manager how it is."""
        period_s = min(TICK_S, self._notifier.watchdog_s or TICK_S)
        while True:
            if self._writer.is_alive():
                self._notifier.watchdog()
            if self._ready:
                self._notifier.status(one_line(self._lanes, self._sync, self._writer))
            await asyncio.sleep(period_s)

    @contextlib.contextmanager
    def _handled_signals(self):  # type: ignore[no-untyped-def]  # noqa: ANN202
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._on_signal)
        try:
            yield
        finally:
            for number in (signal.SIGTERM, signal.SIGINT):
                loop.remove_signal_handler(number)

    def _on_signal(self) -> None:
        self._signals += 1
        self._wake.set()

    def _fail(self, error: EdgeRuntimeError) -> None:
        log.critical("ledger_failed error=%s", error)
        self._failure = self._failure or error
        self._wake.set()

    def _task(self, run: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(run)
        task.add_done_callback(self._child_ended)
        return task

    def _child_ended(self, task: asyncio.Task[None]) -> None:
        self._wake.set()
        if not task.cancelled() and (error := task.exception()) is not None:
            log.critical("supervision_failed", exc_info=error)
            self._failure = self._failure or EdgeRuntimeError(f"supervision failed: {error!r}")

    def _refused(self) -> list[LaneKeeper]:
        """Lanes that no restart can help."""
        return [k for k in self._lanes if k.child.health.state is ChildState.FAILED]

    async def _status(self, _: dict[str, Any]) -> dict[str, Any]:
        return await snapshot(
            self._config, self._lanes, self._sync, self._writer, self._started, self._clock
        )

    async def _stop_command(self, _: dict[str, Any]) -> dict[str, Any]:
        self._on_signal()
        return {"stopping": True}

    def _summary(self) -> RunSummary:
        summary = RunSummary(
            verdicts={k.name: dict(k.verdicts) for k in self._lanes},
            tombstones={k.name: dict(k.tombstones) for k in self._lanes if k.tombstones},
            restarts={k.name: k.child.health.crashes.total for k in self._lanes},
            counters={
                k.name: k.child.health.heartbeat.counters
                for k in self._lanes
                if k.child.health.heartbeat
            },
        )
        self._add_ledger(summary)
        refused = self._refused()
        if self._failure is not None:
            summary.exit_code, summary.error = self._failure.exit_code, str(self._failure)
        elif refused and (failed := refused[0].child.health.failed) is not None:
            summary.exit_code = ExitCode(failed.exit_code)
            summary.error = f"lane '{refused[0].name}': {failed.message}"
        elif self._signals > 1:
            summary.exit_code = ExitCode.ABORTED
        elif self._options.until_done and (summary.unsynced or summary.unsynced_media):
            summary.exit_code = ExitCode.UNAVAILABLE
            summary.error = (
                f"{summary.unsynced} results and {summary.unsynced_media} media are kept "
                "and not yet at the collector"
            )
        return summary

    def _add_ledger(self, summary: RunSummary) -> None:
        from edge_runtime.ledger.queries import LedgerReader

        with LedgerReader(self._config.data_dir) as reader:
            summary.max_seq = reader.max_seq()
            if self._config.sync is not None:
                backlog = reader.backlog()
                summary.unsynced, summary.unsynced_media = backlog.rows, backlog.media


def check_models(config: Config) -> None:
    """Every lane's bundles are there and their manifests read.  Raises `ModelError`.

    Only text is read here: no native code runs in the process that owns the ledger.
    """
    models_dir = Path(config.device.models_dir) if config.device.models_dir else None
    for lane in config.lanes.values():
        for model in lane.all_models:
            load_manifest(find_bundle(model, models_dir))


def _nothing() -> None:
    """Without [sync] nobody is woken."""
