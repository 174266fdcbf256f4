//! Durable records: SQLite now, PostgreSQL later, one conformance suite for both.
