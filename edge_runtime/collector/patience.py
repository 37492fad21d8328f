"""How long an unfinished request is waited for, and how many of them at once.  Pure.

Connections that wait for a request's head or body cost nothing to make and would fill the place of
those that mean it.  So there is room for so many, by address and in all; who comes beyond that
takes the place of the one that has waited longest, which is hardly ever one that is about to speak.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Generic, TypeVar

K = TypeVar("K")

HEAD_TIMEOUT_S = 10.0
"""From the first moment of a connection to the end of its first request's head."""
MAX_UNFINISHED = 384
"""Connections whose request is not whole, in all."""
MAX_UNFINISHED_OF_ADDRESS = 256
"""And of one address, behind which a whole fleet may stand."""


class Unfinished(Generic[K]):
    """Who waits, oldest first.  Owned by the event loop."""

    def __init__(
        self, *, most: int = MAX_UNFINISHED, most_of_address: int = MAX_UNFINISHED_OF_ADDRESS
    ) -> None:
        """Nobody."""
        self._most = most
        self._most_of_address = most_of_address
        self._all: OrderedDict[K, str] = OrderedDict()
        self._by_address: dict[str, OrderedDict[K, None]] = {}

    def enter(self, who: K, address: str) -> list[K]:
        """One more waits, or waits anew; those whose place it takes, who have left already."""
        self.leave(who)
        self._all[who] = address
        own = self._by_address.setdefault(address, OrderedDict())
        own[who] = None
        sent_away: list[K] = []
        if len(own) > self._most_of_address:
            sent_away.append(next(iter(own)))
        elif len(self._all) > self._most:
            sent_away.append(next(iter(self._all)))
        for one in sent_away:
            self.leave(one)
        return sent_away

    def leave(self, who: K) -> None:
        """Its request is whole, or it is gone.  Idempotent."""
        address = self._all.pop(who, None)
        if address is None:
            return
        own = self._by_address[address]
        del own[who]
        if not own:
            del self._by_address[address]

    def holds(self, who: K) -> bool:
        """Whether it waits."""
        return who in self._all

    def __len__(self) -> int:
        return len(self._all)
