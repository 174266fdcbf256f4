-- Who may do what. Times are milliseconds since the Unix epoch; of secrets there are only hashes.

-- Tokens, the revoked ones included: an ID that the past speaks of keeps its meaning.
CREATE TABLE token (
    id      TEXT PRIMARY KEY,
    name    TEXT NOT NULL,
    role    TEXT NOT NULL,
    scope   TEXT,
    hash    BLOB NOT NULL UNIQUE,
    created INTEGER NOT NULL,
    expires INTEGER,
    used    INTEGER,
    revoked INTEGER
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX token_name ON token (name) WHERE revoked IS NULL;

CREATE TABLE user (
    name     TEXT PRIMARY KEY,
    role     TEXT NOT NULL,
    password TEXT NOT NULL,
    disabled INTEGER NOT NULL,
    created  INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX user_name ON user (name COLLATE NOCASE);

CREATE TABLE session (
    hash    BLOB PRIMARY KEY,
    user    TEXT NOT NULL,
    created INTEGER NOT NULL,
    expires INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX session_user ON session (user, created);
