-- What came about a part after its row (kind 2: `verdict` is the kind of addition) and what happened to
-- the station (kind 3: `verdict` is the EDGE code). `about`: the part's seq.
ALTER TABLE entries ADD COLUMN about INTEGER;
CREATE INDEX entries_about ON entries (about) WHERE about IS NOT NULL;

-- Keys under which a tombstone was taken: the same loss told twice is one.
CREATE TABLE once (key TEXT PRIMARY KEY, seq INTEGER NOT NULL) WITHOUT ROWID;

-- What a lane loads for a model that its config names, whatever lies beside it by then.
CREATE TABLE pins (
    lane    TEXT    NOT NULL,
    asked   TEXT    NOT NULL,
    model   TEXT    NOT NULL,
    folder  TEXT    NOT NULL,
    sha256  TEXT,
    wall_ns INTEGER NOT NULL,
    PRIMARY KEY (lane, asked)
) WITHOUT ROWID;
ALTER TABLE model_history ADD COLUMN folder TEXT NOT NULL DEFAULT '';

-- Which recording a lane's replay is of: another one under the same name begins at its beginning.
CREATE TABLE source_identities (lane TEXT PRIMARY KEY, identity TEXT NOT NULL) WITHOUT ROWID;

-- For people with a SQL prompt.
CREATE VIEW additions AS
SELECT e.seq, (SELECT p.epoch FROM epochs p WHERE p.first_seq <= e.seq ORDER BY p.first_seq DESC LIMIT 1)
       AS epoch, e.lane, e.about, e.verdict AS addition,
       datetime(e.wall_ns / 1000000000, 'unixepoch') AS wall, e.body
FROM entries e WHERE e.kind = 2;
CREATE VIEW events AS
SELECT e.seq, (SELECT p.epoch FROM epochs p WHERE p.first_seq <= e.seq ORDER BY p.first_seq DESC LIMIT 1)
       AS epoch, e.lane, e.verdict AS code,
       datetime(e.wall_ns / 1000000000, 'unixepoch') AS wall, e.body
FROM entries e WHERE e.kind = 3;
