"""Results past their age: those that the collector has are deleted, their acknowledged range stays.

Age is how long the ledger has been open since, which no clock that can be set has a say in.
Owned by the ledger's thread.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from edge_runtime import failpoint
from edge_runtime.ledger.media import is_sha256
from edge_runtime.ledger.retention import deletable, expired_marks
from edge_runtime.ledger.seq_ranges import load_ranges, max_seq

if TYPE_CHECKING:
    from edge_runtime.ledger.apply import Tables
    from edge_runtime.ledger.media import MediaStore

ROWS_AT_ONCE = 1000
MARK_EVERY_S = 3600

_REMOVABLE = (
    "SELECT seq FROM entries e WHERE seq BETWEEN ? AND ? AND NOT EXISTS ("
    "SELECT 1 FROM entry_media l JOIN media m ON m.id = l.media "
    "WHERE l.seq = e.seq AND m.state = 'local') ORDER BY seq LIMIT ?"
)
"""Rows none of whose media still wait for the collector."""
_DELETE = "DELETE FROM {} WHERE seq IN (SELECT seq FROM doomed)"
_TALLY_DELETED = (
    "UPDATE tallies SET deleted = deleted + "
    "(SELECT count(*) FROM entries e JOIN doomed USING (seq) "
    "WHERE e.lane = tallies.lane AND e.kind = tallies.kind AND e.verdict = tallies.verdict)"
)
_UNREFERENCED = (
    "SELECT id, sha256, mime, mtime_ns FROM media WHERE "
    "id IN (SELECT media FROM entry_media WHERE seq IN (SELECT seq FROM doomed)) "
    "AND NOT EXISTS (SELECT 1 FROM entry_media l WHERE l.media = media.id "
    "AND l.seq NOT IN (SELECT seq FROM doomed))"
)


def age_s(tables: Tables) -> int:
    """How long the ledger has been open, all runs together, as far as it was written down."""
    row = tables.connection.execute("SELECT value FROM meta WHERE key = 'age_s'").fetchone()
    return int(row[0]) if row else 0


def add_age(tables: Tables, seconds: int) -> None:
    """Write down that it was open for so much longer; now and then also which seq that was."""
    age = age_s(tables) + seconds
    connection = tables.connection
    with tables.transaction():
        connection.execute("INSERT OR REPLACE INTO meta VALUES ('age_s', ?)", (str(age),))
        newest = connection.execute("SELECT max(age_s) FROM marks").fetchone()[0]
        if newest is None or age - newest >= MARK_EVERY_S:
            connection.execute(
                "INSERT OR REPLACE INTO marks VALUES (?, ?)", (age, max_seq(connection))
            )


def old_through(tables: Tables, keep_s: float) -> int:
    """The last seq that is older than `keep_s`; 0 for none.  Drops marks no longer needed."""
    marks = tables.connection.execute("SELECT age_s, seq FROM marks ORDER BY age_s").fetchall()
    expired = expired_marks(marks, age_s(tables), keep_s)
    if not expired:
        return 0
    last_age_s, through = expired[-1]
    if len(expired) > 1:
        with tables.transaction():
            tables.connection.execute("DELETE FROM marks WHERE age_s < ?", (last_age_s,))
    return int(through)


def expire(tables: Tables, media: MediaStore, through: int) -> int:
    """Delete acknowledged rows up to `through`, not many at once; how many."""
    lowest = tables.connection.execute("SELECT min(seq) FROM entries").fetchone()[0]
    if lowest is None or lowest > through:
        return 0
    acked = load_ranges(tables.connection, "acked")
    seqs: list[int] = []
    for first, last in deletable(acked, through, lowest).ranges:
        wanted = (first, last, ROWS_AT_ONCE - len(seqs))
        seqs += [seq for (seq,) in tables.connection.execute(_REMOVABLE, wanted).fetchall()]
        if len(seqs) >= ROWS_AT_ONCE:
            break
    if seqs:
        _delete(tables, media, seqs)
    return len(seqs)


def _delete(tables: Tables, media: MediaStore, seqs: list[int]) -> None:
    """The rows go first, committed, then the files: a crash between leaves orphans."""
    connection = tables.connection
    connection.execute("CREATE TEMP TABLE IF NOT EXISTS doomed (seq INTEGER PRIMARY KEY)")
    with tables.transaction():
        connection.execute("DELETE FROM doomed")
        connection.executemany("INSERT INTO doomed VALUES (?)", [(seq,) for seq in seqs])
        connection.execute(_TALLY_DELETED)
        files = connection.execute(_UNREFERENCED).fetchall()
        connection.executemany("DELETE FROM media WHERE id = ?", [file[:1] for file in files])
        for table in ("entry_media", "entries"):
            connection.execute(_DELETE.format(table))
    failpoint.reached("rows_deleted")
    for _, sha256, mime, mtime_ns in files:
        if not is_sha256(sha256):
            continue
        media.remove_unless_put(media.path(sha256, mime), mtime_ns)
