"""Keepers of a station's parts, as the picture needs them, without any process."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from edge_runtime.config import Config
from edge_runtime.link.messages import Failed, Heartbeat, Hello, OutputState, ResolvedModel
from edge_runtime.supervisor.status import Station
from edge_runtime.types import Result
from tests.support.fakes import FakeClock


class State(StrEnum):
    STARTING = "starting"
    RUNNING = "running"
    WAITING = "waiting"
    REFUSED = "refused"
    DONE = "done"


@dataclass
class Crashes:
    total: int = 0
    loops: bool = False

    def is_loop(self, now_ns: int) -> bool:
        return self.loops


@dataclass
class Health:
    state: State = State.RUNNING
    pid: int | None = None
    hello: Hello | None = None
    heartbeat: Heartbeat | None = None
    heartbeat_ns: int = 0
    started_ns: int = 0
    crashes: Crashes = field(default_factory=Crashes)
    last_exit: str = ""
    failed: Failed | None = None
    code: str = ""


@dataclass
class Child:
    health: Health = field(default_factory=Health)


@dataclass
class LaneKeeper:
    name: str
    child: Child = field(default_factory=Child)
    verdicts: Mapping[str, int] = field(default_factory=dict)
    tombstones: Mapping[str, int] = field(default_factory=dict)
    last: Result | None = None
    pinned: Sequence[ResolvedModel] = ()
    buried: Sequence[str] = ()


@dataclass
class FieldKeeper:
    child: Child = field(default_factory=Child)
    outputs: Mapping[str, OutputState] = field(default_factory=dict)


@dataclass
class SyncKeeper:
    child: Child = field(default_factory=Child)


@dataclass
class Writer:
    state: str = "ok"
    detail: str = ""
    counted: Mapping[str, int] = field(default_factory=dict)

    def counters(self) -> Mapping[str, int]:
        return self.counted


@dataclass
class Reload:
    config_problems: Sequence[str] = ()
    needs_restart: Sequence[str] = ()


def beating(clock: FakeClock, state: str = "running", **told: object) -> Child:
    """A child whose last heartbeat is 0.3 s old."""
    beat = Heartbeat(state, {"decide": 0.1}, {}, **told)  # type: ignore[arg-type]
    now = clock.boottime_ns()
    health = Health(pid=1, heartbeat=beat, heartbeat_ns=now - 300_000_000, started_ns=now // 2)
    return Child(health)


def station(config: Config, clock: FakeClock, **parts: object) -> Station:
    """One whose lanes beat, with a collector and a field process where the config has them."""
    outputs = {
        name: OutputState(name, "connected", address="modbus://plc:502", acknowledged=3,
                          last_ack_ns=clock.boottime_ns() - 400_000_000)
        for name in config.outputs
    }  # fmt: skip
    given: dict[str, object] = {
        "config": config,
        "lanes": [LaneKeeper(name, beating(clock)) for name in config.lanes],
        "field": FieldKeeper(beating(clock), outputs) if config.outputs else None,
        "sync": SyncKeeper(beating(clock, "connected")) if config.sync else None,
        "writer": Writer(),
        "reload": Reload(),
        "started": clock.stamp(),
        "clock": clock,
    }
    return Station(**given | parts)  # type: ignore[arg-type]
