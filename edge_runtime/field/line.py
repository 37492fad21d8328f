"""The connection that a coil output writes through, and what can go wrong on it."""

from __future__ import annotations

from typing import Protocol


class LineDown(Exception):
    """There is no connection: never made, or closed by the far side.  `str()`: where and why."""


class NoAnswer(LineDown):
    """The far side did not confirm in time; whether it did as told is not known."""


class Refused(Exception):
    """The far side is there and says no (an address it does not have).  `str()`: what and why."""


class Line(Protocol):
    """Owned by the output's thread.  Every call blocks for at most its `timeout_s`.

    After `LineDown` or `NoAnswer` the line is closed until `connect`.
    """

    @property
    def address(self) -> str:
        """For people."""
        ...

    @property
    def connected(self) -> bool:
        """Whether a connection is open as far as is known."""
        ...

    def connect(self, timeout_s: float) -> None:
        """Connect.  Raises `LineDown`."""
        ...

    def write_coil(self, coil: int, *, value: bool, timeout_s: float) -> None:
        """Returns once confirmed.  Raises `LineDown`, `NoAnswer`, `Refused`."""
        ...

    def write_register(self, register: int, value: int, timeout_s: float) -> None:
        """Returns once confirmed; 0..65535.  Raises `LineDown`, `NoAnswer`, `Refused`."""
        ...

    def probe(self, coil: int, timeout_s: float) -> None:
        """Ask for anything, to see a dead far side early.  Raises `LineDown`, `NoAnswer`."""
        ...

    def close(self) -> None:
        """Idempotent."""
        ...
