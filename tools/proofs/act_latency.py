"""From a picture in hand to the coil: through the field process, and straight from the lane.

One run, interleaved: the shipped model looks at a picture; then the verdict goes to the real field
process over its socket, as a lane sends it; at the next picture this process writes the coil itself
right after the inference, over a connection of its own: what a lane without a field process would
do at best.  The PLC, a process too, says when each coil came on (one clock for all).  Then the same
with both cores busy.  ``hop`` is from the verdict to the coil; ``whole`` from the picture.

    python -m tools.proofs.act_latency --acts 300 [--json]
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import queue
import secrets
import socket
import statistics
import struct
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from edge_runtime.clock import NS_PER_MS, SYSTEM_CLOCK
from edge_runtime.config import load_config
from edge_runtime.inference.trust.loading import load
from edge_runtime.link.child_end import FD_VARIABLE
from edge_runtime.link.messages import (
    Acted,
    Admit,
    Alive,
    AnyMessage,
    Drive,
    Free,
    Greet,
    Hello,
    LaneIs,
    Serve,
    Start,
    Stop,
    encode,
    receive,
)
from edge_runtime.manifest import find_bundle
from edge_runtime.sample_station.line import Scenery
from edge_runtime.types import Verdict, VerdictKind

LANE = "top"
FIELD_COIL, OWN_COIL = 1, 2
SAFE_COIL = 3
PULSE_MS = 20
PAUSE_S = 0.06
WAIT_S = 20.0
CONFIG = """
[device]
id = "act-latency"
data_dir = "{folder}/data"
[lanes.top]
source = "v4l2:/dev/video0"
model = "surface-defect"
outputs = ["gate"]
[outputs.gate]
kind = "modbus"
host = "127.0.0.1"
port = {port}
coil = 1
safe_coil = 3
pulse_ms = {pulse_ms}
heartbeat_register = 10
"""
REJECT = Verdict(VerdictKind.REJECT, "defect", 0.9, 0.5)


class Plc:
    """``edge-runtime output simulate``: when a coil came on."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "edge_runtime", "output", "simulate", "--json",
             "--listen", "127.0.0.1:0"],
            stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert self._process.stdout is not None
        self.port = int(json.loads(self._process.stdout.readline())["listening"].split(":")[-1])
        self._on: queue.SimpleQueue[tuple[int, int]] = queue.SimpleQueue()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def on_at(self, coil: int) -> int:
        """When `coil` came on next."""
        deadline = time.monotonic() + WAIT_S
        while time.monotonic() < deadline:
            with contextlib.suppress(queue.Empty):
                found, at_ns = self._on.get(timeout=0.5)
                if found == coil:
                    return at_ns
        raise SystemExit(f"act_latency: coil {coil} did not come on")

    def close(self) -> None:
        self._process.kill()
        self._process.wait(10)
        self._reader.join(10)
        assert self._process.stdout is not None
        self._process.stdout.close()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            write = json.loads(line)
            if write["kind"] == "coil" and write["value"]:
                self._on.put((write["address"], write["boottime_ns"]))


class OwnLine:
    """The baseline: one Modbus connection of this process, one request at a time."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), 5)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._number = 0

    def write(self, coil: int, *, value: bool) -> None:
        """Returns once confirmed."""
        self._number = (self._number + 1) % 65536
        body = struct.pack(">BBHH", 1, 5, coil, 0xFF00 if value else 0)
        self._socket.sendall(struct.pack(">HHH", self._number, 0, len(body)) + body)
        answer = b""
        while len(answer) < 12:
            answer += self._socket.recv(12 - len(answer))

    def close(self) -> None:
        self._socket.close()


class FieldProcess:
    """The real one, started as the supervisor does; and the lane's end of its link."""

    def __init__(self, folder: Path, config: Path) -> None:
        (folder / "data").mkdir()
        loaded = load_config(config)
        self._ours, theirs = socket.socketpair()
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        path = str(folder / "field.sock")
        self._listener.bind(path)
        self._listener.listen(8)
        environment = {
            **os.environ,
            FD_VARIABLE: str(theirs.fileno()),
            "EDGE_RUNTIME_LISTEN_FD": str(self._listener.fileno()),
        }
        self.process = subprocess.Popen(
            [sys.executable, "-m", "edge_runtime.field"],
            env=environment,
            pass_fds=(theirs.fileno(), self._listener.fileno()),
        )
        theirs.close()
        token = secrets.token_hex(8)
        self._tell(Start("field", loaded))
        while not isinstance(receive(self._ours), Hello):
            pass
        self._tell(Serve())
        self._tell(Admit(LANE, token))
        threading.Thread(target=self._drain, args=(self._ours,), daemon=True).start()
        self._link = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._link.connect(path)
        self._lock = threading.Lock()
        self._say(Greet(LANE, token))
        self._acted: queue.SimpleQueue[Acted] = queue.SimpleQueue()
        self._ending = threading.Event()
        threading.Thread(target=self._listen, daemon=True).start()
        threading.Thread(target=self._live, daemon=True).start()
        self._tell(LaneIs(LANE, "serving"))
        self._say(Free(0))

    def drive(self, token: int, at_ns: int) -> None:
        self._say(Drive(token, "gate", REJECT, str(token), at_ns))

    def close(self) -> None:
        self._ending.set()
        self._tell(Stop())
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(10)
        for each in (self._link, self._ours, self._listener):
            each.close()

    def _tell(self, message: AnyMessage) -> None:
        self._ours.sendall(encode(message))

    def _say(self, message: AnyMessage) -> None:
        with self._lock:
            self._link.sendall(encode(message))

    def _drain(self, connection: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while receive(connection) is not None:
                pass

    def _listen(self) -> None:
        with contextlib.suppress(OSError):
            while (message := receive(self._link)) is not None:
                if isinstance(message, Acted):
                    self._acted.put(message)

    def _live(self) -> None:
        with contextlib.suppress(OSError):
            while not self._ending.wait(0.2):
                self._say(Alive(decides=True, sees=True))


@dataclass(slots=True)
class Times:
    """Of one path, in ms."""

    hop: list[float] = field(default_factory=list)
    whole: list[float] = field(default_factory=list)
    infer: list[float] = field(default_factory=list)

    def told(self) -> dict[str, float]:
        found = {}
        for name in ("hop", "whole", "infer"):
            values = sorted(getattr(self, name))
            found[f"{name}_p50_ms"] = round(statistics.median(values), 3)
            found[f"{name}_p99_ms"] = round(
                values[min(len(values) - 1, len(values) * 99 // 100)], 3
            )
        return found


def measure(
    field_process: FieldProcess, own: OwnLine, plc: Plc, runner: Any, acts: int, token: int
) -> dict[str, Times]:
    """`acts` of each path, turn about."""
    times = {"field": Times(), "own": Times()}
    scenery = Scenery(seed=3, bad_share=1.0)
    pictures = [scenery.picture(number) for number in range(4)]
    for number in range(acts * 2):
        path = ("field", "own")[number % 2]
        picture = pictures[number // 2 % len(pictures)]
        taken_ns = SYSTEM_CLOCK.boottime_ns()
        runner.frame(picture)
        judged_ns = SYSTEM_CLOCK.boottime_ns()
        if path == "field":
            field_process.drive(token + number, taken_ns)
            on_ns = plc.on_at(FIELD_COIL)
        else:
            own.write(OWN_COIL, value=True)
            on_ns = plc.on_at(OWN_COIL)
            own.write(OWN_COIL, value=False)
        times[path].infer.append((judged_ns - taken_ns) / NS_PER_MS)
        times[path].hop.append((on_ns - judged_ns) / NS_PER_MS)
        times[path].whole.append((on_ns - taken_ns) / NS_PER_MS)
        time.sleep(PAUSE_S)  # the pulse is over
    return times


@contextlib.contextmanager
def busy(cores: int) -> Iterator[None]:
    """Each core has something else to do."""
    burners = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(cores)]
    try:
        yield
    finally:
        for burner in burners:
            burner.kill()
            burner.wait(10)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--acts", type=int, default=300, help="of each path, idle and busy")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    os.nice(5)  # as lanes run
    with tempfile.TemporaryDirectory(prefix="edge-runtime-act-") as name:
        folder = Path(name)
        plc = Plc()
        config = folder / "config.toml"
        config.write_text(CONFIG.format(folder=folder, port=plc.port, pulse_ms=PULSE_MS))
        field_process, own = FieldProcess(folder, config), OwnLine(plc.port)
        try:
            told = run(field_process, own, plc, options.acts)
        finally:
            own.close()
            field_process.close()
            plc.close()
    if options.json:
        print(json.dumps(told))
    else:
        show(told)


def run(field_process: FieldProcess, own: OwnLine, plc: Plc, acts: int) -> dict[str, Any]:
    """Both conditions, and what the field process took meanwhile."""
    runner = load(find_bundle("surface-defect", None)).picture_runner()
    seen = psutil.Process(field_process.process.pid)
    measure(field_process, own, plc, runner, 10, 1)  # warm
    before, begin = seen.cpu_times(), time.monotonic()
    told: dict[str, Any] = {"acts": acts, "cores": os.cpu_count()}
    idle = measure(field_process, own, plc, runner, acts, 1_000)
    told["idle"] = {path: times.told() for path, times in idle.items()}
    after, elapsed = seen.cpu_times(), time.monotonic() - begin
    used = after.user + after.system - before.user - before.system
    told["field_cpu_percent"] = round(100 * used / elapsed, 2)
    told["field_cpu_ms_per_act"] = round(1000 * used / acts, 3)
    with busy(os.cpu_count() or 1):
        loaded = measure(field_process, own, plc, runner, acts, 1_000_000)
    told["busy"] = {path: times.told() for path, times in loaded.items()}
    memory = seen.memory_full_info()
    told["field_rss_mib"] = round(memory.rss / 2**20, 1)
    told["field_uss_mib"] = round(memory.uss / 2**20, 1)
    return told


def show(told: dict[str, Any]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold")
    for head in ("path", "model p50", "p99", "verdict to coil p50", "p99", "picture to coil p50",
                 "p99"):  # fmt: skip
        table.add_column(head, justify="left" if head == "path" else "right")
    for condition in ("idle", "busy"):
        for path, word in (("own", "in the lane"), ("field", "field process")):
            row = told[condition][path]
            cells = [
                f"{row[f'{name}_{part}_ms']:.2f} ms"
                for name in ("infer", "hop", "whole")
                for part in ("p50", "p99")
            ]
            table.add_row(f"{condition}: {word}", *cells)
    console = Console(width=120)
    console.print(table)
    console.print(
        f"field process: {told['field_rss_mib']} MiB resident, {told['field_uss_mib']} its own, "
        f"{told['field_cpu_percent']} % of a core, {told['field_cpu_ms_per_act']} ms an act; "
        f"{told['acts']} acts of each, {told['cores']} cores"
    )


if __name__ == "__main__":
    main()
