"""From entries to the bytes of one request, within what the far side takes.  Pure."""

from __future__ import annotations

import gzip
from dataclasses import dataclass
from typing import TYPE_CHECKING

from edge_runtime.errors import ItemError
from edge_runtime.ledger.queries import UNREADABLE
from edge_runtime.wire.conversation import LARGEST_EVENT_BYTES
from edge_runtime.wire.events import encode_event

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edge_runtime.ledger.queries import Entry
    from edge_runtime.wire.conversation import Limits

_AROUND_BYTES = 3
"""Brackets and a comma around the one event of a batch."""
_LEVEL = 6
"""3.5 us a row more than level 1, and 13 % fewer bytes: links are slower than processors here."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """One request, and what of the entries it was made from is in it."""

    epoch: str
    seqs: tuple[int, ...]
    """Of the events in the body, in its order."""
    media: frozenset[str]
    """That its events refer to."""
    body: bytes
    """Gzipped JSON; empty when nothing is to be sent."""
    plain_bytes: int
    refused: tuple[tuple[int, str, str], ...]
    """Events that no request can carry: (seq, code, detail)."""
    held: tuple[int, ...] = ()
    """Larger than the collector takes now; it may take them another time."""


def make_batch(entries: Sequence[Entry], *, device: str, limits: Limits) -> Batch:
    """As many of the first entries as fit, all of the first one's epoch.

    `entries` must not be empty.
    """
    epoch = entries[0].epoch
    parts: list[bytes] = []
    taken: list[Entry] = []
    refused: list[tuple[int, str, str]] = []
    held: list[int] = []
    plain_bytes = 2
    most = min(limits.max_event_bytes, limits.max_plain_bytes - _AROUND_BYTES)
    for entry in entries:
        if entry.epoch != epoch or len(parts) >= limits.max_events:
            break
        if entry.unreadable:  # kept here, and told by a tombstone of its own
            refused.append((entry.seq, UNREADABLE, entry.unreadable))
            continue
        try:
            part = encode_event(device=device, epoch=epoch, seq=entry.seq, body=entry.body)
        except ItemError as exc:
            refused.append((entry.seq, "unencodable", str(exc)))
            continue
        if len(part) > most:
            if len(part) <= LARGEST_EVENT_BYTES:
                held.append(entry.seq)
                continue
            detail = f"{len(part)} bytes; an event has at most {max(most, LARGEST_EVENT_BYTES)}"
            refused.append((entry.seq, "too_large", detail))
            continue
        if plain_bytes + len(part) + 1 > limits.max_plain_bytes:
            break
        parts.append(part)
        taken.append(entry)
        plain_bytes += len(part) + 1
    body, count = _pack(parts, limits.max_bytes)
    if len(body) > limits.max_bytes:  # one alone, and it is too large even so
        held.append(taken[0].seq)
        body, count = b"", 0
    return Batch(
        epoch=epoch,
        seqs=tuple(entry.seq for entry in taken[:count]),
        media=frozenset(sha for entry in taken[:count] for sha in _media_of(entry)),
        body=body,
        plain_bytes=plain_bytes,
        refused=tuple(refused),
        held=tuple(held),
    )


def _pack(parts: list[bytes], max_bytes: int) -> tuple[bytes, int]:
    """Compress; with fewer parts when it comes out too large.  (body, parts in it)."""
    count = len(parts)
    while count:
        body = gzip.compress(b"[" + b",".join(parts[:count]) + b"]", _LEVEL, mtime=0)
        if len(body) <= max_bytes or count == 1:
            return body, count
        count //= 2
    return b"", 0


def _media_of(entry: Entry) -> list[str]:
    return [media.sha256 for media in getattr(entry.body, "media", ())]
