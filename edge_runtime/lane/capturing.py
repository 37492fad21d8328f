"""The ``capture`` thread: source -> frame gate -> first queue, and what happens when it is away."""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, TypeVar

from edge_runtime.channel import Closed
from edge_runtime.errors import ItemError, NoInput, SourceEnded, SourceUnavailable

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable

    from edge_runtime.channel import Channel
    from edge_runtime.clock import Clock
    from edge_runtime.lane.faults import FaultLine
    from edge_runtime.progress import Progress
    from edge_runtime.protocols import Source

T = TypeVar("T")

LOOP = "capture"
REOPEN_MIN_S = 0.25
REOPEN_MAX_S = 4.0
"""A camera that comes back is seen again within this and its open time-out: under 10 s."""
PUT_POLL_S = 0.25


class Capturing(Generic[T]):
    """Owned by the ``capture`` thread."""

    def __init__(
        self,
        source: Source[T],
        first: Channel[T],
        *,
        faults: FaultLine,
        progress: Progress,
        clock: Clock,
        stop: threading.Event,
        wanted: Callable[[T], bool],
        retry: bool,
        on_bad_item: Callable[[str], None],
    ) -> None:
        """`wanted` is the frame gate; `retry`: a source that is away will come back."""
        self._source = source
        self._first = first
        self._faults = faults
        self._progress = progress
        self._clock = clock
        self._stop = stop
        self._wanted = wanted
        self._retry = retry
        self._on_bad_item = on_bad_item
        self._failures = 0

    def run(self) -> None:
        """Until the source ends or `stop` is set; then the first queue is closed.

        Raises `NoInput` when a source that cannot come back is not there.
        """
        try:
            while not self._stop.is_set():
                try:
                    self._progress.tick(LOOP)
                    self._source.open()
                    self._progress.count("opened")
                    self._pump()
                except SourceEnded:
                    return
                except SourceUnavailable as exc:
                    if not self._retry:
                        raise NoInput(str(exc)) from exc
                    self._away(str(exc))
                finally:
                    self._source.close()
        except Closed:
            return  # the workers have failed and say so themselves
        finally:
            self._first.close()
            self._progress.end(LOOP)

    def _pump(self) -> None:
        """Read until `stop`.  Raises as `Source.read`."""
        while not self._stop.is_set():
            self._progress.tick(LOOP)
            try:
                item = self._source.read()
            except ItemError as exc:
                self._on_bad_item(str(exc))
                continue
            if item is None:
                continue
            self._failures = 0
            self._faults.leave()
            self._progress.count("captured")
            if self._wanted(item):
                self._hand_over(item)

    def _hand_over(self, item: T) -> None:
        while not self._first.put(item, timeout_s=PUT_POLL_S):
            self._progress.tick(LOOP)
            if self._stop.is_set():
                return  # a replay: the item was not taken and will come again

    def _away(self, reason: str) -> None:
        self._progress.count("source_failures")
        self._faults.enter(reason)
        delay_s = min(REOPEN_MAX_S, REOPEN_MIN_S * 2.0 ** min(self._failures, 16))
        self._failures += 1
        self._clock.wait(self._stop, delay_s)
