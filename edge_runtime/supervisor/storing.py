"""A lane's (or the field's) rows on their way into the ledger, and the word back.  Loop only."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from edge_runtime.link.messages import (
    AnyMessage,
    NewAddition,
    NewEvent,
    NewResult,
    NewResults,
    NewTombstone,
    Stored,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from edge_runtime.supervisor.child import Child
    from edge_runtime.supervisor.entries import Entries


class Storing:
    """Of one child."""

    def __init__(self, owner: str, entries: Entries, child: Child) -> None:
        """`owner`: whose rows they are."""
        self._owner = owner
        self._entries = entries
        self._child = child
        self._life = 0
        self.received = 0
        """Results of this life, whatever became of them."""
        self.outstanding = 0
        """Results of all lives that are on their way into the ledger."""
        self._unsaid: list[tuple[int, int]] = []

    def begin(self) -> None:
        """Another process: the tokens of the one before mean nothing to it."""
        self._life += 1
        self.received = 0
        self._unsaid.clear()

    def take(self, message: AnyMessage) -> list[str]:
        """Put it into the ledger, where that is what it wants; the replayed items it settles."""
        put, owner = self._entries.put, self._owner
        match message:
            case NewResult():
                self._receive(1)
                put(owner, message.result, self._saying(message.token, results=1))
                return _items(message.result.item)
            case NewResults():
                count = len(message.results)
                self._receive(count)
                say = self._saying_all(message.tokens, results=count)
                self._entries.put_together(owner, message.results, say)
                return _items(*(result.item for result in message.results[-1:]))
            case NewTombstone():
                put(owner, message.tombstone, self._saying(message.token), once=message.once)
                return _items(message.tombstone.item)
            case NewAddition():
                put(owner, message.addition, self._saying(message.token))
            case NewEvent():
                put(owner, message.event, self._saying(message.token))
        return []

    def _receive(self, results: int) -> None:
        self.received += results
        self.outstanding += results

    def _saying(self, token: int, *, results: int = 0) -> Callable[[int], None]:
        say = self._saying_all([token], results=results)
        return lambda seq: say([seq])

    def _saying_all(self, tokens: list[int], *, results: int = 0) -> Callable[[list[int]], None]:
        life = self._life

        def stored(seqs: list[int]) -> None:
            """One message for all that came out of the same commit."""
            self.outstanding -= results
            if life != self._life:
                return
            if not self._unsaid:
                asyncio.get_running_loop().call_soon(self._flush)
            self._unsaid += zip(tokens, seqs, strict=True)

        return stored

    def _flush(self) -> None:
        told, self._unsaid = self._unsaid, []
        if told:
            self._child.send(Stored([token for token, _ in told], [seq for _, seq in told]))


def _items(*items: str | None) -> list[str]:
    return [item for item in items if item is not None]
