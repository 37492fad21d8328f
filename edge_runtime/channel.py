"""The only queue between threads: bounded, closable, counted.

Invariant, at any instant: ``accepted == delivered + dropped + depth``.
"""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


T = TypeVar("T")


class OnFull(StrEnum):
    """What `put` does when the channel is full."""

    BLOCK = "block"
    DROP_OLDEST = "drop_oldest"


class Closed(Exception):
    """The channel takes no more (`put`), or is closed and empty (`get`)."""


@dataclass(frozen=True, slots=True)
class ChannelStats:
    """A consistent snapshot of one channel's counters."""

    accepted: int
    delivered: int
    dropped: int
    depth: int


class Channel(Generic[T]):
    """First in, first out.  Any number of threads on either side."""

    def __init__(
        self, capacity: int, on_full: OnFull, *, on_drop: Callable[[T], None] | None = None
    ) -> None:
        """`on_drop` is called under no lock, by the putting thread, with each dropped item."""
        if capacity < 1:
            msg = f"a channel needs a capacity of at least 1, not {capacity}"
            raise ValueError(msg)
        self._capacity = capacity
        self._on_full = on_full
        self._on_drop = on_drop
        self._items: deque[T] = deque()
        self._lock = threading.Lock()
        self._not_empty = threading.Condition(self._lock)
        self._not_full = threading.Condition(self._lock)
        self._closed = False
        self._accepted = self._delivered = self._dropped = 0

    def put(self, item: T, timeout_s: float | None = None) -> bool:
        """Add `item`.

        Returns False when a blocking channel stayed full for `timeout_s` (the item is not taken).
        Raises `Closed` after `close`, also while waiting.
        """
        victim: list[T] = []
        with self._lock:
            if self._closed:
                raise Closed
            if len(self._items) >= self._capacity:
                if self._on_full is OnFull.DROP_OLDEST:
                    victim.append(self._items.popleft())
                    self._dropped += 1
                elif not self._not_full.wait_for(self._has_room_or_closed, timeout_s):
                    return False
                if self._closed:
                    raise Closed
            self._items.append(item)
            self._accepted += 1
            self._not_empty.notify()
        if victim and self._on_drop is not None:
            self._on_drop(victim[0])
        return True

    def get(self, timeout_s: float | None = None) -> T | None:
        """Take the oldest item; None after `timeout_s` with nothing.

        Raises `Closed` once the channel is closed and empty.
        """
        numbered = self.get_numbered(timeout_s)
        return None if numbered is None else numbered[1]

    def get_numbered(self, timeout_s: float | None = None) -> tuple[int, T] | None:
        """As `get`, with the item's place in the order of delivery (0, 1, 2 ..., no holes)."""
        with self._lock:
            if not self._not_empty.wait_for(self._has_item_or_closed, timeout_s):
                return None
            if not self._items:
                raise Closed
            number = self._delivered
            self._delivered += 1
            item = self._items.popleft()
            self._not_full.notify()
            return number, item

    def __iter__(self) -> Iterator[T]:
        """Items until the channel is closed and empty."""
        while True:
            try:
                item = self.get()
            except Closed:
                return
            if item is not None:
                yield item

    def close(self) -> None:
        """Take no more; what is inside can still be taken.  Idempotent, any thread."""
        with self._lock:
            self._closed = True
            self._not_empty.notify_all()
            self._not_full.notify_all()

    @property
    def closed(self) -> bool:
        """Whether `close` was called."""
        with self._lock:
            return self._closed

    def stats(self) -> ChannelStats:
        """Counters since the channel was made."""
        with self._lock:
            return ChannelStats(self._accepted, self._delivered, self._dropped, len(self._items))

    def _has_room_or_closed(self) -> bool:
        return self._closed or len(self._items) < self._capacity

    def _has_item_or_closed(self) -> bool:
        return self._closed or bool(self._items)
