"""The collector database's schema: numbered, forward only, applied at open."""

from __future__ import annotations

MIGRATIONS: tuple[tuple[str, ...], ...] = (
    (
        # One device's epoch. `held` is what `events` has of it, as JSON ranges, changed in the
        # same transaction: a hello must not count millions of rows.
        """CREATE TABLE streams (
            id INTEGER PRIMARY KEY,
            device TEXT NOT NULL,
            epoch TEXT NOT NULL,
            first_seq INTEGER NOT NULL,
            told_max_seq INTEGER NOT NULL,
            told_explained TEXT NOT NULL,
            held TEXT NOT NULL,
            UNIQUE (device, epoch)
        )""",
        # Kept for ever: the key is what makes a resend harmless, however late it comes.
        """CREATE TABLE events (
            position INTEGER PRIMARY KEY,
            stream INTEGER NOT NULL REFERENCES streams (id),
            seq INTEGER NOT NULL,
            kind TEXT NOT NULL,
            lane TEXT,
            verdict TEXT,
            label TEXT,
            score REAL,
            captured_wall_ns INTEGER,
            received_wall_ns INTEGER NOT NULL,
            content_sha256 BLOB NOT NULL,
            event TEXT NOT NULL,
            UNIQUE (stream, seq)
        )""",
        "CREATE INDEX events_by_verdict ON events (verdict, position) WHERE verdict IS NOT NULL",
        """CREATE TABLE refusals (
            stream INTEGER NOT NULL REFERENCES streams (id),
            seq INTEGER NOT NULL,
            code TEXT NOT NULL,
            detail TEXT NOT NULL,
            received_wall_ns INTEGER NOT NULL,
            PRIMARY KEY (stream, seq)
        ) WITHOUT ROWID""",
        """CREATE TABLE media (
            sha256 TEXT PRIMARY KEY,
            mime TEXT NOT NULL,
            size_bytes INTEGER NOT NULL,
            received_wall_ns INTEGER NOT NULL
        ) WITHOUT ROWID""",
        """CREATE TABLE devices (
            device TEXT PRIMARY KEY,
            last_seen_wall_ns INTEGER NOT NULL,
            software TEXT NOT NULL,
            epoch TEXT NOT NULL,
            unsent INTEGER NOT NULL
        ) WITHOUT ROWID""",
    ),
    (
        # Of an addition: the seq that it is about, in its own epoch or an earlier one.
        "ALTER TABLE events ADD COLUMN about INTEGER",
        "CREATE INDEX events_about ON events (about) WHERE about IS NOT NULL",
        # What came before its type was known was kept as it was; now it can be read.
        """UPDATE events SET
            kind = substr(kind, 6, length(kind) - 8),
            lane = json_extract(event, '$.data.lane'),
            about = json_extract(event, '$.data.about'),
            captured_wall_ns = json_extract(event, '$.data.at.wall_ns')
        WHERE kind IN
            ('edge.evidence.v1', 'edge.finding.v1', 'edge.actuation.v1', 'edge.event.v1')""",
    ),
)
