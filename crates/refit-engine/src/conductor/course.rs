//! One rollout under way: its members as they were last seen, and the figures that the planner is shown.
//!
//! Everything is counted from the members, so that figures and readiness are of one moment: a job that has ended and a
//! device that is no longer at work are the same news.

use hashbrown::{HashMap, HashSet};
use refit_protocol::grant::Strength;
use refit_protocol::rollout::{RolloutId, RolloutName};
use refit_protocol::time::Timestamp;
use refit_rollout::admit::{Asking, Last, Standing, admit};
use refit_rollout::budget::Ledger;
use refit_rollout::outage::Silence;
use refit_rollout::plan::Plan;
use refit_rollout::state::{Members, RolloutState};
use refit_rollout::step::{Health, Snapshot, WaveView};
use refit_rollout::waves::place;
use refit_rollout::window::{self, Window, Zone};
use refit_store::reader::{JobNumber, Reader};
use refit_store::rollout::{RolloutGuard, RolloutRow};
use refit_store::store::{DeviceKey, Failure};

use super::member::{Around, Member, Seen, last, last_of};
use super::pack::unpack;
use super::peers::Peers;
use super::sort::{each, is_away};
use super::ways::Ways;
use crate::fleet::Fleet;

/// How many jobs are read at a time.
const PAGE_JOBS: usize = 4_096;

/// A rollout under way.
pub(crate) struct Course {
    pub(crate) guard: RolloutGuard,
    pub(crate) name: RolloutName,
    pub(crate) plan: Plan,
    pub(crate) state: RolloutState,
    pub(crate) ways: Ways,
    /// The members of each wave, in the order in which their jobs open.
    waves: Vec<Vec<u32>>,
    members: HashMap<u32, Member>,
    windows: Vec<Window>,
    zone: Zone,
    /// When to look again, even if nothing happens.
    pub(crate) until: Option<Timestamp>,
    /// Whether its members are still to be read.
    pub(crate) is_blank: bool,
}

/// A device whose job may open now.
pub(crate) struct Ready {
    pub(crate) key: u32,
    pub(crate) attempt: u8,
}

/// What a course is looked at with.
#[derive(Clone, Copy)]
pub(crate) struct Sight<'a> {
    pub(crate) peers: &'a Peers,
    pub(crate) strength: Strength,
    pub(crate) now: Timestamp,
}

/// Reads plan and state of a row; says what cannot be read.
pub fn read(row: &RolloutRow) -> Result<(Plan, RolloutState), Failure> {
    let corrupt = |what: &str, error: serde_json::Error| {
        Failure::Corrupt(format!("the {what} of the rollout {}: {error}", row.name))
    };
    let plan = serde_json::from_str(&row.plan).map_err(|error| corrupt("plan", error))?;
    let state = serde_json::from_str(&row.state).map_err(|error| corrupt("state", error))?;
    Ok((plan, state))
}

/// Reads the waves of a rollout: the numbers of their members.
pub(crate) fn waves(reader: &mut dyn Reader, id: RolloutId) -> Result<Vec<Vec<u32>>, Failure> {
    let packed = reader.waves(id)?.into_iter();
    let unpacked = packed.map(|wave| {
        let broken =
            || Failure::Corrupt(format!("the members of wave {} of rollout {id}", wave.wave));
        unpack(&wave.members).ok_or_else(broken)
    });
    unpacked.collect()
}

impl Course {
    pub(crate) fn of(row: &RolloutRow, reader: &mut dyn Reader) -> Result<Self, Failure> {
        let (plan, state) = read(row)?;
        let (ways, _) = Ways::find(&plan, &reader.releases()?);
        let hours = plan.windows.as_ref();
        let windows = hours.map(|hours| window::read(hours.open.iter().map(String::as_str)));
        let zone = hours.and_then(|hours| hours.zone.parse().ok());
        Ok(Self {
            guard: row.guard(),
            name: row.name.clone(),
            plan,
            state,
            ways,
            waves: Vec::new(),
            members: HashMap::new(),
            windows: windows.and_then(Result::ok).unwrap_or_default(),
            zone: zone.unwrap_or_else(Zone::utc),
            until: None,
            is_blank: true,
        })
    }

    /// Tells whether its members matter: it has begun and is not over.
    pub(crate) fn is_under_way(&self) -> bool {
        !self.state.waves.is_empty() && !self.state.status.is_over()
    }

    /// Reads the members and their jobs, whole.
    pub(crate) fn load(&mut self, reader: &mut dyn Reader, fleet: &Fleet) -> Result<(), Failure> {
        let id = self.guard.id;
        self.waves = waves(reader, id)?;
        let is_member: HashSet<u32> = self.waves.iter().flatten().copied().collect();
        let mut members = HashMap::with_capacity(is_member.len());
        each(reader, fleet, |key, row, away| {
            if is_member.contains(&key) {
                let facts = Seen::of(&row, id, &self.plan, &self.ways);
                let member = Member {
                    id: row.id,
                    facts,
                    last: None,
                    away,
                    declined: None,
                };
                members.insert(key, member);
            }
        })?;
        self.members = members;
        self.load_jobs(reader)?;
        let members = &self.members;
        for wave in &mut self.waves {
            wave.retain(|key| members.contains_key(key));
            wave.sort_by_cached_key(|key| members.get(key).map(|m| place(id, m.id.as_str())));
        }
        self.is_blank = false;
        Ok(())
    }

    /// Reads all its jobs, the newest first: the first of a device is its newest.
    fn load_jobs(&mut self, reader: &mut dyn Reader) -> Result<(), Failure> {
        let id = self.guard.id;
        let keys: HashMap<_, _> = self
            .members
            .iter()
            .map(|(key, member)| (member.id.clone(), *key))
            .collect();
        let mut before: Option<JobNumber> = None;
        loop {
            let page = reader.rollout_jobs(id, None, before, PAGE_JOBS)?;
            let Some(oldest) = page.last() else {
                return Ok(());
            };
            before = Some(oldest.number);
            for row in &page {
                if let Some(member) = keys.get(&row.device).and_then(|k| self.members.get_mut(k))
                    && member.last.is_none()
                {
                    member.last = last(row, id);
                }
            }
        }
    }

    pub(crate) fn member(&self, key: u32) -> Option<&Member> {
        self.members.get(&key)
    }

    pub(crate) fn member_mut(&mut self, key: u32) -> Option<&mut Member> {
        self.members.get_mut(&key)
    }

    /// Looks again at members that moved.
    pub(crate) fn refresh(
        &mut self,
        reader: &mut dyn Reader,
        fleet: &Fleet,
        moved: impl IntoIterator<Item = u32>,
    ) -> Result<(), Failure> {
        let (id, mut seen) = (self.guard.id, Vec::new());
        for key in moved {
            let Some(member) = self.members.get_mut(&key) else {
                continue;
            };
            // The job first: if it moves on in between, the device moves once more.
            member.last = last_of(reader, &member.id, id)?;
            let before = DeviceKey(u64::from(key).saturating_sub(1));
            let row = reader.scan(before, 1)?.pop();
            if let Some(row) = row.filter(|row| row.key.0 == u64::from(key)) {
                member.facts = Seen::of(&row, id, &self.plan, &self.ways);
                member.declined = None;
            }
            seen.push((key, member.id.clone()));
        }
        let there = fleet.presence(seen.iter().map(|(_, id)| id.clone()).collect());
        for ((key, _), presence) in seen.iter().zip(there) {
            if let Some(member) = self.members.get_mut(key) {
                member.away = is_away(presence);
            }
        }
        Ok(())
    }

    /// Tells until when the windows of a device are closed, if they are.
    pub(crate) fn closed(&self, member: &Member, now: Timestamp) -> Option<Option<Timestamp>> {
        if self.windows.is_empty() {
            return None;
        }
        let zone = Zone::of_device(member.facts.zone.as_deref(), &self.zone);
        // A zone that nobody knows is the plan's own.
        let zone = zone.unwrap_or_else(|_| self.zone.clone());
        match window::next(&self.windows, &zone, now) {
            Some(opening) if opening.from <= now => None,
            opening => Some(opening.map(|opening| opening.from)),
        }
    }

    fn standing(&self, wave: u16, member: &Member, ledger: &Ledger, sight: Sight<'_>) -> Standing {
        let around = Around {
            wave: Some(wave),
            left_out: None,
            peers: sight.peers,
            strength: sight.strength,
            closed: self.closed(member, sight.now),
            full: ledger.full(member.facts.labels.iter().map(Option::as_deref)),
            now: sight.now,
        };
        self.asked(member, around, sight.now)
    }

    /// Asks the planner's rules of a member.
    pub(crate) fn asked(&self, member: &Member, around: Around<'_>, now: Timestamp) -> Standing {
        let asking = Asking {
            id: self.guard.id,
            plan: &self.plan,
            state: &self.state,
            now,
        };
        admit(&member.device(around), &asking)
    }

    /// Counts who is at work for each value of each budget: of its own members, until the fleet's index tells of others.
    fn ledger(&self) -> Ledger {
        let mut ledger = Ledger::new(&self.plan.budgets);
        if !self.plan.budgets.is_empty() {
            for member in self.members.values() {
                let at_work = member.last.is_some_and(|last| last.kind.is_open());
                ledger.count(member.facts.labels.iter().map(Option::as_deref), at_work);
            }
        }
        ledger
    }

    /// Returns how its waves stand.
    pub(crate) fn views(&self, sight: Sight<'_>) -> Vec<WaveView> {
        let ledger = self.ledger();
        let mut views = Vec::with_capacity(self.waves.len());
        for (at, keys) in (0_u16..).zip(&self.waves) {
            let mut view = WaveView::default();
            let is_open = self.state.wave(at).is_open();
            for member in keys.iter().filter_map(|key| self.members.get(key)) {
                if let Some(Last { kind, .. }) = member.last {
                    view.tally.add(kind, 1);
                }
                if is_open {
                    let standing = self.standing(at, member, &ledger, sight);
                    view.count(&standing, member.last.is_some(), member.away);
                } else {
                    view.members += 1;
                }
            }
            views.push(view);
        }
        views
    }

    /// Returns devices of a wave whose jobs may open now, no more than so many.
    pub(crate) fn ready(&self, wave: u16, at_most: u32, sight: Sight<'_>) -> Vec<Ready> {
        let mut ledger = self.ledger();
        let mut ready = Vec::new();
        let keys = self.waves.get(usize::from(wave)).into_iter().flatten();
        for key in keys {
            if ready.len() >= at_most as usize {
                break;
            }
            let Some(member) = self.members.get(key) else {
                continue;
            };
            if let Standing::Admitted { attempt } = self.standing(wave, member, &ledger, sight) {
                ledger.take(member.facts.labels.iter().map(Option::as_deref));
                ready.push(Ready { key: *key, attempt });
            }
        }
        ready
    }

    /// Returns what the planner is shown.
    pub(crate) fn snapshot<'a>(
        &'a self,
        views: &'a [WaveView],
        members: Members,
        health: &'a Health,
    ) -> Snapshot<'a> {
        Snapshot {
            id: self.guard.id,
            plan: &self.plan,
            state: &self.state,
            waves: views,
            members,
            in_flight: views.iter().map(|view| view.tally.open()).sum(),
            silence: Silence::default(),
            health,
        }
    }
}
