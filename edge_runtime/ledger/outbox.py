"""What sync asks of the ledger: what is still to be sent, and where it stands."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from edge_runtime.ledger.reader import ENTRY, MEDIA, MediaRow, Reader, epoch_spans
from edge_runtime.ledger.seq_ranges import load_ranges, load_settled, max_seq

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edge_runtime.intervals import IntervalSet
    from edge_runtime.ledger.rows import Entry

_FETCH = 256
_UNSENT_MEDIA = (
    f"{MEDIA} WHERE m.state = 'local' AND EXISTS ("  # noqa: S608 - a constant
    "SELECT 1 FROM acked WHERE first <= m.seq AND last >= m.seq) "
    "ORDER BY m.value DESC, m.seq DESC LIMIT ?"
)


@dataclass(frozen=True, slots=True)
class Backlog:
    """What the collector does not have yet."""

    rows: int
    media: int
    media_bytes: int
    oldest_wall_ns: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """An entry in quarantine."""

    seq: int
    epoch: str
    code: str
    detail: str
    wall_ns: int
    """When it was refused."""
    lane: str
    verdict: str
    """Empty for what is no result."""


@dataclass(frozen=True, slots=True)
class SyncState:
    """Where sync stands."""

    epoch: str
    acked: IntervalSet
    settled: IntervalSet
    """Acknowledged, refused for good, or gone: nothing to send."""
    max_seq: int


class Outbox(Reader):
    """The ledger as the queue to the network."""

    def sync_state(self) -> SyncState:
        """What the collector has."""
        epoch = self.identity().epoch
        acked, settled, top = self._read(
            lambda c: (load_ranges(c, "acked"), load_settled(c), max_seq(c))
        )
        return SyncState(epoch, acked, settled, top)

    def backlog(self) -> Backlog:
        """What is still to be sent; quick however long it is."""
        settled, top = self._read(lambda c: (load_settled(c), max_seq(c)))
        missing = list(settled.missing(1, top))
        media, media_bytes = self._all(
            "SELECT count(*), coalesce(sum(size_bytes), 0) FROM media WHERE state = 'local'"
        )[0]
        oldest = None
        if missing:
            row = self._all(
                "SELECT wall_ns FROM entries WHERE seq >= ? ORDER BY seq LIMIT 1", missing[0][0]
            )
            oldest = row[0][0] if row and isinstance(row[0][0], int) else None
        rows = sum(last - first + 1 for first, last in missing)
        return Backlog(rows, int(media), int(media_bytes), oldest)

    def unsent(
        self, limit: int, max_bytes: int = 1 << 24, *, beside: IntervalSet | None = None
    ) -> list[Entry]:
        """The oldest rows that the collector does not have, at most `limit`, one epoch's only.

        About `max_bytes` of them, but at least one.  `beside`: seqs that are on their way and are
        left out too.
        """
        settled, top, spans = self._read(lambda c: (load_settled(c), max_seq(c), epoch_spans(c)))
        skip = settled.union(beside) if beside else settled
        for span in spans:
            found: list[Entry] = []
            room = max_bytes
            for first, last in skip.missing(span.first, min(span.last, top)):
                entries, room = self._span(first, last, limit - len(found), room)
                found += entries
                if len(found) >= limit or room <= 0:
                    break
            if found:
                return found
        return []

    def unsent_media(self, limit: int) -> list[MediaRow]:
        """Media that the collector lacks, of results that it has; the most valuable first."""
        rows = self._all(
            _UNSENT_MEDIA,
            limit,
        )
        return self._media_rows(rows)

    def stored_media(self, after: int, limit: int) -> list[tuple[int, str]]:
        """(number, sha256) of media that are here and counted as at the collector, behind `after`.

        Ascending by number.
        """
        return self._all(
            "SELECT id, sha256 FROM media WHERE state = 'stored' AND id > ? ORDER BY id LIMIT ?",
            after, limit,
        )  # fmt: skip

    def stored_among(self, sha256s: Sequence[str]) -> list[str]:
        """Those of these media that are here and counted as at the collector."""
        return [
            sha256
            for sha256 in sha256s
            if self._all("SELECT 1 FROM media WHERE sha256 = ? AND state = 'stored'", sha256)
        ]

    def refusals(self, limit: int = 1000) -> list[Refusal]:
        """What the collector refused, oldest first."""
        spans = self.epochs()
        rows = self._all(
            "SELECT q.seq, q.code, q.detail, q.wall_ns, e.lane, e.verdict FROM quarantine q "
            "LEFT JOIN entries e ON e.seq = q.seq ORDER BY q.seq LIMIT ?",
            limit,
        )
        return [
            Refusal(
                seq=seq,
                epoch=next((s.epoch for s in spans if s.first <= seq <= s.last), ""),
                code=code, detail=detail, wall_ns=wall_ns,
                lane=lane if isinstance(lane, str) else "",
                verdict=verdict if isinstance(verdict, str) else "",
            )
            for seq, code, detail, wall_ns, lane, verdict in rows
        ]  # fmt: skip

    def _span(self, first: int, last: int, limit: int, room: int) -> tuple[list[Entry], int]:
        """Entries of ``first..last`` until `limit` or `room` (bytes) is used up; the room left."""
        found: list[Entry] = []
        at = first
        while limit > len(found) and room > 0:
            fetched = self._fetch(
                f"{ENTRY} WHERE seq >= ? AND seq <= ? ORDER BY seq LIMIT ?",
                at, last, min(limit - len(found), _FETCH),
            )  # fmt: skip
            if not fetched:
                break
            for entry, size_bytes in fetched:
                if room > 0:
                    found.append(entry)
                room -= size_bytes
            at = fetched[-1][0].seq + 1
        return found, room
