"""The station at the simulated line: the daemon, its camera, its collector, its disk.

Only processes that were started here, and their children by the daemon's own word, are touched.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from edge_runtime import failpoint
from edge_runtime.clock import SYSTEM_CLOCK
from edge_runtime.errors import EdgeRuntimeError
from edge_runtime.ledger.queries import LedgerReader
from edge_runtime.sample_station.camera import CameraSettings
from edge_runtime.sample_station.camera_process import CameraProcess
from edge_runtime.supervisor.control import ControlClient
from edge_runtime.types import Result, Tombstone
from tests.support.models import write_bundle
from tests.support.tiny_onnx import cast, onnx_model, onnx_node, onnx_value
from tools.proofs.failsafe_line import (
    BEAT_REGISTER,
    REJECT_COIL,
    SAFE_COIL,
    Line,
    Plc,
    Wire,
)
from tools.proofs.failsafe_plc import COUNTER, PART
from tools.proofs.stations import TOKEN, TOKEN_VARIABLE, Collector

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

LANE = "top"
SIZE = "640x360"
FPS = 20.0
STALE_S = 1.0
READ_TIMEOUT_S = 0.4
STALL_S = 2.0
DISK = "96m"
CONFIG = """
[device]
id = "failsafe"
data_dir = "{data}"
[lanes.{lane}]
source = "{camera}"
model = "./white"
outputs = ["gate"]
capture = {{ stale_s = {stale_s}, read_timeout_s = {read_timeout_s}, open_timeout_s = 1.0 }}
trigger = {{ kind = "modbus", host = "127.0.0.1", port = {port}, counter = {counter}, \
part_register = {part}, poll_ms = 10 }}
part = {{ deadline_ms = {deadline_ms}, match_ms = 200 }}
media = {{ keep = ["reject", "no_read"], overlay = false }}
[outputs.gate]
kind = "modbus"
host = "127.0.0.1"
port = {port}
coil = {coil}
safe_coil = {safe_coil}
pulse_ms = {pulse_ms}
delay_ms = {delay_ms}
heartbeat_register = {beat}
heartbeat_s = {heartbeat_s}
ack_timeout_ms = 300
on_unacknowledged = "hold"
[supervisor]
dead_man_s = {dead_man_s}
stall_s = {stall_s}
stop_timeout_s = 5.0
backoff_max_s = 1.0
[ledger]
ballast_mib = 2
min_free_mib = 0
media_budget_mib = 24
[sync]
url = "{url}"
token = {{ env = "{token}" }}
backoff_min_s = 0.1
backoff_max_s = 1.0
"""


def white_bundle(folder: Path) -> Path:
    """Its score is the brightest spot of a small grey picture: a bad part has a white stripe."""
    nodes = [
        onnx_node("Cast", ["x"], ["real"], attributes=[cast("float32")]),
        onnx_node("GlobalMaxPool", ["real"], ["most"]),
        onnx_node("Flatten", ["most"], ["y"]),
    ]
    network = onnx_model(
        nodes,
        inputs=[onnx_value("x", "float32", [1, 1, 36, 64])],
        outputs=[onnx_value("y", "float32", [1, 1])],
    )
    table = {
        "name": "white",
        "task": "image-classification",
        "labels": ["stripe"],
        "image": {
            "width": 64,
            "height": 36,
            "layout": "NCHW",
            "colour": "GRAY",
            "interpolation": "area",
        },
        "reject": {"stripe": 0.8},
    }
    return write_bundle(folder, network, table, file="m.onnx")


class Bench:
    """Everything that runs.  One thread; a second one watches."""

    def __init__(self, folder: Path, line: Line) -> None:
        self.folder, self.line = folder, line
        self.disk = _mounted(folder / "disk")
        self.data = (self.disk or folder) / "data"
        self.orders = folder / "failpoint-order"
        self.log = folder / "daemon.log"
        self.daemon: subprocess.Popen[bytes] | None = None
        self.down: list[tuple[int, int]] = []
        """When nobody could see a trigger: from, until."""
        self._down_ns: int | None = None
        self.ill: set[int] = set()
        """Process ids that were made ill: while one of them serves, nothing is proven yet."""
        white_bundle(folder / "white")
        self.collector = Collector(folder / "collector")
        self.collector.start()
        self.camera = CameraProcess(
            CameraSettings(
                fps=FPS,
                every_ms=line.every_ms,
                visible_ms=line.visible_ms,
                bad_share=line.bad_share,
                seed=line.seed,
                look="plain",
            )
        )
        self.camera.command(f"resize {SIZE}")
        started = self.camera.start()
        middle_ns = started["visible_ns"] // 2
        self.begin_ns = int(started["start_ns"])
        self.plc = Plc(self.begin_ns + middle_ns, int(started["every_ns"]))
        self.plc.start()
        self.wire = Wire(self.plc)
        self.config = folder / "station.toml"
        self.config.write_text(self._config())
        self.begin_down()
        self.start_daemon()
        self.witness = Witness(self)
        self.witness.start()

    def _config(self) -> str:
        line = self.line
        return CONFIG.format(
            data=self.data, lane=LANE, camera=self.camera.url, stale_s=STALE_S,
            read_timeout_s=READ_TIMEOUT_S, port=self.wire.port, counter=COUNTER, part=PART,
            deadline_ms=line.field_delay_ms - 50, coil=REJECT_COIL, safe_coil=SAFE_COIL,
            pulse_ms=line.pulse_ms, delay_ms=line.field_delay_ms, beat=BEAT_REGISTER,
            heartbeat_s=line.heartbeat_s, dead_man_s=line.heartbeat_s, stall_s=STALL_S,
            url=self.collector.url, token=TOKEN_VARIABLE,
        )  # fmt: skip

    # The daemon.

    def start_daemon(self) -> None:
        """As systemd would, also after it was killed."""
        environment = {
            **os.environ,
            TOKEN_VARIABLE: TOKEN,
            failpoint.FILE: str(self.orders),
        }
        with self.log.open("ab") as log:
            self.daemon = subprocess.Popen(
                [sys.executable, "-m", "edge_runtime", "run", str(self.config)],
                env=environment,
                stdout=subprocess.DEVNULL,
                stderr=log,
                start_new_session=True,
            )

    def pid(self) -> int:
        assert self.daemon is not None
        return self.daemon.pid

    def kill_daemon(self, number: signal.Signals = signal.SIGKILL) -> None:
        """The supervisor alone: its children see for themselves."""
        assert self.daemon is not None
        self.begin_down()
        self.daemon.send_signal(number)
        self.daemon.wait(20)

    def revive(self) -> bool:
        """Start the daemon where it has ended; whether it had."""
        if self.daemon is None or self.daemon.poll() is None:
            return False
        self.begin_down()
        self.start_daemon()
        return True

    def begin_down(self) -> None:
        """From now on nobody sees triggers."""
        if self._down_ns is None:
            self._down_ns = SYSTEM_CLOCK.boottime_ns()

    def end_down(self) -> None:
        if self._down_ns is not None:
            self.down.append((self._down_ns, SYSTEM_CLOCK.boottime_ns()))
            self._down_ns = None

    def picture(self) -> dict[str, Any] | None:
        """The daemon's own; None while there is none."""
        try:
            with ControlClient(self.data, timeout_s=2.0) as client:
                found: dict[str, Any] = client.ask("status")
        except (EdgeRuntimeError, OSError, ValueError):
            return None
        return found if "lanes" in found else None

    def child(self, name: str) -> int | None:
        """Process id of the lane, ``field`` or ``sync``, by the daemon's own word."""
        picture = self.picture()
        if picture is None:
            return None
        row = picture["lanes"][0] if name == LANE else picture.get(name)
        pid = (row or {}).get("pid")
        return int(pid) if pid else None

    def order(self, text: str) -> None:
        """Give a failpoint order."""
        unfinished = self.orders.with_suffix(".new")
        unfinished.write_text(text)
        unfinished.rename(self.orders)

    def is_well(self) -> bool:
        """The lane serves, the line is let go, the heart beats."""
        picture = self.picture()
        return (
            picture is not None
            and picture["lanes"][0]["state"] == "running"
            and all(self._is_there(row) for row in _children(picture))
            and not self.plc.is_on(SAFE_COIL)
            and self.plc.beat_age_s() < 2 * self.line.heartbeat_s
        )

    def _is_there(self, row: dict[str, Any]) -> bool:
        """Between one that was killed and its successor's first act there is a while of neither."""
        is_over = row["state"] in ("starting", "waiting") or row.get("pid") is None
        return not is_over and row["pid"] not in self.ill

    def wait_well(self, seconds: float) -> bool:
        """Whether it was within this time; the daemon is started where it has ended."""
        return self._wait(seconds, self._well_and_counted)

    def _well_and_counted(self) -> bool:
        self.revive()
        if not self.is_well():
            return False
        self.end_down()
        return True

    def _wait(self, seconds: float, condition: Callable[[], bool]) -> bool:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if condition():
                return True
            time.sleep(0.05)
        return False

    def close(self) -> int:
        """Drain, stop everything; the daemon's exit code."""
        assert self.daemon is not None
        self.daemon.send_signal(signal.SIGTERM)
        try:
            code = self.daemon.wait(20)
        except subprocess.TimeoutExpired:
            code = -1
        self.witness.finish()
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.daemon.pid, signal.SIGKILL)
        self.wire.close()
        self.plc.kill()
        self.camera.close()
        self.collector.stop(now=True)
        return code

    def unmount(self) -> None:
        if self.disk is not None:
            subprocess.run(["umount", str(self.disk)], check=False, capture_output=True)


def _children(picture: dict[str, Any]) -> list[dict[str, Any]]:
    return [row for row in (picture["lanes"][0], picture.get("field"), picture.get("sync")) if row]


def _mounted(folder: Path) -> Path | None:
    """A small disk of its own; None without the right to mount."""
    if os.geteuid() != 0:
        return None
    folder.mkdir(parents=True)
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={DISK}", "none", str(folder)],
        capture_output=True, check=False,
    )  # fmt: skip
    return folder if done.returncode == 0 else None


class Witness(threading.Thread):
    """Reads the ledger as it grows, so that what it once said is known although it is damaged."""

    def __init__(self, bench: Bench) -> None:
        super().__init__(name="witness")
        self._bench = bench
        self._ending = threading.Event()
        self._after = 0
        self._epoch = ""
        self.rows: dict[int, list[Result]] = {}
        """By the part's number."""
        self.nameless = 0
        """Rows whose part has no number."""
        self.tombstones: dict[tuple[int, int], Tombstone] = {}
        self._missed: dict[tuple[int, str], int] = {}
        self.rss_mib: dict[str, float] = {}

    @property
    def missed(self) -> int:
        """Triggers that the daemon's processes counted as not taken."""
        return sum(self._missed.values())

    def finish(self) -> None:
        self._ending.set()
        self.join()
        self._after = 0  # all of it once more
        self._read()

    def run(self) -> None:
        while not self._ending.wait(0.4):
            self._read()
            self._count()

    def _read(self) -> None:
        with contextlib.suppress(EdgeRuntimeError, OSError), LedgerReader(self._bench.data) as it:
            epoch = it.identity().epoch
            if epoch != self._epoch:  # a ledger that was recovered may count anew
                self._epoch, self._after = epoch, 0
            while True:
                found = it.results(after_seq=self._after, limit=500, newest_first=False)
                if not found:
                    return
                for entry in found:
                    self._after = entry.seq
                    self._take(entry.seq, entry.body)

    def _take(self, seq: int, body: object) -> None:
        if isinstance(body, Tombstone):
            self.tombstones[seq, body.first.boottime_ns] = body
        elif isinstance(body, Result) and (body.trigger or body.part):
            if body.part is None or not body.part.isdecimal():
                self.nameless += 1
                return
            known = self.rows.setdefault(int(body.part), [])
            if all(one.captured != body.captured for one in known):
                known.append(body)

    def _count(self) -> None:
        picture = self._bench.picture()
        if picture is None:
            return
        for name, row in ((LANE, picture["lanes"][0]), ("field", picture.get("field"))):
            if not row or not row.get("pid"):
                continue
            if row.get("rss_mib"):
                self.rss_mib[name] = max(self.rss_mib.get(name, 0.0), float(row["rss_mib"]))
            for counter, value in row["counters"].items():
                if "missed" in counter or "undelivered" in counter:
                    self._missed[row["pid"], counter] = value


@contextlib.contextmanager
def full_disk(disk: Path) -> Iterator[None]:
    """Another program takes every byte there is, again and again, and gives all back at the end."""
    stop = threading.Event()

    def take() -> None:
        with (disk / "hog").open("wb", buffering=0) as file:
            while not stop.is_set():
                try:
                    file.write(b"\1" * 65_536)
                except OSError:
                    stop.wait(0.02)

    thread = threading.Thread(target=take, name="hog")
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
        (disk / "hog").unlink()


def temporary_folder() -> Path:
    return Path(tempfile.mkdtemp(prefix="edge-runtime-failsafe-"))


def damage(database: Path, seed: int) -> None:
    """Overwrite one page in the middle."""
    size = database.stat().st_size
    with database.open("r+b") as file:
        file.seek(size // 2 // 4096 * 4096)
        file.write(np.random.default_rng(seed).bytes(4096))
