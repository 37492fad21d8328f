"""What is done to the station: each component killed, stopped, stalled or damaged."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import sqlite3
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from edge_runtime.clock import SYSTEM_CLOCK
from tools.proofs.failsafe_bench import LANE, READ_TIMEOUT_S, STALE_S, Bench, damage, full_disk

if TYPE_CHECKING:
    from tools.proofs.failsafe_line import Line

Injection: TypeAlias = Callable[[Bench, random.Random], "contextlib.AbstractContextManager[None]"]
FIELD_S = 2.0


@dataclass(frozen=True, slots=True)
class Fault:
    """One way in which one component fails."""

    component: str
    way: str
    inject: Injection
    """Entering does it, leaving ends it."""
    lasts_s: tuple[float, float] = (0.0, 0.0)
    sees_s: float | None = 0.0
    """What it takes to be seen, before the heartbeat and the pulse that the safe coil has; None:
    the line need not be held (it is judged on), or by the rungs alone."""
    needs_disk: bool = False

    @property
    def name(self) -> str:
        return f"{self.component}: {self.way}"

    def limit_s(self, line: Line) -> float | None:
        """Until the safe coil; None where nothing is promised."""
        if self.sees_s is None:
            return None
        return self.sees_s + line.heartbeat_s + line.pulse_ms / 1000


def _kill(child: str) -> Injection:
    @contextlib.contextmanager
    def inject(bench: Bench, _: random.Random) -> Iterator[None]:
        if child == "field":
            bench.begin_down()
        pid = bench.child(child)
        if pid is not None:
            bench.ill.add(pid)
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        yield

    return inject


def _stop(child: str) -> Injection:
    @contextlib.contextmanager
    def inject(bench: Bench, _: random.Random) -> Iterator[None]:
        if child == "field":
            bench.begin_down()
        pid = bench.child(child)
        if pid is None:
            yield
            return
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGSTOP)
        yield
        with contextlib.suppress(ProcessLookupError):  # it may have been replaced meanwhile
            os.kill(pid, signal.SIGCONT)

    return inject


def _camera(command: str) -> Injection:
    @contextlib.contextmanager
    def inject(bench: Bench, _: random.Random) -> Iterator[None]:
        bench.camera.command(command)
        yield
        bench.camera.command("go")

    return inject


@contextlib.contextmanager
def _camera_stopped(bench: Bench, _: random.Random) -> Iterator[None]:
    os.kill(bench.camera.pid, signal.SIGSTOP)
    yield
    os.kill(bench.camera.pid, signal.SIGCONT)


def _order(text: str) -> Injection:
    @contextlib.contextmanager
    def inject(bench: Bench, _: random.Random) -> Iterator[None]:
        bench.order(text)
        deadline = time.monotonic() + 5
        while bench.orders.exists() and time.monotonic() < deadline:
            time.sleep(0.005)
        bench.orders.unlink(missing_ok=True)
        yield

    return inject


@contextlib.contextmanager
def _plc_killed(bench: Bench, _: random.Random) -> Iterator[None]:
    bench.begin_down()
    bench.plc.kill()
    yield
    bench.plc.start()


@contextlib.contextmanager
def _plc_stopped(bench: Bench, _: random.Random) -> Iterator[None]:
    bench.begin_down()
    bench.plc.stop()
    yield
    bench.plc.go_on()


def _wire(word: str) -> Injection:
    @contextlib.contextmanager
    def inject(bench: Bench, _: random.Random) -> Iterator[None]:
        bench.begin_down()
        (bench.wire.cut if word == "cut" else bench.wire.swallow)()
        yield
        bench.wire.go_on()

    return inject


@contextlib.contextmanager
def _ledger_locked(bench: Bench, _: random.Random) -> Iterator[None]:
    with contextlib.closing(
        sqlite3.connect(bench.data / "ledger.db", timeout=5, isolation_level=None)
    ) as other:
        other.execute("BEGIN IMMEDIATE")
        yield
        other.execute("ROLLBACK")


@contextlib.contextmanager
def _ledger_dies(bench: Bench, rng: random.Random) -> Iterator[None]:
    """The process that writes dies in the middle of a commit."""
    bench.begin_down()
    with _order(rng.choice(["row_inserted exit", "committed exit"]))(bench, rng):
        yield


@contextlib.contextmanager
def _ledger_damaged(bench: Bench, rng: random.Random) -> Iterator[None]:
    bench.kill_daemon()
    _let_children_end(bench)
    damage(bench.data / "ledger.db", rng.randrange(1 << 30))
    bench.start_daemon()
    yield


@contextlib.contextmanager
def _disk_full(bench: Bench, _: random.Random) -> Iterator[None]:
    assert bench.disk is not None
    with full_disk(bench.disk):
        yield


@contextlib.contextmanager
def _supervisor_killed(bench: Bench, _: random.Random) -> Iterator[None]:
    bench.kill_daemon()
    bench.start_daemon()
    yield


@contextlib.contextmanager
def _supervisor_stopped(bench: Bench, _: random.Random) -> Iterator[None]:
    pid = bench.pid()
    os.kill(pid, signal.SIGSTOP)
    yield
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGCONT)


@contextlib.contextmanager
def _group_terminated(bench: Bench, _: random.Random) -> Iterator[None]:
    """As systemd stops a service."""
    bench.begin_down()
    with contextlib.suppress(ProcessLookupError):
        os.killpg(bench.pid(), signal.SIGTERM)
    assert bench.daemon is not None
    bench.daemon.wait(20)
    bench.start_daemon()
    yield


@contextlib.contextmanager
def _collector_killed(bench: Bench, _: random.Random) -> Iterator[None]:
    bench.collector.stop(now=True)
    yield
    bench.collector.start()


def _let_children_end(bench: Bench) -> None:
    """The lane and the field process see that the supervisor is gone, and end."""
    deadline = time.monotonic() + 8
    while time.monotonic() < deadline and _group_lives(bench.pid()):
        time.sleep(0.05)


def _group_lives(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


FAULTS: tuple[Fault, ...] = (
    Fault("camera", "cut off", _camera("cut"), (1.0, 3.0), READ_TIMEOUT_S),
    Fault("camera", "stalled", _camera("stall"), (1.0, 3.0), READ_TIMEOUT_S),
    Fault("camera", "process stopped", _camera_stopped, (1.0, 3.0), READ_TIMEOUT_S),
    Fault("camera", "frozen picture", _camera("freeze"), (2.5, 4.0), STALE_S + READ_TIMEOUT_S),
    Fault("camera", "damaged pictures", _camera("damage 1"), (1.0, 2.5), None),
    Fault("camera", "each third damaged", _camera("damage 3"), (1.0, 2.5), None),
    Fault("model", "aborts", _order("infer abort")),
    Fault("model", "hangs", _order("infer hang"), (1.0, 2.0), 0.5),
    Fault("model", "late", _order("infer wait:1.0"), (0.0, 0.0), None),
    Fault("lane", "killed", _kill(LANE)),
    Fault("lane", "stopped", _stop(LANE), (2.0, 4.0)),
    Fault("lane", "dies behind an act", _order("act exit")),
    Fault("field", "killed", _kill("field"), (0.0, 0.0), FIELD_S),
    Fault("field", "stopped", _stop("field"), (2.5, 4.0), None),
    Fault("plc", "killed", _plc_killed, (0.5, 3.0), None),
    Fault("plc", "stopped", _plc_stopped, (0.5, 3.0), None),
    Fault("plc", "wire cut", _wire("cut"), (0.3, 4.0), None),
    Fault("plc", "never answers", _wire("swallow"), (0.3, 4.0), None),
    Fault("ledger", "stalled", _ledger_locked, (2.0, 4.0), None),
    Fault("ledger", "dies in a commit", _ledger_dies),
    Fault("ledger", "damaged", _ledger_damaged),
    Fault("disk", "full", _disk_full, (2.0, 5.0), None, needs_disk=True),
    Fault("supervisor", "killed", _supervisor_killed),
    Fault("supervisor", "stopped", _supervisor_stopped, (2.0, 4.0), None),
    Fault("supervisor", "group terminated", _group_terminated, (0.0, 0.0), None),
    Fault("sync", "killed", _kill("sync"), (0.0, 0.0), None),
    Fault("sync", "stopped", _stop("sync"), (1.0, 3.0), None),
    Fault("sync", "collector killed", _collector_killed, (0.5, 2.0), None),
)
COMPONENTS = tuple(dict.fromkeys(fault.component for fault in FAULTS))


def schedule(each: int, rng: random.Random, *, has_disk: bool) -> list[Fault]:
    """Each component `each` times, and each of its ways at least once; in a random order."""
    chosen: list[Fault] = []
    for component in COMPONENTS:
        ways = [f for f in FAULTS if f.component == component and (has_disk or not f.needs_disk)]
        count = max(each, len(ways)) if ways else 0
        chosen += [ways[number % len(ways)] for number in range(count)]
    rng.shuffle(chosen)
    return chosen


@dataclass(slots=True)
class Injected:
    """What was done, when."""

    fault: Fault
    at_ns: int
    until_ns: int = 0
    """When the station was well again; 0: it was not."""


def inject(bench: Bench, fault: Fault, rng: random.Random, recover_s: float) -> Injected:
    """Do it, end it, wait until all is well."""
    done = Injected(fault, SYSTEM_CLOCK.boottime_ns())
    with fault.inject(bench, rng):
        time.sleep(rng.uniform(*fault.lasts_s))
    time.sleep(bench.line.heartbeat_s)  # what was not seen yet is not taken for well
    if bench.wait_well(recover_s):
        done.until_ns = SYSTEM_CLOCK.boottime_ns()
    return done
