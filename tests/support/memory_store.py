"""A collector's store in memory.  Keeps the promises of `Store`, but for durability."""

from __future__ import annotations

import hashlib
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from edge_runtime.collector.store import DeviceReport, Query, Row, StoredMedia, StreamReport
from edge_runtime.errors import ItemError
from edge_runtime.intervals import IntervalSet
from edge_runtime.wire.conversation import (
    EPOCH_CONFLICT,
    MAX_RANGES,
    Greeting,
    Ranges,
    Receipt,
    Reject,
    Welcome,
)

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from edge_runtime.collector.ingest import Batch, Incoming

Stream = tuple[str, str]


@dataclass
class Told:
    first_seq: int = 1
    max_seq: int = 0
    explained: Ranges = ()


@dataclass
class State:
    """All that a backup would hold."""

    rows: dict[tuple[str, str, int], tuple[Incoming, int]] = field(default_factory=dict)
    told: dict[Stream, Told] = field(default_factory=dict)
    refused: set[tuple[str, str, int]] = field(default_factory=set)
    media: dict[str, tuple[str, bytes]] = field(default_factory=dict)
    devices: dict[str, Greeting] = field(default_factory=dict)
    positions: int = 0

    def copy(self) -> State:
        return State(
            dict(self.rows),
            dict(self.told),
            set(self.refused),
            dict(self.media),
            dict(self.devices),
            self.positions,
        )


class MemoryStore:
    def __init__(self, folder: Path) -> None:
        self.state = State()
        self.instance = "first"
        self._folder = folder
        self._lock = threading.RLock()

    def greet(self, greeting: Greeting) -> Welcome:
        with self._lock:
            stream = (greeting.device, greeting.epoch)
            self.state.told[stream] = Told(
                greeting.first_seq, greeting.max_seq, greeting.quarantined
            )
            self.state.devices[greeting.device] = greeting
            ranges = self.held(stream).ranges
            return Welcome(
                max_seq=ranges[-1][1] if ranges else 0,
                ranges=ranges[:MAX_RANGES],
                more=len(ranges) > MAX_RANGES,
                instance=self.instance,
            )

    def put_events(self, batch: Batch) -> Receipt:
        with self._lock:
            return self._put(batch)

    def _put(self, batch: Batch) -> Receipt:
        rejected = list(batch.rejected)
        acked: list[tuple[int, int]] = []
        named: dict[str, None] = {}
        forked = False
        for event in sorted(batch.events, key=lambda event: event.seq):
            key = (batch.device, batch.epoch, event.seq)
            there = self.state.rows.get(key)
            if forked or (there and there[0].content_sha256 != event.content_sha256):
                forked = True
                rejected.append(Reject(index=event.index, seq=event.seq, code=EPOCH_CONFLICT))
                continue
            if there is None:
                self.state.positions += 1
                self.state.rows[key] = (event, self.state.positions)
            acked.append((event.seq, event.seq))
            named.update(dict.fromkeys(event.media))
        if batch.device:
            self.state.told.setdefault((batch.device, batch.epoch), Told())
        for reject in batch.rejected:
            if reject.seq is not None and reject.code != "wrong_stream":
                self.state.refused.add((batch.device, batch.epoch, reject.seq))
        return Receipt(
            acked=IntervalSet.of(acked).ranges,
            rejected=tuple(rejected),
            media_stored=tuple(sha for sha in named if sha in self.state.media),
            media_wanted=tuple(sha for sha in named if sha not in self.state.media),
            instance=self.instance,
        )

    def held(self, stream: Stream) -> IntervalSet:
        with self._lock:
            return IntervalSet.of(
                (seq, seq) for device, epoch, seq in self.state.rows if (device, epoch) == stream
            )

    def begin_media(self, sha256: str, mime: str) -> Upload:
        return Upload(self.state, sha256, mime)

    def media(self, sha256: str) -> StoredMedia | None:
        found = self.state.media.get(sha256)
        if found is None:
            return None
        path = self._folder / sha256
        path.write_bytes(found[1])
        return StoredMedia(path, found[0], len(found[1]))

    def missing_media(self, sha256s: Sequence[str]) -> Sequence[str]:
        return [sha256 for sha256 in sha256s if sha256 not in self.state.media]

    def results(self, query: Query) -> Sequence[Row]:
        with self._lock:
            rows = [self._row(key) for key in self.state.rows]
        wanted = [row for row in rows if row.position > query.after and self._matches(row, query)]
        return sorted(wanted, key=lambda row: row.position)[: query.limit]

    def result(self, device: str, epoch: str, seq: int) -> Row | None:
        key = (device, epoch, seq)
        return self._row(key) if key in self.state.rows else None

    def additions(self, device: str, epoch: str, seq: int) -> Sequence[Row]:
        with self._lock:
            keys = [
                key
                for key, (event, _) in self.state.rows.items()
                if event.about == seq
                and key[0] == device
                and (key[1] == epoch or self.state.told[key[0], key[1]].first_seq > seq)
            ]
        return sorted((self._row(key) for key in keys), key=lambda row: (row.seq, row.position))

    def devices(self) -> Sequence[DeviceReport]:
        with self._lock:
            return [
                DeviceReport(
                    device=name,
                    last_seen_wall_ns=1,
                    software=greeting.software,
                    epoch=greeting.epoch,
                    unsent=greeting.unsent,
                    events=sum(key[0] == name for key in self.state.rows),
                )
                for name, greeting in sorted(self.state.devices.items())
            ]

    def completeness(self, device: str) -> Sequence[StreamReport]:
        with self._lock:
            streams = [(s, told) for s, told in self.state.told.items() if s[0] == device]
            streams.sort(key=lambda stream: stream[1].first_seq)
            return [self._report(s, told) for s, told in streams]

    def close(self) -> None:
        pass

    def _report(self, stream: Stream, told: Told) -> StreamReport:
        held = self.held(stream)
        kinds = [e.kind for key, (e, _) in self.state.rows.items() if key[:2] == stream]
        known = set(self.state.refused)
        top = max(told.max_seq, held.ranges[-1][1] if held.ranges else 0)
        explained = IntervalSet.of(told.explained).union(
            IntervalSet.of((seq, seq) for *s, seq in known if tuple(s) == stream)
        )
        absent = [seq for seq in range(told.first_seq, top + 1) if seq not in held]
        return StreamReport(
            epoch=stream[1],
            first_seq=told.first_seq,
            max_seq=top,
            results=kinds.count("result"),
            tombstones=kinds.count("tombstone"),
            others=len(kinds) - kinds.count("result") - kinds.count("tombstone"),
            explained=IntervalSet.of((seq, seq) for seq in absent if seq in explained).ranges,
            missing=IntervalSet.of((seq, seq) for seq in absent if seq not in explained).ranges,
        )

    def _row(self, key: tuple[str, str, int]) -> Row:
        event, position = self.state.rows[key]
        return Row(position, *key, event.kind, 1, event.raw)

    def _matches(self, row: Row, query: Query) -> bool:
        event, _ = self.state.rows[row.device, row.epoch, row.seq]
        pairs = (
            (query.device, row.device),
            (query.kind, event.kind),
            (query.lane, event.lane),
            (query.verdict, event.verdict),
            (query.label, event.label),
        )
        return all(wanted is None or wanted == found for wanted, found in pairs)


class Upload:
    def __init__(self, state: State, sha256: str, mime: str) -> None:
        self._state, self._sha256, self._mime = state, sha256, mime
        self._data = bytearray()

    def write(self, data: bytes | bytearray) -> None:
        self._data += data

    def commit(self) -> bool:
        found = hashlib.sha256(self._data).hexdigest()
        if found != self._sha256:
            raise ItemError(f"the sha256 of what came is {found}")
        is_new = self._sha256 not in self._state.media
        self._state.media[self._sha256] = (self._mime, bytes(self._data))
        return is_new

    def abort(self) -> None:
        pass
