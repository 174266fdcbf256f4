-- Who a device is. Times are milliseconds since the Unix epoch; of secrets there are only hashes.

-- Claim tokens, the revoked and used-up ones included.
CREATE TABLE claim (
    id         BLOB PRIMARY KEY,
    hash       BLOB NOT NULL,
    devices    INTEGER NOT NULL,
    left       INTEGER NOT NULL CHECK (left >= 0),
    pattern    TEXT,
    attributes TEXT NOT NULL,
    created    INTEGER NOT NULL,
    expires    INTEGER NOT NULL,
    revoked    INTEGER
) STRICT, WITHOUT ROWID;

-- One row for each ID that was ever registered or enrolled; never deleted, lest a token enrol it again.
CREATE TABLE identity (
    device     TEXT PRIMARY KEY,
    standing   INTEGER NOT NULL,
    may_rekey  INTEGER NOT NULL,
    attributes TEXT NOT NULL,
    claimed    TEXT NOT NULL,
    claim      BLOB,
    since      INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX identity_barred ON identity (standing) WHERE standing >= 2;

CREATE TABLE certificate (
    seq        INTEGER PRIMARY KEY,
    thumbprint BLOB NOT NULL UNIQUE,
    device     TEXT NOT NULL,
    key        BLOB NOT NULL,
    serial     BLOB NOT NULL,
    issuer     BLOB NOT NULL,
    not_before INTEGER NOT NULL,
    not_after  INTEGER NOT NULL,
    state      INTEGER NOT NULL,
    previous   BLOB,
    claim      BLOB,
    chain      TEXT NOT NULL
) STRICT;
CREATE INDEX certificate_device ON certificate (device, seq);
CREATE INDEX certificate_key ON certificate (key);
CREATE INDEX certificate_previous ON certificate (previous) WHERE previous IS NOT NULL;
CREATE INDEX certificate_revoked ON certificate (state) WHERE state = 2;

-- What devices trust. The number only rises.
CREATE TABLE trust (
    number INTEGER PRIMARY KEY,
    roots  TEXT NOT NULL,
    made   INTEGER NOT NULL
) STRICT;
