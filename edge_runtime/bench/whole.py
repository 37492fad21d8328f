"""The whole: the real daemon with its ledger, media and sync to a real collector."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import statistics
import subprocess
import sys
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from edge_runtime.clock import NS_PER_S, SYSTEM_CLOCK
from edge_runtime.errors import EdgeRuntimeError, LedgerError, NoInput
from edge_runtime.ledger.queries import LedgerReader
from edge_runtime.sample_station.free_port import free_port
from edge_runtime.types import Result

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

TOKEN_VARIABLE = "EDGE_RUNTIME_BENCH_TOKEN"  # noqa: S105 - a variable's name
AT_MOST_S = 180
_CONFIG = """\
[device]
id = "bench"
data_dir = "./data"

[lanes.top]
source = "file:{video}"
model = "{model}"
workers = {workers}
capture = {{ {capture} }}

[sync]
url = "{url}"
token = {{ env = "{token}" }}
"""


@dataclass(frozen=True, slots=True)
class Run:
    """One run of the daemon to its end."""

    results: list[Result]
    cpu_s: float
    """Of all its processes, from start to end."""
    rss_mib: dict[str, float]
    """Resident memory by process, the last seen."""
    dropped: int

    def frames_per_s(self) -> float:
        """Between the first and the last frame, starting and stopping left out."""
        stamps = [result.captured.boottime_ns for result in self.results]
        return (len(stamps) - 1) * NS_PER_S / (max(stamps) - min(stamps))

    def latencies_ms(self) -> list[float]:
        """From capture to verdict, the first second left out."""
        first = self.results[0].captured.boottime_ns + NS_PER_S
        return [
            result.latency_ms
            for result in self.results
            if result.latency_ms is not None and result.captured.boottime_ns > first
        ]

    def service_ms(self) -> float:
        """Preprocessing and inference, median."""
        return statistics.median(r.infer_ms for r in self.results if r.infer_ms is not None)


@contextlib.contextmanager
def bench_collector(folder: Path) -> Iterator[tuple[str, str]]:
    """A collector process; (URL, token)."""
    port, token = free_port(), secrets.token_urlsafe(24)
    process = subprocess.Popen(  # noqa: S603 - our own program
        [
            sys.executable, "-m", "edge_runtime", "collector", "--json",
            "--listen", f"127.0.0.1:{port}", "--data", str(folder),
            "--token-env", TOKEN_VARIABLE,
        ],
        stdout=subprocess.PIPE,
        env={**os.environ, TOKEN_VARIABLE: token},
    )  # fmt: skip
    assert process.stdout is not None
    try:
        if not process.stdout.readline():
            raise EdgeRuntimeError("bench: the collector did not start")
        yield f"http://127.0.0.1:{port}/v1", token
    finally:
        process.terminate()
        process.wait(30)
        process.stdout.close()


def run_whole(
    folder: Path, video: Path, *, model: str, workers: int, capture: str, server: tuple[str, str]
) -> Run:
    """Run the daemon over `video` in a fresh `folder`, everything on."""
    url, token = server
    folder.mkdir(parents=True)
    config = folder / "bench.toml"
    config.write_text(
        _CONFIG.format(
            video=video,
            model=model,
            workers=workers,
            capture=capture,
            url=url,
            token=TOKEN_VARIABLE,
        ),
        "utf-8",
    )
    with (folder / "daemon.log").open("wb") as log:
        process = subprocess.Popen(  # noqa: S603 - our own program
            [sys.executable, "-m", "edge_runtime", "run", str(config), "--until-done", "--json"],
            stdout=subprocess.PIPE,
            stderr=log,
            env={**os.environ, TOKEN_VARIABLE: token},
        )
    rss: dict[str, float] = {}
    watcher = threading.Thread(target=_watch, args=(folder / "data", process, rss), daemon=True)
    watcher.start()
    assert process.stdout is not None
    told = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    watcher.join(5)
    process.stdout.close()
    if process.returncode != 0:
        raise EdgeRuntimeError(f"bench: the daemon exited {process.returncode}; see {folder}")
    summary: dict[str, Any] = json.loads(told)
    with LedgerReader(folder / "data") as ledger:
        entries = ledger.results(limit=1_000_000, newest_first=False)
    results = [entry.body for entry in entries if isinstance(entry.body, Result)]
    dropped = summary["counters"]["top"].get("dropped", 0)
    return Run(results, usage.ru_utime + usage.ru_stime, rss, dropped)


def _watch(data: Path, process: subprocess.Popen[bytes], rss: dict[str, float]) -> None:
    """Note the memory of each process, twice a second."""
    from edge_runtime.supervisor.control import ControlClient

    never = threading.Event()
    while process.returncode is None:
        with contextlib.suppress(NoInput, LedgerError), ControlClient(data) as client:
            picture = client.ask("status")
            parts = {
                "supervisor": picture["supervisor"],
                "lane": picture["lanes"][0],
                "sync": picture["sync"],
            }
            rss.update({n: p["rss_mib"] for n, p in parts.items() if p["rss_mib"]})
        SYSTEM_CLOCK.wait(never, 0.5)
