//! The audit log, as it is recorded: a line is written in the transaction of the change that it speaks of, or not at all.

use refit_access::audit::{Entry, Head};

/// A line of the audit log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditLine {
    /// Its number: from 1, without gaps.
    pub number: u64,
    /// What it says.
    pub entry: Entry,
    /// The head of the chain with this line at its end.
    pub head: Head,
}

/// Which lines are asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AuditFilter {
    /// Of this actor.
    pub actor: Option<String>,
    /// Of this action.
    pub action: Option<String>,
    /// About this target.
    pub target: Option<String>,
}

/// In which direction lines are listed, and from where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AuditFrom {
    /// The oldest first, from behind this number; 0 is the beginning.
    After(u64),
    /// The newest first, from before this number; `None` is the end.
    Before(Option<u64>),
}
