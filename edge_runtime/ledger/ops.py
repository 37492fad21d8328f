"""What can be asked of the ledger: frozen requests, each carried out inside one of its commits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from edge_runtime.types import Result, Stamp, Tombstone


@dataclass(frozen=True, slots=True)
class PutResult:
    """Append a result; its value is the `seq`."""

    result: Result


@dataclass(frozen=True, slots=True)
class PutTombstone:
    """Append a tombstone; its value is the `seq`."""

    tombstone: Tombstone


@dataclass(frozen=True, slots=True)
class Ack:
    """The collector has these closed ranges durably.  What this ledger has not is passed over."""

    epoch: str
    ranges: tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class Refuse:
    """The collector refuses these (seq, code, detail) for good."""

    epoch: str
    items: tuple[tuple[int, str, str], ...]


@dataclass(frozen=True, slots=True)
class MediaAcked:
    """The collector has these media durably."""

    sha256s: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class RewindTo:
    """The collector has this epoch only through `through`: the rest counts as unsent again."""

    epoch: str
    through: int


@dataclass(frozen=True, slots=True)
class RotateEpoch:
    """What the collector does not have belongs to a new epoch, which is the value."""

    reason: str
    epoch: str | None = None
    """Only if this one is still the current one (a request that was repeated)."""


@dataclass(frozen=True, slots=True)
class RecordModel:
    """A lane has loaded this model."""

    lane: str
    model: str
    sha256: str


@dataclass(frozen=True, slots=True)
class RecordAnchor:
    """At this moment of this boot the wall clock was known to be right."""

    stamp: Stamp
    origin: str
    """How it was known: ``ntp``, ``collector`` ..."""


@dataclass(frozen=True, slots=True)
class Maintain:
    """Look at room and age now; done when the whole pass is."""


Op: TypeAlias = (
    PutResult
    | PutTombstone
    | Ack
    | Refuse
    | MediaAcked
    | RewindTo
    | RotateEpoch
    | RecordModel
    | RecordAnchor
    | Maintain
)
