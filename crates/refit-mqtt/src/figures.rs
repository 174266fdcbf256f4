//! Figures of the endpoint: plain counters that only rise, but for those called `live`. The server reads them.

use std::sync::atomic::{AtomicU64, Ordering};

use refit_protocol::topic::Kind;

/// What the endpoint counts.
#[derive(Debug)]
pub struct Figures {
    /// Connections accepted.
    pub accepted: AtomicU64,
    /// Connections open now, also those that said nothing yet.
    pub live: AtomicU64,
    /// Devices and applications whose CONNECT was welcomed.
    pub welcomed: AtomicU64,
    /// Connections closed at once because there were too many.
    pub turned_away: AtomicU64,
    /// Connections that said nothing, or not all of a CONNECT, in time.
    pub silent: AtomicU64,
    /// Connections closed at once because too many there had not said who they are.
    pub strangers_refused: AtomicU64,
    /// How often accepting paused, because connections came faster than is allowed.
    pub paced: AtomicU64,
    /// TLS handshakes that failed, or were broken off by a fault.
    pub handshakes_failed: AtomicU64,
    /// TLS sessions resumed, of those that were welcomed.
    pub resumed: AtomicU64,
    /// Connections whose place another one of the same device took.
    pub taken_over: AtomicU64,
    /// Packets received.
    pub packets_in: AtomicU64,
    /// Messages received, by what their topic is for.
    pub messages_in: ByKind,
    /// Messages sent, by what their topic is for.
    pub messages_out: ByKind,
    /// Messages not sent because they were larger than the client takes.
    pub too_large_for_client: AtomicU64,
    /// Messages refused by their topic alone.
    pub messages_refused: AtomicU64,
    /// Messages of devices refused because they came too fast.
    pub too_often: AtomicU64,
    ended: [AtomicU64; 256],
}

impl Default for Figures {
    fn default() -> Self {
        Self {
            accepted: AtomicU64::default(),
            live: AtomicU64::default(),
            welcomed: AtomicU64::default(),
            turned_away: AtomicU64::default(),
            silent: AtomicU64::default(),
            strangers_refused: AtomicU64::default(),
            paced: AtomicU64::default(),
            handshakes_failed: AtomicU64::default(),
            resumed: AtomicU64::default(),
            taken_over: AtomicU64::default(),
            packets_in: AtomicU64::default(),
            messages_in: ByKind::default(),
            messages_out: ByKind::default(),
            too_large_for_client: AtomicU64::default(),
            messages_refused: AtomicU64::default(),
            too_often: AtomicU64::default(),
            ended: [const { AtomicU64::new(0) }; 256],
        }
    }
}

impl Figures {
    /// Returns how many connections Refit refused or ended with this reason code, in either version.
    pub fn ended(&self, reason: u8) -> u64 {
        self.ended[usize::from(reason)].load(Ordering::Relaxed)
    }

    /// Returns all reasons for which connections were ended, with their counts.
    pub fn all_ended(&self) -> impl Iterator<Item = (u8, u64)> + '_ {
        (0..=u8::MAX)
            .map(|reason| (reason, self.ended(reason)))
            .filter(|(_, count)| *count > 0)
    }

    pub(crate) fn count_end(&self, reason: u8) {
        rise(&self.ended[usize::from(reason)]);
    }
}

/// One counter for each kind of topic.
#[derive(Debug, Default)]
pub struct ByKind([AtomicU64; 7]);

impl ByKind {
    /// Returns the count of a kind.
    pub fn of(&self, kind: Kind) -> u64 {
        self.0[place(kind)].load(Ordering::Relaxed)
    }

    pub(crate) fn rise(&self, kind: Kind) {
        rise(&self.0[place(kind)]);
    }
}

const fn place(kind: Kind) -> usize {
    match kind {
        Kind::Update => 0,
        Kind::Get => 1,
        Kind::Delta => 2,
        Kind::Accepted => 3,
        Kind::Rejected => 4,
        Kind::GetAccepted => 5,
        Kind::GetRejected => 6,
    }
}

pub(crate) fn rise(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}
