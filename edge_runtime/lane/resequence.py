"""Puts the answers of several workers back into the order in which the items were taken."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")

POLL_S = 0.25


class Resequencer(Generic[T]):
    """Numbers 0, 1, 2 ... without holes come in in any order and are emitted in order.

    Any thread; `emit` is called by one thread at a time, under the lock.
    """

    def __init__(self, emit: Callable[[T], None]) -> None:
        """`emit` may block: it is how back-pressure reaches the workers."""
        self._emit = emit
        self._lock = threading.Lock()
        self._waiting: dict[int, T] = {}
        self._next = 0

    def put(self, number: int, item: T, *, tick: Callable[[], None]) -> None:
        """Hand in item `number`; `tick` is called while another worker is emitting."""
        while not self._lock.acquire(timeout=POLL_S):
            tick()
        try:
            self._waiting[number] = item
            while self._next in self._waiting:
                ready = self._waiting.pop(self._next)
                self._next += 1
                self._emit(ready)
        finally:
            self._lock.release()
