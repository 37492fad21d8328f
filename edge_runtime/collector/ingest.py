"""From the bytes of a request to events ready to store.  Pure; nothing here trusts the sender.

One bad event is a reject of that event; only what cannot be read as a batch at all is an error of
the request.
"""

from __future__ import annotations

import hashlib
import zlib
from dataclasses import dataclass
from typing import Annotated

import msgspec

from edge_runtime.errors import EdgeRuntimeError, ItemError
from edge_runtime.wire.conversation import (
    RESULT_TYPE,
    TOMBSTONE_TYPE,
    TYPE_PREFIX,
    Limits,
    Reject,
    identity,
    is_sha256,
)
from edge_runtime.wire.shape import ADDITION_KINDS, EVENT_TYPE

_GZIP_MAGIC = b"\x1f\x8b"
"""No JSON begins like this."""
_GZIP_WINDOW = 16 + zlib.MAX_WBITS
_MAX_MEDIA_OF_EVENT = 64
_Int64 = Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)]
_Seq = Annotated[int, msgspec.Meta(ge=1, lt=10**18)]


class BadRequest(EdgeRuntimeError):
    """The whole request is not understood; `status` is the HTTP answer."""

    def __init__(self, status: int, message: str) -> None:
        """`message` is one line for the other side."""
        super().__init__(message)
        self.status = status


@dataclass(frozen=True, slots=True, kw_only=True)
class Incoming:
    """One event, checked, with what the store indexes taken out of it."""

    index: int
    seq: int
    kind: str
    """As `Row.kind` of the store."""
    content_sha256: bytes
    """Over type and data in canonical form: the same content, however it is written."""
    raw: bytes
    """The event as it came."""
    lane: str | None = None
    verdict: str | None = None
    label: str | None = None
    score: float | None = None
    captured_wall_ns: int | None = None
    media: tuple[str, ...] = ()
    about: int | None = None
    """An addition: the `seq` of what it is about."""


@dataclass(frozen=True, slots=True)
class Batch:
    """What one request brought, all of one device and epoch."""

    device: str
    epoch: str
    events: tuple[Incoming, ...]
    rejected: tuple[Reject, ...]


class _Envelope(msgspec.Struct, kw_only=True):
    specversion: str
    id: str
    source: str
    type: str
    data: msgspec.Raw = msgspec.Raw(b"null")


class _Stamp(msgspec.Struct):
    wall_ns: _Int64


class _Verdict(msgspec.Struct):
    kind: str
    label: str | None = None
    score: float | None = None


class _Media(msgspec.Struct):
    sha256: str


class _Result(msgspec.Struct):
    """The fields of a result that the collector knows; the rest is kept as it came."""

    lane: str
    captured: _Stamp
    verdict: _Verdict
    media: list[_Media] = []


class _Tombstone(msgspec.Struct):
    lane: str
    reason: str
    last: _Stamp


class _Addition(msgspec.Struct):
    lane: str
    about: _Seq
    at: _Stamp
    media: list[_Media] = []


class _Event(msgspec.Struct):
    code: str
    at: _Stamp
    lane: str = ""


class _Refused(Exception):
    """One event is refused."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail


def unpack(body: bytes, encoding: str, limits: Limits) -> bytes:
    """The plain bytes of a request.  Never makes more than the limit, whatever the zip says.

    Raises `BadRequest`.
    """
    plainly = encoding in ("", "identity")
    if plainly and not body.startswith(_GZIP_MAGIC):
        plain = body
    elif plainly or encoding == "gzip":  # a proxy may take the header off, and not the zip
        plain = _gunzip(body, limits.max_plain_bytes)
    else:
        raise BadRequest(415, f"content-encoding '{encoding[:40]}' is not taken; use gzip")
    if len(plain) > limits.max_plain_bytes:
        raise BadRequest(413, f"more than {limits.max_plain_bytes} bytes unpacked; send less")
    return plain


def read_batch(plain: bytes, limits: Limits) -> Batch:
    """Take a CloudEvents JSON batch apart.

    Raises `BadRequest` when it is no JSON array or has too many events.
    """
    try:
        items = msgspec.json.decode(plain, type=list[msgspec.Raw])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as exc:
        raise BadRequest(400, f"the body is not a JSON array of events: {exc}") from exc
    if len(items) > limits.max_events:
        raise BadRequest(413, f"{len(items)} events; at most {limits.max_events} in a batch")
    stream: tuple[str, str] | None = None
    events: list[Incoming] = []
    rejected: list[Reject] = []
    for index, raw in enumerate(items):
        seq = None
        try:
            envelope = _envelope(bytes(raw), limits)
            device, epoch, seq = _identity(envelope)
            stream = _same_stream(stream, (device, epoch))
            events.append(_incoming(index, seq, envelope, bytes(raw)))
        except _Refused as exc:
            rejected.append(Reject(index=index, seq=seq, code=exc.code, detail=exc.detail[:300]))
    device, epoch = stream or ("", "")
    return Batch(device, epoch, tuple(events), tuple(rejected))


def _same_stream(first: tuple[str, str] | None, this: tuple[str, str]) -> tuple[str, str]:
    if first is not None and this != first:
        raise _Refused("wrong_stream", "a batch is of one device and one epoch")
    return this


def _gunzip(body: bytes, max_bytes: int) -> bytes:
    unpacker = zlib.decompressobj(_GZIP_WINDOW)
    try:
        plain = unpacker.decompress(body, max_bytes + 1)
    except zlib.error as exc:
        raise BadRequest(400, f"the body is not gzip: {exc}") from exc
    if len(plain) <= max_bytes and (not unpacker.eof or unpacker.unused_data):
        raise BadRequest(400, "the gzip body is cut off or has something behind its end")
    return plain


def _envelope(raw: bytes, limits: Limits) -> _Envelope:
    if len(raw) > limits.max_event_bytes:
        raise _Refused("too_large", f"{len(raw)} bytes; at most {limits.max_event_bytes}")
    try:
        envelope = msgspec.json.decode(raw, type=_Envelope)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as exc:
        raise _Refused("malformed", str(exc)) from exc
    if envelope.specversion != "1.0":
        raise _Refused("malformed", f"specversion: found '{envelope.specversion[:20]}', not '1.0'")
    if not envelope.type.startswith(TYPE_PREFIX):
        raise _Refused("unknown_type", f"type: found '{envelope.type[:80]}'; not one of ours")
    return envelope


def _identity(envelope: _Envelope) -> tuple[str, str, int]:
    try:
        return identity(envelope.source, envelope.id)
    except ItemError as exc:
        raise _Refused("malformed", str(exc)) from exc


def _incoming(index: int, seq: int, envelope: _Envelope, raw: bytes) -> Incoming:
    try:
        digest = _content_sha256(envelope)
        if envelope.type == RESULT_TYPE:
            return _result(
                index, seq, digest, msgspec.json.decode(envelope.data, type=_Result), raw
            )
        if envelope.type == TOMBSTONE_TYPE:
            stone = msgspec.json.decode(envelope.data, type=_Tombstone)
            return Incoming(
                index=index,
                seq=seq,
                kind="tombstone",
                content_sha256=digest,
                raw=raw,
                lane=stone.lane,
                captured_wall_ns=stone.last.wall_ns,
            )
        if envelope.type in ADDITION_KINDS:
            return _addition(index, seq, digest, envelope, raw)
        if envelope.type == EVENT_TYPE:
            event = msgspec.json.decode(envelope.data, type=_Event)
            return Incoming(
                index=index,
                seq=seq,
                kind="event",
                content_sha256=digest,
                raw=raw,
                lane=event.lane or None,
                captured_wall_ns=event.at.wall_ns,
            )
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, OverflowError) as exc:
        raise _Refused("invalid_data", f"data: {exc}") from exc
    # A type of a newer device: kept as it is, for the collector that will know it.
    return Incoming(index=index, seq=seq, kind=envelope.type, content_sha256=digest, raw=raw)


def _result(index: int, seq: int, digest: bytes, data: _Result, raw: bytes) -> Incoming:
    media = _checked_media(data.media)
    return Incoming(
        index=index,
        seq=seq,
        kind="result",
        content_sha256=digest,
        raw=raw,
        lane=data.lane,
        verdict=data.verdict.kind,
        label=data.verdict.label,
        score=data.verdict.score,
        captured_wall_ns=data.captured.wall_ns,
        media=media,
    )


def _addition(index: int, seq: int, digest: bytes, envelope: _Envelope, raw: bytes) -> Incoming:
    data = msgspec.json.decode(envelope.data, type=_Addition)
    return Incoming(
        index=index,
        seq=seq,
        kind=ADDITION_KINDS[envelope.type].value,
        content_sha256=digest,
        raw=raw,
        lane=data.lane,
        captured_wall_ns=data.at.wall_ns,
        media=_checked_media(data.media),
        about=data.about,
    )


def _checked_media(named: list[_Media]) -> tuple[str, ...]:
    media = tuple(dict.fromkeys(item.sha256 for item in named))
    if len(media) > _MAX_MEDIA_OF_EVENT or not all(map(is_sha256, media)):
        raise _Refused("invalid_data", "data.media: a sha256 is 64 hex digits, at most 64 of them")
    return media


def _content_sha256(envelope: _Envelope) -> bytes:
    canonical = msgspec.json.encode(msgspec.json.decode(envelope.data), order="sorted")
    return hashlib.sha256(envelope.type.encode() + b"\0" + canonical).digest()
