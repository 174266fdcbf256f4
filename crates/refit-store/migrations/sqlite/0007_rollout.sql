-- Rollouts, and whose job a job is. Times are milliseconds since the Unix epoch.

-- Plan and state are JSON that is not looked into here. A row is never deleted: an ID is never used again.
CREATE TABLE rollout (
    id       INTEGER PRIMARY KEY,
    name     TEXT NOT NULL UNIQUE,
    plan     TEXT NOT NULL,
    state    TEXT NOT NULL,
    status   TEXT NOT NULL,
    revision INTEGER NOT NULL,
    created  INTEGER NOT NULL,
    changed  INTEGER NOT NULL
) STRICT;

-- The members of a wave, as a bitmap of devices' numbers that is not looked into here.
CREATE TABLE rollout_wave (
    seq     INTEGER PRIMARY KEY,
    rollout INTEGER NOT NULL,
    wave    INTEGER NOT NULL,
    size    INTEGER NOT NULL,
    members BLOB NOT NULL,
    UNIQUE (rollout, wave)
) STRICT;

-- How many jobs of a wave are of which kind. Folded into the commit that changes them.
CREATE TABLE rollout_count (
    rollout INTEGER NOT NULL,
    wave    INTEGER NOT NULL,
    kind    INTEGER NOT NULL,
    n       INTEGER NOT NULL,
    PRIMARY KEY (rollout, wave, kind)
) STRICT, WITHOUT ROWID;

-- NULL for a job of no rollout. The kind is the state of the job, or what came after its end.
ALTER TABLE job ADD COLUMN rollout INTEGER;
ALTER TABLE job ADD COLUMN wave INTEGER;
ALTER TABLE job ADD COLUMN attempt INTEGER;
ALTER TABLE job ADD COLUMN kind INTEGER;

CREATE UNIQUE INDEX job_rollout ON job (rollout, num, attempt) WHERE rollout IS NOT NULL;
CREATE INDEX job_rollout_kind ON job (rollout, kind) WHERE rollout IS NOT NULL;
-- Failed, rejected, timed out, reverted, gone dark.
CREATE INDEX job_failure ON job (rollout, kind, reason, previous) WHERE kind IN (4, 5, 6, 10, 13);
