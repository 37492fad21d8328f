"""What the ``decide`` thread is told by the others: values, in one channel, in their order."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from edge_runtime.link.messages import OutputState
    from edge_runtime.parts import Key, Part
    from edge_runtime.types import Finding, Frame, Inference, Segment, Stamp, TombstoneReason


@dataclass(frozen=True, slots=True)
class Begun:
    """A part began."""

    part: Part
    known: Unseen | None = None
    """What its picture or segment is known by, also where the part closes before a look at it."""


@dataclass(frozen=True, slots=True)
class Found:
    """One model answered about one place of a part, or failed."""

    number: int
    key: Key
    finding: Finding
    inference: Inference | None = None
    """The whole answer, for the rules; None for a failure."""


@dataclass(frozen=True, slots=True)
class Missed:
    """One place of a part stays empty: no model will say anything about it."""

    part: Part
    view: str
    frame: int
    why: str


@dataclass(frozen=True, slots=True)
class Looked:
    """A picture or segment was taken in hand: what evidence is made from."""

    number: int
    view: str
    subject: Frame | Segment
    begins: Part | None = None
    """The part, where it begins with this; one event less on the way to a verdict."""


@dataclass(frozen=True, slots=True)
class Unseen:
    """Identity of what could not be read, in place of a `Looked`."""

    number: int
    source: str
    item: str | None
    begins: Part | None = None


@dataclass(frozen=True, slots=True)
class Away:
    """A view's source is away."""

    view: str
    source: str
    reason: str
    code: str
    offered: int
    """So many pictures were offered before: their parts come first."""


@dataclass(frozen=True, slots=True)
class Back:
    """It is there again."""

    view: str


@dataclass(frozen=True, slots=True)
class Lost:
    """Something that will not become a part: told as a tombstone."""

    reason: TombstoneReason
    first: Stamp
    last: Stamp
    count: int | None
    detail: str
    item: str | None = None
    once: str = ""
    """A key under which the ledger takes it one time only; empty: each time."""


@dataclass(frozen=True, slots=True)
class OutputIs:
    """The field process told how an output is."""

    state: OutputState


@dataclass(frozen=True, slots=True)
class RoomIs:
    """The supervisor told whether the ledger takes rows."""

    full: bool


AnyEvent: TypeAlias = (
    Begun | Found | Missed | Looked | Unseen | Away | Back | Lost | OutputIs | RoomIs
)
