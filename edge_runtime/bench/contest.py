"""The same model by several runtimes, side by side: each a process, rounds interleaved.

Two runs one after the other on a shared box measure the box.  So every round asks each contestant
in turn, and a ratio is the median over rounds of (its median in the round / the first one's).
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from edge_runtime.bench.contestant import Entry, Lap, Ready

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import TracebackType
    from typing import Self

ROUND_MS = 40.0
"""About how long a contestant runs in each round."""
MAX_RUNS = 500
_PACKAGE_PARENT = str(Path(__file__).resolve().parents[2])


@dataclass(slots=True)
class Standing:
    """One contestant's times."""

    entry: Entry
    python: str
    ready: Ready
    ms: list[float] = field(default_factory=list)
    cpu_ms: list[float] = field(default_factory=list)
    medians: list[float] = field(default_factory=list)
    """Of each round."""
    rss_peak_bytes: int = 0

    def ratio_to(self, other: Standing) -> float | None:
        """How many times as long; None where one of them did not run."""
        return _ratio(self.medians, other.medians)

    def cpu_ratio_to(self, other: Standing) -> float | None:
        """The same of CPU time, which a busy box disturbs less."""
        return _ratio(self.cpu_ms, other.cpu_ms)


def _ratio(mine: Sequence[float], theirs: Sequence[float]) -> float | None:
    pairs = [(a, b) for a, b in zip(mine, theirs, strict=False) if b > 0]
    return statistics.median(a / b for a, b in pairs) if pairs else None


class Contestant:
    """A child that runs one entry.  Use as a context manager."""

    def __init__(self, entry: Entry, python: str = sys.executable) -> None:
        """Start it; it loads while others start."""
        paths = [_PACKAGE_PARENT, *filter(None, [os.environ.get("PYTHONPATH")])]
        self._child = subprocess.Popen(  # noqa: S603 - an interpreter that the user named
            [
                python,
                "-m",
                "edge_runtime.bench.contestant",
                msgspec.json.encode(entry).decode(),
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
        )
        self.standing = Standing(entry, python, Ready())

    def __enter__(self) -> Self:
        """Itself, once it has loaded or has said why not."""
        line = self._line()
        trouble = f"crashed (exit code {self._child.poll()})"
        self.standing.ready = (
            msgspec.json.decode(line, type=Ready) if line else Ready(trouble=trouble)
        )
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End it."""
        assert self._child.stdin is not None
        self._child.stdin.close()
        try:
            self._child.wait(5)
        except subprocess.TimeoutExpired:
            self._child.kill()
            self._child.wait()
        assert self._child.stdout is not None
        self._child.stdout.close()

    def lap(self, runs: int) -> Lap | None:
        """So many inferences now; None when it has died."""
        assert self._child.stdin is not None
        try:
            self._child.stdin.write(b"%d\n" % runs)
            self._child.stdin.flush()
        except OSError:
            return None
        line = self._line()
        return msgspec.json.decode(line, type=Lap) if line else None

    def _line(self) -> bytes:
        assert self._child.stdout is not None
        return self._child.stdout.readline()


def compete(contestants: Sequence[Contestant], *, rounds: int) -> list[Standing]:
    """Interleaved rounds among those that loaded; everybody's standing, in order."""
    able = [each for each in contestants if not each.standing.ready.trouble]
    runs = {}
    for each in able:
        lap = each.lap(3)
        one_ms = min(lap.ms) if lap else ROUND_MS
        runs[id(each)] = min(max(int(ROUND_MS / max(one_ms, 1e-4)), 1), MAX_RUNS)
    for number in range(rounds):
        turn = number % len(able) if able else 0
        for each in [*able[turn:], *able[:turn]]:
            _enter(each.standing, each.lap(runs[id(each)]))
    return [each.standing for each in contestants]


def _enter(standing: Standing, lap: Lap | None) -> None:
    if lap is None:
        standing.ready = msgspec.structs.replace(standing.ready, trouble="died while it ran")
        return
    standing.ms += lap.ms
    standing.cpu_ms.append(lap.cpu_ms)
    standing.medians.append(statistics.median(lap.ms))
    standing.rss_peak_bytes = lap.rss_peak_bytes
