//! The feed of events that console, API and command line follow: bounded, numbered, and the same for everyone.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use parking_lot::Mutex;
use refit_protocol::device_id::DeviceId;
use refit_protocol::grant::{GrantKind, Strength};
use refit_protocol::job::JobId;
use refit_protocol::rollout::RolloutName;
use refit_protocol::time::Timestamp;
use refit_replica::record::JobEntry;
use tokio::sync::Notify;

/// How many events are kept for those who come back.
const KEPT_EVENTS_MAX: usize = 10_000;

/// One event.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// Its number; each is one more than the one before. Numbers begin anew when the server does.
    pub number: u64,
    /// When it happened.
    pub at: Timestamp,
    /// The device that it is about.
    pub device: Option<DeviceId>,
    /// What happened.
    pub kind: EventKind,
}

/// What happened.
#[derive(Clone, Debug, PartialEq)]
pub enum EventKind {
    /// Desired or reported state changed; the record has this version now. Told only while somebody follows: a busy
    /// fleet would push everything else out of what is kept.
    StateChanged {
        /// The version.
        version: u64,
    },
    /// A job is in another state, or has progressed.
    Job(Box<JobEntry>),
    /// A device fell back from the software that this job had brought.
    Reverted(JobId),
    /// A device succeeded with a job that had ended otherwise.
    LateSuccess(JobId),
    /// The server's wall clock stepped away from the time that passed.
    ClockJumped {
        /// By how much, in milliseconds; negative: back.
        milliseconds: i64,
    },
    /// A grant was minted, used, refused or withheld.
    Grant(Box<GrantEvent>),
    /// Who a device is has changed.
    Identity(IdentityAct),
    /// Something happened to a rollout.
    Rollout(Box<RolloutEvent>),
    /// A release was added.
    ReleaseAdded {
        /// The name of the software.
        name: String,
        /// The version of the release.
        version: String,
    },
    /// A release was removed.
    ReleaseRemoved {
        /// The name of the software.
        name: String,
        /// The version of the release.
        version: String,
    },
}

/// What happened to a rollout, by an operator or by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RolloutAct {
    /// It was made.
    Created,
    /// It was started.
    Started,
    /// A second person agreed.
    Approved,
    /// Other devices match than were approved.
    AsksApproval,
    /// Its members are frozen.
    Begun,
    /// A wave opened.
    WaveOpened,
    /// Enough of a wave have succeeded; it is watched.
    WaveSoaking,
    /// A wave is through.
    WaveDone,
    /// It opens no more jobs until somebody says so.
    Paused,
    /// It goes on.
    Resumed,
    /// Its next wave was opened by an operator.
    Advanced,
    /// It is over, and what had not begun was taken back.
    Aborted,
    /// Its pace, or who is excluded, is another.
    Changed,
    /// Those that failed get another try.
    Retried,
    /// It is over.
    Finished,
}

/// Something that happened to a rollout.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RolloutEvent {
    /// Which.
    pub name: RolloutName,
    /// What.
    pub act: RolloutAct,
    /// And more of it, for people.
    pub detail: Option<String>,
}

/// What happened with a grant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GrantEvent {
    /// The job that it is for, if that is known.
    pub job: Option<JobId>,
    /// What it is, unless it was withheld or could not be read.
    pub kind: Option<GrantKind>,
    /// What it is bound to, likewise.
    pub strength: Option<Strength>,
    /// What happened.
    pub act: GrantAct,
}

/// What happened with a grant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GrantAct {
    /// It left for its device.
    Minted,
    /// It could not be had as it was wanted, for this reason: nothing was sent.
    Withheld(&'static str),
    /// It was used; told once a job, however many requests there are.
    Used,
    /// It was refused for this reason; told once a job and reason.
    Refused(&'static str),
}

/// What happened to the identity of a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IdentityAct {
    /// It got its first certificate, or the first of a new key.
    Enrolled,
    /// It got another certificate over an earlier one.
    Renewed,
    /// One of its certificates was renewed to two keys; both are held.
    Cloned,
    /// It was revoked.
    Revoked,
    /// It was taken out of service.
    Retired,
    /// An operator allowed it one new key.
    KeyAllowed,
    /// It was removed.
    Removed,
}

/// The feed.
pub struct Feed {
    kept: Mutex<Kept>,
    changed: Notify,
    followers: AtomicUsize,
}

struct Kept {
    events: VecDeque<Arc<Event>>,
    next: u64,
}

/// What a follower gets.
#[derive(Clone, Debug, PartialEq)]
pub enum Since {
    /// The events after the number that was asked for, oldest first; perhaps none.
    Events(Vec<Arc<Event>>),
    /// Some of them are no longer kept: read the state anew, then follow from this number.
    TooOld {
        /// The newest number.
        newest: u64,
    },
}

impl Feed {
    pub(crate) fn new() -> Arc<Self> {
        let kept = Kept {
            events: VecDeque::new(),
            next: 1,
        };
        Arc::new(Self {
            kept: Mutex::new(kept),
            changed: Notify::new(),
            followers: AtomicUsize::new(0),
        })
    }

    /// Adds an event.
    pub fn add(&self, at: Timestamp, device: Option<DeviceId>, kind: EventKind) {
        {
            let mut kept = self.kept.lock();
            let number = kept.next;
            kept.next += 1;
            if kept.events.len() == KEPT_EVENTS_MAX {
                kept.events.pop_front();
            }
            kept.events.push_back(Arc::new(Event {
                number,
                at,
                device,
                kind,
            }));
        }
        self.changed.notify_waiters();
    }

    /// Returns the newest number; 0 if nothing happened yet.
    pub fn newest(&self) -> u64 {
        self.kept.lock().next - 1
    }

    /// Returns at most `most` events after a number.
    pub fn since(&self, number: u64, most: usize) -> Since {
        let kept = self.kept.lock();
        let oldest = kept.next - kept.events.len() as u64;
        if number >= kept.next || number + 1 < oldest {
            return Since::TooOld {
                newest: kept.next - 1,
            };
        }
        let skip = (number + 1 - oldest) as usize;
        Since::Events(kept.events.iter().skip(skip).take(most).cloned().collect())
    }

    /// Counts a follower for as long as the guard lives.
    pub fn follow(self: &Arc<Self>) -> Following {
        self.followers.fetch_add(1, Ordering::AcqRel);
        Following(Arc::clone(self))
    }

    pub(crate) fn is_followed(&self) -> bool {
        self.followers.load(Ordering::Acquire) > 0
    }

    /// Waits until there is an event after a number.
    pub async fn wait(&self, number: u64) {
        loop {
            let changed = self.changed.notified();
            if self.newest() > number {
                return;
            }
            changed.await;
        }
    }
}

/// One who follows the feed.
pub struct Following(Arc<Feed>);

impl Drop for Following {
    fn drop(&mut self) {
        self.0.followers.fetch_sub(1, Ordering::AcqRel);
    }
}

impl From<refit_replica::effect::Event> for EventKind {
    fn from(event: refit_replica::effect::Event) -> Self {
        match event {
            refit_replica::effect::Event::Reverted(job) => Self::Reverted(job),
            refit_replica::effect::Event::LateSuccess(job) => Self::LateSuccess(job),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn followers_get_all_or_are_told_that_they_cannot() {
        let feed = Feed::new();
        assert_eq!(feed.since(0, 10), Since::Events(Vec::new()));
        assert_eq!(feed.since(5, 10), Since::TooOld { newest: 0 });
        for _ in 0..KEPT_EVENTS_MAX + 2 {
            feed.add(Timestamp(1), None, EventKind::StateChanged { version: 1 });
        }
        assert!(matches!(feed.since(1, 10), Since::TooOld { .. }));
        let Since::Events(events) = feed.since(2, 10) else {
            unreachable!()
        };
        assert_eq!((events.len(), events[0].number), (10, 3));
        let Since::Events(events) = feed.since(feed.newest() - 1, 10) else {
            unreachable!()
        };
        assert_eq!(events.len(), 1);
    }
}
