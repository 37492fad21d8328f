"""The one deadline of a stop, and waiting for a thread that may never come back.

Every wait of a stop goes by the same `Deadline`: it counts from the first signal, and a second
signal makes it now.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
import threading
from typing import TYPE_CHECKING, Any, TypeVar

from edge_runtime.clock import NS_PER_S

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator, Mapping

    from edge_runtime.clock import Clock

T = TypeVar("T")


SLICE_S = 0.1
"""A second signal is heard within this."""


class Deadline:
    """How long there still is.  Loop only."""

    def __init__(self, clock: Clock, seconds: float, *, outer: Deadline | None = None) -> None:
        """From now on; never later than `outer`."""
        self._clock = clock
        self._outer = outer
        self._until_ns = clock.boottime_ns() + int(seconds * NS_PER_S)

    @property
    def left_s(self) -> float:
        """Seconds; 0 when it is over."""
        left_s = max(0.0, (self._until_ns - self._clock.boottime_ns()) / NS_PER_S)
        return left_s if self._outer is None else min(left_s, self._outer.left_s)

    @property
    def is_over(self) -> bool:
        """There is no time left."""
        return self.left_s <= 0

    def at_most(self, seconds: float) -> None:
        """From now on no more than this; 0: now."""
        self._until_ns = min(self._until_ns, self._clock.boottime_ns() + int(seconds * NS_PER_S))

    def within(self, seconds: float) -> Deadline:
        """A part of it: at most so long."""
        return Deadline(self._clock, seconds, outer=self)

    def but(self, reserve_s: float) -> Deadline:
        """All of it but what is kept for what comes behind."""
        return self.within(max(0.0, self.left_s - reserve_s))

    async def wait_for(self, what: Coroutine[Any, Any, object] | asyncio.Future[Any]) -> bool:
        """Whether it came in time.  A coroutine that did not is cancelled, a task left alone."""
        task = asyncio.ensure_future(what)
        while not task.done() and not self.is_over:
            await asyncio.wait({task}, timeout=min(self.left_s, SLICE_S))
        if not task.done() and asyncio.iscoroutine(what):
            task.cancel()
        return task.done()


def in_thread(name: str, work: Callable[[], T]) -> asyncio.Future[T]:
    """Do blocking work beside the loop, in a thread that holds up no exit when the disk hangs."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[T] = loop.create_future()

    def settle(value: T | None, error: BaseException | None) -> None:
        if future.cancelled():
            return
        if error is not None:
            future.set_exception(error)
        else:
            future.set_result(value)  # type: ignore[arg-type]

    def run() -> None:
        value, error = None, None
        try:
            value = work()
        except BaseException as exc:  # noqa: BLE001 - it is handed on
            error = exc
        with contextlib.suppress(RuntimeError):  # the loop is closed
            loop.call_soon_threadsafe(settle, value, error)

    threading.Thread(target=run, name=name, daemon=True).start()
    return future


@contextlib.contextmanager
def handled_signals(handlers: Mapping[signal.Signals, Callable[[], None]]) -> Iterator[None]:
    """On the loop, until the end of the block; then they do again what they did before."""
    loop = asyncio.get_running_loop()
    before = {number: signal.getsignal(number) for number in handlers}
    for number, handler in handlers.items():
        loop.add_signal_handler(number, handler)
    try:
        yield
    finally:
        for number in handlers:
            loop.remove_signal_handler(number)
            signal.signal(number, before[number])
