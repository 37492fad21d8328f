"""What the supervisor, its children, and a lane and the field process say to each other.

One stream socket a pair; each message is a 4-byte big-endian length and a MessagePack map with a
``type`` tag.  The types are the protocol: msgspec refuses anything else.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import msgspec

from edge_runtime.config import Config
from edge_runtime.types import (
    Actuation,
    Addition,
    Event,
    Result,
    Tombstone,
    Trigger,
    Verdict,
)

if TYPE_CHECKING:
    import socket

MAX_MESSAGE_BYTES = 4 << 20
_LENGTH = struct.Struct(">I")


class Message(msgspec.Struct, frozen=True, tag_field="type", tag=str.lower):
    """Base of all messages."""


# Supervisor and any child.


class ResolvedModel(msgspec.Struct, frozen=True):
    """A model as it was pinned: what the lane loads, whatever lies beside it by then."""

    asked: str
    """As the config names it."""
    id: str
    """``name/version``."""
    folder: str
    sha256: str | None = None
    """Of the model file as pinned; a bundle that has another is refused.  None: not known."""


class Start(Message, frozen=True):
    """Supervisor, first message: who you are and what to do."""

    name: str
    """The lane's name; ``sync``, ``field``."""
    config: Config
    resume_after: str | None = None
    """Replay: the item that was stored last; go on behind it."""
    done_before: bool = False
    """Folder: skip items that this ledger already has entries of."""
    skip: list[str] = []
    """Items that are buried: not to be tried again."""
    one_at_a_time: bool = False
    """Lane: it died with an item in hand; infer one alone for a while, to know which it is."""
    models: list[ResolvedModel] = []
    """Those of the lane, in the config's order, shadows behind them."""
    recipe: str | None = None
    field_path: str = ""
    """Lane: the field process's socket; empty where the lane has neither outputs nor triggers."""
    field_token: str = ""
    """Field: knows the lane by it.  A new one at each start of a lane."""
    page_path: str = ""
    """Lane: the file of its `link.in_hand.Page`."""


class Hello(Message, frozen=True):
    """Child: warm, ready to work.  A lane looks at nothing before `Serve`."""

    pid: int
    models: dict[str, str] = {}
    """``name/version`` -> sha256."""
    infer_budget_ms: float = 0.0
    """Lane: what one inference may take, by the manifests or, without a budget, as measured."""


class Serve(Message, frozen=True):
    """Supervisor: begin."""


class Heartbeat(Message, frozen=True):
    """Child, twice a second: what its loops did.  Progress, not a pulse."""

    state: str
    """Lane: ``running``, ``degraded``, ``draining`` or ``done``.

    Sync: ``connected``, ``offline``, ``auth_failed``, ``unsteady``, ``stranger`` or ``done``.
    Field: ``running``, ``safe``.
    """
    loops: dict[str, float]
    """Loop name -> seconds since it last turned, or since it said it would turn again."""
    counters: dict[str, int]
    """Monotonic counters (frames, dropped, results, ...)."""
    gauges: dict[str, float] = {}
    """Rates, latencies, memory."""
    detail: str = ""
    """One line for people: the fault, when degraded."""
    code: str = ""
    """The fault's ``EDGE-…``, when degraded."""
    outputs: list[OutputState] = []
    """Field: one an output."""
    words: dict[str, str] = {}
    """Lane: what its source tells of itself in words.

    ``device``: which one really answers, its stable name; ``device_told``: for people;
    ``why_silent``: muted, and how to end that.  ``differs``, ``unheard``, ``left_out``: see
    `protocols.HasNotes`.
    """


class Stop(Message, frozen=True):
    """Supervisor: end of input; drain and finish."""

    drain_s: float = 0.0
    """Sync: go on sending for so long while there is a backlog."""


class Failed(Message, frozen=True):
    """Child: I refuse to start, or cannot go on; the process exits with this code next."""

    exit_code: int
    message: str
    code: str = ""
    """``EDGE-…``."""


class Done(Message, frozen=True):
    """Child: everything is drained; the process ends in order."""


class Ask(Message, frozen=True):
    """Supervisor: a question or an order of somebody at the control socket."""

    token: int
    what: str
    arguments: dict[str, Any] = {}


class Reply(Message, frozen=True):
    """Child: the answer."""

    token: int
    value: Any = None
    error: str = ""
    """Why not; empty when it was done."""


# Lane and supervisor.


class NewResult(Message, frozen=True):
    """Lane: put this result into the ledger.  `token` comes back in `Stored`."""

    token: int
    result: Result


class NewResults(Message, frozen=True):
    """Lane: these belong together (the words of one segment): one transaction, all or none."""

    tokens: list[int]
    results: list[Result]


class NewTombstone(Message, frozen=True):
    """Lane: put this tombstone into the ledger.  `token` comes back in `Stored`."""

    token: int
    tombstone: Tombstone
    once: str = ""
    """A key under which this ledger takes it one time only; empty: each time."""


class NewAddition(Message, frozen=True):
    """Lane: what came later about a part that is `Stored`."""

    token: int
    addition: Addition


class NewEvent(Message, frozen=True):
    """Lane or field: something happened."""

    token: int
    event: Event


class Stored(Message, frozen=True):
    """Supervisor: these tokens are settled: durable, or refused for good (`seq` 0)."""

    tokens: list[int]
    seqs: list[int]
    """The `seq` of each, in the order of `tokens`."""


class Room(Message, frozen=True):
    """Supervisor: whether the ledger takes rows.  Said when it changes."""

    full: bool


class Triggered(Message, frozen=True):
    """Supervisor or field to a lane: a part is there, or will be after the lane's delay."""

    trigger: Trigger


# Lane and field, over the field's socket.


class Greet(Message, frozen=True):
    """Lane, first message to the field: which lane, and the token that proves it."""

    lane: str
    token: str


class Drive(Message, frozen=True):
    """Lane: act on this verdict.  Answered by `Acted` with the same `token`.

    It is carried out whatever becomes of the lane.
    """

    token: int
    output: str
    verdict: Verdict
    part: str
    """The part's name or number, for the far side and the log."""
    at_ns: int
    """CLOCK_BOOTTIME of the part's exposure or trigger: what `delay_ms` counts from."""
    asked_ns: int = 0
    """CLOCK_BOOTTIME when it was asked: what waited longer than it may is not made any more."""


class Hold(Message, frozen=True):
    """Lane: it cannot judge; hold the safe state of its outputs.  Answered by `Acted`s."""

    token: int
    reason: str


class Free(Message, frozen=True):
    """Lane: it judges again; let go of the safe state.  Answered by `Acted`s."""

    token: int


class Alive(Message, frozen=True):
    """Lane, four times a heartbeat, from the loop that decides: the dead man's handle."""

    decides: bool
    """Its loop turns and no part has waited longer than it may."""
    sees: bool
    """Its sources are well."""
    detail: str = ""
    trigger: int = 0
    """The field's last `Trigger.id` that this lane has taken."""


class Bye(Message, frozen=True):
    """Drained in order: the end-of-file behind it is no fault."""


class Acted(Message, frozen=True):
    """Field: what came of a `Drive`, `Hold` or `Free`, one for each output."""

    token: int
    actuation: Actuation
    last: bool = True
    """No more answers to this token."""


class OutputState(Message, frozen=True):
    """Field: how one output is; in its heartbeat, and to the lanes that use it when it changes."""

    output: str
    state: Literal["connected", "away", "held", "bypassed", "starting"]
    detail: str = ""
    address: str = ""
    acknowledged: int = 0
    unacknowledged: int = 0
    """In all."""
    unacknowledged_running: int = 0
    """Since the last acknowledgement."""
    last_ack_ns: int | None = None
    """CLOCK_BOOTTIME."""
    holds: list[str] = []
    """Why the safe state is held: ``lane: reason`` each."""
    bypass_until_ns: int | None = None
    counters: dict[str, int] = {}


# Supervisor and field.


class Admit(Message, frozen=True):
    """Supervisor: a lane is about to start; its outputs are held safe until it serves."""

    lane: str
    token: str


class LaneIs(Message, frozen=True):
    """Supervisor: what it knows of a lane that the field cannot see for itself.

    ``serving`` · ``gone`` (dead, refused, being restarted: hold) · ``over`` (its replay has ended
    or it was told to stop, and it drained: nothing is held for it, no heartbeat waits for it).
    """

    lane: str
    state: Literal["serving", "gone", "over"]
    reason: str = ""


# Sync and supervisor.


class Acked(Message, frozen=True):
    """Sync: the collector has durably stored these closed ranges of `seq`, for this epoch."""

    epoch: str
    ranges: list[tuple[int, int]]


class Quarantine(Message, frozen=True):
    """Sync: the collector refuses these for good; they are kept and shown."""

    epoch: str
    items: list[tuple[int, str, str]]
    """(seq, code, detail)."""


class MediaStored(Message, frozen=True):
    """Sync: the collector has durably stored these media."""

    sha256s: list[str]


class MediaWanted(Message, frozen=True):
    """Sync: the collector has these media no longer, or never had.  Not answered."""

    sha256s: list[str]


class MetCollector(Message, frozen=True):
    """Sync: who the collector says it is.  Not answered."""

    software: str
    max_event_bytes: int


class Rewind(Message, frozen=True):
    """Sync: the collector has less than it once acknowledged (restored); send again from here."""

    epoch: str
    through: int


class RotateEpoch(Message, frozen=True):
    """Sync: the collector knows more of this epoch than this ledger does (an old disk image)."""

    epoch: str
    reason: str


class Applied(Message, frozen=True):
    """Supervisor to sync: what it said is durable in the ledger.

    One for each `Acked`, `Quarantine`, `MediaStored`, `Rewind` and `RotateEpoch`, in their order.
    """


class Wake(Message, frozen=True):
    """Supervisor to sync: there are new rows."""

    now: bool = False
    """Somebody asked for it: wait for nothing that was waited for."""


AnyMessage: TypeAlias = (
    Start
    | Hello
    | Serve
    | Heartbeat
    | Stop
    | Failed
    | Done
    | Ask
    | Reply
    | NewResult
    | NewResults
    | NewTombstone
    | NewAddition
    | NewEvent
    | Stored
    | Room
    | Triggered
    | Greet
    | Drive
    | Hold
    | Free
    | Alive
    | Bye
    | Acted
    | OutputState
    | Admit
    | LaneIs
    | Acked
    | Quarantine
    | MediaStored
    | MediaWanted
    | MetCollector
    | Rewind
    | RotateEpoch
    | Applied
    | Wake
)

_encoder = msgspec.msgpack.Encoder()
_decoder: msgspec.msgpack.Decoder[AnyMessage] = msgspec.msgpack.Decoder(AnyMessage)


class MessageTooLarge(ValueError):
    """This message cannot be said; the link is well."""


def encode(message: AnyMessage) -> bytes:
    """One framed message.  Raises `MessageTooLarge`."""
    body = _encoder.encode(message)
    if len(body) > MAX_MESSAGE_BYTES:
        msg = f"a message of {len(body)} bytes is larger than {MAX_MESSAGE_BYTES}"
        raise MessageTooLarge(msg)
    return _LENGTH.pack(len(body)) + body


def decode(body: bytes) -> AnyMessage:
    """A message without its length.  Raises `msgspec.ValidationError`."""
    return _decoder.decode(body)


def body_length(header: bytes) -> int:
    """Length from the 4-byte header.  Raises `MessageTooLarge`."""
    (length,) = _LENGTH.unpack(header)
    if length > MAX_MESSAGE_BYTES:
        msg = f"a message of {length} bytes is larger than {MAX_MESSAGE_BYTES}"
        raise MessageTooLarge(msg)
    return int(length)


HEADER_BYTES = _LENGTH.size


def receive(connection: socket.socket) -> AnyMessage | None:
    """The next message from a blocking socket; None at end-of-file."""
    header = _exactly(connection, HEADER_BYTES)
    if header is None:
        return None
    body = _exactly(connection, body_length(header))
    return None if body is None else decode(body)


def _exactly(connection: socket.socket, count: int) -> bytes | None:
    parts = bytearray()
    while len(parts) < count:
        part = connection.recv(count - len(parts))
        if not part:
            return None
        parts += part
    return bytes(parts)
