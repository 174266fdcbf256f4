//! Notices when the wall clock jumps. Timers do not hang on it, so a jump is only told (semantics 33).

use refit_protocol::time::Now;

/// A step of the wall clock that is worth telling, in milliseconds.
const JUMP_MS_MIN: i64 = 5 * 60 * 1000;

/// Returns by how many milliseconds the wall clock has left the other clock's pace since `before`, if that is a jump.
pub(crate) fn jump(before: Now, now: Now) -> Option<i64> {
    let wall = now.wall.0.cast_signed() - before.wall.0.cast_signed();
    let passed = now.mono.since(before.mono).cast_signed();
    let left = wall.saturating_sub(passed);
    (left.abs() >= JUMP_MS_MIN).then_some(left)
}

#[cfg(test)]
mod tests {
    use super::*;
    use refit_protocol::time::{Monotonic, Timestamp};

    fn at(wall: u64, mono: u64) -> Now {
        Now {
            wall: Timestamp(wall),
            mono: Monotonic(mono),
        }
    }

    #[test]
    fn only_a_step_of_five_minutes_or_more_is_a_jump() {
        let before = at(1_000_000_000, 50);
        for (now, left) in [
            (at(1_000_000_000, 50), None),
            (at(1_003_600_000, 3_600_050), None),
            (at(1_000_299_999, 50), None),
            (at(1_000_300_000, 50), Some(300_000)),
            (at(999_699_000, 1_050), Some(-302_000)),
            (at(0, 50), Some(-1_000_000_000)),
        ] {
            assert_eq!(jump(before, now), left, "{now:?}");
        }
    }
}
