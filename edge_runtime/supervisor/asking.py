"""Questions and orders to a child, and its answers.  Loop only."""

from __future__ import annotations

import asyncio
import itertools
from typing import TYPE_CHECKING, Any

from edge_runtime.errors import NotServing, UsageError
from edge_runtime.link.messages import Ask, Reply

if TYPE_CHECKING:
    from edge_runtime.supervisor.child import Child

ANSWER_S = 5.0


class Questions:
    """Of one child."""

    def __init__(self, child: Child) -> None:
        """Nothing is asked yet."""
        self._child = child
        self._tokens = itertools.count(1)
        self._waiting: dict[int, asyncio.Future[Reply]] = {}

    async def ask(
        self, what: str, arguments: dict[str, Any] | None = None, *, timeout_s: float = ANSWER_S
    ) -> Any:  # noqa: ANN401 - JSON
        """The answer.  Raises `NotServing` without one, `UsageError` with what it refuses."""
        token = next(self._tokens)
        answer: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
        self._waiting[token] = answer
        name = self._child.spec.name
        try:
            if not self._child.send(Ask(token, what, arguments or {})):
                raise NotServing(f"'{name}' does not run, and cannot be asked: {what}")
            reply = await asyncio.wait_for(answer, timeout_s)
        except TimeoutError as exc:
            raise NotServing(f"'{name}' did not answer in {timeout_s:g} s: {what}") from exc
        finally:
            del self._waiting[token]
        if reply.error:
            raise UsageError(reply.error)
        return reply.value

    def answered(self, reply: Reply) -> None:
        """It said this."""
        answer = self._waiting.get(reply.token)
        if answer is not None and not answer.done():
            answer.set_result(reply)

    def lost(self) -> None:
        """Its process is gone: nobody answers any more."""
        for token, answer in self._waiting.items():
            if not answer.done():
                answer.set_result(Reply(token, error="the process that was asked has ended"))
