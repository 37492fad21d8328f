"""What the store's writer does inside a transaction.  Owned by the thread ``collector-writer``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec

from edge_runtime.intervals import IntervalSet
from edge_runtime.wire.conversation import (
    EPOCH_CONFLICT,
    MAX_RANGES,
    Ranges,
    Receipt,
    Reject,
    Welcome,
)

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Iterable

    from edge_runtime.collector.ingest import Batch, Incoming
    from edge_runtime.wire.conversation import Greeting

_NEW_STREAM = (
    "INSERT INTO streams (device, epoch, first_seq, told_max_seq, told_explained, held) "
    "VALUES (?, ?, 1, 0, '[]', '[]') ON CONFLICT DO NOTHING"
)
_TOLD = "UPDATE streams SET first_seq = ?, told_max_seq = ?, told_explained = ? WHERE id = ?"
_SEEN = (
    "INSERT INTO devices (device, last_seen_wall_ns, software, epoch, unsent) "
    "VALUES (?, ?, ?, ?, ?) ON CONFLICT (device) DO UPDATE SET "
    "last_seen_wall_ns = excluded.last_seen_wall_ns, software = excluded.software, "
    "epoch = excluded.epoch, unsent = excluded.unsent"
)
_INSERT = (
    "INSERT INTO events (stream, seq, kind, lane, verdict, label, score, captured_wall_ns, "
    "received_wall_ns, content_sha256, event, about) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
)
_REFUSE = (
    "INSERT INTO refusals (stream, seq, code, detail, received_wall_ns) VALUES (?, ?, ?, ?, ?) "
    "ON CONFLICT (stream, seq) DO UPDATE SET code = excluded.code, detail = excluded.detail"
)
_decode_ranges = msgspec.json.Decoder(Ranges).decode


@dataclass(frozen=True, slots=True)
class _Stream:
    id: int
    held: IntervalSet


@dataclass(frozen=True, slots=True)
class _Sorted:
    """A batch, taken apart by what the store already has."""

    new: tuple[Incoming, ...]
    known: tuple[Incoming, ...]
    """The same content under the same key: a resend."""
    conflicting: tuple[Incoming, ...]


class Writer:
    """Every statement that changes something."""

    def __init__(
        self,
        connection: sqlite3.Connection,
        file_bytes: Callable[[str], int | None],
        *,
        instance: str,
    ) -> None:
        """`file_bytes` tells the size of a media file in its folder; None where it is not there."""
        self._instance = instance
        self._connection = connection
        self._file_bytes = file_bytes

    def greet(self, greeting: Greeting, now_wall_ns: int) -> Welcome:
        """Note what the device says; what is here of its epoch."""
        stream = self._stream(greeting.device, greeting.epoch)
        explained = _clean(greeting.quarantined)
        self._connection.execute(
            _TOLD, (greeting.first_seq, greeting.max_seq, _encoded(explained), stream.id)
        )
        self._connection.execute(
            _SEEN,
            (
                greeting.device,
                now_wall_ns,
                greeting.software[:100],
                greeting.epoch,
                greeting.unsent,
            ),
        )
        ranges = stream.held.ranges
        return Welcome(
            max_seq=ranges[-1][1] if ranges else 0,
            ranges=ranges[:MAX_RANGES],
            more=len(ranges) > MAX_RANGES,
            instance=self._instance,
        )

    def put_events(self, batch: Batch, now_wall_ns: int) -> Receipt:
        """Insert what is new; the answer to the whole batch."""
        if not batch.device:  # nothing in it that could be attributed to anyone
            return Receipt(acked=(), rejected=batch.rejected, instance=self._instance)
        stream = self._stream(batch.device, batch.epoch)
        found = self._sort(stream, batch.events)
        self._connection.executemany(
            _INSERT, [_row(stream.id, event, now_wall_ns) for event in found.new]
        )
        self._note_refusals(stream.id, batch.rejected, now_wall_ns)
        acked = IntervalSet.of((event.seq, event.seq) for event in (*found.new, *found.known))
        if found.new:
            self._connection.execute(
                "UPDATE streams SET held = ? WHERE id = ?",
                (_encoded(stream.held.union(acked)), stream.id),
            )
        stored, wanted = self._media(found)
        return Receipt(
            acked=acked.ranges,
            rejected=(*batch.rejected, *map(_conflict, found.conflicting)),
            media_stored=stored,
            media_wanted=wanted,
            instance=self._instance,
        )

    def add_media(self, sha256: str, mime: str, size_bytes: int, now_wall_ns: int) -> bool:
        """Note a file that is durable in its folder; False when it was noted before."""
        cursor = self._connection.execute(
            "INSERT INTO media (sha256, mime, size_bytes, received_wall_ns) VALUES (?, ?, ?, ?) "
            "ON CONFLICT DO NOTHING",
            (sha256, mime, size_bytes, now_wall_ns),
        )
        return cursor.rowcount == 1

    def _stream(self, device: str, epoch: str) -> _Stream:
        self._connection.execute(_NEW_STREAM, (device, epoch))
        number, held = self._connection.execute(
            "SELECT id, held FROM streams WHERE device = ? AND epoch = ?", (device, epoch)
        ).fetchone()
        return _Stream(number, IntervalSet(_decode_ranges(held)))

    def _sort(self, stream: _Stream, events: tuple[Incoming, ...]) -> _Sorted:
        """New, known and conflicting, in order of seq.

        From the first conflict on nothing is taken: there the ledger forked, and what follows
        comes again under another epoch.
        """
        ordered = sorted(events, key=lambda event: event.seq)
        here = self._contents(stream, ordered)
        new: list[Incoming] = []
        known: list[Incoming] = []
        for place, event in enumerate(ordered):
            content = here.get(event.seq)
            if content is None:
                here[event.seq] = event.content_sha256
                new.append(event)
            elif content == event.content_sha256:
                known.append(event)
            else:
                return _Sorted(tuple(new), tuple(known), tuple(ordered[place:]))
        return _Sorted(tuple(new), tuple(known), ())

    def _contents(self, stream: _Stream, ordered: list[Incoming]) -> dict[int, bytes]:
        """Content by seq of what is here already of these; no query in the usual case."""
        if not any(event.seq in stream.held for event in ordered):
            return {}
        rows = self._connection.execute(
            "SELECT seq, content_sha256 FROM events WHERE stream = ? AND seq >= ? AND seq <= ?",
            (stream.id, ordered[0].seq, ordered[-1].seq),
        )
        return dict(rows.fetchall())

    def _note_refusals(self, stream: int, rejected: Iterable[Reject], now_wall_ns: int) -> None:
        self._connection.executemany(
            _REFUSE,
            [
                (stream, reject.seq, reject.code, reject.detail, now_wall_ns)
                for reject in rejected
                if reject.seq is not None and reject.code != "wrong_stream"
            ],
        )

    def _media(self, found: _Sorted) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Of the media that the taken events refer to: (here, wanted)."""
        named = dict.fromkeys(sha for event in (*found.new, *found.known) for sha in event.media)
        stored = [sha for sha in named if self._has_media(sha)]
        return tuple(stored), tuple(sha for sha in named if sha not in set(stored))

    def _has_media(self, sha256: str) -> bool:
        row = self._connection.execute(
            "SELECT size_bytes FROM media WHERE sha256 = ?", (sha256,)
        ).fetchone()
        return row is not None and self._file_bytes(sha256) == row[0]


def _row(stream: int, event: Incoming, now_wall_ns: int) -> tuple[object, ...]:
    return (
        stream,
        event.seq,
        event.kind,
        event.lane,
        event.verdict,
        event.label,
        event.score,
        event.captured_wall_ns,
        now_wall_ns,
        event.content_sha256,
        event.raw.decode(),
        event.about,
    )


def _conflict(event: Incoming) -> Reject:
    detail = "this key, or one before it in the batch, is taken by other content: rotate the epoch"
    return Reject(index=event.index, seq=event.seq, code=EPOCH_CONFLICT, detail=detail)


def _clean(ranges: Ranges) -> IntervalSet:
    return IntervalSet.of((first, last) for first, last in ranges[:MAX_RANGES] if first <= last)


def _encoded(ranges: IntervalSet) -> str:
    return msgspec.json.encode(ranges.ranges).decode()
