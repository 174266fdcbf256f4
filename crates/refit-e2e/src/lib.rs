//! End-to-end tests with real outside parts.
