"""What a child asks and tells its keeper."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from edge_runtime.link.messages import AnyMessage, Hello, Start
    from edge_runtime.supervisor.states import Exit


class Owner(Protocol):
    """What a child asks and tells its keeper.  On the loop."""

    async def make_start(self) -> Start:
        """What the next process is told first; an `EdgeRuntimeError` is a refusal."""
        ...

    def on_hello(self, hello: Hello) -> None:
        """It is warm; `Serve` is said next."""
        ...

    def on_serving(self) -> None:
        """It was told to serve."""
        ...

    def on_message(self, message: AnyMessage) -> None:
        """Anything that it said."""
        ...

    def on_end(self, ended: Exit) -> None:
        """Its process is gone; `health.state` says what comes next."""
        ...
