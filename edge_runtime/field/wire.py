"""The connection that a far side is reached by, and what can go wrong on it.

Orders are sent and answers come back by number, so that an answer that is slow does not keep what
must not wait: a pulse's end.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol


class LineDown(Exception):
    """There is no connection: never made, or closed by the far side.  `str()`: where and why."""


class NoAnswer(LineDown):
    """The far side did not answer in time; whether it did as told is not known."""


class WriteRefused(Exception):
    """The far side is there and says no (an address it does not have).  `str()`: what and why."""


class Kind(StrEnum):
    """What may be asked of a far side.  The value is how people are told of the place."""

    WRITE_COIL = "coil"
    WRITE_REGISTER = "register"
    READ_COIL = "coil (read)"
    READ_INPUT = "input (read)"
    READ_REGISTER = "register (read)"


@dataclass(frozen=True, slots=True)
class Order:
    """One value to be written, or one to be read."""

    kind: Kind
    address: int
    value: int = 0
    """Written: 0 or 1 for a coil, 0..65535 for a register."""

    def __str__(self) -> str:
        """``coil 12``."""
        return f"{self.kind.value.removesuffix(' (read)')} {self.address}"


@dataclass(frozen=True, slots=True)
class Answer:
    """What the far side said to one order."""

    number: int
    """As `Wire.send` gave it."""
    value: int = 0
    """What was read, or as it was written."""
    refusal: str | None = None
    """Where, what and why, when it said no."""


class Wire(Protocol):
    """Owned by the far side's thread.  No call blocks but `connect`.

    After `LineDown` the wire is closed until `connect`.
    """

    @property
    def address(self) -> str:
        """For people."""
        ...

    @property
    def connected(self) -> bool:
        """Whether a connection is open as far as is known."""
        ...

    def fileno(self) -> int:
        """Readable when there is an answer; -1 while not connected."""
        ...

    def connect(self, timeout_s: float) -> None:
        """Connect; blocks for at most `timeout_s` (and the name's look-up).  Raises `LineDown`."""
        ...

    def send(self, order: Order) -> int:
        """Hand an order over; its number.  Raises `LineDown`."""
        ...

    def receive(self) -> list[Answer]:
        """What has come since; may be empty.  Raises `LineDown`."""
        ...

    def close(self) -> None:
        """Idempotent."""
        ...
