"""What can be asked of the ledger: frozen requests, each carried out inside one of its commits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from edge_runtime.types import Addition, Event, Result, Stamp, Tombstone


@dataclass(frozen=True, slots=True)
class PutResult:
    """Append a result; its value is the `seq`."""

    result: Result


@dataclass(frozen=True, slots=True)
class PutResults:
    """Append results that belong together, all or none; its value is the list of their `seq`."""

    results: tuple[Result, ...]


@dataclass(frozen=True, slots=True)
class PutTombstone:
    """Append a tombstone; its value is the `seq`, or 0 where `once` was taken before."""

    tombstone: Tombstone
    once: str = ""
    """A key under which this ledger takes it one time only, for ever; empty: each time."""


@dataclass(frozen=True, slots=True)
class PutAddition:
    """Append what came later about a part; its value is the `seq`."""

    addition: Addition


@dataclass(frozen=True, slots=True)
class PutEvent:
    """Append something that happened; its value is the `seq`."""

    event: Event


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
class MediaWanted:
    """The collector has these media no longer, or never had: those still here are to be sent."""

    sha256s: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Release:
    """What was refused is to be sent again; its value is how many entries that is."""

    seqs: tuple[int, ...] | None = None
    """None: all of them."""


@dataclass(frozen=True, slots=True)
class MetCollector:
    """The collector said hello: a newer one, or one that takes larger events, is asked once more.

    Its value is how many refused entries are to be sent again.
    """

    software: str
    max_event_bytes: int


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
    """A lane has loaded this model.  The one that it loaded last is not written down again."""

    lane: str
    model: str
    sha256: str
    folder: str = ""


@dataclass(frozen=True, slots=True)
class Pin:
    """What a lane is to load for the model that its config `asked` for, from now on."""

    lane: str
    asked: str
    model: str
    """``name/version``."""
    folder: str
    sha256: str | None = None


@dataclass(frozen=True, slots=True)
class RecordReady:
    """A config of this hash reached READY on this ledger."""

    sha256: str


@dataclass(frozen=True, slots=True)
class NoteSource:
    """Which recording or folder a lane's replay is of."""

    lane: str
    identity: str


@dataclass(frozen=True, slots=True)
class RecordAnchor:
    """At this moment of this boot the wall clock was known to be right."""

    stamp: Stamp
    origin: str
    """How it was known: ``ntp``, ``collector`` ..."""


@dataclass(frozen=True, slots=True)
class Maintain:
    """Look at room and age now; done when the whole pass is."""


APPENDS = (PutResult, PutResults, PutTombstone, PutAddition, PutEvent)
"""Those that add rows of their own; on a full disk these wait while the others go on."""

Op: TypeAlias = (
    PutResult
    | PutResults
    | PutTombstone
    | PutAddition
    | PutEvent
    | Ack
    | Refuse
    | MediaAcked
    | MediaWanted
    | Release
    | MetCollector
    | RewindTo
    | RotateEpoch
    | RecordModel
    | Pin
    | RecordReady
    | NoteSource
    | RecordAnchor
    | Maintain
)
