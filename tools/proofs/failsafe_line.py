"""The simulated line: belt, camera, PLC with its rungs, and the wire between PLC and station.

Parts pass the camera every `every_ms` and reach the gate `way_s` later.  The gate is a flap that a
spring closes; the PLC opens it, by these rungs, which are those of the documents::

    1  the safe coil is on                                     closed
    2  the heartbeat register has stood for 3 heartbeats       closed
    3  the PLC does not run                                    closed (the spring)
    4  1, 2 or 3 was so within the last `way_s`                closed (off-delay: what was under
                                                               the camera meanwhile is on its way;
                                                               a gate right behind the camera needs
                                                               none)
    5  the reject coil, shifted by the belt to this moment     closed for this part

`gate_times` computes from what was written, when, which parts passed.  Pure.
"""

from __future__ import annotations

import bisect
import contextlib
import itertools
import json
import os
import select
import signal
import socket
import subprocess
import sys
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from edge_runtime.clock import NS_PER_MS, NS_PER_S, SYSTEM_CLOCK

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

REJECT_COIL, SAFE_COIL, BEAT_REGISTER = 1, 2, 10
BEATS_MISSED = 3
START_S = 20.0


@dataclass(frozen=True, slots=True)
class Line:
    """Its times."""

    every_ms: int = 300
    visible_ms: int = 200
    way_s: float = 2.5
    """From the camera to the gate: longer than three heartbeats."""
    heartbeat_s: float = 0.5
    pulse_ms: int = 200
    field_delay_ms: int = 300
    """The station pulses so long after the trigger; the belt's register shifts the rest."""
    bad_share: float = 0.3
    seed: int = 7

    def __post_init__(self) -> None:
        """The proof's premise."""
        if self.way_s <= BEATS_MISSED * self.heartbeat_s + self.pulse_ms / 1000:
            raise ValueError("the way to the gate must be longer than 3 heartbeats and a pulse")

    @property
    def way_ns(self) -> int:
        return round(self.way_s * NS_PER_S)

    @property
    def shift_ns(self) -> int:
        """The pulse's middle meets the part at the gate."""
        return self.way_ns - (self.field_delay_ms + self.pulse_ms // 2) * NS_PER_MS


@dataclass(slots=True)
class Written:
    """All that the PLC saw: (boottime ns, kind, address, value), in order."""

    writes: list[tuple[int, str, int, int]] = field(default_factory=list)
    dead: list[tuple[int, int]] = field(default_factory=list)
    """When the PLC did not run: from, until; its memory is lost where it was killed."""
    lost_memory: list[int] = field(default_factory=list)
    """When it began anew."""
    parts: dict[int, int] = field(default_factory=dict)
    """Part -> when it was triggered."""


Spans = list[tuple[int, int]]
FOR_EVER_NS = 1 << 62


def on_spans(written: Written, coil: int) -> Spans:
    """When a coil was on; a PLC that begins anew has all of them off."""
    events = [(t, value) for t, kind, a, value in written.writes if (kind, a) == ("coil", coil)]
    events += [(t, 0) for t in written.lost_memory]
    spans: Spans = []
    since: int | None = None
    for at_ns, value in sorted(events):
        if value and since is None:
            since = at_ns
        elif not value and since is not None:
            spans.append((since, at_ns))
            since = None
    return spans if since is None else [*spans, (since, FOR_EVER_NS)]


def silent_spans(written: Written, line: Line, begin_ns: int) -> Spans:
    """When the heartbeat register had stood for three heartbeats."""
    beats, last = [begin_ns - FOR_EVER_NS // 2], 0
    limit_ns = round(BEATS_MISSED * line.heartbeat_s * NS_PER_S)
    for at_ns, kind, address, value in written.writes:
        if (kind, address) == ("register", BEAT_REGISTER) and value != last:
            beats.append(at_ns)
            last = value
    beats.append(FOR_EVER_NS)
    return [
        (before + limit_ns, after)
        for before, after in itertools.pairwise(beats)
        if after - before > limit_ns
    ]


def united(spans: Iterable[tuple[int, int]]) -> Spans:
    """Sorted, without overlaps."""
    found: Spans = []
    for since, until in sorted(spans):
        if found and since <= found[-1][1]:
            found[-1] = (found[-1][0], max(found[-1][1], until))
        else:
            found.append((since, until))
    return found


def is_in(spans: Sequence[tuple[int, int]], at_ns: int) -> bool:
    """Whether a moment lies in `united` spans."""
    at = bisect.bisect_right(spans, (at_ns, FOR_EVER_NS))
    return at > 0 and spans[at - 1][1] > at_ns


def held_spans(written: Written, line: Line, begin_ns: int) -> Spans:
    """Rungs 1 to 3, without their off-delay."""
    return united(
        on_spans(written, SAFE_COIL) + silent_spans(written, line, begin_ns) + written.dead
    )


def passed(written: Written, line: Line, begin_ns: int, *, has_off_delay: bool = True) -> set[int]:
    """The parts that passed the gate.  Without the off-delay: by rungs 1, 2, 3 and 5 alone."""
    delay_ns = line.way_ns if has_off_delay else 0
    closed = united(
        (since, min(until + delay_ns, FOR_EVER_NS))
        for since, until in held_spans(written, line, begin_ns)
    )
    rejecting = united(
        (since + line.shift_ns, until + line.shift_ns)
        for since, until in on_spans(written, REJECT_COIL)
    )
    return {
        number
        for number, at_ns in written.parts.items()
        if not is_in(closed, at_ns + line.way_ns) and not is_in(rejecting, at_ns + line.way_ns)
    }


class Plc:
    """The PLC's process.  `written` grows while it runs."""

    def __init__(self, start_ns: int, every_ns: int) -> None:
        self.written = Written()
        self._start_ns, self._every_ns = start_ns, every_ns
        self._process: subprocess.Popen[str] | None = None
        self._reader: threading.Thread | None = None
        self._stopped_ns: int | None = None
        self._listening = threading.Event()
        self.port = 0

    def start(self) -> None:
        self._listening.clear()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tools.proofs.failsafe_plc", "--port", str(self.port),
             "--start-ns", str(self._start_ns), "--every-ns", str(self._every_ns)],
            stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        self._reader = threading.Thread(target=self._read, args=(self._process,), name="plc")
        self._reader.start()
        if not self._listening.wait(START_S):
            raise RuntimeError("the PLC did not start")
        self._end_of_pause()

    def kill(self) -> None:
        self._stopped_ns = self._stopped_ns or SYSTEM_CLOCK.boottime_ns()
        if self._process is not None and self._reader is not None:
            self._process.kill()
            self._process.wait(10)
            self._reader.join(10)
            assert self._process.stdout is not None
            self._process.stdout.close()
            self._process = None
        self.written.lost_memory.append(SYSTEM_CLOCK.boottime_ns())

    def stop(self) -> None:
        assert self._process is not None
        self._stopped_ns = SYSTEM_CLOCK.boottime_ns()
        os.kill(self._process.pid, signal.SIGSTOP)

    def go_on(self) -> None:
        assert self._process is not None
        os.kill(self._process.pid, signal.SIGCONT)
        self._end_of_pause()

    def is_on(self, coil: int) -> bool:
        for _, kind, address, value in reversed(self.written.writes):
            if (kind, address) == ("coil", coil):
                return bool(value)
        return False

    def beat_age_s(self) -> float:
        for at_ns, kind, address, _ in reversed(self.written.writes):
            if (kind, address) == ("register", BEAT_REGISTER):
                return (SYSTEM_CLOCK.boottime_ns() - at_ns) / NS_PER_S
        return float("inf")

    def _end_of_pause(self) -> None:
        if self._stopped_ns is not None:
            self.written.dead.append((self._stopped_ns, SYSTEM_CLOCK.boottime_ns()))
            self._stopped_ns = None

    def _read(self, process: subprocess.Popen[str]) -> None:
        assert process.stdout is not None
        for text in process.stdout:
            told = json.loads(text)
            if isinstance(told, list):
                self.written.writes.append((told[0], told[1], told[2], told[3]))
            elif "port" in told:
                self.port = told["port"]
                self._listening.set()
            else:
                self.written.parts[told["part"]] = told["due_ns"]


class Wire:
    """The network between station and PLC: it may be cut, or swallow everything."""

    def __init__(self, target: Plc) -> None:
        self._target = target
        self._mode = "go"
        self._ending = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.settimeout(0.1)
        self.port: int = self._listener.getsockname()[1]
        self._open: set[socket.socket] = set()
        self._threads = [threading.Thread(target=self._accept, name="wire")]
        self._threads[0].start()

    def cut(self) -> None:
        self._mode = "cut"
        self._reset()

    def swallow(self) -> None:
        self._mode = "swallow"

    def go_on(self) -> None:
        if self._mode == "swallow":
            self._reset()  # what was swallowed does not come late
        self._mode = "go"

    def close(self) -> None:
        self._ending.set()
        self._listener.close()
        self._reset()
        for thread in self._threads:
            thread.join(5)

    def _reset(self) -> None:
        for connection in list(self._open):
            _abort(connection)

    def _accept(self) -> None:
        while not self._ending.is_set():
            try:
                client, _ = self._listener.accept()
            except TimeoutError:
                continue
            except OSError:
                return
            if self._mode == "cut":
                _abort(client)
                continue
            self._threads = [thread for thread in self._threads if thread.is_alive()]
            thread = threading.Thread(target=self._serve, args=(client,), name="wire-connection")
            self._threads.append(thread)
            thread.start()

    def _serve(self, client: socket.socket) -> None:
        self._open.add(client)
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            with socket.create_connection(("127.0.0.1", self._target.port), 5) as plc:
                plc.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                self._pump(client, plc)
        except OSError:
            pass  # what this is for
        finally:
            self._open.discard(client)
            _abort(client)

    def _pump(self, client: socket.socket, plc: socket.socket) -> None:
        while not self._ending.is_set():
            readable, _, _ = select.select([client, plc], [], [], 0.1)
            for one, other in ((client, plc), (plc, client)):
                if one in readable:
                    data = one.recv(65536)
                    if not data:
                        return
                    if self._mode == "go":
                        other.sendall(data)


def _abort(connection: socket.socket) -> None:
    """Close with a RST."""
    with contextlib.suppress(OSError):
        linger = b"\x01\x00\x00\x00\x00\x00\x00\x00"
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        connection.shutdown(socket.SHUT_RDWR)
    connection.close()
