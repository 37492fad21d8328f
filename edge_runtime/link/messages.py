"""What the supervisor and its children say to each other.

One socketpair a child; each message is a 4-byte big-endian length and a MessagePack map with a
``type`` tag.  The types are the protocol: msgspec refuses anything else.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, TypeAlias

import msgspec

from edge_runtime.config import Config
from edge_runtime.types import Result, Tombstone

if TYPE_CHECKING:
    import socket

MAX_MESSAGE_BYTES = 4 << 20
_LENGTH = struct.Struct(">I")


class Message(msgspec.Struct, frozen=True, tag_field="type", tag=str.lower):
    """Base of all messages."""


class Start(Message, frozen=True):
    """Supervisor, first message: who you are and what to do."""

    name: str
    """The lane's name; ``sync`` for sync."""
    config: Config
    resume_after: str | None = None
    """Replay: the item that was stored last in this run; go on behind it."""
    done_before: bool = False
    """Folder: skip items that this ledger already has results of."""


class Hello(Message, frozen=True):
    """Child: models loaded, ready to work.  The supervisor may say READY once all have."""

    pid: int
    models: dict[str, str] = {}
    """``name/version`` -> sha256."""


class Heartbeat(Message, frozen=True):
    """Child, twice a second: what its loops did.  Progress, not a pulse."""

    state: str
    """``running``, ``degraded``, ``draining`` or ``done``.

    Sync: ``connected``, ``offline``, ``auth_failed`` or ``done``.
    """
    loops: dict[str, float]
    """Loop name -> seconds since it last turned."""
    counters: dict[str, int]
    """Monotonic counters (frames, dropped, results, ...)."""
    gauges: dict[str, float] = {}
    """Rates, latencies, memory."""
    detail: str = ""
    """One line for people: the fault, when degraded."""


class Record(Message, frozen=True):
    """Lane: put this result into the ledger.  `token` comes back in `Stored`."""

    token: int
    result: Result


class Bury(Message, frozen=True):
    """Lane: put this tombstone into the ledger.  `token` comes back in `Stored`."""

    token: int
    tombstone: Tombstone


class Stored(Message, frozen=True):
    """Supervisor: these tokens are durable; the last has this `seq`."""

    tokens: list[int]
    last_seq: int


class Acked(Message, frozen=True):
    """Sync: the collector has durably stored these closed ranges of `seq`, for this epoch."""

    epoch: str
    ranges: list[tuple[int, int]]


class Refused(Message, frozen=True):
    """Sync: the collector refuses these for good; they go to quarantine, kept and shown."""

    epoch: str
    items: list[tuple[int, str, str]]
    """(seq, code, detail)."""


class MediaStored(Message, frozen=True):
    """Sync: the collector has durably stored these media."""

    sha256s: list[str]


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

    One for each `Acked`, `Refused`, `MediaStored`, `Rewind` and `RotateEpoch`, in their order.
    """


class Wake(Message, frozen=True):
    """Supervisor to sync: there are new rows."""


class Stop(Message, frozen=True):
    """Supervisor: end of input; drain what is in hand, then exit 0.

    Sync: with `drain_s` above 0, try for so long to empty the backlog first.
    """

    drain_s: float = 0.0


class Failed(Message, frozen=True):
    """Child: cannot work and says why; it exits with this code."""

    exit_code: int
    message: str


class Done(Message, frozen=True):
    """Child: everything is drained; this was the last message."""

    detail: str = ""


AnyMessage: TypeAlias = (
    Start
    | Hello
    | Heartbeat
    | Record
    | Bury
    | Stored
    | Acked
    | Refused
    | MediaStored
    | Rewind
    | RotateEpoch
    | Applied
    | Wake
    | Stop
    | Failed
    | Done
)

_encoder = msgspec.msgpack.Encoder()
_decoder: msgspec.msgpack.Decoder[AnyMessage] = msgspec.msgpack.Decoder(AnyMessage)


def encode(message: AnyMessage) -> bytes:
    """One framed message."""
    body = _encoder.encode(message)
    if len(body) > MAX_MESSAGE_BYTES:
        msg = f"a message of {len(body)} bytes is larger than {MAX_MESSAGE_BYTES}"
        raise ValueError(msg)
    return _LENGTH.pack(len(body)) + body


def decode(body: bytes) -> AnyMessage:
    """A message without its length.  Raises `msgspec.ValidationError`."""
    return _decoder.decode(body)


def body_length(header: bytes) -> int:
    """Length from the 4-byte header.  Raises ValueError over `MAX_MESSAGE_BYTES`."""
    (length,) = _LENGTH.unpack(header)
    if length > MAX_MESSAGE_BYTES:
        msg = f"a message of {length} bytes is larger than {MAX_MESSAGE_BYTES}"
        raise ValueError(msg)
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
