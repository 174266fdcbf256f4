-- What operators say of devices, and since when there are devices. Times are milliseconds since the Unix epoch.

-- Rows that are older than this have neither: the first write after it takes the earliest time that the row knows.
ALTER TABLE device ADD COLUMN created INTEGER;
ALTER TABLE device ADD COLUMN first_seen INTEGER;

-- A table of its own: a device's report does not read or write what an operator said.
CREATE TABLE facts (
    num        INTEGER PRIMARY KEY,
    tags       TEXT NOT NULL,
    attributes TEXT NOT NULL,
    changed    INTEGER NOT NULL
) STRICT;
