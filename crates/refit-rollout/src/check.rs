//! What is contradictory in a plan: all of it at once, each with its place in the document and what to do. What only the
//! fleet can tell (nobody matches, nothing fits) is the rehearsal's.

mod stopping;
mod timing;
mod who;

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use refit_protocol::time::Timestamp;
use serde::Serialize;

use crate::plan::Plan;

/// Whether a plan can be run as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// It cannot.
    Error,
    /// It can, and probably does something else than was meant.
    Warning,
}

/// One thing that is wrong with a plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Complaint {
    /// Where, such as `waves[1].upTo`.
    pub path: String,
    /// How bad.
    pub severity: Severity,
    /// What is wrong.
    pub message: String,
    /// What to do.
    pub hint: String,
}

impl fmt::Display for Complaint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}; {}", self.path, self.message, self.hint)
    }
}

/// Gathers what is wrong.
#[derive(Default)]
pub(crate) struct Complaints(Vec<Complaint>);

impl Complaints {
    pub(crate) fn error(
        &mut self,
        path: impl Into<String>,
        message: impl Into<String>,
        hint: impl Into<String>,
    ) {
        self.say(Severity::Error, path.into(), message.into(), hint.into());
    }

    pub(crate) fn warn(
        &mut self,
        path: impl Into<String>,
        message: impl Into<String>,
        hint: impl Into<String>,
    ) {
        self.say(Severity::Warning, path.into(), message.into(), hint.into());
    }

    fn say(&mut self, severity: Severity, path: String, message: String, hint: String) {
        self.0.push(Complaint {
            path,
            severity,
            message,
            hint,
        });
    }
}

/// Returns all that is wrong with a plan, the errors first; none: it can be started.
pub fn check(plan: &Plan, now: Timestamp) -> Vec<Complaint> {
    let mut all = Complaints::default();
    who::check(plan, &mut all);
    timing::check(plan, now, &mut all);
    stopping::check(plan, &mut all);
    let mut all = all.0;
    all.sort_by_key(|complaint| complaint.severity);
    all
}

#[cfg(test)]
mod tests;
