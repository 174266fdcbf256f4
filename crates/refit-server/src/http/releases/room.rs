//! How long an artifact may be: what the operator allows, and never what would fill the disk that records are on.

use axum::http::{HeaderMap, header};

use crate::http::App;
use crate::http::error::{Kind, Problem};

/// What an upload leaves free on the disk: records, their log and a compaction need room when devices report.
const RESERVE_BYTES: u64 = 1 << 30;

/// Of a small disk a part is left instead.
const RESERVE_DIVISOR: u64 = 10;

/// Returns how many bytes an upload may have now. One that says that it is longer is refused before its first byte.
pub(super) fn length_max(app: &App, headers: &HeaderMap) -> Result<u64, Problem> {
    let announced = headers.get(header::CONTENT_LENGTH);
    let announced: Option<u64> = announced.and_then(|value| value.to_str().ok()?.parse().ok());
    let max = app.limits.upload_bytes_max;
    if announced.is_some_and(|length| length > max) {
        return Err(too_long(max));
    }
    let Some(room) = left(app) else {
        // Whether there is room is then told by writing.
        return Ok(max);
    };
    if announced.is_some_and(|length| length > room) || room == 0 {
        return Err(Problem::full());
    }
    Ok(max.min(room))
}

/// Returns how many bytes uploads may take now; `None`: the system does not say.
pub(super) fn left(app: &App) -> Option<u64> {
    let disk = rustix::fs::statvfs(&app.places.data).ok()?;
    let bytes = |blocks: u64| blocks.saturating_mul(disk.f_frsize);
    Some(room(bytes(disk.f_bavail), bytes(disk.f_blocks)))
}

/// How many bytes of an upload pass between two looks at the disk: eight uploads take no more than 32 MiB of a reserve.
const LOOK_BYTES: u64 = 4 << 20;

/// Looks after the reserve while an upload comes: others come at the same time, and records grow.
#[derive(Debug, Default)]
pub(super) struct Lookout {
    since_look: u64,
}

impl Lookout {
    /// Notes that so many bytes have come, and tells whether nothing is left for more; `left` is asked now and then.
    pub(super) fn is_at_reserve(
        &mut self,
        bytes: usize,
        left: impl FnOnce() -> Option<u64>,
    ) -> bool {
        self.since_look = self.since_look.saturating_add(bytes as u64);
        if self.since_look < LOOK_BYTES {
            return false;
        }
        self.since_look = 0;
        left() == Some(0)
    }
}

/// Returns what of the free bytes of a disk of this size uploads may take.
fn room(free: u64, all: u64) -> u64 {
    free.saturating_sub(RESERVE_BYTES.min(all / RESERVE_DIVISOR))
}

/// Refuses what is longer than it may be.
pub(super) fn too_long(max: u64) -> Problem {
    let detail = format!(
        "an artifact has at most {max} bytes here: make it smaller, or raise upload-max and see that the disk has room"
    );
    Problem::new(Kind::TooLarge, detail).with("max", max)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_upload_ends_at_the_reserve_that_others_have_reached() {
        let mut lookout = Lookout::default();
        let piece = 64 << 10;
        let pieces = LOOK_BYTES / piece as u64;
        for _ in 1..pieces {
            assert!(!lookout.is_at_reserve(piece, || unreachable!("too early")));
        }
        assert!(!lookout.is_at_reserve(piece, || Some(1)));
        for _ in 1..pieces {
            assert!(!lookout.is_at_reserve(piece, || unreachable!("too early")));
        }
        assert!(lookout.is_at_reserve(piece, || Some(0)));
        // A system that does not say is no reason to refuse.
        assert!(!lookout.is_at_reserve(usize::MAX, || None));
    }

    #[test]
    fn a_reserve_is_left_whatever_the_size_of_the_disk() {
        let gib = 1 << 30;
        assert_eq!(room(50 * gib, 100 * gib), 49 * gib);
        assert_eq!(room(gib, 100 * gib), 0);
        assert_eq!(room(gib, 2 * gib), gib - 2 * gib / 10);
        assert_eq!(room(0, 0), 0);
    }
}
