-- What was answered to changes that carried a key, so that the same request again is answered the same. They are kept
-- for a while, and so many of each caller; `at` is milliseconds since the Unix epoch.
CREATE TABLE answer (
    seq     INTEGER PRIMARY KEY,
    caller  TEXT NOT NULL,
    key     TEXT NOT NULL,
    head    BLOB NOT NULL,        -- the hash of what was asked
    body    BLOB NOT NULL,        -- the hash of the body that came with it
    status  INTEGER NOT NULL,
    headers TEXT NOT NULL,
    content BLOB NOT NULL,
    at      INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX answer_key ON answer (caller, key);
CREATE INDEX answer_at ON answer (at);
