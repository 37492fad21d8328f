"""What the proofs share: a collector and a daemon as real processes, and an honest count of both.

The witness rule: only what a process outside the killed group saw acknowledged counts.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import urllib3

if TYPE_CHECKING:
    from collections.abc import Iterator

TOKEN = "a-token-for-the-proofs"
TOKEN_VARIABLE = "EDGE_RUNTIME_PROOF_TOKEN"


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


def environ() -> dict[str, str]:
    return {**os.environ, TOKEN_VARIABLE: TOKEN}


@dataclass
class Collector:
    """The collector as a process of its own."""

    data: Path
    port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    def start(self) -> None:
        self.data.mkdir(parents=True, exist_ok=True)
        self.process = subprocess.Popen(
            [sys.executable, "-m", "edge_runtime", "collector",
             "--listen", f"127.0.0.1:{self.port}", "--data", str(self.data),
             "--token-env", TOKEN_VARIABLE],
            env=environ(), stdout=subprocess.DEVNULL,
        )  # fmt: skip
        self._wait()

    def stop(self, *, now: bool = False) -> None:
        if self.process is not None:
            self.process.send_signal(signal.SIGKILL if now else signal.SIGTERM)
            self.process.wait(30)
            self.process = None

    def get(self, path: str, **query: object) -> Any:
        reply = urllib3.request(
            "GET",
            self.url + path,
            fields={key: str(value) for key, value in query.items()},
            headers={"Authorization": f"Bearer {TOKEN}"},
            timeout=30,
            retries=False,
        )
        if reply.status != 200:
            raise RuntimeError(f"GET {path}: {reply.status} {reply.data[:200]!r}")
        return reply.json()

    def _wait(self) -> None:
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            with contextlib.suppress(urllib3.exceptions.HTTPError):
                urllib3.request("GET", self.url + "/health", retries=False, timeout=2)
                return
            time.sleep(0.05)
        raise RuntimeError("the collector did not come up")


@contextlib.contextmanager
def collector(data: Path) -> Iterator[Collector]:
    station = Collector(data)
    station.start()
    try:
        yield station
    finally:
        station.stop()


def daemon(config: Path, *options: str, **popen: Any) -> subprocess.Popen[bytes]:
    """``edge-runtime run`` in a process group of its own, so that the group can be killed whole."""
    return subprocess.Popen(
        [sys.executable, "-m", "edge_runtime", "run", str(config), *options],
        env=environ(), start_new_session=True, **popen,
    )  # fmt: skip


def kill_group(process: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait(30)


@dataclass
class Audit:
    """What the ledger and the collector hold, compared."""

    ledger_rows: int = 0
    collector_rows: int = 0
    lost: int = 0
    """Acknowledged by the ledger to a witness and not at the collector."""
    twice: int = 0
    """More than one row at the collector for one (device, epoch, seq)."""
    integrity: str = ""
    media_referenced: int = 0
    media_missing: int = 0
    """Referenced by a row, and not on the disk of the device or of another hash."""
    media_unequal: int = 0
    """At the collector with another hash than their name, or not there at all."""


def audit(data_dir: Path, server: Path, witnessed: set[tuple[str, int]] | None = None) -> Audit:
    """Count both ends by their own databases, opened read-only once everything has stopped."""
    told = Audit()
    with contextlib.closing(_read_only(data_dir / "ledger.db")) as ledger:
        told.integrity = str(ledger.execute("PRAGMA integrity_check").fetchone()[0])
        rows = {
            (str(e), int(s))
            for e, s in ledger.execute(
                "SELECT (SELECT epoch FROM epochs WHERE first_seq <= seq "
                "ORDER BY first_seq DESC LIMIT 1), seq FROM entries"
            )
        }
    told.ledger_rows = len(rows)
    with contextlib.closing(_read_only(server / "collector.db")) as store:
        found = store.execute(
            "SELECT s.epoch, e.seq FROM events e JOIN streams s ON s.id = e.stream"
        ).fetchall()
    there = {(str(e), int(s)) for e, s in found}
    told.collector_rows = len(found)
    told.twice = len(found) - len(there)
    told.lost = len((witnessed if witnessed is not None else rows) - there)
    _audit_media(told, data_dir / "media", server / "media")
    return told


def _audit_media(told: Audit, device: Path, server: Path) -> None:
    there = {path.stem.split(".")[0]: path for path in server.rglob("*") if path.is_file()}
    for path in device.rglob("*"):
        if not path.is_file() or path.name.startswith("."):
            continue
        told.media_referenced += 1
        name = path.stem.split(".")[0]
        if _sha256(path) != name:
            told.media_missing += 1
        if name not in there or _sha256(there[name]) != name:
            told.media_unequal += 1


def _read_only(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"file:{path}?mode=ro", uri=True)


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def as_json(value: object) -> str:
    return json.dumps(getattr(value, "__dict__", value))
