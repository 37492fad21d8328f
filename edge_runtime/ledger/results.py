"""What people ask of the ledger: results, and what belongs to them."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from edge_runtime.ledger.reader import ENTRY, MEDIA, MediaRow, Reader
from edge_runtime.ledger.rows import Kind
from edge_runtime.types import Addition, Result, TombstoneReason, VerdictKind

if TYPE_CHECKING:
    from collections.abc import Collection

    from edge_runtime.ledger.rows import Entry

_QUIET = ("pass", "no_speech")
_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class Counts:
    """How many there are on this box."""

    rows: int
    """Results."""
    tombstones: int
    quarantined: int
    additions: int = 0
    events: int = 0
    by_lane: dict[str, dict[str, int]] = field(default_factory=dict)
    """Lane -> verdict (or reason) -> number."""


def unfinished_key(seq: int) -> str:
    """Under which the tombstone for what never came of a part is put, once."""
    return f"unfinished:{seq}"


def _is_of_no_part(result: Result) -> bool:
    """A `no_read` of the lane itself: neither a picture nor a trigger was there."""
    nothing = result.item is None and result.part is None and not result.findings
    return nothing and result.source_seq < 0


class Results(Reader):
    """The ledger as people see it."""

    def counts(self) -> Counts:
        """Rows by lane and verdict; quick however long the ledger is."""
        by_lane: dict[str, dict[str, int]] = {}
        totals = dict.fromkeys(Kind, 0)
        for lane, kind, verdict, number in self._all(
            "SELECT lane, kind, verdict, recorded - deleted FROM tallies"
        ):
            if kind in (Kind.RESULT, Kind.TOMBSTONE):
                by_lane.setdefault(lane, {})[verdict] = number
            totals[Kind(kind)] += number
        quarantined = self._all("SELECT count(*) FROM quarantine")[0][0]
        return Counts(
            totals[Kind.RESULT],
            totals[Kind.TOMBSTONE],
            quarantined,
            totals[Kind.ADDITION],
            totals[Kind.EVENT],
            by_lane,
        )

    def totals(self) -> Counts:
        """As `counts`, without the lanes."""
        return replace(self.counts(), by_lane={})

    def last_verdicts(self) -> dict[str, Entry]:
        """Lane -> its newest result that is still here."""
        newest = self._all(
            "SELECT max(last_seq) FROM tallies WHERE kind = ? GROUP BY lane", Kind.RESULT
        )
        entries = [self.result(seq) for (seq,) in newest]
        return {entry.body.lane: entry for entry in entries if entry is not None}

    def results(
        self,
        *,
        lane: str | None = None,
        verdict: str | None = None,
        label: str | None = None,
        since_wall_ns: int | None = None,
        before_seq: int | None = None,
        after_seq: int | None = None,
        kinds: Collection[Kind] | None = None,
        limit: int = 50,
        newest_first: bool = True,
    ) -> list[Entry]:
        """Entries that match: all kinds, or those of `kinds`.

        A tombstone's verdict is its reason, an addition's its kind, an event's its code.
        """
        wanted = {
            "lane = ?": lane,
            "verdict = ?": verdict,
            "label = ?": label,
            "wall_ns >= ?": since_wall_ns,
            "seq < ?": before_seq,
            "seq > ?": after_seq,
        }
        given = {clause: value for clause, value in wanted.items() if value is not None}
        clauses = list(given)
        if kinds is not None:
            clauses.append(f"kind IN ({', '.join(str(int(kind)) for kind in kinds)})")
        if verdict is not None and verdict not in _QUIET:
            clauses.append("verdict NOT IN ('pass', 'no_speech')")  # so that the index may be used
        where = " WHERE " + " AND ".join(clauses) if clauses else ""
        order = "DESC" if newest_first else "ASC"
        return self._decode(f"{ENTRY}{where} ORDER BY seq {order} LIMIT ?", *given.values(), limit)

    def result(self, seq: int) -> Entry | None:
        """One entry."""
        return next(iter(self._decode(f"{ENTRY} WHERE seq = ?", seq)), None)

    def additions_of(self, seq: int) -> list[Entry]:
        """What came later about a part, in the order in which it came."""
        return self._decode(f"{ENTRY} WHERE about = ? ORDER BY seq", seq)

    def blind_since(self, lane: str) -> Entry | None:
        """The `no_read` row since which a lane is without its source; None where it is not.

        Its end is a `source_gap`; a part that was judged tells that there was one, too.
        """
        told = self._all(
            "SELECT max(last_seq) FROM tallies WHERE lane = ? AND "
            "(verdict = ? OR (kind = 0 AND verdict != ?))",
            lane, TombstoneReason.SOURCE_GAP.value, VerdictKind.NO_READ.value,
        )  # fmt: skip
        after = told[0][0] or 0
        while True:
            rows = self._decode(
                f"{ENTRY} WHERE lane = ? AND verdict = ? AND kind = 0 AND seq > ? "
                f"ORDER BY seq LIMIT {_AT_ONCE}",
                lane, VerdictKind.NO_READ.value, after,
            )  # fmt: skip
            for row in rows:
                if isinstance(row.body, Result) and _is_of_no_part(row.body):
                    return row
            if not rows:
                return None
            after = rows[-1].seq

    def unfinished(self, lane: str, limit: int = 1000) -> list[tuple[int, tuple[str, ...]]]:
        """(seq, what never came) of a lane's parts that were left waiting, oldest first.

        Among its newest `limit` results, and of a lane that is not running: what is still to come
        of a running one looks the same.  One that was told under `unfinished_key` is left out.
        """
        found = []
        for entry in self.results(lane=lane, kinds=(Kind.RESULT,), limit=limit):
            body = entry.body
            if not isinstance(body, Result) or not body.pending:
                continue
            came = {
                e.body.kind.value
                for e in self.additions_of(entry.seq)
                if isinstance(e.body, Addition)
            }
            missing = tuple(what for what in body.pending if what not in came)
            if missing and not self._was_told(unfinished_key(entry.seq)):
                found.append((entry.seq, missing))
        return found[::-1]

    def _was_told(self, key: str) -> bool:
        return bool(self._all("SELECT 1 FROM once WHERE key = ?", key))

    def media_of(self, seq: int) -> list[MediaRow]:
        """The media of one entry in their order, evicted ones too."""
        rows = self._all(
            f"{MEDIA} JOIN entry_media l ON l.media = m.id WHERE l.seq = ? ORDER BY l.position",
            seq,
        )
        return [self._media_row(row) for row in rows]

    def quarantined(self, limit: int = 100) -> list[tuple[int, str, str]]:
        """(seq, code, detail) of what the collector refused."""
        return self._all("SELECT seq, code, detail FROM quarantine ORDER BY seq LIMIT ?", limit)

    def has_item(self, lane: str, item: str) -> bool:
        """Whether a lane has a result or a tombstone of this replayed item."""
        sql = "SELECT 1 FROM entries WHERE lane = ? AND item = ? LIMIT 1"
        return bool(self._all(sql, lane, item))

    def last_item(self, lane: str, source: str) -> str | None:
        """The last replayed item of a source that has an entry; None for none.

        Items that were buried count: a tombstone names no source, and belongs to that of the
        lane's result before it.
        """
        found = self._all(
            "SELECT seq, source, item FROM entries WHERE lane = ?1 AND item IS NOT NULL AND "
            "source = (SELECT id FROM sources WHERE name = ?2) ORDER BY seq DESC LIMIT 1",
            lane,
            source,
        )
        if not found:
            return None
        seq, number, item = found[0]
        buried = self._all(
            "SELECT item FROM entries e WHERE lane = ?1 AND kind = ?2 AND item IS NOT NULL AND "
            "seq > ?3 AND NOT EXISTS (SELECT 1 FROM entries o WHERE o.lane = ?1 AND "
            "o.seq > ?3 AND o.seq < e.seq AND o.source != ?4) ORDER BY seq DESC LIMIT 1",
            lane, Kind.TOMBSTONE, seq, number,
        )  # fmt: skip
        return str(buried[0][0] if buried else item)
