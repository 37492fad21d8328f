"""What the supervisor does for the field process: its socket, its lanes, a successor at once."""

from __future__ import annotations

import contextlib
import logging
import secrets
import socket
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

import msgspec

from edge_runtime import codes
from edge_runtime.errors import AddressInUse
from edge_runtime.link.messages import Admit, AnyMessage, Hello, LaneIs, Reply, Start, Stop
from edge_runtime.supervisor.asking import Questions
from edge_runtime.supervisor.child import Child
from edge_runtime.supervisor.control import short_path
from edge_runtime.supervisor.policy import CRASH_LOOP
from edge_runtime.supervisor.spawned import ChildSpec
from edge_runtime.supervisor.starting import needs_far_side
from edge_runtime.supervisor.states import ChildState
from edge_runtime.supervisor.storing import Storing
from edge_runtime.supervisor.watching import Patience

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from edge_runtime.clock import Clock
    from edge_runtime.config import Config
    from edge_runtime.link.messages import OutputState
    from edge_runtime.supervisor.entries import Entries
    from edge_runtime.supervisor.states import Exit

log = logging.getLogger(__name__)

LaneState: TypeAlias = Literal["serving", "gone", "over"]

NAME: Final = "field"
MODULE: Final = "edge_runtime.field"
SOCKET: Final = "field.sock"
BACKLOG: Final = 64
STALL_S: Final = 1.5
"""Three of its heartbeats.  With a new process, a hung one costs the line about 2 s."""
START_S: Final = 10.0
BACKOFF_MIN_S, BACKOFF_MAX_S = 0.1, 1.0
"""Nothing is safe while it is away: it is never waited for longer than this."""
STOP_S: Final = 5.0
RECONFIGURE_S: Final = 10.0


def needs_field(config: Config) -> bool:
    """Whether there is a far side at all."""
    return bool(config.outputs) or any(needs_far_side(lane) for lane in config.lanes.values())


class FieldKeeper:
    """The field process as the supervisor sees it.  Loop only."""

    def __init__(
        self,
        config: Config,
        *,
        entries: Entries,
        clock: Clock,
        changed: Callable[[], None],
        module: str = MODULE,
    ) -> None:
        """Bind the socket that lanes connect to.  Raises `AddressInUse`.

        It is bound here and handed on: what a lane asks while there is no field process waits in
        the backlog for the next one.
        """
        self.path: Path = config.data_dir / SOCKET
        self._config = config
        self._entries = entries
        self._changed = changed
        self._clock = clock
        self._listener = _listen(self.path)
        self._tokens: dict[str, str] = {}
        self._lanes: dict[str, LaneIs] = {}
        self.child = Child(
            ChildSpec(
                name=NAME,
                module=module,
                gives_way=False,  # the last to go: it holds the safe state
                hears_abort=False,
                listen_fd=self._listener.fileno(),
            ),
            self,
            patience=Patience(
                start_s=START_S,
                stall_s=STALL_S,
                backoff_min_s=BACKOFF_MIN_S,
                backoff_max_s=BACKOFF_MAX_S,
            ),
            clock=clock,
        )
        self.questions = Questions(self.child)
        self._storing = Storing(NAME, entries, self.child)

    @property
    def outputs(self) -> dict[str, OutputState]:
        """As it told last; empty where it has not told yet."""
        heartbeat = self.child.health.heartbeat
        return {} if heartbeat is None else {state.output: state for state in heartbeat.outputs}

    def admit(self, lane: str) -> str:
        """A process of `lane` is about to start: the token by which it proves itself."""
        token = self._tokens[lane] = secrets.token_hex(16)
        self._lanes.pop(lane, None)
        self.child.send(Admit(lane, token))
        return token

    def lane_is(self, lane: str, state: LaneState, reason: str) -> None:
        """Say what the field cannot see for itself."""
        told = LaneIs(lane, state, reason)
        if lane in self._tokens and self._lanes.get(lane) != told:
            self._lanes[lane] = told
            self.child.send(told)

    def forget(self, lane: str) -> None:
        """It is no more in the config."""
        self._tokens.pop(lane, None)
        self._lanes.pop(lane, None)

    async def reconfigure(self, config: Config) -> None:
        """Outputs are other ones: they are opened anew, safe meanwhile.

        Raises `NotServing`, `UsageError`.  A process that starts meanwhile begins with `config`.
        """
        self._config = config
        await self.questions.ask(
            "reconfigure", {"config": msgspec.to_builtins(config)}, timeout_s=RECONFIGURE_S
        )

    def stop(self) -> None:
        """Safe state of every output, and the end."""
        self.child.stop(Stop())

    def close(self) -> None:
        """Let go of the socket.  Idempotent."""
        self._listener.close()
        self.path.unlink(missing_ok=True)

    async def make_start(self) -> Start:
        """All of the config."""
        return Start(name=NAME, config=self._config)

    def on_hello(self, _: Hello) -> None:
        """What the one before knew."""
        self._storing.begin()
        for lane, token in self._tokens.items():
            self.child.send(Admit(lane, token))
        for told in self._lanes.values():
            self.child.send(told)

    def on_serving(self) -> None:
        """It drives the far sides."""
        self._changed()

    def on_message(self, message: AnyMessage) -> None:
        """What happened, and its answers."""
        if isinstance(message, Reply):
            self.questions.answered(message)
        else:
            self._storing.take(message)

    def on_end(self, ended: Exit) -> None:
        """A successor starts with every output safe."""
        self.questions.lost()
        health = self.child.health
        is_away = health.state in (ChildState.WAITING, ChildState.REFUSED)
        health.code = codes.FIELD_AWAY if is_away else ""
        if is_away and health.crashes.recent(self._clock.boottime_ns()) <= CRASH_LOOP:
            self._entries.note(codes.FIELD_AWAY, f"the field process ended: {ended.reason}")
        self._changed()

    async def ask(self, what: str, arguments: dict[str, Any]) -> Any:  # noqa: ANN401 - JSON
        """For people at the control socket.  Raises `NotServing`, `UsageError`."""
        return await self.questions.ask(what, arguments)


def _listen(path: Path) -> socket.socket:
    """The ledger's lock is held, so an old socket file is a dead one."""
    path.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
    try:
        with short_path(path) as address:
            listener.bind(address)
        path.chmod(0o600)
        listener.listen(BACKLOG)
    except OSError as exc:
        with contextlib.suppress(OSError):
            listener.close()
        raise AddressInUse(f"{path}: cannot listen: {exc.strerror}") from exc
    return listener
