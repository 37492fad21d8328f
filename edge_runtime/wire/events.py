"""Entries as CloudEvents 1.0 in JSON, and back.  Pure.  What `data` holds is `wire.shape`'s."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import msgspec

from edge_runtime.errors import ItemError
from edge_runtime.types import Addition, EntryBody, Event, Media, Result, Stamp, Tombstone
from edge_runtime.wire.conversation import (
    RESULT_TYPE,
    TOMBSTONE_TYPE,
    id_of,
    identity,
    rfc3339,
    source_of,
)
from edge_runtime.wire.shape import ADDITION_KINDS, EVENT_TYPE, data_of, type_of

MEDIA_PREFIX = "media:sha256:"

_SEQUENCE_DIGITS = 19
"""As many as 2**63 has: a ``sequence`` must sort as text."""
_MODEL_DIGITS = 16
_encoder = msgspec.json.Encoder()


@dataclass(frozen=True, slots=True)
class ReadEvent:
    """One event as read back."""

    device: str
    epoch: str
    seq: int
    body: EntryBody


class _Envelope(msgspec.Struct, kw_only=True):
    """The attributes that `decode_event` needs; others are ignored."""

    specversion: str
    id: str
    source: str
    type: str
    data: msgspec.Raw


def encode_event(*, device: str, epoch: str, seq: int, body: EntryBody) -> bytes:
    """One event as JSON.

    Raises `ItemError` when a text in it cannot be written as UTF-8.
    """
    stamp = _stamp_of(body)
    event: dict[str, Any] = {
        "specversion": "1.0",
        "id": id_of(epoch, seq),
        "source": source_of(device),
        "type": type_of(body),
        "datacontenttype": "application/json",
        "sequence": str(seq).zfill(_SEQUENCE_DIGITS),
        "edgeboot": stamp.boot_id,
        "edgemono": str(stamp.boottime_ns),
    }
    if (time := rfc3339(stamp.wall_ns)) is not None:
        event["time"] = time
    if model_sha256 := _model_of(body):
        event["edgemodel"] = model_sha256[:_MODEL_DIGITS]
    if media := media_of(body):
        event["edgemedia"] = MEDIA_PREFIX + media[0].sha256
    event["data"] = data_of(body)
    try:
        return _encoder.encode(event)
    except UnicodeEncodeError as exc:
        raise ItemError(f"seq {seq}: a text in it is not Unicode: {exc.reason}") from exc


def decode_event(raw: bytes | bytearray | memoryview) -> ReadEvent:
    """An event that `encode_event` made, also by a newer version with more fields.

    Raises `ItemError`, one clause naming what is wrong.
    """
    try:
        envelope = msgspec.json.decode(raw, type=_Envelope)
        device, epoch, seq = identity(envelope.source, envelope.id)
        body = _decoded(envelope)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as exc:
        raise ItemError(f"not an event: {exc}") from exc
    return ReadEvent(device, epoch, seq, body)


def media_of(body: EntryBody) -> tuple[Media, ...]:
    """The media that an entry refers to."""
    return body.media if isinstance(body, Result | Addition) else ()


def _decoded(envelope: _Envelope) -> EntryBody:
    if envelope.type == RESULT_TYPE:
        return msgspec.json.decode(envelope.data, type=Result)
    if envelope.type == TOMBSTONE_TYPE:
        return msgspec.json.decode(envelope.data, type=Tombstone)
    if envelope.type == EVENT_TYPE:
        return msgspec.json.decode(envelope.data, type=Event)
    kind = ADDITION_KINDS.get(envelope.type)
    if kind is None:
        raise ItemError(f"type '{envelope.type}' is not known")
    plain = msgspec.json.decode(envelope.data)
    if not isinstance(plain, dict):
        raise ItemError("not an event: data is no object")
    return msgspec.convert({**plain, "kind": kind.value}, Addition)


def _stamp_of(body: EntryBody) -> Stamp:
    match body:
        case Result():
            return body.captured
        case Tombstone():
            return body.last
        case Addition() | Event():
            return body.at


def _model_of(body: EntryBody) -> str | None:
    match body:
        case Result():
            return body.model_sha256
        case Addition():
            return body.finding.model_sha256 if body.finding else None
        case _:
            return None
