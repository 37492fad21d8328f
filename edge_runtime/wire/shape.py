"""The one JSON shape of an entry: what `data` of its event holds, and whatever prints one.  Pure.

The rule that keeps an event the same for ever: what is null or an empty list is left out, and so is
a later field that has its default (`_DEFAULTS`).  So a later version may add a field without
changing what an old row looks like, and a collector can tell a resent row (same key, same content)
from a cloned disk (same key, other content).
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from edge_runtime.types import Addition, AdditionKind, EntryBody, Event, Finding, Result, Tombstone
from edge_runtime.wire.conversation import RESULT_TYPE, TOMBSTONE_TYPE

EVENT_TYPE: Final = "edge.event.v1"
ADDITION_TYPES: Final = {kind: f"edge.{kind.value}.v1" for kind in AdditionKind}
"""An addition's kind is its type, and not in its `data`."""
ADDITION_KINDS: Final = {name: kind for kind, name in ADDITION_TYPES.items()}
_DEFAULTS: Final[dict[type, dict[str, Any]]] = {
    Result: {"findings_cut": 0},
    Finding: {"view": "", "frame": 0},
    Event: {"lane": "", "output": ""},
}


def type_of(body: EntryBody) -> str:
    """The type of its event."""
    match body:
        case Result():
            return RESULT_TYPE
        case Tombstone():
            return TOMBSTONE_TYPE
        case Addition():
            return ADDITION_TYPES[body.kind]
        case Event():
            return EVENT_TYPE


def data_of(body: EntryBody | Finding) -> dict[str, Any]:
    """What its event says; of a finding, what an event says of it."""
    plain: dict[str, Any] = _without_empty(msgspec.to_builtins(body))
    _without_defaults(plain, type(body))
    for finding in plain.get("findings", ()):
        _without_defaults(finding, Finding)
    if isinstance(body, Addition):
        del plain["kind"]
        _without_defaults(plain.get("finding", {}), Finding)
    return plain


def entry_json(seq: int, epoch: str, body: EntryBody) -> dict[str, Any]:
    """An entry for people and programs, on the device and at the collector alike."""
    return {"seq": seq, "epoch": epoch, "type": type_of(body), **data_of(body)}


def _without_defaults(plain: dict[str, Any], kind: type) -> None:
    for name, default in _DEFAULTS.get(kind, {}).items():
        if plain.get(name) == default:
            del plain[name]


def _without_empty(value: Any) -> Any:  # noqa: ANN401 - any JSON value
    if isinstance(value, dict):
        return {
            k: _without_empty(v) for k, v in value.items() if v is not None and v not in ([], ())
        }
    if isinstance(value, list | tuple):
        return [_without_empty(item) for item in value]
    return value
