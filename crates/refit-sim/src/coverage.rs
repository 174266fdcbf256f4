//! Which faults and which edges of a job's life a run has met: a simulator that stopped injecting passes everything.

use std::collections::BTreeMap;

use refit_protocol::job::Status;

/// A kind of fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    /// A connection is cut, and both sides see it.
    Cut,
    /// A connection is cut, and the device does not see it for a while.
    DeviceBlind,
    /// A connection is cut, and the server does not see it for a while.
    ServerBlind,
    /// A device's message arrives when it already has another connection.
    LateMessage,
    /// A connection takes the place of another one.
    TakeOver,
    /// A message arrives twice.
    Twice,
    /// A message takes seconds.
    Slow,
    /// The server dies.
    Crash,
    /// The server dies with a commit on its way, which becomes durable.
    CommitSurvives,
    /// The server dies with a commit on its way, which is lost.
    CommitLost,
    /// The server dies between the commit and its answer.
    AnswerLost,
    /// The outcome of a commit is unknown.
    Unknown,
    /// The store has no room.
    Full,
    /// Somebody else wrote the record first.
    Conflict,
    /// The server's wall clock jumps.
    ClockJump,
    /// A device loses its power.
    PowerCut,
    /// A device loses its power in the middle of a write to its disk.
    CutInAct,
    /// A device's program is killed.
    Kill,
    /// A grant is refused.
    Refused,
    /// A download breaks off.
    Broken,
    /// The bytes are not those that were promised.
    Wrong,
}

impl Fault {
    /// All kinds.
    pub const ALL: [Self; 21] = [
        Self::Cut,
        Self::DeviceBlind,
        Self::ServerBlind,
        Self::LateMessage,
        Self::TakeOver,
        Self::Twice,
        Self::Slow,
        Self::Crash,
        Self::CommitSurvives,
        Self::CommitLost,
        Self::AnswerLost,
        Self::Unknown,
        Self::Full,
        Self::Conflict,
        Self::ClockJump,
        Self::PowerCut,
        Self::CutInAct,
        Self::Kill,
        Self::Refused,
        Self::Broken,
        Self::Wrong,
    ];
}

/// The edges of a job's life that the design names and the world can bring about.
pub const EDGES: [(Status, Status); 17] = [
    (Status::Queued, Status::Sent),
    (Status::Queued, Status::Cancelled),
    (Status::Queued, Status::Superseded),
    (Status::Sent, Status::Running),
    (Status::Sent, Status::Succeeded),
    (Status::Sent, Status::Failed),
    (Status::Sent, Status::Rejected),
    (Status::Sent, Status::TimedOut),
    (Status::Sent, Status::Cancelled),
    (Status::Sent, Status::Superseded),
    (Status::Running, Status::Running),
    (Status::Running, Status::Succeeded),
    (Status::Running, Status::Failed),
    (Status::Running, Status::Rejected),
    (Status::Running, Status::TimedOut),
    (Status::Running, Status::Cancelled),
    (Status::Running, Status::Superseded),
];

/// How often each was met.
#[derive(Clone, Debug, Default)]
pub struct Coverage {
    faults: BTreeMap<Fault, u64>,
    edges: BTreeMap<(Status, Status), u64>,
}

impl Coverage {
    pub(crate) fn fault(&mut self, fault: Fault) {
        *self.faults.entry(fault).or_default() += 1;
    }

    pub(crate) fn edge(&mut self, from: Status, to: Status) {
        *self.edges.entry((from, to)).or_default() += 1;
    }

    /// Adds what another run has met.
    pub fn add(&mut self, other: &Self) {
        for (fault, count) in &other.faults {
            *self.faults.entry(*fault).or_default() += count;
        }
        for (edge, count) in &other.edges {
            *self.edges.entry(*edge).or_default() += count;
        }
    }

    /// Returns what no run has met, each in words.
    pub fn missing(&self) -> Vec<String> {
        let faults = Fault::ALL
            .into_iter()
            .filter(|f| !self.faults.contains_key(f));
        let edges = EDGES.into_iter().filter(|e| !self.edges.contains_key(e));
        faults
            .map(|fault| format!("fault {fault:?}"))
            .chain(edges.map(|(from, to)| format!("edge {from} to {to}")))
            .collect()
    }

    /// Returns all that was met, a line each.
    pub fn lines(&self) -> Vec<String> {
        let faults = self.faults.iter().map(|(f, n)| format!("{n:>9} {f:?}"));
        let edges = self
            .edges
            .iter()
            .map(|((a, b), n)| format!("{n:>9} {a} to {b}"));
        faults.chain(edges).collect()
    }
}
