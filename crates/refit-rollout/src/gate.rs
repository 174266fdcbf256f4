//! Are the updated devices well enough to go on? The health gate of one wave, after boot (semantics 12 and 13).
//!
//! Hour by hour the updated devices are compared with a concurrent hold-out by two e-processes, numbers that a look
//! more can never make dishonest: `excess` stops a wave that is worse, `margin` lets go on only what is shown to be
//! no worse than the margin. [Decision 11](../../../docs/decisions/0011-why-a-sequential-test.md) has the reasons and
//! the power; `sites` says which events count.
//!
//! Logarithms are `libm`'s and evidence is kept in whole billionths, so that two servers agree, whether they were there
//! or read it from the store.

mod excess;
mod margin;
mod power;
mod sites;

use alloc::vec;
use alloc::vec::Vec;
use refit_protocol::time::Timestamp;
use serde::{Deserialize, Serialize};

use self::excess::Excess;
use self::margin::Margin;
pub use self::sites::{Event, Sites};

const HOUR_MS: u64 = 3_600_000;

/// What is watched after boot. Failures of the update itself are thresholds, since a device that was not updated
/// cannot fail one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Metric {
    /// The device was due to be heard of, and was not.
    Silence,
    /// It booted, and no job of ours had asked for that.
    Reboots,
    /// It reported that it is not healthy.
    Health,
}

impl Metric {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Silence, Self::Reboots, Self::Health];

    /// Returns the word of plans.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Silence => "silence",
            Self::Reboots => "reboots",
            Self::Health => "health",
        }
    }
}

/// With whom the updated devices are compared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Baseline {
    /// Eligible devices, drawn by hash before the first wave, updated last, in the same hour.
    #[default]
    HoldOut,
    /// The same devices, in the same hour of the week before. Each past hour may be used once.
    Before,
    /// With nobody: the gate is open.
    Off,
}

/// How strict the gate is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Settings {
    /// With whom the updated devices are compared.
    pub baseline: Baseline,
    /// What is watched; nothing watched is an open gate.
    pub metrics: Vec<Metric>,
    /// How many waves share `alpha`.
    pub waves: u16,
    /// The chance, over the whole rollout, that a release no worse than the baseline is stopped.
    pub alpha: f64,
    /// How sure it must be that the difference is within the margin: the chance that a release which is worse by the
    /// margin goes on is at most 1 less this.
    pub confidence: f64,
    /// By how much worse the updated devices may be: a share of devices that see the event within the soak, so 0.01
    /// is one point.
    pub margin: f64,
    /// The soak that `margin` speaks of, in hours.
    pub soak_hours: u32,
    /// After so many hours without evidence the verdict is [`Verdict::Insufficient`].
    pub max_soak_hours: u32,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            baseline: Baseline::HoldOut,
            metrics: Metric::ALL.to_vec(),
            waves: 1,
            alpha: 0.01,
            confidence: 0.95,
            margin: 0.01,
            soak_hours: 24,
            max_soak_hours: 72,
        }
    }
}

impl Settings {
    /// Returns what ln e must reach to stop: α is divided over metrics × waves.
    fn stop_ln(&self) -> f64 {
        let shares = self.metrics.len().max(1) as f64 * f64::from(self.waves.max(1));
        libm::log(shares / self.alpha)
    }

    /// Returns what ln e must reach to go on. Not divided: all metrics have to pass, so the worst of them decides.
    fn go_on_ln(&self) -> f64 {
        -libm::log(1.0 - self.confidence)
    }

    /// Returns the margin in events per device-hour.
    fn margin_per_hour(&self) -> f64 {
        self.margin / f64::from(self.soak_hours.max(1))
    }
}

/// Events, and the device-hours in which they could have happened: one hour of `n` devices is `n`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Tally {
    /// Events that count; see [`Sites`].
    pub events: u64,
    /// Device-hours at risk: devices that were expected to be heard of, without those that have had their event.
    pub device_hours: u64,
}

impl Tally {
    fn add(&mut self, more: Self) {
        self.events = self.events.saturating_add(more.events);
        self.device_hours = self.device_hours.saturating_add(more.device_hours);
    }

    /// Returns events per device-hour; nothing at risk has no rate.
    pub fn rate(self) -> Rate {
        Rate(self.events as f64 / self.device_hours.max(1) as f64)
    }
}

/// Events per device-hour.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd, Serialize, Deserialize)]
pub struct Rate(pub f64);

impl Rate {
    /// Returns about which share of devices sees the event in so many hours.
    pub fn over(self, hours: u32) -> f64 {
        (self.0 * f64::from(hours)).min(1.0)
    }
}

/// One hour of one metric, both arms. They are given together: that the hour was bad for all is no news of the release.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Hour {
    /// The devices that were updated in this wave.
    pub updated: Tally,
    /// Those that they are compared with.
    pub baseline: Tally,
}

/// What the gate says.
#[derive(Clone, Debug, PartialEq)]
pub enum Verdict {
    /// It is shown that the updated devices are no worse than the margin.
    GoOn,
    /// Neither that nor the contrary is shown yet.
    Wait {
        /// What is missing, for each metric that is not through.
        missing: Vec<Missing>,
    },
    /// As `Wait`, and the longest soak is over: the rollout pauses.
    Insufficient {
        /// What is missing, for each metric that is not through.
        missing: Vec<Missing>,
    },
    /// The updated devices are worse. It stays so, whatever comes later.
    Stop {
        /// In what.
        metric: Metric,
        /// The evidence: how many times a bet against the release has multiplied.
        e: f64,
        /// The rate of the updated devices.
        observed: Rate,
        /// The rate of those that they are compared with.
        baseline: Rate,
    },
}

/// What one metric needs to go on.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Missing {
    /// Which.
    pub metric: Metric,
    /// The upper bound of the difference that is shown, as a share of devices over the soak; `None` is beyond all
    /// that are tried.
    pub bound: Option<f64>,
    /// What it must not exceed.
    pub margin: f64,
    /// How many device-hours more are needed if no event happens in them.
    pub device_hours: u64,
}

/// The health gate of one wave; stored with the rollout.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Gate {
    settings: Settings,
    opened_ms: u64,
    series: Vec<Series>,
}

/// What was seen of one metric.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Series {
    metric: Metric,
    /// The last hour that was heard, so that none is heard twice after a crash.
    hour: Option<u64>,
    updated: Tally,
    baseline: Tally,
    excess: Excess,
    margin: Margin,
}

impl Gate {
    /// Returns the gate of a wave that begins to soak now.
    pub fn new(settings: Settings, now: Timestamp) -> Self {
        let series = settings.metrics.iter().map(|metric| Series {
            metric: *metric,
            hour: None,
            updated: Tally::default(),
            baseline: Tally::default(),
            excess: Excess::default(),
            margin: Margin::default(),
        });
        Self {
            series: series.collect(),
            opened_ms: now.as_millis(),
            settings,
        }
    }

    /// Takes in one hour of one metric and returns whether it was news: hours, counted from the Unix epoch, come in
    /// order, and one that is not later than the last was heard before.
    pub fn observe(&mut self, metric: Metric, hour: u64, seen: Hour) -> bool {
        let series = self.series.iter_mut().find(|one| one.metric == metric);
        let Some(series) = series.filter(|one| one.hour.is_none_or(|last| last < hour)) else {
            return false;
        };
        let seen = Hour {
            updated: bounded(seen.updated),
            baseline: bounded(seen.baseline),
        };
        series.hour = Some(hour);
        let before = Hour {
            updated: series.updated,
            baseline: series.baseline,
        };
        series.excess.bet(seen, self.settings.stop_ln());
        series
            .margin
            .bet(before, seen, self.settings.margin_per_hour());
        series.updated.add(seen.updated);
        series.baseline.add(seen.baseline);
        true
    }

    /// Returns what follows from all that was observed.
    pub fn verdict(&self, now: Timestamp) -> Verdict {
        if self.settings.baseline == Baseline::Off {
            return Verdict::GoOn;
        }
        if let Some(worse) = self.series.iter().find(|one| one.excess.reached()) {
            return Verdict::Stop {
                metric: worse.metric,
                e: libm::exp(worse.excess.ln_e()),
                observed: worse.updated.rate(),
                baseline: worse.baseline.rate(),
            };
        }
        let missing: Vec<Missing> = self
            .series
            .iter()
            .filter_map(|one| self.missing(one))
            .collect();
        let waited_ms = now.as_millis().saturating_sub(self.opened_ms);
        if missing.is_empty() {
            Verdict::GoOn
        } else if waited_ms < u64::from(self.settings.max_soak_hours) * HOUR_MS {
            Verdict::Wait { missing }
        } else {
            Verdict::Insufficient { missing }
        }
    }

    fn missing(&self, series: &Series) -> Option<Missing> {
        let lacking_ln = self.settings.go_on_ln() - series.margin.ln_e();
        (lacking_ln > 0.0).then(|| Missing {
            metric: series.metric,
            bound: series
                .margin
                .bound(self.settings.go_on_ln())
                .map(|margins| margins * self.settings.margin),
            margin: self.settings.margin,
            device_hours: libm::ceil(lacking_ln / self.settings.margin_per_hour()) as u64,
        })
    }

    /// Returns what was seen so far of a metric, updated devices and baseline.
    pub fn seen(&self, metric: Metric) -> Option<Hour> {
        let series = self.series.iter().find(|one| one.metric == metric)?;
        Some(Hour {
            updated: series.updated,
            baseline: series.baseline,
        })
    }
}

/// Returns ln e in billionths, rounded down: evidence is never made larger by rounding.
fn nanos(ln: f64) -> i64 {
    libm::floor(ln * 1e9) as i64
}

fn nats(nanos: i64) -> f64 {
    nanos as f64 / 1e9
}

/// A device has at most one event an hour; more is a mistake of who counts, and must not become evidence.
const fn bounded(tally: Tally) -> Tally {
    let Tally {
        events,
        device_hours,
    } = tally;
    Tally {
        events: if events < device_hours {
            events
        } else {
            device_hours
        },
        device_hours,
    }
}

/// Returns the settings that watch one metric alone.
impl From<Metric> for Settings {
    fn from(metric: Metric) -> Self {
        Self {
            metrics: vec![metric],
            ..Self::default()
        }
    }
}
