//! The wall clock, and how the API writes a time.

use std::time::{SystemTime, UNIX_EPOCH};

use refit_protocol::time::Timestamp;

/// Reads the clock.
pub(crate) fn now() -> Timestamp {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    Timestamp(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

/// Writes a time as `2026-11-24T11:38:18.123Z`.
pub(crate) fn rfc3339(time: Timestamp) -> String {
    time.rfc3339()
}
