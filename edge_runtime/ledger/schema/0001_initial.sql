-- One gap-free sequence of results and tombstones. AUTOINCREMENT: a number is never used twice, also
-- after the top rows were deleted.
CREATE TABLE entries (
    seq     INTEGER PRIMARY KEY AUTOINCREMENT,
    kind    TEXT    NOT NULL,   -- result | tombstone
    lane    TEXT    NOT NULL,
    verdict TEXT    NOT NULL,   -- of a tombstone: its reason
    label   TEXT,
    score   REAL,
    item    TEXT,               -- identity of a replayed item
    wall_ns INTEGER NOT NULL,   -- as the box believed; never an order
    body    TEXT    NOT NULL    -- JSON, without what is empty
);
CREATE INDEX entries_by_item ON entries (lane, item) WHERE item IS NOT NULL;
CREATE INDEX entries_by_verdict ON entries (lane, verdict);

-- A row belongs to the last epoch that begins at or below its seq.
CREATE TABLE epochs (
    first_seq INTEGER PRIMARY KEY,
    epoch     TEXT    NOT NULL UNIQUE,
    reason    TEXT    NOT NULL,
    wall_ns   INTEGER NOT NULL
);

CREATE TABLE media (
    sha256     TEXT    PRIMARY KEY,
    kind       TEXT    NOT NULL,
    mime       TEXT    NOT NULL,
    size_bytes INTEGER NOT NULL,
    state      TEXT    NOT NULL,   -- local | stored (the collector has it too) | evicted
    seq        INTEGER NOT NULL,   -- the last entry that refers to it
    value      INTEGER NOT NULL    -- what is kept longest has the most
) WITHOUT ROWID;
CREATE INDEX media_by_state ON media (state, value, seq);
CREATE TABLE entry_media (
    seq    INTEGER NOT NULL,
    sha256 TEXT    NOT NULL,
    PRIMARY KEY (seq, sha256)
) WITHOUT ROWID;

-- Closed ranges of seq that the collector has durably.
CREATE TABLE acked (first INTEGER PRIMARY KEY, last INTEGER NOT NULL);
-- Closed ranges of seq that are not here any more and were never acknowledged (damage).
CREATE TABLE gone (first INTEGER PRIMARY KEY, last INTEGER NOT NULL);
-- Refused by the collector for good; kept and shown.
CREATE TABLE quarantine (
    seq     INTEGER PRIMARY KEY,
    code    TEXT    NOT NULL,
    detail  TEXT    NOT NULL,
    wall_ns INTEGER NOT NULL
);

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
