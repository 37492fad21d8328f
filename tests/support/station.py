"""A station for acceptance tests: parts as pictures, models that look at one half, a PLC, a ledger.

A part's picture has two halves, each of one grey level.  The ``left`` model rejects a part whose
left half is bright; the ``right`` model does so with the right half, and cannot judge a part whose
right half is nearly black (its answer is not a number).
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np

from edge_runtime import failpoint
from edge_runtime.clock import NS_PER_MS, NS_PER_S, SYSTEM_CLOCK
from edge_runtime.field.simulator import PlcSimulator, Write
from edge_runtime.ledger.queries import LedgerReader
from edge_runtime.types import Result, Tombstone
from tests.support.daemon import Daemon, lane_of, run, until
from tests.support.models import write_bundle
from tests.support.tiny_onnx import cast, onnx_model, onnx_node, onnx_tensor, onnx_value

SIDE = 8
WIDTH_PX, HEIGHT_PX = 64, 48
GOOD, BAD = (60, 128), (240, 128)
REJECTED_AND_UNJUDGED = (240, 4)
PASSED_AND_UNJUDGED = (60, 4)
COIL, SAFE_COIL, BEAT = 1, 2, 10
PULSE_MS = 150
HEARTBEAT_S = 1.0


# Parts and models.


def write_part(path: Path, levels: tuple[int, int] = GOOD) -> Path:
    """Written beside and renamed, as a camera's upload should be."""
    import cv2

    pixels = np.empty((HEIGHT_PX, WIDTH_PX, 3), np.uint8)
    pixels[:, : WIDTH_PX // 2], pixels[:, WIDTH_PX // 2 :] = levels
    path.parent.mkdir(parents=True, exist_ok=True)
    done, data = cv2.imencode(".png", pixels)
    assert done
    unfinished = path.with_name(f".{path.name}.new")
    unfinished.write_bytes(data.tobytes())
    unfinished.rename(path)
    return path


def write_parts(folder: Path, *levels: tuple[int, int]) -> list[str]:
    """``part0.png`` …, one for each of `levels`; their names."""
    return [
        write_part(folder / f"part{number}.png", each).name for number, each in enumerate(levels)
    ]


def half_bundle(folder: Path, half: str, *, version: str = "1.0.0", reject: float = 0.6) -> Path:
    """The model that looks at the ``left`` or the ``right`` half."""
    table = {
        "name": half,
        "version": version,
        "task": "image-classification",
        "labels": ["bad"],
        "image": {"width": SIDE, "height": SIDE, "layout": "NHWC", "colour": "GRAY"},
        "reject": {"bad": reject if half == "left" else 0.9},
    }
    return write_bundle(folder, _half_onnx(half), table, file="m.onnx")


def both_bundles(folder: Path) -> str:
    """``models = …`` of a lane that has both, the left one first."""
    half_bundle(folder / "left", "left")
    half_bundle(folder / "right", "right")
    return 'models = ["./left", "./right"]'


def _half_onnx(half: str) -> bytes:
    weights = np.zeros((SIDE, SIDE, 1), np.float32)
    columns = slice(0, SIDE // 2) if half == "left" else slice(SIDE // 2, SIDE)
    weights[:, columns] = 2.0 / SIDE**2
    nodes = [
        onnx_node("Cast", ["x"], ["real"], attributes=[cast("float32")]),
        onnx_node("Flatten", ["real"], ["flat"]),
        onnx_node("MatMul", ["flat", "w"], ["mean"]),
    ]
    if half == "left":
        nodes.append(onnx_node("Identity", ["mean"], ["y"]))
    else:  # the root of a negative number is none: not of black, nor of noise, on which it is tried
        nodes += [
            onnx_node("Sub", ["mean", "dark"], ["apart"]),
            onnx_node("Mul", ["apart", "apart"], ["square"]),
            onnx_node("Sub", ["square", "near"], ["rest"]),
            onnx_node("Sqrt", ["rest"], ["y"]),
        ]
    return onnx_model(
        nodes,
        inputs=[onnx_value("x", "float32", [1, SIDE, SIDE, 1])],
        outputs=[onnx_value("y", "float32", [1, 1])],
        tensors=[
            onnx_tensor("w", weights.reshape(SIDE * SIDE, 1)),
            onnx_tensor("dark", np.array([[4 / 255]], np.float32)),
            onnx_tensor("near", np.array([[1e-5]], np.float32)),
        ],
    )


# The config.


def gate_table(port: int, *name: str, **more: object) -> str:
    """``[outputs.gate]``, or another name: pulses `COIL`, holds `SAFE_COIL`, counts in `BEAT`."""
    table: dict[str, object] = {
        "kind": "modbus",
        "host": "127.0.0.1",
        "port": port,
        "coil": COIL,
        "pulse_ms": PULSE_MS,
        "safe_coil": SAFE_COIL,
        "heartbeat_register": BEAT,
        "heartbeat_s": HEARTBEAT_S / 4,
    } | more
    lines = [f"{key} = {json.dumps(value)}" for key, value in table.items()]
    return f"[outputs.{(*name, 'gate')[0]}]\n" + "\n".join(lines) + "\n"


def lane_table(name: str, source: str, *lines: str, models: str = 'model = "./left"') -> str:
    return "\n".join((f"[lanes.{name}]", f'source = "{source}"', models, *lines)) + "\n"


def supervision(**more: object) -> str:
    table = {"dead_man_s": HEARTBEAT_S, "backoff_max_s": 1.0} | more
    return "[supervisor]\n" + "\n".join(f"{key} = {value}" for key, value in table.items()) + "\n"


KEEP_ALL = 'media = { keep = ["pass", "reject", "review", "no_read"], overlay = false }'
WATCHED = "capture = { watch = true, poll_s = 0.05 }"
KEEP_NONE = "media = { keep = [] }"
WITH_GATE = 'outputs = ["gate"]'


# The PLC.


@dataclass(frozen=True, slots=True)
class Pulse:
    """From on to off."""

    on_ns: int
    off_ns: int | None

    @property
    def length_s(self) -> float:
        assert self.off_ns is not None
        return (self.off_ns - self.on_ns) / NS_PER_S


class Plc:
    """The simulator in this process, with everything that was written.  A context manager."""

    def __init__(self) -> None:
        self.writes: list[Write] = []
        self._news = threading.Condition()
        self._simulator = PlcSimulator("127.0.0.1", 0, on_write=self._take, clock=SYSTEM_CLOCK)

    def __enter__(self) -> Self:
        self._simulator.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._simulator.close()

    @property
    def port(self) -> int:
        return self._simulator.port

    def _take(self, write: Write) -> None:
        with self._news:
            self.writes.append(write)
            self._news.notify_all()

    def since(self, at_ns: int, kind: str, address: int) -> list[Write]:
        """What was written there from `at_ns` on."""
        return [
            write
            for write in list(self.writes)
            if (write.kind, write.address) == (kind, address) and write.boottime_ns >= at_ns
        ]

    def is_on(self, coil: int) -> bool:
        found = self.since(0, "coil", coil)
        return bool(found and found[-1].value)

    def was_on(self, coil: int, at_ns: int) -> bool:
        before = [w for w in self.since(0, "coil", coil) if w.boottime_ns <= at_ns]
        return bool(before and before[-1].value)

    def edges(self, coil: int) -> list[Write]:
        """Changes only: what is written again and is so already is left out."""
        kept: list[Write] = []
        for write in self.since(0, "coil", coil):
            if write.value != (kept[-1].value if kept else 0):
                kept.append(write)
        return kept

    def pulses(self, coil: int = COIL) -> list[Pulse]:
        edges = self.edges(coil)
        ends = [edge.boottime_ns for edge in edges if not edge.value]
        return [
            Pulse(edge.boottime_ns, next((end for end in ends if end > edge.boottime_ns), None))
            for edge in edges
            if edge.value
        ]

    def wait(self, condition: Callable[[], Any], what: str, seconds: float = 40.0) -> Any:
        """Looks after each write, and now and then."""
        deadline = time.monotonic() + seconds
        while True:
            if value := condition():
                return value
            left = deadline - time.monotonic()
            if left <= 0:
                message = f"waited {seconds:.0f} s for: {what}; written: {self.tail()}"
                raise AssertionError(message)
            with self._news:
                self._news.wait(min(left, 0.05))

    def wait_coil(self, coil: int, *, value: bool, seconds: float = 40.0) -> None:
        word = "on" if value else "off"
        self.wait(lambda: self.is_on(coil) is value, f"coil {coil} {word}", seconds)

    def tail(self, count: int = 12) -> list[str]:
        """The last coil writes, for messages."""
        coils = [write for write in list(self.writes) if write.kind == "coil"][-count:]
        return [f"{w.boottime_ns / NS_PER_S:.3f} coil {w.address}={w.value}" for w in coils]


def now_ns() -> int:
    return SYSTEM_CLOCK.boottime_ns()


def after(seconds: float) -> int:
    return now_ns() + round(seconds * NS_PER_S)


def let_pass(seconds: float) -> None:
    """For what must *not* happen within a time; nothing else may wait by the clock."""
    time.sleep(seconds)


@contextlib.contextmanager
def silent_port() -> Iterator[int]:
    """A far side that is connected to and never answers: nobody accepts."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(64)
        yield int(listener.getsockname()[1])


@contextlib.contextmanager
def full_disk(disk: Path) -> Iterator[None]:
    """Another program takes every byte there is, again and again, and gives all back at the end."""
    hog = subprocess.Popen(
        [sys.executable, "-c", _HOG, str(disk / "hog")], stdout=subprocess.PIPE
    )  # a process of its own: a thread of ours is too slow while we are busy
    try:
        assert hog.stdout is not None
        assert hog.stdout.readline() == b"full\n", "the disk does not fill"
        yield
    finally:
        hog.kill()
        hog.wait(30)
        if hog.stdout is not None:
            hog.stdout.close()
        (disk / "hog").unlink()


_HOG = """
import sys, time
told = False
with open(sys.argv[1], "wb", buffering=0) as file:
    while True:
        try:
            file.write(b"\\1" * 4096)
        except OSError:
            if not told:
                told = True
                print("full", flush=True)
            time.sleep(0.001)
"""


# The ledger.


def entries(data: Path, lane: str | None = None) -> list[Any]:
    """Entries in the order of the ledger."""
    with LedgerReader(data) as ledger:
        return list(ledger.results(lane=lane, limit=100_000, newest_first=False))


def rows(data: Path, lane: str | None = None) -> list[Result]:
    return [e.body for e in entries(data, lane) if isinstance(e.body, Result)]


def tombstones(data: Path, reason: str = "", lane: str | None = None) -> list[Tombstone]:
    found = [e.body for e in entries(data, lane) if isinstance(e.body, Tombstone)]
    return [body for body in found if not reason or body.reason == reason]


def count_in(found: list[Tombstone]) -> int:
    """How many parts the tombstones stand for; each must know."""
    assert all(tombstone.count is not None for tombstone in found), found
    return sum(tombstone.count or 0 for tombstone in found)


def items(results: list[Result]) -> list[str]:
    """File names of a folder's rows, in the order of the ledger."""
    return [(result.item or "").split(":")[0] for result in results]


# The daemon.


def status_code(data: Path) -> int:
    return run("status", "--data", data).returncode


def codes_of(picture: dict[str, Any]) -> set[str]:
    """Every ``EDGE-…`` in the status, wherever it stands."""
    text = json.dumps(picture)
    return {
        word
        for word in text.replace('"', " ").replace(":", " ").replace(",", " ").split()
        if word.startswith("EDGE-")
    }


def verdicts(picture: dict[str, Any], lane: str) -> dict[str, int]:
    found: dict[str, int] = lane_of(picture, lane)["verdicts"]
    return found


def is_serving(picture: dict[str, Any], lane: str) -> bool:
    return bool(lane_of(picture, lane)["state"] == "running")


def kill_lane(daemon: Daemon, lane: str, number: int) -> int:
    """Send a signal to the lane's process; its pid."""
    pid = int(lane_of(daemon.wait_for(lambda p: lane_of(p, lane)["pid"], "a pid"), lane)["pid"])
    os.kill(pid, number)
    return pid


class Orders:
    """Failpoint orders to a daemon that runs; see `edge_runtime.failpoint`."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "failpoint-order"

    @property
    def environment(self) -> dict[str, str]:
        return {failpoint.FILE: str(self.path)}

    def give(self, order: str) -> None:
        unfinished = self.path.with_suffix(".new")
        unfinished.write_text(order)
        unfinished.rename(self.path)

    def wait_until_taken(self) -> None:
        until(lambda: not self.path.exists(), "the failpoint to be reached")

    @contextlib.contextmanager
    def again_and_again(self, order: str) -> Iterator[threading.Event]:
        """Whoever takes the order finds it again; the event is set when it was taken once."""
        stop, taken = threading.Event(), threading.Event()

        def keep() -> None:
            self.give(order)
            while not stop.wait(0.01):
                if not self.path.exists():
                    taken.set()
                    self.give(order)

        thread = threading.Thread(target=keep)
        thread.start()
        try:
            yield taken
        finally:
            stop.set()
            thread.join()
            self.path.unlink(missing_ok=True)


def failing(point: str, action: str = "exit") -> dict[str, str]:
    """The environment of a daemon whose lanes fail there."""
    return {failpoint.VARIABLE: point, failpoint.ACTION: action}


class Manager:
    """What systemd would be told.  A context manager."""

    def __init__(self, folder: Path) -> None:
        self.address = str(folder / "notify")
        self.told: list[str] = []
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)

    def __enter__(self) -> Self:
        self._socket.bind(self.address)
        self._socket.settimeout(0.1)
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    @property
    def environment(self) -> dict[str, str]:
        return {"NOTIFY_SOCKET": self.address}

    def look(self) -> list[str]:
        """Everything that was told so far."""
        with contextlib.suppress(TimeoutError):
            while True:
                self.told.append(self._socket.recv(4096).decode())
        return self.told

    def wait_for(self, wanted: Callable[[str], bool], what: str, seconds: float = 40.0) -> None:
        until(lambda: any(wanted(told) for told in self.look()), what, seconds)

    def wait_ready(self) -> None:
        self.wait_for(lambda told: told == "READY=1", "READY=1")


def milliseconds(ns: int) -> float:
    return ns / NS_PER_MS
