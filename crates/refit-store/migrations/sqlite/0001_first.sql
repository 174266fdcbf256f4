-- The first schema. Codes of states are those of src/sqlite/row.rs; times are milliseconds since the Unix epoch.

-- Small facts about the store itself.
CREATE TABLE meta (
    key   TEXT PRIMARY KEY,
    value TEXT NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO meta VALUES ('epoch', '0');

-- Each software in the depot that a device ever desired, so that a device row names it in three bytes.
CREATE TABLE artifact (
    num    INTEGER PRIMARY KEY,
    digest BLOB NOT NULL UNIQUE
) STRICT;

-- The record of a device. `num` is dense and never used again, because a row is never deleted.
CREATE TABLE device (
    num      INTEGER PRIMARY KEY,
    ext_id   TEXT NOT NULL,
    revision INTEGER NOT NULL,
    version  INTEGER NOT NULL,
    seen     INTEGER,             -- when the device itself last spoke, as of the last write
    written  INTEGER NOT NULL,
    wants    INTEGER,             -- the artifact that it desires, if that lies in the depot
    open     INTEGER,             -- the state of its open job
    desired  TEXT NOT NULL,
    reported TEXT NOT NULL,
    control  TEXT                 -- jobs, and why there is none; NULL: it never had one
) STRICT;
CREATE UNIQUE INDEX device_ext_id ON device (ext_id);
CREATE INDEX device_wants ON device (wants) WHERE wants IS NOT NULL;
CREATE INDEX device_running ON device (num) WHERE open = 2;

-- The history of jobs, the open ones included, in the order of opening.
CREATE TABLE job (
    seq      INTEGER PRIMARY KEY,
    id       TEXT NOT NULL,
    num      INTEGER NOT NULL REFERENCES device (num),
    status   INTEGER NOT NULL,
    software TEXT NOT NULL,
    previous TEXT,
    origin   TEXT NOT NULL,
    opened   INTEGER NOT NULL,
    sent     INTEGER,
    started  INTEGER,
    ended    INTEGER,
    phase    TEXT,
    percent  INTEGER,
    reason   TEXT
) STRICT;
CREATE UNIQUE INDEX job_id ON job (id);
CREATE INDEX job_device ON job (num);
CREATE INDEX job_status ON job (status);

-- How many there are: devices (0), and jobs by state (1 + its code). Folded into the commit that changes them.
CREATE TABLE counter (
    kind INTEGER PRIMARY KEY,
    n    INTEGER NOT NULL
) STRICT;
INSERT INTO counter (kind, n) VALUES (0,0),(1,0),(2,0),(3,0),(4,0),(5,0),(6,0),(7,0),(8,0),(9,0);

-- The releases; `place` orders those of one name.
CREATE TABLE release (
    seq     INTEGER PRIMARY KEY,
    name    TEXT NOT NULL,
    version TEXT NOT NULL,
    place   INTEGER NOT NULL,
    digest  BLOB NOT NULL,
    length  INTEGER NOT NULL,
    format  TEXT NOT NULL,
    note    TEXT,
    added   INTEGER NOT NULL,
    UNIQUE (name, version),
    UNIQUE (name, place)
) STRICT;
CREATE INDEX release_digest ON release (digest);
