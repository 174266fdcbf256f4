//! One device on a bench: its record, its watch, a clock that moves when told, and jobs named by their order.
//!
//! Every decision that passes through is checked for what must always hold of a single one.

use refit_protocol::diff::SOFTWARE_URL;
use refit_protocol::digest::Digest;
use refit_protocol::job::JobId;
use refit_protocol::rollout::RolloutId;
use refit_protocol::time::{Monotonic, Now, Timestamp};
use refit_replica::decide::decide;
use refit_replica::delta;
use refit_replica::effect::{Answer, Assigned, Decision, Event};
use refit_replica::input::{Catalog, Context, Input, Policy};
use refit_replica::marks::Marks;
use refit_replica::record::{JobEntry, Record};
use refit_replica::watch::Watch;

/// How many releases the depot has: v1, v2 and so on to v9.
const RELEASES: u8 = 9;

struct Releases;

impl Catalog for Releases {
    fn knows(&self, digest: &Digest) -> bool {
        (1..=RELEASES).any(|n| *digest == Digest::from_bytes([n; 32]))
    }
}

/// The marks that stand.
#[derive(Clone, Default)]
pub(crate) struct Marked {
    pub(crate) aborted: Vec<RolloutId>,
    pub(crate) frozen: bool,
}

impl Marks for Marked {
    fn is_aborted(&self, rollout: RolloutId) -> bool {
        self.aborted.contains(&rollout)
    }

    fn is_frozen(&self) -> bool {
        self.frozen
    }
}

#[derive(Clone)]
pub(crate) struct Bench {
    pub(crate) record: Record,
    pub(crate) watch: Watch,
    pub(crate) policy: Policy,
    pub(crate) marks: Marked,
    pub(crate) epoch: u16,
    pub(crate) reachable: bool,
    pub(crate) now_ms: u64,
    /// Every job that was ever opened, in order.
    pub(crate) jobs: Vec<JobId>,
    dice: u128,
}

impl Bench {
    pub(crate) fn new() -> Self {
        Self {
            record: Record::default(),
            watch: Watch::default(),
            policy: Policy::default(),
            marks: Marked::default(),
            epoch: 0,
            reachable: false,
            now_ms: 1_000_000,
            jobs: Vec::new(),
            dice: 0,
        }
    }

    /// Decides what follows from one input, and checks what must hold of any decision.
    pub(crate) fn step(&mut self, input: Input) -> Decision {
        let before = self.record.clone();
        let dice = &mut self.dice;
        // An odd multiplier spreads the counter over all bits: jobs differ, and so do the pauses.
        let mut random = || {
            *dice += 1;
            dice.wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835)
        };
        let mut context = Context {
            now: Now {
                wall: Timestamp(self.now_ms),
                mono: Monotonic(self.now_ms),
            },
            epoch: self.epoch,
            reachable: self.reachable,
            policy: &self.policy,
            catalog: &Releases,
            marks: &self.marks,
            random: &mut random,
        };
        let decision = decide(&mut self.record, &mut self.watch, input, &mut context);
        for entry in &decision.jobs {
            if !self.jobs.contains(&entry.id) {
                self.jobs.push(entry.id.clone());
            }
        }
        self.check(&before, &decision);
        decision
    }

    fn check(&self, before: &Record, decision: &Decision) {
        let after = &self.record;
        assert!(
            decision.changed || before == after,
            "a silent change: {before:?} {after:?}"
        );
        assert!(before.version <= after.version, "the version went down");
        let states_moved = (&before.desired, &before.reported) != (&after.desired, &after.reported);
        // A wish that an abort took back may be made again in the same breath.
        let whose = before.job.as_ref().and_then(|job| job.assignment);
        let folded = whose.is_some_and(|job| self.marks.is_aborted(job.rollout));
        assert!(
            (before.version < after.version) == states_moved || (folded && !states_moved),
            "the version tells of states, and of nothing else"
        );
        if let Some(Answer::Rejected(_)) = decision.answer {
            let late = decision
                .events
                .iter()
                .any(|e| matches!(e, Event::LateSuccess(_)));
            assert!(
                late || before.reported == after.reported,
                "a rejected update moved a state"
            );
            assert!(
                before.desired == after.desired || folded,
                "a rejected update moved a wish"
            );
        }
        match &decision.answer {
            Some(Answer::Assigned(Assigned::Opened(id))) => {
                assert_eq!(after.job.as_ref().map(|job| &job.id), Some(id));
            }
            Some(Answer::Assigned(Assigned::AlreadyThere(id))) => {
                let ended = decision.jobs.iter().find(|job| job.id == *id);
                assert!(after.job.is_none() && ended.is_some_and(JobEntry::was_already_there));
            }
            Some(Answer::Assigned(Assigned::Stands(_) | Assigned::Declined(_))) => {
                assert!(!decision.delta, "nothing was assigned, and a delta leaves");
            }
            _ => {}
        }
        if decision.delta {
            let due = delta::due_under(after, &self.marks).expect("a delta leaves, so one is due");
            assert_eq!(
                due.job.is_some(),
                due.state.contains_key(SOFTWARE_URL),
                "software and its job go together"
            );
            assert!(self.reachable, "a delta leaves for a device that is away");
        }
    }

    /// Lets time pass; what comes due on the way is decided at its time, and shown to `see`.
    pub(crate) fn pass(&mut self, ms: u64, mut see: impl FnMut(&Self, &Decision)) {
        let until = self.now_ms + ms;
        while let Some(Monotonic(due)) = self.watch.next_due().filter(|due| due.0 <= until) {
            self.now_ms = self.now_ms.max(due);
            let decision = self.step(Input::Due);
            see(self, &decision);
            let next = self.watch.next_due();
            assert!(
                next.is_none_or(|next| next.0 > self.now_ms),
                "it is due again at once"
            );
        }
        self.now_ms = until;
    }

    pub(crate) fn subscribe(&mut self) -> Decision {
        self.reachable = true;
        self.step(Input::Subscribed)
    }

    pub(crate) fn leave(&mut self) -> Decision {
        self.reachable = false;
        self.step(Input::Detached)
    }

    /// The server dies: what it had in memory is gone, and so is the connection.
    pub(crate) fn crash(&mut self) {
        self.watch = Watch::default();
        self.reachable = false;
    }

    /// The server has started again and looks at its open jobs once.
    pub(crate) fn restart(&mut self) -> Decision {
        self.step(Input::Due)
    }
}

/// Returns the URL that a script's name stands for.
///
/// `v2` is release 2 in the depot, `v2@host` the same elsewhere, `v2@cdn` there and under a grant; `f1` lies in somebody else's store,
/// `f1?7` is the same with signature 7.
pub(crate) fn url_of(name: &str) -> Option<String> {
    let (kind, rest) = name.split_at_checked(1)?;
    let (number, extra) = rest.split_at_checked(1)?;
    let number = number.parse::<u8>().ok()?;
    let hex = Digest::from_bytes([number; 32]).to_hex();
    Some(match (kind, extra) {
        ("v", "") => format!("http://refit.example/depot/sha256/{hex}"),
        ("v", "@host") => format!("https://cdn.example/x/depot/sha256/{hex}"),
        ("v", "@cdn") => format!("https://cdn.example/x/depot/sha256/{hex}?exp=9&sig=s"),
        ("f", "") => format!("https://store.example/f{number}"),
        ("f", extra) => format!(
            "https://store.example/f{number}?X-Amz-Signature={}",
            extra.strip_prefix('?')?
        ),
        _ => return None,
    })
}

/// Returns the shortest name of a URL.
pub(crate) fn name_of(url: &str) -> String {
    let names = (0..=9).flat_map(|n| {
        ["", "@host", "@cdn"]
            .map(|extra| format!("v{n}{extra}"))
            .into_iter()
            .chain(["", "?1", "?2", "?3"].map(|extra| format!("f{n}{extra}")))
    });
    names
        .into_iter()
        .find(|name| url_of(name).as_deref() == Some(url))
        .unwrap_or_else(|| url.into())
}
