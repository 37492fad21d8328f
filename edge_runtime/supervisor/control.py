"""The control socket: how ``status``, ``results tail --follow`` and the dashboard reach the daemon.

A UNIX stream socket ``control.sock`` in the data folder, mode 0660.  One JSON request a line
(``{"command": "status"}``), one JSON reply a line; ``follow`` answers with a line for every
committed entry until the client goes.  What a command refuses comes as ``{"error": ...,
"exit_code": ...}``.  Who is only in the socket's group may ask for what is in `READING`; the rest
is for root and the daemon's own user.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import socket
import struct
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, TypeAlias

from edge_runtime.access import denied, user_name
from edge_runtime.clock import NS_PER_S, SYSTEM_CLOCK
from edge_runtime.errors import AddressInUse, EdgeRuntimeError, ExitCode, NoInput, NotAllowed

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from edge_runtime.supervisor.feed import Feed

Command: TypeAlias = Callable[[dict[str, Any]], Awaitable[Any]]

SOCKET = "control.sock"
MAX_REQUEST_BYTES = 64 << 10
READING = frozenset({"status", "follow", "outputs"})
"""What changes nothing, and tells nothing that the ledger does not tell."""
_CREDENTIALS = struct.Struct("3i")
"""struct ucred: pid, uid, gid."""


class ControlServer:
    """Serves commands on the supervisor's loop."""

    def __init__(self, data_dir: Path, commands: dict[str, Command], feed: Feed) -> None:
        """`commands` by name; `feed` for ``follow``."""
        self._path = data_dir / SOCKET
        self._commands = commands
        self._feed = feed
        self._server: asyncio.Server | None = None
        self._clients: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Listen.  The ledger's lock is held, so an old socket file is a dead one."""
        self._path.unlink(missing_ok=True)
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
        try:
            with short_path(self._path) as address:
                connection.bind(address)
        except OSError as exc:
            connection.close()
            raise AddressInUse(f"{self._path}: cannot listen: {exc.strerror}") from exc
        self._path.chmod(0o660)
        self._server = await asyncio.start_unix_server(
            self._accept, sock=connection, limit=MAX_REQUEST_BYTES
        )

    async def close(self) -> None:
        """Stop listening and let go of clients."""
        if self._server is not None:
            self._server.close()
        for task in list(self._clients):
            task.cancel()
        await asyncio.gather(*self._clients, return_exceptions=True)
        self._path.unlink(missing_ok=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is not None:
            self._clients.add(task)
            task.add_done_callback(self._clients.discard)
        try:
            connection: socket.socket = writer.get_extra_info("socket")
            await self._serve(reader, writer, is_ours=_peer(connection) in (0, os.geteuid()))
        except (ConnectionError, ValueError, asyncio.CancelledError):
            pass  # the client went away, sent too long a line, or we are stopping
        finally:
            writer.close()

    async def _serve(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, is_ours: bool
    ) -> None:
        while line := await reader.readline():
            request = _request(line)
            if not is_ours and request.get("command") not in READING:
                await _reply(writer, _not_allowed(request.get("command")))
            elif request.get("command") == "follow":
                async for entry in self._feed.follow():
                    await _reply(writer, entry)
            else:
                await _reply(writer, await self._answer(request))

    async def _answer(self, request: dict[str, Any]) -> object:
        command = self._commands.get(str(request.get("command")))
        if command is None:
            known = ", ".join(sorted([*self._commands, "follow"]))
            return {"error": f"unknown command {request.get('command')!r}; known: {known}"}
        try:
            return await command(request)
        except EdgeRuntimeError as exc:
            return {"error": str(exc), "exit_code": int(exc.exit_code)}
        except (KeyError, TypeError, ValueError) as exc:
            return {"error": f"not understood: {exc!r}", "exit_code": int(ExitCode.USAGE)}


class ControlClient:
    """The other end, blocking.  One thread."""

    def __init__(self, data_dir: Path, *, timeout_s: float = 5.0) -> None:
        """Connect.  Raises `NoInput` when no daemon listens there, `NotAllowed` to this user."""
        self._connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._connection.settimeout(timeout_s)
        try:
            with short_path(data_dir / SOCKET) as address:
                self._connection.connect(address)
        except PermissionError as exc:
            self._connection.close()
            raise NotAllowed(denied(data_dir / SOCKET)) from exc
        except OSError as exc:
            self._connection.close()
            raise NoInput(f"no daemon is running on {data_dir}") from exc
        self._file = self._connection.makefile("rwb")

    def ask(self, command: str, **arguments: object) -> Any:  # noqa: ANN401 - JSON
        """One command and its reply.  Raises `NoInput` when the daemon goes away meanwhile."""
        self._send(command, arguments)
        return self._read()

    def follow(self, *, for_s: float | None = None) -> Iterator[dict[str, Any]]:
        """Committed entries, until the daemon stops or so long."""
        self._send("follow", {})
        began_ns = SYSTEM_CLOCK.boottime_ns()
        with contextlib.suppress(NoInput):
            while True:
                spent_s = (SYSTEM_CLOCK.boottime_ns() - began_ns) / NS_PER_S
                if for_s is not None and spent_s >= for_s:
                    return
                self._connection.settimeout(None if for_s is None else for_s - spent_s)
                yield self._read()

    def close(self) -> None:
        """Disconnect.  Idempotent."""
        with contextlib.suppress(OSError):
            self._file.close()
        self._connection.close()

    def __enter__(self) -> ControlClient:  # noqa: PYI034 - nobody derives from it
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _send(self, command: str, arguments: dict[str, object]) -> None:
        try:
            self._file.write(json.dumps({"command": command, **arguments}).encode() + b"\n")
            self._file.flush()
        except OSError as exc:
            raise NoInput("the daemon went away") from exc

    def _read(self) -> Any:  # noqa: ANN401 - JSON
        try:
            line = self._file.readline()
        except OSError as exc:
            raise NoInput(f"the daemon does not answer: {exc}") from exc
        if not line:
            raise NoInput("the daemon went away")
        return json.loads(line)


@contextlib.contextmanager
def short_path(path: Path) -> Iterator[str]:
    """A name for `path` that fits into the 108 bytes of a UNIX address, however deep the folder."""
    folder = os.open(path.parent, os.O_PATH | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{folder}/{path.name}"
    finally:
        os.close(folder)


def _peer(connection: socket.socket) -> int:
    """The user at the other end, by the kernel's word."""
    told = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    return int(_CREDENTIALS.unpack(told)[1])


def _not_allowed(command: object) -> dict[str, Any]:
    owner = user_name(os.geteuid())
    text = f"'{command}' is for root and for {owner}: use sudo; the group may read only"
    return {"error": text, "exit_code": int(ExitCode.NOT_ALLOWED)}


def _request(line: bytes) -> dict[str, Any]:
    try:
        request = json.loads(line)
    except (ValueError, RecursionError):
        return {}
    return request if isinstance(request, dict) else {}


async def _reply(writer: asyncio.StreamWriter, value: object) -> None:
    writer.write(json.dumps(value).encode() + b"\n")
    await writer.drain()
