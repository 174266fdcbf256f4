-- Uploaded lists of device IDs, which selectors name. An ID may be in a list before its device is known, so the list holds
-- the texts themselves: one a line, in their order. A list is written and read as a whole.
CREATE TABLE list (
    name    TEXT PRIMARY KEY,
    count   INTEGER NOT NULL,
    changed INTEGER NOT NULL,
    ids     TEXT NOT NULL
) STRICT, WITHOUT ROWID;
