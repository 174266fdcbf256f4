//! A model fleet: devices that come and go, fail, fall back and are late, on a clock of its own. It plays the engine's
//! part towards the planner, crashes included, and counts by itself.

use std::collections::BTreeMap;

use refit_protocol::grant::Strength;
use refit_protocol::rollout::RolloutId;
use refit_protocol::time::{Monotonic, Now, Timestamp};
use refit_rollout::admit::{Asking, Device, Last, Standing, admit};
use refit_rollout::budget::Ledger;
use refit_rollout::cluster::Group;
use refit_rollout::outage::Silence;
use refit_rollout::path::Next;
use refit_rollout::plan::Plan;
use refit_rollout::state::{Act, Members, Refusal, RolloutState, Scene, Status, Toll};
use refit_rollout::step::{Health, Snapshot, Step, WaveView, step};
use refit_rollout::tally::Kind;
use refit_rollout::waves::{Cut, Eligible, cut, members};

pub(crate) const ROLLOUT: RolloutId = RolloutId(7);
pub(crate) const BEGIN_MS: u64 = 1_800_000_000_000;

/// SplitMix64: a seed is a whole history.
pub(crate) struct Chance(pub(crate) u64);

impl Chance {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound.max(1)
    }

    pub(crate) fn percent(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }
}

#[derive(Clone)]
pub(crate) struct Job {
    pub(crate) attempt: u8,
    pub(crate) kind: Kind,
    pub(crate) at: u64,
    ends: u64,
    becomes: Kind,
}

pub(crate) struct Thing {
    pub(crate) id: String,
    pub(crate) facts: Group,
    pub(crate) site: String,
    pub(crate) online: bool,
    pub(crate) jobs: Vec<Job>,
    /// It may be at work until then, whatever its job says (semantics 8).
    pub(crate) busy_until: u64,
    toggles: u64,
}

pub(crate) struct World {
    pub(crate) plan: Plan,
    pub(crate) state: RolloutState,
    pub(crate) things: Vec<Thing>,
    pub(crate) cut: Option<Cut>,
    pub(crate) now: u64,
    pub(crate) chance: Chance,
    pub(crate) fails_percent: u64,
    pub(crate) crashes_percent: u64,
    pub(crate) silence: Silence,
    /// When each job opened, over all.
    pub(crate) opened_at: Vec<u64>,
}

impl World {
    pub(crate) fn new(plan: Plan, devices: u32, seed: u64) -> Self {
        let mut chance = Chance(seed);
        let things = (0..devices)
            .map(|n| Thing {
                id: format!("gw-{n}"),
                facts: Group {
                    model: Some(format!("m{}", n % 3)),
                    from: Some("1.0.0".into()),
                    origin: None,
                },
                site: format!("s{}", n % 17),
                online: chance.percent(85),
                jobs: Vec::new(),
                busy_until: 0,
                toggles: BEGIN_MS + chance.below(3_600_000),
            })
            .collect();
        Self {
            plan,
            state: RolloutState::default(),
            things,
            cut: None,
            now: BEGIN_MS,
            chance,
            fails_percent: 1,
            crashes_percent: 0,
            silence: Silence::default(),
            opened_at: Vec::new(),
        }
    }

    pub(crate) fn at(&self) -> Timestamp {
        Timestamp(self.now)
    }

    pub(crate) fn members(&self) -> Members {
        members(ROLLOUT, self.things.iter().map(|thing| thing.id.as_str()))
    }

    fn ledger(&self) -> Ledger {
        let mut ledger = Ledger::new(&self.plan.budgets);
        for thing in &self.things {
            ledger.count([Some(thing.site.as_str())], thing.busy_until > self.now);
        }
        ledger
    }

    fn standing(&self, wave: u16, key: u32, ledger: &Ledger) -> Standing {
        let thing = &self.things[key as usize];
        let device = Device {
            wave: Some(wave),
            left_out: None,
            facts: &thing.facts,
            held: None,
            frozen: false,
            pinned: None,
            rival: None,
            last: thing.jobs.last().map(|job| Last {
                attempt: job.attempt,
                kind: job.kind,
                at: Timestamp(job.at),
            }),
            capped: false,
            next: Some(Next::To(2)),
            unfit: None,
            strength: Strength::Device,
            closed: None,
            full: ledger.full([Some(thing.site.as_str())]),
            away: (!thing.online).then_some(None),
        };
        let asking = Asking {
            id: ROLLOUT,
            plan: &self.plan,
            state: &self.state,
            now: self.at(),
        };
        admit(&device, &asking)
    }

    pub(crate) fn views(&self) -> Vec<WaveView> {
        let ledger = self.ledger();
        let waves = self.cut.iter().flat_map(|cut| &cut.waves);
        (0..)
            .zip(waves)
            .map(|(wave, keys)| {
                let mut view = WaveView::default();
                for key in keys {
                    let thing = &self.things[*key as usize];
                    let standing = self.standing(wave, *key, &ledger);
                    view.count(&standing, !thing.jobs.is_empty(), !thing.online);
                    thing
                        .jobs
                        .iter()
                        .for_each(|job| view.tally.add(job.kind, 1));
                }
                view
            })
            .collect()
    }

    pub(crate) fn in_flight(&self) -> u32 {
        self.things
            .iter()
            .filter(|thing| thing.busy_until > self.now)
            .count() as u32
    }

    pub(crate) fn kinds(&self) -> BTreeMap<Kind, u32> {
        let mut kinds = BTreeMap::new();
        for job in self.things.iter().flat_map(|thing| &thing.jobs) {
            *kinds.entry(job.kind).or_default() += 1;
        }
        kinds
    }

    pub(crate) fn act(&mut self, act: &Act, by: &str) -> Result<(), Refusal> {
        let views = self.views();
        let scene = Scene {
            plan: &self.plan,
            waves: &views,
            members: self.members(),
            approval_required: false,
            by,
            now: self.at(),
        };
        let toll = Toll::of(&views);
        self.state = self.state.act(act, &scene)?;
        if self.state.status.is_over() {
            let cancelled = self.take_back();
            assert_eq!(cancelled, toll.cancelled, "an abort did what it said");
        }
        Ok(())
    }

    /// Aborted: what is queued or sent is cancelled, what runs goes on.
    fn take_back(&mut self) -> u32 {
        let now = self.now;
        let mut cancelled = 0;
        for job in self
            .things
            .iter_mut()
            .filter_map(|thing| thing.jobs.last_mut())
        {
            if matches!(job.kind, Kind::Queued | Kind::Sent) {
                (job.kind, job.at) = (Kind::Cancelled, now);
                cancelled += 1;
            }
        }
        cancelled
    }

    /// Asks the planner once and does what it says; a crash may lose any part of that.
    pub(crate) fn turn(&mut self) -> Step {
        let views = self.views();
        let snapshot = Snapshot {
            id: ROLLOUT,
            plan: &self.plan,
            state: &self.state,
            waves: &views,
            members: self.members(),
            in_flight: self.in_flight(),
            silence: self.silence,
            health: &Health::Off,
        };
        let now = Now {
            wall: self.at(),
            mono: Monotonic(self.now - BEGIN_MS),
        };
        let next = step(&snapshot, now);
        assert_eq!(
            next,
            step(&snapshot, now),
            "a step depends on its snapshot alone"
        );
        let state = self.state.follow(&next, &snapshot, self.at());
        if self.chance.percent(self.crashes_percent) {
            return next; // Before the commit: nothing happened.
        }
        if let Some(state) = state {
            self.state = state;
        }
        if next == Step::Begin && matches!(self.state.status, Status::Running { .. }) {
            self.freeze();
        }
        if matches!(next, Step::Abort(_)) {
            self.take_back();
        }
        if let Step::Open { wave, at_most } = next {
            // After it, anywhere within the slice: the rest is found again.
            let crashed = self.chance.percent(self.crashes_percent);
            let at_most = if crashed {
                self.chance.below(at_most.into()) as u32
            } else {
                at_most
            };
            self.open(wave, at_most);
        }
        next
    }

    fn freeze(&mut self) {
        let eligible: Vec<Eligible<'_>> = (0..)
            .zip(&self.things)
            .map(|(key, thing)| Eligible {
                key,
                id: &thing.id,
                stratum: key % 3,
            })
            .collect();
        self.cut = Some(cut(ROLLOUT, &self.plan, &eligible, |_, key| key < 10));
    }

    fn open(&mut self, wave: u16, at_most: u32) {
        let keys = self
            .cut
            .as_ref()
            .map(|cut| cut.waves[usize::from(wave)].clone());
        let (mut ledger, mut left) = (self.ledger(), at_most);
        for key in keys.unwrap_or_default() {
            let Standing::Admitted { attempt } = self.standing(wave, key, &ledger) else {
                continue;
            };
            if left == 0 {
                break;
            }
            left -= 1;
            self.start(key, attempt);
            ledger.take([Some(self.things[key as usize].site.as_str())]);
        }
    }

    fn start(&mut self, key: u32, attempt: u8) {
        let fails = self.chance.percent(self.fails_percent);
        let becomes = match (fails, self.chance.below(5)) {
            (false, _) => Kind::Succeeded,
            (true, 0) => Kind::Rejected,
            (true, 1) => Kind::TimedOut,
            (true, 2) => Kind::GoneDark,
            (true, _) => Kind::Failed,
        };
        let ends = self.now + 60_000 + self.chance.below(600_000);
        let thing = &mut self.things[key as usize];
        assert!(
            thing.jobs.iter().all(|job| job.attempt != attempt),
            "{}: twice",
            thing.id
        );
        thing.busy_until = ends;
        thing.jobs.push(Job {
            attempt,
            kind: Kind::Sent,
            at: self.now,
            ends,
            becomes,
        });
        self.opened_at.push(self.now);
    }

    /// Lets the clock go on to whatever comes first: `until`, a job's next move, a device that comes or goes. `false`: nothing
    /// ever does.
    pub(crate) fn pass(&mut self, until: Option<Timestamp>) -> bool {
        let jobs = self.things.iter().filter_map(|thing| thing.jobs.last());
        let moves = jobs
            .filter(|job| job.kind.is_open())
            .map(|job| match job.kind {
                Kind::Sent => job.at + 5_000,
                _ => job.ends,
            });
        let busy = self.things.iter().map(|thing| thing.busy_until);
        let comes = self.things.iter().map(|thing| thing.toggles);
        let events = moves
            .chain(busy)
            .chain(comes)
            .chain(until.map(Timestamp::as_millis));
        let Some(next) = events.filter(|at| *at > self.now).min() else {
            return false;
        };
        // Not every second is worth a look: things happen together.
        self.now = next.max(self.now + 15_000);
        for at in 0..self.things.len() {
            self.happen(at);
        }
        true
    }

    fn happen(&mut self, at: usize) {
        let now = self.now;
        let (back, late, away) = (
            self.chance.percent(1),
            self.chance.percent(20),
            self.chance.below(7_200_000),
        );
        let thing = &mut self.things[at];
        if thing.toggles <= now {
            // Away for an hour on average, and always back.
            thing.online = !thing.online;
            thing.toggles = now + 1 + away;
        }
        let Some(job) = thing.jobs.last_mut() else {
            return;
        };
        match job.kind {
            Kind::Sent if job.at + 5_000 <= now => job.kind = Kind::Running,
            Kind::Running if job.ends <= now => {
                (job.kind, job.at) = (job.becomes, now);
                if job.kind == Kind::Succeeded && back {
                    job.kind = Kind::Reverted;
                }
                if job.kind == Kind::TimedOut && late {
                    job.kind = Kind::LateSuccess;
                }
            }
            _ => {}
        }
    }
}
