-- One gap-free sequence of results and tombstones. AUTOINCREMENT: a number is never used twice, also
-- after the top rows were deleted.
CREATE TABLE entries (
    seq         INTEGER PRIMARY KEY AUTOINCREMENT,
    kind        INTEGER NOT NULL,   -- 0 a result, 1 a tombstone
    lane        TEXT    NOT NULL,
    verdict     TEXT    NOT NULL,   -- of a tombstone: its reason
    label       TEXT,
    score       REAL,
    item        TEXT,               -- identity of a replayed item
    source      INTEGER,            -- sources.id
    model       INTEGER,            -- models.id
    boot        INTEGER NOT NULL,   -- boots.id
    boottime_ns INTEGER NOT NULL,
    wall_ns     INTEGER NOT NULL,   -- as the box believed; never an order
    body        TEXT    NOT NULL    -- JSON: the rest, without what is empty
);
CREATE INDEX entries_by_item ON entries (lane, item) WHERE item IS NOT NULL;
-- The verdicts that people look for. The others are nearly all rows, found by just reading backwards.
CREATE INDEX entries_notable ON entries (verdict) WHERE verdict NOT IN ('pass', 'no_speech');

-- Long texts that most rows share.
CREATE TABLE sources (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);
CREATE TABLE models (
    id     INTEGER PRIMARY KEY,
    name   TEXT NOT NULL,
    sha256 TEXT NOT NULL,
    UNIQUE (name, sha256)
);
CREATE TABLE boots (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);

-- How many there were and how many of them are gone, so that nobody has to count millions of rows.
CREATE TABLE tallies (
    lane     TEXT    NOT NULL,
    kind     INTEGER NOT NULL,
    verdict  TEXT    NOT NULL,
    recorded INTEGER NOT NULL,
    deleted  INTEGER NOT NULL DEFAULT 0,
    last_seq INTEGER NOT NULL,
    PRIMARY KEY (lane, kind, verdict)
) WITHOUT ROWID;

-- A row belongs to the last epoch that begins at or below its seq.
CREATE TABLE epochs (
    first_seq INTEGER PRIMARY KEY,
    epoch     TEXT    NOT NULL UNIQUE,
    reason    TEXT    NOT NULL,
    wall_ns   INTEGER NOT NULL
);

CREATE TABLE media (
    id         INTEGER PRIMARY KEY,
    sha256     TEXT    NOT NULL UNIQUE,
    kind       TEXT    NOT NULL,
    mime       TEXT    NOT NULL,
    size_bytes INTEGER NOT NULL,
    state      TEXT    NOT NULL,   -- local | stored (the collector has it too) | evicted
    seq        INTEGER NOT NULL,   -- the last entry that refers to it
    value      INTEGER NOT NULL,   -- what is kept longest has the most
    mtime_ns   INTEGER NOT NULL    -- of the file when that entry was stored
);
CREATE INDEX media_by_state ON media (state, value, seq, size_bytes);
CREATE TABLE entry_media (
    seq      INTEGER NOT NULL,
    position INTEGER NOT NULL,
    media    INTEGER NOT NULL,     -- media.id
    PRIMARY KEY (seq, position)
) WITHOUT ROWID;
CREATE INDEX entry_media_by_media ON entry_media (media);

-- Closed ranges of seq that the collector has durably.
CREATE TABLE acked (first INTEGER PRIMARY KEY, last INTEGER NOT NULL);
-- Closed ranges of seq that are not here any more and that the collector does not have either: taken by
-- damage, or by age before a restored collector asked for them again.
CREATE TABLE gone (first INTEGER PRIMARY KEY, last INTEGER NOT NULL);
-- Refused by the collector for good; kept and shown.
CREATE TABLE quarantine (
    seq     INTEGER PRIMARY KEY,
    code    TEXT    NOT NULL,
    detail  TEXT    NOT NULL,
    wall_ns INTEGER NOT NULL
);

-- At this age of the ledger (seconds that it was open, no clock can jump them) this was the last seq.
CREATE TABLE marks (age_s INTEGER PRIMARY KEY, seq INTEGER NOT NULL);
CREATE TABLE clock_anchors (
    id          INTEGER PRIMARY KEY,
    boot_id     TEXT    NOT NULL,
    boottime_ns INTEGER NOT NULL,
    wall_ns     INTEGER NOT NULL,
    origin      TEXT    NOT NULL
);
CREATE TABLE model_history (
    id      INTEGER PRIMARY KEY,
    lane    TEXT    NOT NULL,
    model   TEXT    NOT NULL,
    sha256  TEXT    NOT NULL,
    wall_ns INTEGER NOT NULL
);
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;

-- For people with a SQL prompt.
CREATE VIEW results AS
SELECT e.seq, (SELECT p.epoch FROM epochs p WHERE p.first_seq <= e.seq ORDER BY p.first_seq DESC LIMIT 1)
       AS epoch, e.lane, e.verdict, e.label, e.score, e.item, s.name AS source, m.name AS model,
       datetime(e.wall_ns / 1000000000, 'unixepoch') AS wall, e.body
FROM entries e LEFT JOIN sources s ON s.id = e.source LEFT JOIN models m ON m.id = e.model
WHERE e.kind = 0;
CREATE VIEW tombstones AS
SELECT e.seq, (SELECT p.epoch FROM epochs p WHERE p.first_seq <= e.seq ORDER BY p.first_seq DESC LIMIT 1)
       AS epoch, e.lane, e.verdict AS reason,
       datetime(e.wall_ns / 1000000000, 'unixepoch') AS wall, e.body
FROM entries e WHERE e.kind = 1;
