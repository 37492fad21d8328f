"""One child's life: started, spoken to, watched, replaced.  Runs on the supervisor's loop.

``Start → Hello → Serve → Heartbeat … → Stop``.  Whatever goes wrong with a process is a crash with
a back-off, or a refusal that is tried again slowly; nothing about a child raises.
"""

from __future__ import annotations

import asyncio
import logging
import signal
from dataclasses import replace
from typing import TYPE_CHECKING

from edge_runtime import codes
from edge_runtime.errors import EdgeRuntimeError, ExitCode, ModelError
from edge_runtime.link.messages import AnyMessage, Done, Failed, Heartbeat, Hello, Serve, Start
from edge_runtime.supervisor.policy import RestartPolicy
from edge_runtime.supervisor.spawned import Spawned, TalksNonsense
from edge_runtime.supervisor.states import IS_OVER, ChildHealth, ChildState, Exit, describe_exit
from edge_runtime.supervisor.watching import CHECK_S, Watch

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from edge_runtime.clock import Clock
    from edge_runtime.supervisor.owner import Owner
    from edge_runtime.supervisor.spawned import ChildSpec
    from edge_runtime.supervisor.watching import Patience

log = logging.getLogger(__name__)

DEFECT = "supervision failed"
"""Told to the loop's exception handler when a child's keeping itself fails: a defect of ours."""
ABORT_GRACE_S = 1.0
"""After SIGABRT a stuck child has so long to write its stacks into the log."""
REFUSED_RETRY_S = 60.0
REFUSALS = (ExitCode.CONFIG, ExitCode.NO_INPUT)
"""What no quick restart cures: a model or config that is refused, a recording that is missing."""


class Child:
    """Keeps one child process alive until it is done or told to stop."""

    def __init__(self, spec: ChildSpec, owner: Owner, *, patience: Patience, clock: Clock) -> None:
        """Nothing runs before `begin`."""
        self.spec = spec
        self.health = ChildHealth()
        self._owner = owner
        self._patience = patience
        self._clock = clock
        self._policy = RestartPolicy(patience.backoff_min_s, patience.backoff_max_s)
        self._process: Spawned | None = None
        self._task: asyncio.Task[None] | None = None
        self._stopping = asyncio.Event()
        self._nudged = asyncio.Event()
        self._watch: Watch | None = None
        self._is_restarting = False
        self._stuck_because = ""
        self._attempts: list[asyncio.Future[Exit | None]] = []

    def begin(self) -> asyncio.Task[None]:
        """Begin its life, or another one; the task that ends with it."""
        if self._task is None or self._task.done():
            self._stopping.clear()
            self._task = asyncio.create_task(self._run(), name=f"child-{self.spec.name}")
            self._task.add_done_callback(_tell_defect)
        return self._task

    @property
    def is_over(self) -> bool:
        """It is done or was stopped, and nothing of it runs."""
        return self._task is None or self._task.done()

    @property
    def is_ending(self) -> bool:
        """Its process was told to drain: it takes nothing new."""
        return self._stopping.is_set() or self._is_restarting

    def send(self, message: AnyMessage) -> bool:
        """Send, if there is a process to send to."""
        return self._process is not None and self._process.send(message)

    def stop(self, message: AnyMessage) -> None:
        """Tell it to drain and exit; do not start it again."""
        self._stopping.set()
        self.send(message)

    def restart(self, message: AnyMessage, within_s: float) -> asyncio.Future[Exit | None]:
        """Drain it, for `within_s` at most, and start it anew; or start it now, where none runs.

        The future is None once the new process serves, else how it ended.
        """
        attempt = self.attempt()
        if self._stopping.is_set():
            self._resolve(Exit(reason="stopped"))
            return attempt
        if not self.is_over and self.health.state in (ChildState.STARTING, ChildState.RUNNING):
            self._is_restarting = True
            self.send(message)
            if self._watch is not None:
                self._watch.drain_within(within_s)
        self.nudge()
        self.begin()
        return attempt

    def nudge(self) -> None:
        """Where it waits before it is tried again: now."""
        self._nudged.set()

    def attempt(self) -> asyncio.Future[Exit | None]:
        """How the next start goes: None once it serves."""
        attempt: asyncio.Future[Exit | None] = asyncio.get_running_loop().create_future()
        self._attempts.append(attempt)
        return attempt

    def kill(self) -> None:
        """End it now, for good."""
        self._stopping.set()
        if self._process is not None:
            self._process.signal(signal.SIGKILL)

    async def _run(self) -> None:
        try:
            while True:
                ended = await self._live_once()
                if self._stopping.is_set() and ended.code != 0:
                    ended = replace(ended, reason=f"{ended.reason} while stopping")
                rest_s = self._settle(ended)
                self._owner.on_end(ended)
                if self.health.state in IS_OVER:
                    return
                await self._rest(rest_s)
                if self._stopping.is_set():
                    self.health.state = ChildState.STOPPED
                    return
        finally:
            self.health.has_settled = True
            self._resolve(Exit(reason="stopped"))

    def _settle(self, ended: Exit) -> float:
        """Note how it ended and what comes next; how long to wait before that."""
        health = self.health
        health.pid = health.serving_since_ns = None
        rest_s = REFUSED_RETRY_S
        health.last_exit = ended.reason
        health.failed = ended.failed
        if self._stopping.is_set():
            health.state = ChildState.STOPPED
        elif self._is_restarting:
            self._is_restarting = False
            health.state = ChildState.STARTING
            return 0.0
        elif ended.failed is not None and ended.failed.exit_code in REFUSALS:
            health.state = ChildState.REFUSED  # its owner says so, once and to whom it belongs
        elif ended.code == 0 and ended.was_done:
            health.state = ChildState.DONE
        else:
            health.state = ChildState.WAITING
            rest_s = self._policy.delay_s(health.crashes.add(self._clock.boottime_ns()))
            log.error(
                "child_crashed name=%s %s crashes=%d", self.spec.name, ended.reason,
                health.crashes.total,
            )  # fmt: skip
        health.has_settled = True
        self._resolve(ended)
        return rest_s

    async def _rest(self, seconds: float) -> None:
        """Until it is time, or somebody wants it now or not at all."""
        waits = [asyncio.ensure_future(e.wait()) for e in (self._stopping, self._nudged)]
        try:
            await asyncio.wait(waits, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()

    async def _live_once(self) -> Exit:
        """One process from start to exit."""
        health = self.health
        health.state = ChildState.STARTING
        health.heartbeat = None
        health.started_ns = health.heartbeat_ns = self._clock.boottime_ns()
        self._nudged.clear()
        self._stuck_because = ""
        try:
            start = await self._unless_stopping(self._owner.make_start())
            if start is None:
                return Exit(reason="stopped before it was started")
            health.started_ns = health.heartbeat_ns = self._clock.boottime_ns()
            self._process = await Spawned.start(self.spec)
        except EdgeRuntimeError as exc:
            code = codes.MODEL_REFUSED if isinstance(exc, ModelError) else ""
            failed = Failed(int(exc.exit_code), str(exc), code)
            return Exit(reason=str(exc), code=failed.exit_code, failed=failed)
        except OSError as exc:
            return Exit(reason=f"cannot be started: {exc}", code=1, never_ran=True)
        try:
            return await self._accompany(self._process, start)
        finally:
            await self._process.end()
            self._process = None

    async def _unless_stopping(self, making: Coroutine[None, None, Start]) -> Start | None:
        made = asyncio.ensure_future(making)
        stop = asyncio.ensure_future(self._stopping.wait())
        try:
            await asyncio.wait({made, stop}, return_when=asyncio.FIRST_COMPLETED)
            return None if stop.done() else await made
        finally:
            stop.cancel()
            made.cancel()
            await asyncio.wait({made})

    async def _accompany(self, process: Spawned, start: Start) -> Exit:
        self.health.pid = process.pid
        process.send(start)
        if self._stopping.is_set() or self._is_restarting:  # said while nobody was there to hear it
            process.signal(signal.SIGKILL)
        self._watch = Watch(self.health, self._patience, self._clock)
        watching = asyncio.create_task(self._keep_watch(process, self._watch))
        failed: Failed | None = None
        was_done = False
        try:
            async for message in process.messages():
                if isinstance(message, Failed):
                    failed = message
                was_done = was_done or isinstance(message, Done)
                self._note(message)
                self._owner.on_message(message)
        except TalksNonsense as exc:
            self._stuck_because = f"talks nonsense: {exc}"
            process.signal(signal.SIGKILL)
        try:
            code = await process.wait()
        finally:
            watching.cancel()
        return Exit(
            reason=describe_exit(code, failed, self._stuck_because),
            code=code,
            failed=failed,
            was_done=was_done,
            had_process=True,
            had_served=self.health.serving_since_ns is not None,
            stuck=self._stuck_because,
        )

    def _note(self, message: AnyMessage) -> None:
        health = self.health
        now_ns = self._clock.boottime_ns()
        if isinstance(message, Heartbeat):
            health.heartbeat = message
            health.heartbeat_ns = now_ns
        elif isinstance(message, Hello):
            health.hello = message
            health.heartbeat_ns = now_ns
            self._owner.on_hello(message)
            if not self._stopping.is_set() and not self._is_restarting:
                self._serve(now_ns)

    def _serve(self, now_ns: int) -> None:
        health = self.health
        self.send(Serve())
        health.state, health.code, health.failed = ChildState.RUNNING, "", None
        health.serving_since_ns = now_ns
        health.has_settled = health.has_served = True
        self._owner.on_serving()
        self._resolve(None)

    def _resolve(self, outcome: Exit | None) -> None:
        attempts, self._attempts = self._attempts, []
        for attempt in attempts:
            if not attempt.done():
                attempt.set_result(outcome)

    async def _keep_watch(self, process: Spawned, watch: Watch) -> None:
        """End a process that has stopped making progress, or that does not drain in time."""
        reason = None
        while reason is None:
            await asyncio.sleep(CHECK_S)
            reason = watch.look()
        self._stuck_because = reason
        log.error("child_stuck name=%s %s", self.spec.name, reason)
        if self.spec.hears_abort:
            process.signal(signal.SIGABRT)  # faulthandler writes every thread's stack
            await asyncio.sleep(ABORT_GRACE_S)
        process.signal(signal.SIGKILL)


def _tell_defect(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        context = {"message": DEFECT, "exception": error, "task": task}
        task.get_loop().call_exception_handler(context)
