//! What a canary of this size can tell: for `plan`, before anything is opened.

use super::excess::Excess;
use super::margin::Margin;
use super::{Hour, Rate, Settings, Tally};

/// Into so many looks the hours are divided at most: the answer does not change with more.
const LOOKS_MAX: u32 = 64;

/// Past so many events without one in the hold-out, the hold-out is too small to stop anything.
const EVENTS_MAX: u64 = 10_000;

impl Settings {
    /// Returns the smallest difference that is excluded if no event happens: about 3 ÷ device-hours at 95 %, so that
    /// 300 devices exclude one point over the time in which they were watched. `None` if nobody is watched.
    pub fn detectable(&self, devices: u32, hours: u32) -> Option<Rate> {
        let device_hours = u64::from(devices) * u64::from(hours);
        if device_hours == 0 {
            return None;
        }
        let looks = hours.min(LOOKS_MAX);
        let each = (device_hours / u64::from(looks)).max(1);
        let quiet = Hour {
            updated: Tally {
                events: 0,
                device_hours: each,
            },
            baseline: Tally {
                events: 0,
                device_hours: each,
            },
        };
        let (mut low, mut high) = (0.0, 100.0 / device_hours as f64);
        for _ in 0..30 {
            let middle = (low + high) / 2.0;
            if excludes(middle, looks, quiet, self.go_on_ln()) {
                high = middle;
            } else {
                low = middle;
            }
        }
        Some(Rate(high))
    }

    /// Returns how many events among so many updated devices stop the wave while so many held out have none; `None`
    /// if no number does.
    pub fn stops_after(&self, devices: u32, held_out: u32) -> Option<u64> {
        let mut excess = Excess::default();
        let one = Hour {
            updated: Tally {
                events: 1,
                device_hours: devices.into(),
            },
            baseline: Tally {
                events: 0,
                device_hours: held_out.into(),
            },
        };
        (1..=EVENTS_MAX).find(|_| {
            excess.bet(one, self.stop_ln());
            excess.reached()
        })
    }
}

fn excludes(margin: f64, looks: u32, quiet: Hour, threshold_ln: f64) -> bool {
    let (mut bet, mut before) = (Margin::default(), Hour::default());
    for _ in 0..looks {
        bet.bet(before, quiet, margin);
        before.updated.add(quiet.updated);
        before.baseline.add(quiet.baseline);
    }
    bet.ln_e() >= threshold_ln
}
