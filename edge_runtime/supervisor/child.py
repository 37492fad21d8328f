"""One child process: spawned, spoken to, watched, replaced.  Runs on the supervisor's loop."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import socket
import sys
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from edge_runtime.clock import NS_PER_S
from edge_runtime.errors import ExitCode
from edge_runtime.link.child_end import FD_VARIABLE
from edge_runtime.link.messages import (
    HEADER_BYTES,
    AnyMessage,
    Done,
    Failed,
    Heartbeat,
    Hello,
    Start,
    body_length,
    decode,
    encode,
)
from edge_runtime.supervisor.policy import CrashHistory, RestartPolicy, stalled

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from edge_runtime.clock import Clock
    from edge_runtime.config import Supervision

log = logging.getLogger(__name__)

CHECK_S = 0.25
ABORT_GRACE_S = 1.0
"""After SIGABRT a stuck child has so long to write its stacks into the log."""
OOM_SCORE_ADJ = 500
"""When memory runs out the kernel takes a child, not the supervisor with the ledger."""


class ChildState(StrEnum):
    """Where a child is in its life."""

    STARTING = "starting"
    RUNNING = "running"
    WAITING = "waiting"
    """Dead; will be started again after a back-off."""
    DONE = "done"
    """Ended in order: its source is exhausted, or it was told to stop."""
    FAILED = "failed"
    """Refused to start at the daemon's start: config or model."""


@dataclass(frozen=True, slots=True)
class ChildSpec:
    """What to start."""

    name: str
    module: str
    """``python -m`` this."""


@dataclass(slots=True)
class ChildHealth:
    """What is known about a child now; read by ``status``."""

    state: ChildState = ChildState.STARTING
    pid: int | None = None
    hello: Hello | None = None
    heartbeat: Heartbeat | None = None
    heartbeat_ns: int = 0
    started_ns: int = 0
    crashes: CrashHistory = field(default_factory=CrashHistory)
    last_exit: str = ""
    failed: Failed | None = None


class Child:
    """Keeps one child process alive until it is done or told to stop."""

    def __init__(
        self,
        spec: ChildSpec,
        *,
        make_start: Callable[[], Awaitable[Start]],
        on_message: Callable[[AnyMessage], None],
        on_crash: Callable[[str], None],
        settings: Supervision,
        clock: Clock,
    ) -> None:
        """`make_start` is asked before each start; `on_crash` is told why the child went."""
        self.spec = spec
        self.health = ChildHealth()
        self._make_start = make_start
        self._on_message = on_message
        self._on_crash = on_crash
        self._settings = settings
        self._clock = clock
        self._policy = RestartPolicy(settings.backoff_min_s, settings.backoff_max_s)
        self._writer: asyncio.StreamWriter | None = None
        self._process: asyncio.subprocess.Process | None = None
        self._stopping = asyncio.Event()
        self.settled = asyncio.Event()
        """Set at the first Hello, or when it will never come."""

    async def run(self) -> None:
        """Start, serve, restart; returns once the child is done, failed or stopped."""
        try:
            while not self._stopping.is_set():
                code = await self._live_once()
                if self._ended(code):
                    return
                await self._back_off()
        finally:
            self.settled.set()

    def send(self, message: AnyMessage) -> None:
        """Send, if there is a child to send to."""
        if self._writer is not None and not self._writer.is_closing():
            self._writer.write(encode(message))

    def stop(self, message: AnyMessage) -> None:
        """Tell it to drain and exit; do not restart it."""
        self._stopping.set()
        self.send(message)

    def kill(self) -> None:
        """End it now."""
        self._stopping.set()
        self._signal(signal.SIGKILL)

    def _ended(self, code: int) -> bool:
        """Whether the child is not to be started again, after it exited with `code`."""
        health = self.health
        if code == 0:
            health.state = ChildState.DONE
        elif health.failed is not None and self._cannot_be_cured(code):
            health.state = ChildState.FAILED
        elif self._stopping.is_set():
            health.state = ChildState.DONE
            self._on_crash(f"{health.last_exit} while stopping")
        else:
            self._crashed()
            return False
        return True

    def _cannot_be_cured(self, code: int) -> bool:
        """Whether no restart would help: a bad model at the first start, a missing recording."""
        first_start = self.health.hello is None
        return code == ExitCode.NO_INPUT or (first_start and code == ExitCode.CONFIG)

    def _crashed(self) -> None:
        health = self.health
        health.state = ChildState.WAITING
        health.crashes.add(self._clock.boottime_ns())
        log.error(
            "child_crashed name=%s %s crashes=%d", self.spec.name, health.last_exit,
            health.crashes.total,
        )  # fmt: skip
        self._on_crash(health.last_exit)

    async def _back_off(self) -> None:
        delay_s = self._policy.delay_s(self.health.crashes.recent(self._clock.boottime_ns()))
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._stopping.wait(), delay_s)

    async def _live_once(self) -> int:
        """One process from start to exit; its exit code (negative: the signal)."""
        start = await self._make_start()
        reader = await self._spawn()
        process = self._process
        assert process is not None
        self.send(start)
        watch = asyncio.create_task(self._watch())
        try:
            await self._serve(reader)
            code = await process.wait()
        finally:
            watch.cancel()
            self._writer_close()
            if process.returncode is None:  # we are being cancelled: nobody is left behind
                process.kill()
                await process.wait()
        self.health.pid = None
        self.health.last_exit = _describe_exit(code, self.health.failed)
        return code

    async def _spawn(self) -> asyncio.StreamReader:
        ours, theirs = socket.socketpair()
        self.health.state = ChildState.STARTING
        self.health.heartbeat = None
        self.health.failed = None
        self.health.started_ns = self._clock.boottime_ns()
        try:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                self.spec.module,
                stdin=asyncio.subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
                env={**os.environ, FD_VARIABLE: str(theirs.fileno())},
            )
        finally:
            theirs.close()
        self.health.pid = self._process.pid
        _give_up_first(self._process.pid)
        reader, self._writer = await asyncio.open_connection(sock=ours)
        return reader

    async def _serve(self, reader: asyncio.StreamReader) -> None:
        """Messages until end-of-file."""
        while True:
            try:
                header = await reader.readexactly(HEADER_BYTES)
                message = decode(await reader.readexactly(body_length(header)))
            except (asyncio.IncompleteReadError, ConnectionError):
                return
            except (ValueError, msgspec.DecodeError) as exc:
                log.error("child_talks_nonsense name=%s error=%s", self.spec.name, exc)  # noqa: TRY400
                self._signal(signal.SIGKILL)
                return
            self._note(message)
            self._on_message(message)

    def _note(self, message: AnyMessage) -> None:
        health = self.health
        if isinstance(message, Heartbeat):
            health.heartbeat = message
            health.heartbeat_ns = self._clock.boottime_ns()
        elif isinstance(message, Hello):
            health.state = ChildState.RUNNING
            health.hello = message
            health.heartbeat_ns = self._clock.boottime_ns()
            self.settled.set()
        elif isinstance(message, Failed):
            health.failed = message
        elif isinstance(message, Done):
            log.info("child_done name=%s", self.spec.name)

    async def _watch(self) -> None:
        """End a child that has stopped making progress."""
        while True:
            await asyncio.sleep(CHECK_S)
            reason = self._stuck()
            if reason is None:
                continue
            log.error("child_stuck name=%s %s", self.spec.name, reason)
            self._signal(signal.SIGABRT)  # faulthandler writes every thread's stack
            await asyncio.sleep(ABORT_GRACE_S)
            self._signal(signal.SIGKILL)
            return

    def _stuck(self) -> str | None:
        health = self.health
        now = self._clock.boottime_ns()
        if health.state is ChildState.STARTING:
            waited_s = (now - health.started_ns) / NS_PER_S
            limit_s = self._settings.start_timeout_s
            return f"not ready after {waited_s:.0f} s" if waited_s > limit_s else None
        loops = health.heartbeat.loops if health.heartbeat else {}
        age_s = (now - health.heartbeat_ns) / NS_PER_S
        return stalled(loops, age_s, self._settings.stall_s)

    def _signal(self, number: signal.Signals) -> None:
        if self._process is not None and self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self._process.send_signal(number)

    def _writer_close(self) -> None:
        if self._writer is not None:
            self._writer.close()
            self._writer = None


def _describe_exit(code: int, failed: Failed | None) -> str:
    if failed is not None:
        return f"exit={code} reason={failed.message}"
    if code < 0:
        return f"signal={signal.Signals(-code).name}"
    return f"exit={code}"


def _give_up_first(pid: int) -> None:
    with contextlib.suppress(OSError):  # no permission, or it is gone already
        Path(f"/proc/{pid}/oom_score_adj").write_text(str(OOM_SCORE_ADJ), "ascii")
