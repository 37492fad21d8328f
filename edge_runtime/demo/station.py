"""The demo's processes, real ones on loopback: collector, stand-in for a PLC, daemon."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import signal
import subprocess
import sys
from dataclasses import dataclass, field
from typing import IO, TYPE_CHECKING, Any

from edge_runtime.demo import teaching
from edge_runtime.demo.gate import Record
from edge_runtime.errors import NoInput
from edge_runtime.sample_station.free_port import free_port

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

DEVICE = "demo-station"
TOKEN_VARIABLE = "EDGE_RUNTIME_DEMO_TOKEN"  # noqa: S105 - a variable's name
STOP_S = 15
COIL, SAFE_COIL, HEARTBEAT_REGISTER = 12, 13, 100
TRIGGER_COIL, PART_REGISTER = 3, 101
WAY_MS, PULSE_MS = 1100, 300
"""From the light barrier to the ejector, and how long that blows."""
HEARTBEAT_S = 0.5

_CONFIG = """\
[device]
id = "{device}"
data_dir = "./data"
models_dir = "./models"

[lanes.belt]
source = "{camera}"
models = ["{model}"]
shadow = ["{base}"]  # runs beside it and decides nothing: how would the untaught one judge?
outputs = ["reject_gate"]
part = {{ match_ms = 300, deadline_ms = 900 }}

[lanes.belt.trigger]  # the line's light barrier
kind = "modbus"
host = "127.0.0.1"
port = {plc_port}
coil = {trigger_coil}
part_register = {part_register}
delay_ms = 50

[lanes.operator]
source = "file:voice.wav"
model = "keywords"
rules = {{ hear = {{ go = 0.5 }} }}  # this voice swallows its `go`: a site sets what it needs
capture = {{ realtime = true }}

[outputs.reject_gate]
kind = "modbus"
host = "127.0.0.1"
port = {plc_port}
coil = {coil}
safe_coil = {safe_coil}
pulse_ms = {pulse_ms}
delay_ms = {way_ms}  # the way from the light barrier to the gate
heartbeat_register = {heartbeat_register}
heartbeat_s = {heartbeat_s}

[sync]
url = "http://127.0.0.1:{collector_port}/v1"
token = {{ env = "{token}" }}
backoff_min_s = 0.2
backoff_max_s = 2.0
"""


@dataclass
class Station:
    """Everything in one folder.  `close` ends what was started."""

    folder: Path
    token: str = field(default_factory=lambda: secrets.token_urlsafe(24))
    collector_port: int = 0
    plc_port: int = 0
    _running: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    _files: list[IO[bytes]] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Ports that nobody has now."""
        self.collector_port, self.plc_port = free_port(), free_port()

    @property
    def config(self) -> Path:
        """The daemon's config."""
        return self.folder / "demo.toml"

    @property
    def data(self) -> Path:
        """The daemon's ledger and media."""
        return self.folder / "data"

    @property
    def url(self) -> str:
        """The collector's."""
        return f"http://127.0.0.1:{self.collector_port}/v1"

    def write_config(self, camera: str) -> None:
        """The daemon's config; `camera`: the URL of the belt's."""
        text = _CONFIG.format(
            device=DEVICE,
            camera=camera,
            model=teaching.NAME,
            base=teaching.BASE,
            plc_port=self.plc_port,
            collector_port=self.collector_port,
            trigger_coil=TRIGGER_COIL,
            part_register=PART_REGISTER,
            coil=COIL,
            safe_coil=SAFE_COIL,
            pulse_ms=PULSE_MS,
            way_ms=WAY_MS,
            heartbeat_register=HEARTBEAT_REGISTER,
            heartbeat_s=HEARTBEAT_S,
            token=TOKEN_VARIABLE,
        )
        self.config.write_text(text, "utf-8")

    def start_plc(self) -> None:
        """A PLC that writes down what is written to it, and when its gate opens and closes."""
        listen = f"127.0.0.1:{self.plc_port}"
        gate = f"{SAFE_COIL}:{HEARTBEAT_REGISTER}:{HEARTBEAT_S}"
        self._start("plc", ["output", "simulate", "--listen", listen, "--gate", gate, "--json"])

    def start_collector(self) -> None:
        """Or start it again, on the same port and data."""
        listen = f"127.0.0.1:{self.collector_port}"
        data = str(self.folder / "collector")
        self._start(
            "collector",
            ["collector", "--listen", listen, "--data", data, "--token-env", TOKEN_VARIABLE],
        )

    def start_daemon(self) -> None:
        """``edge-runtime run``; a live camera never ends, so it is stopped by `stop_daemon`."""
        self._start("daemon", ["run", str(self.config), "--json"])

    def stop_daemon(self) -> int:
        """As systemd would; its exit code.  Raises `NoInput` when it does not end."""
        daemon = self._running["daemon"]
        daemon.terminate()
        try:
            return daemon.wait(STOP_S)
        except subprocess.TimeoutExpired as exc:
            raise NoInput(f"the daemon did not stop within {STOP_S} s") from exc

    def kill_collector(self) -> None:
        """As a power cut would."""
        self._running.pop("collector").kill()

    def kill_lane(self, pid: int) -> None:
        """A lane's process, by the id that the daemon gave."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)

    def daemon_code(self) -> int | None:
        """The daemon's exit code; None while it runs."""
        return self._running["daemon"].poll()

    def summary(self) -> dict[str, Any]:
        """What the daemon printed at its end.  Raises `NoInput` when it printed nothing."""
        lines = (self.folder / "daemon.out").read_text("utf-8").strip().splitlines()
        if not lines:
            raise NoInput(f"the daemon failed; see {self.folder / 'daemon.log'}")
        summary: dict[str, Any] = json.loads(lines[-1])
        return summary

    def record(self) -> Record:
        """What the PLC wrote down so far."""
        text = (self.folder / "plc.out").read_text("utf-8")
        lines = text[: text.rfind("\n") + 1].splitlines()
        return Record(map(json.loads, lines), coil=COIL, safe_coil=SAFE_COIL)

    def close(self) -> None:
        """End every process that was started here, by its id."""
        for process in self._running.values():
            if process.poll() is None:
                process.terminate()
        for process in self._running.values():
            try:
                process.wait(STOP_S)
            except subprocess.TimeoutExpired:
                process.kill()
        for file in self._files:
            file.close()

    def _start(self, name: str, arguments: Sequence[str]) -> None:
        out = (self.folder / f"{name}.out").open("ab")
        log = (self.folder / f"{name}.log").open("ab")
        self._files += [out, log]
        self._running[name] = subprocess.Popen(  # noqa: S603 - our own program
            [sys.executable, "-m", "edge_runtime", *arguments],
            stdout=out,
            stderr=log,
            stdin=subprocess.DEVNULL,
            env={**os.environ, TOKEN_VARIABLE: self.token, "PYTHONUNBUFFERED": "1"},
        )
