//! What an operator asks of a rollout: who gets what, how fast, and when it has to stop. A document of the same names
//! in TOML and JSON; unknown names are refused, and whether it makes sense is [`crate::check`]'s.

mod stop;
mod wave;

use alloc::string::String;
use alloc::vec::Vec;
use refit_protocol::grant::{GrantPolicy, Strength};
use refit_protocol::measure::{Share, Span};
use refit_protocol::time::Timestamp;
use serde::{Deserialize, Serialize};

pub use self::stop::{Cause, Retry, Then, Threshold, default_thresholds};
pub use self::wave::{GoOn, HoldOut, UpTo, Wave};
use crate::gate::{Baseline, Metric, Settings};
use crate::pace::Pace;

/// A rollout as it was asked for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Plan {
    /// The releases, `NAME@VERSION`, one of each software; each device gets the first that fits it.
    pub releases: Vec<String>,
    /// Whom: a selector on devices.
    pub select: String,
    /// Whether devices may still join.
    #[serde(default, skip_serializing_if = "is_default")]
    pub membership: Membership,
    /// The waves, in order. None: one wave of everyone.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub waves: Vec<Wave>,
    /// How fast jobs are opened. None: as fast as they can be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pace: Option<Pace>,
    /// How many devices may be at work at once. None: any number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_in_flight: Option<u32>,
    /// When it stops by itself. None: [`default_thresholds`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub thresholds: Option<Vec<Threshold>>,
    /// What follows a job without success.
    #[serde(default, skip_serializing_if = "is_default")]
    pub retry: Retry,
    /// The two timers of each job.
    #[serde(default, skip_serializing_if = "is_default")]
    pub timers: Timers,
    /// When it begins and ends.
    #[serde(default, skip_serializing_if = "is_default")]
    pub schedule: Schedule,
    /// The hours in which devices may be told. None: always.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub windows: Option<Hours>,
    /// How devices get the bytes. None: as the server does it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grant: Option<GrantPolicy>,
    /// Permits a device to be sent an older version than it reports.
    #[serde(default, skip_serializing_if = "is_default")]
    pub downgrade: bool,
    /// Which rollout has the say over a device that two want: the higher one, then the newer.
    #[serde(default, skip_serializing_if = "is_default")]
    pub priority: i32,
    /// Requires a second person, also where the server does not.
    #[serde(default, skip_serializing_if = "is_default")]
    pub approval: bool,
    /// How many devices of each value of a label may be at work at once.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub budgets: Vec<Budget>,
    /// Who is kept back for comparison, and updated last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hold_out: Option<HoldOut>,
    /// What happens to devices that are away.
    #[serde(default, skip_serializing_if = "is_default")]
    pub offline: Offline,
    /// A selector of devices that are away by nature: their silence counts for nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected_offline: Option<String>,
    /// Lets attributes that devices claim of themselves decide about compatibility and budgets.
    #[serde(default, skip_serializing_if = "is_default")]
    pub trust_reported: bool,
    /// How health after the update is judged. None: it is not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub health: Option<Health>,
}

/// Whether devices may join a rollout that has begun.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Membership {
    /// Those that match at the start, and no others.
    #[default]
    Snapshot,
    /// Also those that begin to match later.
    Continuous,
}

/// What happens to devices that are away when their turn comes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Offline {
    /// Their job opens when they are back: what pace, budget, pause and window say holds at that moment.
    #[default]
    Wait,
    /// Their job opens now, and they are told when they are back, whatever the hour and whoever is at work then.
    Queue,
}

/// The timers of a job (design §5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Timers {
    /// How long a reachable device may take to begin. None: any time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start: Option<Span>,
    /// How long it may take to its end.
    pub end: Span,
}

impl Default for Timers {
    fn default() -> Self {
        Self {
            start: None,
            end: Span::hours(24),
        }
    }
}

/// When a rollout begins and ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Schedule {
    /// Not before this, in milliseconds since the Unix epoch.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start: Option<Millis>,
    /// It finishes then, wherever it stands.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub end: Option<Millis>,
    /// How long after its last wave it still waits for devices that are away.
    pub linger: Span,
}

impl Default for Schedule {
    fn default() -> Self {
        Self {
            start: None,
            end: None,
            linger: Span::hours(30 * 24),
        }
    }
}

/// A point in time in documents: milliseconds since the Unix epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Millis(pub u64);

impl From<Millis> for Timestamp {
    fn from(millis: Millis) -> Self {
        Self(millis.0)
    }
}

impl From<Timestamp> for Millis {
    fn from(at: Timestamp) -> Self {
        Self(at.as_millis())
    }
}

/// The hours in which devices may be told, each device by its own clock.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Hours {
    /// The windows, as [`crate::window`] reads them.
    pub open: Vec<String>,
    /// The attribute that names a device's time zone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub zone_attribute: Option<String>,
    /// The zone of a device without it.
    #[serde(default = "utc")]
    pub zone: String,
}

fn utc() -> String {
    "UTC".into()
}

/// How many devices of each value of one label may be at work at once: the smaller of the two, if both are given.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Budget {
    /// The label, such as `tag.site`.
    pub per: String,
    /// At most this many.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub count: Option<u32>,
    /// At most this share of the devices of that value, but one is always permitted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub share: Option<Share>,
}

/// How health after the update is judged (semantics 12 and 13).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Health {
    /// With whom they are compared.
    #[serde(skip_serializing_if = "is_default")]
    pub baseline: Baseline,
    /// What is watched.
    pub metrics: Vec<Metric>,
    /// By how much worse than the hold-out the updated devices may be.
    pub margin: Share,
    /// How often, over the whole rollout, a healthy release may be stopped by chance.
    pub alpha: Share,
    /// How long evidence is waited for before the rollout pauses.
    pub max_soak: Span,
}

impl Default for Health {
    fn default() -> Self {
        Self {
            baseline: Baseline::default(),
            metrics: Metric::ALL.to_vec(),
            margin: Share::percent(1),
            alpha: Share::percent(1),
            max_soak: Span::hours(72),
        }
    }
}

impl Plan {
    /// Returns the plan that `refit rollout start` makes of a release and a selector: everything else by default.
    pub fn new(release: &str, select: &str) -> Self {
        Self {
            releases: alloc::vec![release.into()],
            select: select.into(),
            membership: Membership::default(),
            waves: Vec::new(),
            pace: None,
            max_in_flight: None,
            thresholds: None,
            retry: Retry::default(),
            timers: Timers::default(),
            schedule: Schedule::default(),
            windows: None,
            grant: None,
            downgrade: false,
            priority: 0,
            approval: false,
            budgets: Vec::new(),
            hold_out: None,
            offline: Offline::default(),
            expected_offline: None,
            trust_reported: false,
            health: None,
        }
    }

    /// Returns the waves, the default one and that of the hold-out included.
    pub fn all_waves(&self) -> Vec<Wave> {
        let mut waves = self.waves.clone();
        if waves.is_empty() {
            waves.push(Wave::default());
        }
        if self.hold_out.is_some() {
            waves.push(Wave {
                name: Some("hold-out".into()),
                ..Wave::default()
            });
        }
        waves
    }

    /// Returns when it stops by itself.
    pub fn all_thresholds(&self) -> Vec<Threshold> {
        self.thresholds.clone().unwrap_or_else(default_thresholds)
    }

    /// Returns how strict the health gate of a wave is; `None`: the plan has none.
    pub fn gate(&self, wave: u16) -> Option<Settings> {
        let (health, waves) = (self.health.as_ref()?, self.all_waves());
        let share = |share: Share| f64::from(share.millionths()) / 1e6;
        let hours = |span: Span| span.as_seconds().div_ceil(3_600).max(1);
        let soak = waves
            .get(usize::from(wave))
            .map_or(Span::hours(1), |wave| wave.go_on.soak);
        Some(Settings {
            baseline: health.baseline,
            metrics: health.metrics.clone(),
            waves: u16::try_from(waves.len()).unwrap_or(u16::MAX),
            alpha: share(health.alpha),
            margin: share(health.margin),
            soak_hours: hours(soak),
            max_soak_hours: hours(health.max_soak),
            ..Settings::default()
        })
    }

    /// Returns what a download must be bound to at the least.
    pub fn min_strength(&self) -> Strength {
        self.grant
            .map_or(Strength::Time, |grant| grant.min_strength)
    }
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}
