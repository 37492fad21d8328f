"""How much of a lane is on its way to the ledger; bounded.  Any thread."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

POLL_S = 0.25


class Window:
    """Tokens of what was handed to the supervisor and is not settled yet."""

    def __init__(self, limit: int) -> None:
        """At most `limit` for who asks with `try_take`."""
        self._limit = limit
        self._tokens: set[int] = set()
        self._next = 1
        self._changed = threading.Condition()

    def take(self) -> int:
        """A token, over the limit if need be: for what must not be left out."""
        with self._changed:
            return self._new()

    def try_take(self) -> int | None:
        """A token; None when the limit is reached."""
        with self._changed:
            return self._new() if len(self._tokens) < self._limit else None

    def settled(self, tokens: Sequence[int]) -> None:
        """The supervisor has settled these."""
        with self._changed:
            self._tokens.difference_update(tokens)
            self._changed.notify_all()

    def wait_room(self, tick: Callable[[], None], give_up: Callable[[], bool]) -> bool:
        """Until there is room (True), or `give_up` says so; `tick` is called while waiting."""
        with self._changed:
            while len(self._tokens) >= self._limit:
                if give_up():
                    return False
                tick()
                self._changed.wait(POLL_S)
        return True

    def wait_empty(self, tick: Callable[[], None]) -> None:
        """Until everything is settled."""
        with self._changed:
            while not self._changed.wait_for(lambda: not self._tokens, POLL_S):
                tick()

    def __len__(self) -> int:
        with self._changed:
            return len(self._tokens)

    def _new(self) -> int:
        token = self._next
        self._next += 1
        self._tokens.add(token)
        return token
