"""Between the supervisor's loop and the ledger writer's thread."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import Counter
from concurrent.futures import CancelledError
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from edge_runtime.errors import EdgeRuntimeError, LedgerError, RequestRefused

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Future

    from edge_runtime.ledger.writer import LedgerWriter, Op
    from edge_runtime.supervisor.stopping import Deadline

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Request:
    owner: str
    rows: int
    done: Callable[[Any], None]
    refused: Callable[[RequestRefused], None] | None


class Bridge:
    """Hands operations to the writer and brings the outcome back to the loop.  Loop only.

    Two failures are told apart: one request that the ledger cannot take, which is its owner's
    business, and the ledger's own, which ends the daemon.
    """

    def __init__(
        self, writer: LedgerWriter, on_failure: Callable[[EdgeRuntimeError], None]
    ) -> None:
        """`on_failure` is told when the ledger fails for good."""
        self.refused = 0
        """Requests that the ledger could not take, one by one."""
        self.unstored: Counter[str] = Counter()
        """Rows that were not in the ledger when it was closed, by owner."""
        self._writer = writer
        self._loop = asyncio.get_running_loop()
        self._on_failure = on_failure
        self._pending: Counter[str] = Counter()
        self._pending_rows: Counter[str] = Counter()
        self._changed = asyncio.Event()
        self._is_closing = False

    @property
    def is_full(self) -> bool:
        """Rows wait for room."""
        return self._writer.state == "full"

    def submit(
        self,
        owner: str,
        op: Op,
        done: Callable[[Any], None],
        *,
        rows: int = 1,
        refused: Callable[[RequestRefused], None] | None = None,
    ) -> None:
        """`done` is called on the loop with the operation's value once it is durable.

        `refused` instead, when the ledger is well and cannot take it.  `rows`: how many it appends.
        """
        request = _Request(owner, rows, done, refused)
        self._pending[owner] += 1
        self._pending_rows[owner] += rows
        future = self._writer.submit(op)
        future.add_done_callback(lambda made: self._tell(request, made))

    async def settled(self, owner: str, deadline: Deadline | None = None) -> int:
        """Wait until nothing of `owner` is on its way, or for the deadline; the rows left."""
        while self._pending[owner] and not (deadline and deadline.is_over):
            self._changed.clear()
            if deadline is None:
                await self._changed.wait()
            else:
                await deadline.wait_for(self._changed.wait())
        return self._pending_rows[owner]

    async def all_settled(self, deadline: Deadline) -> dict[str, int]:
        """Wait until nothing is on its way, or for the deadline; the rows left, by owner."""
        left = {owner: await self.settled(owner, deadline) for owner in list(self._pending)}
        return {owner: rows for owner, rows in left.items() if rows}

    def closing(self) -> None:
        """The ledger is being closed: what it cannot take any more is counted, not an error."""
        self._is_closing = True

    def give_up(self) -> dict[str, int]:
        """Nobody waits any longer; every row that is not in the ledger, by owner."""
        self._is_closing = True
        return dict(+(self.unstored + self._pending_rows))

    def _tell(self, request: _Request, made: Future[Any]) -> None:
        """On the writer's thread."""
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any longer
            self._loop.call_soon_threadsafe(self._settle, request, made)

    def _settle(self, request: _Request, made: Future[Any]) -> None:
        self._pending[request.owner] -= 1
        self._pending_rows[request.owner] -= request.rows
        self._changed.set()
        error = CancelledError() if made.cancelled() else made.exception()
        if error is None:
            request.done(made.result())
        elif isinstance(error, RequestRefused):
            self.refused += 1
            log.error("ledger_refused owner=%s error=%s", request.owner, error)
            if request.refused is not None:
                request.refused(error)
        elif self._is_closing and isinstance(error, (LedgerError, CancelledError)):
            self.unstored[request.owner] += request.rows
        elif isinstance(error, EdgeRuntimeError):
            self._on_failure(error)
        else:
            self._on_failure(LedgerError(f"the ledger failed: {error!r}"))
