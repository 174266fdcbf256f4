//! Where time and randomness come from, for the whole room.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

use refit_protocol::time::{Monotonic, Now, Timestamp};

/// Both clocks. The wall clock may jump; no timer hangs on it.
pub(crate) struct Clock {
    started: Instant,
}

impl Clock {
    #[expect(
        clippy::disallowed_methods,
        reason = "the driver is where time is read"
    )]
    pub(crate) fn start() -> Self {
        Self {
            started: Instant::now(),
        }
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "the driver is where time is read"
    )]
    pub(crate) fn now(&self) -> Now {
        let wall = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        let mono = self.started.elapsed();
        Now {
            wall: Timestamp(wall.as_millis() as u64),
            mono: Monotonic(mono.as_millis() as u64),
        }
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the driver is where randomness comes from"
)]
pub(crate) fn seeded() -> fastrand::Rng {
    fastrand::Rng::new()
}
