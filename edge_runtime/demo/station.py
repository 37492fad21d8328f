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
from edge_runtime.errors import NoInput
from edge_runtime.sample_station.free_port import free_port

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

DEVICE = "demo-station"
TOKEN_VARIABLE = "EDGE_RUNTIME_DEMO_TOKEN"  # noqa: S105 - a variable's name
STOP_S = 15
COIL = 12

_CONFIG = """\
[device]
id = "{device}"
data_dir = "./data"
models_dir = "./models"

[lanes.belt]
source = "file:belt.avi"
model = "{model}"
outputs = ["reject_gate"]
capture = {{ realtime = true }}

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
pulse_ms = 80
heartbeat_register = 100

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

    def write_config(self) -> None:
        """The daemon's config, fit to be run again by hand."""
        text = _CONFIG.format(
            device=DEVICE,
            model=teaching.NAME,
            plc_port=self.plc_port,
            collector_port=self.collector_port,
            coil=COIL,
            token=TOKEN_VARIABLE,
        )
        self.config.write_text(text, "utf-8")

    def start_plc(self) -> None:
        """A Modbus device that writes down what is written to it."""
        listen = f"127.0.0.1:{self.plc_port}"
        self._start("plc", ["output", "simulate", "--listen", listen, "--json"])

    def start_collector(self) -> None:
        """Or start it again, on the same port and data."""
        listen = f"127.0.0.1:{self.collector_port}"
        data = str(self.folder / "collector")
        self._start(
            "collector",
            ["collector", "--listen", listen, "--data", data, "--token-env", TOKEN_VARIABLE],
        )

    def start_daemon(self) -> None:
        """``edge-runtime run --until-done``."""
        self._start("daemon", ["run", str(self.config), "--until-done", "--json"])

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

    def pulses(self) -> int:
        """How often the reject gate's coil was switched on."""
        lines = (self.folder / "plc.out").read_text("utf-8").splitlines()
        return sum(
            told.get("kind") == "coil" and told["address"] == COIL and told["value"] == 1
            for told in map(json.loads, lines)
        )

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
