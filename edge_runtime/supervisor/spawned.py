"""One process of a child and the link to it.  Runs on the supervisor's loop."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import socket
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from edge_runtime.link.child_end import FD_VARIABLE, LISTEN_FD_VARIABLE, STACKS_FD_VARIABLE
from edge_runtime.link.messages import (
    HEADER_BYTES,
    AnyMessage,
    body_length,
    decode,
    encode,
)

if TYPE_CHECKING:
    import signal
    from collections.abc import AsyncIterator

log = logging.getLogger(__name__)

OOM_SCORE_ADJ = 500
"""When memory runs out the kernel takes such a child, not the supervisor with the ledger."""


NICEST = 19
MOST_STACKS_BYTES = 1 << 20


class TalksNonsense(Exception):
    """What came over the link is no message."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChildSpec:
    """What to start, and how it is treated."""

    name: str
    module: str
    """``python -m`` this."""
    nice: int = 0
    """Lanes step back for the field process, the ledger and what watches them."""
    gives_way: bool = True
    """It may be taken when memory runs out."""
    hears_abort: bool = True
    """SIGABRT makes it write its stacks; one that ignores that is killed at once."""
    listen_fd: int | None = None
    """A listening socket that every process of this child is given."""


class Spawned:
    """A running process.  Made by `start`."""

    def __init__(
        self,
        spec: ChildSpec,
        process: asyncio.subprocess.Process,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        stacks_fd: int,
    ) -> None:
        """Use `start`."""
        self._stacks_fd = stacks_fd
        self._spec = spec
        self._process = process
        self._reader = reader
        self._writer = writer

    @classmethod
    async def start(cls, spec: ChildSpec) -> Spawned:
        """Start it afresh, never forked.  Raises `OSError` when there can be no such process."""
        ours, theirs = socket.socketpair()
        try:
            stacks_fd = os.memfd_create("stacks")
        except OSError:
            ours.close()
            theirs.close()
            raise
        fds = [theirs.fileno(), stacks_fd]
        fds += [] if spec.listen_fd is None else [spec.listen_fd]
        environ = {
            **os.environ,
            FD_VARIABLE: str(theirs.fileno()),
            STACKS_FD_VARIABLE: str(stacks_fd),
        }
        if spec.listen_fd is not None:
            environ[LISTEN_FD_VARIABLE] = str(spec.listen_fd)
        try:
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                spec.module,
                spec.name,  # for people who list processes; the child itself is told over the link
                stdin=asyncio.subprocess.DEVNULL,
                pass_fds=fds,
                env=environ,
            )
        except BaseException:
            ours.close()
            os.close(stacks_fd)
            raise
        finally:
            theirs.close()
        _place(process.pid, spec)
        reader, writer = await asyncio.open_connection(sock=ours)
        return cls(spec, process, reader, writer, stacks_fd)

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    def send(self, message: AnyMessage) -> bool:
        """Send; False where that cannot be said, or nobody listens any more.  Never waits."""
        if self._writer.is_closing():
            return False
        try:
            self._writer.write(encode(message))
        except (ValueError, TypeError, msgspec.MsgspecError) as exc:
            kind = type(message).__name__
            log.error("cannot_be_said name=%s message=%s error=%s", self._spec.name, kind, exc)  # noqa: TRY400
            return False
        return True

    async def messages(self) -> AsyncIterator[AnyMessage]:
        """What it says, until end-of-file.  Raises `TalksNonsense`."""
        while True:
            try:
                header = await self._reader.readexactly(HEADER_BYTES)
                message = decode(await self._reader.readexactly(body_length(header)))
            except (asyncio.IncompleteReadError, ConnectionError):
                return
            except (ValueError, msgspec.DecodeError) as exc:
                raise TalksNonsense(str(exc)) from exc
            yield message

    def signal(self, number: signal.Signals) -> None:
        """Send a signal, if it is still there."""
        if self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self._process.send_signal(number)

    async def wait(self) -> int:
        """Its exit code; negative: the signal that ended it."""
        return await self._process.wait()

    async def end(self) -> None:
        """Close the link, and leave nobody behind."""
        self._writer.close()
        if self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()
            await self._process.wait()
        self._tell_stacks()

    def _tell_stacks(self) -> None:
        """What a process that hung or crashed wrote of its threads, in one piece."""
        fd, self._stacks_fd = self._stacks_fd, -1
        if fd < 0:
            return
        stacks = os.pread(fd, MOST_STACKS_BYTES, 0).decode("utf-8", "replace").rstrip()
        os.close(fd)
        if stacks:
            log.error("child_stacks name=%s\n%s", self._spec.name, stacks)


def _place(pid: int, spec: ChildSpec) -> None:
    """Its rank among processes.

    Set from outside and at once: threads inherit it from the thread that makes them, and there is
    one as yet.  (A `preexec_fn` would run Python between fork and exec, beside other threads.)
    """
    with contextlib.suppress(OSError):  # no permission, or it is gone already
        if spec.nice:
            ours = os.getpriority(os.PRIO_PROCESS, 0)
            os.setpriority(os.PRIO_PROCESS, pid, min(ours + spec.nice, NICEST))
    with contextlib.suppress(OSError):
        if spec.gives_way:
            Path(f"/proc/{pid}/oom_score_adj").write_text(str(OOM_SCORE_ADJ), "ascii")
