"""Between the supervisor's loop and the ledger writer's thread."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from edge_runtime.errors import EdgeRuntimeError

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Future

    from edge_runtime.ledger.writer import LedgerWriter, Op


class Bridge:
    """Hands operations to the writer and brings the outcome back to the loop.  Loop only."""

    def __init__(
        self, writer: LedgerWriter, on_failure: Callable[[EdgeRuntimeError], None]
    ) -> None:
        """`on_failure` is told when the ledger fails for good."""
        self._writer = writer
        self._loop = asyncio.get_running_loop()
        self._on_failure = on_failure
        self._pending: dict[str, int] = {}
        self._changed = asyncio.Event()

    def submit(self, owner: str, op: Op, done: Callable[[Any], None]) -> None:
        """`done` is called on the loop with the operation's value once it is durable."""
        self._pending[owner] = self._pending.get(owner, 0) + 1
        future = self._writer.submit(op)
        future.add_done_callback(
            lambda made: self._loop.call_soon_threadsafe(self._settle, owner, made, done)
        )

    async def settled(self, owner: str) -> None:
        """Wait until nothing of `owner` is on its way."""
        while self._pending.get(owner):
            self._changed.clear()
            await self._changed.wait()

    async def all_settled(self) -> None:
        """Wait until nothing is on its way."""
        for owner in list(self._pending):
            await self.settled(owner)

    def _settle(self, owner: str, made: Future[Any], done: Callable[[Any], None]) -> None:
        self._pending[owner] -= 1
        self._changed.set()
        error = made.exception()
        if error is None:
            done(made.result())
        elif isinstance(error, EdgeRuntimeError):
            self._on_failure(error)
        else:
            raise error
