"""Results and tombstones as CloudEvents 1.0 in JSON, and back.  Pure.

The rule that keeps an event the same for ever: inside ``data``, what is null or an empty list is
left out.  So a later version may add a field without changing what an old row looks like, and the
collector can tell a resent row (same key, same content) from a cloned disk (same key, other
content).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import msgspec

from edge_runtime.errors import ItemError
from edge_runtime.types import Result, Tombstone
from edge_runtime.wire.conversation import (
    RESULT_TYPE,
    TOMBSTONE_TYPE,
    id_of,
    identity,
    rfc3339,
    source_of,
)

MEDIA_PREFIX = "media:sha256:"

_SEQUENCE_DIGITS = 19
"""As many as 2**63 has: a ``sequence`` must sort as text."""
_MODEL_DIGITS = 16
_encoder = msgspec.json.Encoder()


@dataclass(frozen=True, slots=True)
class Event:
    """One event as read back."""

    device: str
    epoch: str
    seq: int
    body: Result | Tombstone


class _Envelope(msgspec.Struct, kw_only=True):
    """The attributes that `decode_event` needs; others are ignored."""

    specversion: str
    id: str
    source: str
    type: str
    data: msgspec.Raw


def encode_event(*, device: str, epoch: str, seq: int, body: Result | Tombstone) -> bytes:
    """One event as JSON.

    Raises `ItemError` when a text in it cannot be written as UTF-8.
    """
    is_result = isinstance(body, Result)
    stamp = body.captured if isinstance(body, Result) else body.last
    event: dict[str, Any] = {
        "specversion": "1.0",
        "id": id_of(epoch, seq),
        "source": source_of(device),
        "type": RESULT_TYPE if is_result else TOMBSTONE_TYPE,
        "datacontenttype": "application/json",
        "sequence": str(seq).zfill(_SEQUENCE_DIGITS),
        "edgeboot": stamp.boot_id,
        "edgemono": str(stamp.boottime_ns),
    }
    if (time := rfc3339(stamp.wall_ns)) is not None:
        event["time"] = time
    if isinstance(body, Result):
        if body.model_sha256:
            event["edgemodel"] = body.model_sha256[:_MODEL_DIGITS]
        if body.media:
            event["edgemedia"] = MEDIA_PREFIX + body.media[0].sha256
    event["data"] = _without_empty(msgspec.to_builtins(body))
    try:
        return _encoder.encode(event)
    except UnicodeEncodeError as exc:
        raise ItemError(f"seq {seq}: a text in it is not Unicode: {exc.reason}") from exc


def decode_event(raw: bytes | bytearray | memoryview) -> Event:
    """An event that `encode_event` made, also by a newer version with more fields.

    Raises `ItemError`, one clause naming what is wrong.
    """
    try:
        envelope = msgspec.json.decode(raw, type=_Envelope)
        device, epoch, seq = identity(envelope.source, envelope.id)
        body: Result | Tombstone
        if envelope.type == RESULT_TYPE:
            body = msgspec.json.decode(envelope.data, type=Result)
        elif envelope.type == TOMBSTONE_TYPE:
            body = msgspec.json.decode(envelope.data, type=Tombstone)
        else:
            raise ItemError(f"type '{envelope.type}' is not known")
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as exc:
        raise ItemError(f"not an event: {exc}") from exc
    return Event(device, epoch, seq, body)


def _without_empty(value: Any) -> Any:  # noqa: ANN401 - any JSON value
    if isinstance(value, dict):
        return {
            k: _without_empty(v) for k, v in value.items() if v is not None and v not in ([], ())
        }
    if isinstance(value, list | tuple):
        return [_without_empty(item) for item in value]
    return value
