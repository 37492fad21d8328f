"""Hand-written fakes that keep the promises of the seams."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Any, Generic, TypeVar

import numpy as np

from edge_runtime.clock import NS_PER_S
from edge_runtime.errors import SourceEnded
from edge_runtime.types import Frame, Stamp

T = TypeVar("T")


class FakeClock:
    """Time that moves only when told to; `wait` moves it and never blocks."""

    def __init__(self, now_s: float = 1000.0) -> None:
        self.now_ns = int(now_s * NS_PER_S)
        self.waits: list[float] = []

    def boottime_ns(self) -> int:
        return self.now_ns

    def stamp(self) -> Stamp:
        return Stamp(1_700_000_000 * NS_PER_S + self.now_ns, self.now_ns, "boot")

    def wait(self, stop: threading.Event, seconds: float) -> bool:
        self.waits.append(seconds)
        self.advance(seconds)
        return stop.is_set()

    def advance(self, seconds: float) -> None:
        self.now_ns += int(seconds * NS_PER_S)


class ScriptedSource(Generic[T]):
    """Does what the script says: gives items, raises errors; then `SourceEnded`."""

    def __init__(
        self, script: Sequence[T | Exception | Callable[[], Any]], *, live: bool = False
    ) -> None:
        self._script = list(script)
        self._live = live
        self.opened = 0
        self.closed = 0

    @property
    def live(self) -> bool:
        return self._live

    def open(self) -> None:
        self.opened += 1

    def read(self) -> T | None:
        if not self._script:
            raise SourceEnded
        step = self._script.pop(0)
        if isinstance(step, Exception):
            raise step
        if callable(step):
            step()
            return None
        return step

    def close(self) -> None:
        self.closed += 1


def frame(seq: int, *, item: str | None = None, clock: FakeClock | None = None) -> Frame:
    pixels = np.full((4, 6, 3), seq % 256, np.uint8)
    return Frame("fake", seq, (clock or FakeClock()).stamp(), pixels, item)
