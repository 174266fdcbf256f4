-- Whose certificates are let in, with each trust bundle: PEM; empty in rows from before this column.
ALTER TABLE trust ADD COLUMN issuers TEXT NOT NULL DEFAULT '';
