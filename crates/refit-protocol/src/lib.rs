//! The wire contract: topics, documents, merge and delta, statuses, limits.
