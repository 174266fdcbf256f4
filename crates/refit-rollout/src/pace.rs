//! How fast jobs are opened: a bucket that fills with time, and grows as devices succeed.
//!
//! The bucket is kept with the rollout's state, on the wall clock, since several servers share it. It holds ten seconds'
//! worth, so a clock that jumps, a crash or a pause gives no more than that at once; a clock that goes back gives nothing.

use refit_protocol::time::Timestamp;
use serde::{Deserialize, Serialize};

use crate::plan::Millis;

/// The most that an operator may ask for, in jobs a minute: more than one server opens.
pub const PER_MINUTE_MAX: u32 = 10_000_000;

/// How much the bucket holds, in milliseconds of its pace.
const BUCKET_MS: u64 = 10_000;

/// How fast jobs are opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Pace {
    /// So many a minute.
    pub per_minute: u32,
    /// Whether and how it grows. None: it is constant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grow: Option<Grow>,
}

/// How a pace grows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Grow {
    /// Each step multiplies it by this, in per cent: 150 is half as fast again.
    pub factor_percent: u32,
    /// A step is taken each time that so many more devices have succeeded.
    pub succeeded: u32,
    /// It never exceeds this, in jobs a minute.
    pub up_to: u32,
}

impl Pace {
    /// Returns a constant pace.
    pub const fn constant(per_minute: u32) -> Self {
        Self {
            per_minute,
            grow: None,
        }
    }

    /// Returns the pace when so many devices have succeeded, in jobs a minute.
    pub fn after(&self, succeeded: u32) -> u32 {
        let Some(grow) = self.grow else {
            return self.per_minute;
        };
        let mut pace = u64::from(self.per_minute);
        let ceiling = u64::from(grow.up_to.max(self.per_minute));
        // It grows by one a step at the least, and ends at the ceiling: bounded by its logarithm but for tiny factors.
        let mut steps = succeeded / grow.succeeded.max(1);
        while steps > 0 && pace < ceiling {
            pace = (pace * u64::from(grow.factor_percent) / 100).max(pace + 1);
            steps -= 1;
        }
        pace.min(ceiling) as u32
    }
}

/// What is left of the pace.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Bucket {
    /// What was in it then, in jobs × milliseconds of a minute (60,000 is one job).
    level: u64,
    /// When that was.
    at: Millis,
}

/// One job, in the unit of the level.
const JOB: u64 = 60_000;

impl Bucket {
    /// Returns a bucket with one job in it: a rollout begins at once, and slowly.
    pub fn new(now: Timestamp) -> Self {
        Self {
            level: JOB,
            at: now.into(),
        }
    }

    /// Returns it as it is now at this pace.
    #[must_use]
    pub fn at(self, per_minute: u32, now: Timestamp) -> Self {
        let holds = (u64::from(per_minute) * BUCKET_MS).max(JOB);
        let passed = now
            .as_millis()
            .saturating_sub(self.at.0)
            .min(BUCKET_MS.max(JOB));
        let level = self.level.saturating_add(u64::from(per_minute) * passed);
        Self {
            level: level.min(holds),
            at: now.into(),
        }
    }

    /// Returns how many jobs it has room for.
    pub const fn jobs(self) -> u32 {
        let jobs = self.level / JOB;
        if jobs > u32::MAX as u64 {
            u32::MAX
        } else {
            jobs as u32
        }
    }

    /// Returns it with so many jobs taken out.
    #[must_use]
    pub const fn less(self, jobs: u32) -> Self {
        Self {
            level: self.level.saturating_sub(jobs as u64 * JOB),
            at: self.at,
        }
    }

    /// Returns when it next has room for a job, at this pace; `None` if never.
    pub fn next(self, per_minute: u32) -> Option<Timestamp> {
        let missing = JOB.saturating_sub(self.level);
        let wait = missing.div_ceil(u64::from(per_minute.max(1)));
        (per_minute > 0).then(|| Timestamp(self.at.0.saturating_add(wait)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const T: u64 = 1_800_000_000_000;

    #[test]
    fn a_constant_pace_opens_as_many_as_it_says() {
        for (per_minute, every_ms) in [(1, 1_000), (7, 333), (1_000, 100), (600_000, 50)] {
            let (mut bucket, mut opened) = (Bucket::new(Timestamp(T)), 0);
            for ms in (0..=600_000).step_by(every_ms) {
                bucket = bucket.at(per_minute, Timestamp(T + ms));
                opened += bucket.jobs();
                bucket = bucket.less(bucket.jobs());
            }
            let due = per_minute * 10 + 1;
            assert!(
                opened <= due && opened + per_minute / 60 + 2 >= due,
                "{per_minute}: {opened}"
            );
        }
    }

    #[test]
    fn clocks_that_jump_give_ten_seconds_worth_at_most() {
        let bucket = Bucket::new(Timestamp(T)).less(1);
        assert_eq!(bucket.at(600, Timestamp(T + 86_400_000)).jobs(), 100);
        assert_eq!(bucket.at(600, Timestamp(T - 86_400_000)).jobs(), 0);
        // A pace of one a minute must still reach its one.
        assert_eq!(bucket.at(1, Timestamp(T + 86_400_000)).jobs(), 1);
        assert_eq!(bucket.next(1), Some(Timestamp(T + 60_000)));
    }

    #[test]
    fn it_grows_as_devices_succeed_and_ends_at_its_ceiling() {
        let pace = Pace {
            per_minute: 10,
            grow: Some(Grow {
                factor_percent: 200,
                succeeded: 100,
                up_to: 1_000,
            }),
        };
        let at = [0, 99, 100, 250, 400, 1_000, u32::MAX].map(|n| pace.after(n));
        assert_eq!(at, [10, 10, 20, 40, 160, 1_000, 1_000]);
    }
}
