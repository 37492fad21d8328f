"""A ledger in memory: what the uploader reads of one, and what its reports do to it."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from edge_runtime.intervals import IntervalSet
from edge_runtime.ledger.queries import Entry, EpochSpan, Identity, MediaRow, SyncState
from edge_runtime.link.messages import (
    Acked,
    MediaStored,
    MediaWanted,
    MetCollector,
    Quarantine,
    Rewind,
    RotateEpoch,
)
from edge_runtime.sync.decisions import clipped

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from edge_runtime.types import Result, Tombstone

Report = Acked | Quarantine | MediaStored | Rewind | RotateEpoch


@dataclass
class Image:
    """What is on the disk."""

    rows: dict[int, Result | Tombstone] = field(default_factory=dict)
    epochs: dict[int, str] = field(default_factory=dict)
    """First seq -> epoch."""
    acked: IntervalSet = field(default_factory=IntervalSet)
    quarantined: dict[int, str] = field(default_factory=dict)
    media: dict[str, MediaRow] = field(default_factory=dict)
    max_seq: int = 0

    def copy(self) -> Image:
        return replace(
            self,
            rows=dict(self.rows),
            epochs=dict(self.epochs),
            quarantined=dict(self.quarantined),
            media=dict(self.media),
        )


class FakeLedger:
    def __init__(self, device: str = "box") -> None:
        self.device = device
        self.notes: list[MediaWanted | MetCollector] = []
        self._names = (f"epoch{n}" for n in itertools.count(1))
        self.image = Image(epochs={1: next(self._names)})

    def put(self, body: Result | Tombstone, media: dict[str, Path] | None = None) -> int:
        image = self.image
        image.max_seq += 1
        image.rows[image.max_seq] = body
        for sha256, path in (media or {}).items():
            image.media[sha256] = MediaRow(
                sha256, "frame", "image/jpeg", path.stat().st_size, "local", image.max_seq, path
            )
        return image.max_seq

    def apply(self, report: Report) -> None:
        match report:
            case Acked():
                span = self._span(report.epoch)
                found = IntervalSet.of(report.ranges)
                if span is not None:
                    self.image.acked = self.image.acked.union(clipped(found, span.first, span.last))
            case Quarantine():
                self.image.quarantined.update({seq: code for seq, code, _ in report.items})
            case MediaStored():
                for sha256 in report.sha256s:
                    if sha256 in self.image.media:
                        row = self.image.media[sha256]
                        self.image.media[sha256] = replace(row, state="stored")
            case Rewind():
                self._rewind(report)
            case RotateEpoch():
                self._rotate()

    def note(self, note: MediaWanted | MetCollector) -> None:
        """What is told and not answered."""
        self.notes.append(note)
        if isinstance(note, MediaWanted):
            for sha256 in note.sha256s:
                row = self.image.media.get(sha256)
                if row is not None and row.state == "stored":
                    self.image.media[sha256] = replace(row, state="local")

    def _rewind(self, report: Rewind) -> None:
        span = self._span(report.epoch)
        if span is not None:
            first = max(report.through + 1, span.first)
            self.image.acked = self.image.acked.without(first, span.last)
            for sha256, row in self.image.media.items():
                if row.seq > report.through and row.state == "stored":
                    self.image.media[sha256] = replace(row, state="local")

    def _rotate(self) -> None:
        first = self._settled().head() + 1
        image = self.image
        image.epochs = {start: name for start, name in image.epochs.items() if start < first}
        image.epochs[first] = next(self._names)
        image.acked = image.acked.without(first, 1 << 62)

    def identity(self) -> Identity:
        return Identity(self.device, self.image.epochs[max(self.image.epochs)], 1)

    def epochs(self) -> list[EpochSpan]:
        starts = sorted(self.image.epochs)
        ends = [*(start - 1 for start in starts[1:]), self.image.max_seq]
        return [EpochSpan(self.image.epochs[a], a, b) for a, b in zip(starts, ends, strict=True)]

    def sync_state(self) -> SyncState:
        image = self.image
        return SyncState(self.identity().epoch, image.acked, self._settled(), image.max_seq)

    def min_seq(self) -> int:
        return min(self.image.rows, default=self.image.max_seq + 1)

    def unsent(
        self, limit: int, max_bytes: int = 1 << 24, *, beside: IntervalSet | None = None
    ) -> list[Entry]:
        skip = self._settled().union(beside or IntervalSet())
        found: list[Entry] = []
        for seq in sorted(self.image.rows):
            if seq in skip:
                continue
            epoch = next(s.epoch for s in self.epochs() if s.first <= seq <= s.last)
            if len(found) >= limit or (found and found[0].epoch != epoch):
                break
            found.append(Entry(seq, epoch, self.image.rows[seq]))
        return found

    def unsent_media(self, limit: int) -> list[MediaRow]:
        image = self.image
        rows = [r for r in image.media.values() if r.state == "local" and r.seq in image.acked]
        return rows[:limit]

    def stored_media(self, after: int, limit: int) -> list[tuple[int, str]]:
        numbered = enumerate(self.image.media.values(), 1)
        found = [(number, row.sha256) for number, row in numbered if row.state == "stored"]
        return [one for one in found if one[0] > after][:limit]

    def stored_among(self, sha256s: Sequence[str]) -> list[str]:
        media = self.image.media
        return [sha for sha in sha256s if sha in media and media[sha].state == "stored"]

    def _settled(self) -> IntervalSet:
        return self.image.acked.union(IntervalSet.of((s, s) for s in self.image.quarantined))

    def _span(self, epoch: str) -> EpochSpan | None:
        return next((span for span in self.epochs() if span.epoch == epoch), None)
