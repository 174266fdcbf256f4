//! What a seed decides before anything happens: how many devices, which faults how often, which configuration.

use refit_protocol::software_source::Sources;
use refit_replica::input::Policy;

use crate::chance::Chance;
use crate::clock::{HOUR, MINUTE, Millis, SECOND};
use crate::planted::Planted;

/// Everything that one run is made from.
#[derive(Clone, Debug)]
pub struct Options {
    /// The seed.
    pub seed: u64,
    /// How many devices there are.
    pub devices: usize,
    /// How long faults are on, in milliseconds.
    pub faults_ms: u64,
    /// The server's timers and bounds.
    pub policy: Policy,
    /// Which faults there are, and how often.
    pub faults: Faults,
    /// How many in a thousand devices are of which kind.
    pub mix: Mix,
    /// How long a commit takes at most, in milliseconds.
    pub commit_ms: u64,
    /// Whether reading a record takes time.
    pub slow_reads: bool,
    /// How long the server gathers before it commits, in milliseconds.
    pub gather_ms: u64,
    /// How long operators wait between two acts, on average, in milliseconds.
    pub operates_every_ms: u64,
    /// A rule that is broken on purpose.
    pub planted: Option<Planted>,
}

/// Which faults there are. Means are in milliseconds, 0 is never; shares are of a thousand.
#[derive(Clone, Debug, Default)]
pub struct Faults {
    /// How long a connection lasts, on average.
    pub cut_every_ms: u64,
    /// The share of cuts that one side does not see.
    pub half_open: u16,
    /// The share of a device's messages that arrive twice.
    pub twice: u16,
    /// The share of messages that take long.
    pub slow: u16,
    /// How long a server lives, on average.
    pub crash_every_ms: u64,
    /// How long it is away at most.
    pub outage_ms: u64,
    /// How long the store has room, on average.
    pub full_every_ms: u64,
    /// The share of commits whose outcome is unknown.
    pub unknown: u16,
    /// The share of commits before which somebody else writes a record.
    pub second_writer: u16,
    /// How long a device keeps its power, on average.
    pub power_every_ms: u64,
    /// How long a device's program lives, on average.
    pub kill_every_ms: u64,
    /// The share of an agent's acts during which the power is cut.
    pub cut_in_act: u16,
    /// The share of downloads that fail.
    pub bad_fetch: u16,
    /// The share of commits in which the server dies: before it, after it, or half through what follows.
    pub crash_in_commit: u16,
    /// How often the wall clock of the server jumps.
    pub jump_every_ms: u64,
}

/// The kinds of devices, in shares of a thousand; the rest are good agents.
#[derive(Clone, Debug, Default)]
pub struct Mix {
    /// The thirty-line device.
    pub thirty: u16,
    /// The thirty-line device whose installation fails.
    pub failing: u16,
    /// One that lies.
    pub liar: u16,
    /// One that never answers.
    pub mute: u16,
    /// An agent on which new releases are not healthy.
    pub sick: u16,
    /// An agent that new releases kill.
    pub looping: u16,
}

impl Options {
    /// Draws the options of a seed.
    pub fn of(seed: u64) -> Self {
        let mut chance = Chance::of(seed, "options");
        let tiny = chance.permille(250);
        let devices = if tiny {
            3
        } else {
            let most = [8, 20, 50, 200];
            1 + chance.below(*chance.clone().pick(&most).unwrap_or(&8)) as usize
        };
        let hours = match devices {
            ..=9 => 1 + chance.below(4),
            10..=49 => 1 + chance.below(2),
            50.. => 1,
        };
        Self {
            seed,
            devices,
            faults_ms: hours * HOUR,
            policy: policy(&mut chance),
            faults: faults(&mut chance, tiny),
            mix: mix(&mut chance),
            commit_ms: [2, 20, 500][chance.below(3) as usize],
            slow_reads: chance.permille(300),
            gather_ms: [0, 0, 2, 50][chance.below(4) as usize],
            operates_every_ms: if tiny {
                chance.between(10 * SECOND, 5 * MINUTE)
            } else {
                chance.between(MINUTE, 15 * MINUTE)
            },
            planted: None,
        }
    }

    /// Returns how long after the last fault everything must have come to its end.
    ///
    /// An open job ends by its timer at the latest; the way from there to a second one (a late word) costs as much
    /// again. Around it: the longest pauses of resends, and of a device's way back to the server.
    pub const fn bound_ms(&self) -> Millis {
        2 * self.policy.end_ms + 2 * self.policy.resend_longest_ms + HOUR
    }
}

fn policy(chance: &mut Chance) -> Policy {
    let end_ms = [20 * MINUTE, 2 * HOUR, 24 * HOUR][chance.below(3) as usize];
    Policy {
        start_ms: chance
            .permille(250)
            .then(|| chance.between(2 * MINUTE, 10 * MINUTE)),
        end_ms,
        resend_first_ms: chance.between(5 * SECOND, 60 * SECOND),
        resend_longest_ms: chance.between(2 * MINUTE, HOUR),
        resends_max: chance.between(1, 10) as u8,
        failures_max: chance.between(1, 3) as u8,
        certificates: true,
        sources: Sources::open(),
    }
}

fn faults(chance: &mut Chance, tiny: bool) -> Faults {
    let often = if tiny { 4 } else { 1 };
    // Half of all faults are off in a seed: each is seen with and without the others.
    let mut mean = |low: Millis, high: Millis| {
        let on = chance.permille(550);
        if on {
            chance.between(low, high) / often
        } else {
            0
        }
    };
    let means = (
        mean(2 * MINUTE, 60 * MINUTE),
        mean(4 * MINUTE, 60 * MINUTE),
        mean(20 * MINUTE, 2 * HOUR),
        mean(20 * MINUTE, 4 * HOUR),
        mean(20 * MINUTE, 4 * HOUR),
        mean(30 * MINUTE, 2 * HOUR),
    );
    let mut share = |most: u64| {
        let on = chance.permille(550);
        if on {
            chance.between(1, most) as u16
        } else {
            0
        }
    };
    Faults {
        cut_every_ms: means.0,
        half_open: share(700),
        twice: share(150),
        slow: share(100),
        crash_every_ms: means.1,
        outage_ms: 1 + u64::from(share(1000)) * 4 * SECOND,
        full_every_ms: means.2,
        unknown: share(10),
        second_writer: share(100),
        power_every_ms: means.3,
        kill_every_ms: means.4,
        cut_in_act: share(80),
        bad_fetch: share(500),
        crash_in_commit: share(if tiny { 20 } else { 2 }),
        jump_every_ms: means.5,
    }
}

fn mix(chance: &mut Chance) -> Mix {
    let mut share = |most: u64| {
        let on = chance.permille(600);
        if on {
            chance.between(20, most) as u16
        } else {
            0
        }
    };
    Mix {
        thirty: share(500),
        failing: share(120),
        liar: share(120),
        mute: share(100),
        sick: share(120),
        looping: share(60),
    }
}
