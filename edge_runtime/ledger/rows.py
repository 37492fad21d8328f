"""Results and tombstones as rows, and back.  Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import msgspec

from edge_runtime.types import Result, Tombstone

RESULT, TOMBSTONE = "result", "tombstone"

_encoder = msgspec.json.Encoder()
_results = msgspec.json.Decoder(Result)
_tombstones = msgspec.json.Decoder(Tombstone)

VALUE = {"pass": 1, "no_speech": 1, "heard": 2, "review": 3, "reject": 4}
"""What a picture or sound of each verdict is worth when room is short; more is kept longer."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One row of the ledger."""

    seq: int
    epoch: str
    body: Result | Tombstone


def row_of(entry: Result | Tombstone) -> tuple[Any, ...]:
    """(kind, lane, verdict, label, score, item, wall_ns, body) of an entry."""
    body = _encoder.encode(_filled(msgspec.to_builtins(entry))).decode("utf-8", "replace")
    if isinstance(entry, Tombstone):
        return (
            TOMBSTONE, entry.lane, entry.reason.value, None, None, None, entry.last.wall_ns, body,
        )  # fmt: skip
    verdict = entry.verdict
    return (
        RESULT, entry.lane, verdict.kind.value, _text(verdict.label), verdict.score,
        _text(entry.item), entry.captured.wall_ns, body,
    )  # fmt: skip


def entry_of(seq: int, epoch: str, kind: str, body: str) -> Entry:
    """An entry from its row."""
    if kind == TOMBSTONE:
        return Entry(seq, epoch, _tombstones.decode(body))
    return Entry(seq, epoch, _results.decode(body))


def _filled(value: Any) -> Any:  # noqa: ANN401 - any JSON value
    """Without what is empty, and with texts that can be written as UTF-8."""
    if isinstance(value, dict):
        return {k: _filled(v) for k, v in value.items() if v is not None and v not in ([], ())}
    if isinstance(value, (list, tuple)):
        return [_filled(v) for v in value]
    return _text(value) if isinstance(value, str) else value


def _text(value: str | None) -> str | None:
    # A file name need not be Unicode; what cannot be written is shown escaped, never lost.
    return None if value is None else value.encode("utf-8", "backslashreplace").decode("utf-8")
