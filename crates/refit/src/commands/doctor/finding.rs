//! What was found: by which check, whether it is well, and what to do next.

use serde_json::{Value, json};

/// How it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum State {
    /// It was not looked at.
    Skipped,
    /// It is well.
    Well,
    /// It works, and should be seen to.
    Warning,
    /// Devices suffer from it, or soon will.
    Error,
}

impl State {
    /// Returns the word for it.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Skipped => "skipped",
            Self::Well => "well",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

/// What one check found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Finding {
    pub(crate) check: &'static str,
    pub(crate) state: State,
    pub(crate) says: String,
    pub(crate) next: Option<String>,
}

impl Finding {
    fn new(check: &'static str, state: State, says: impl Into<String>) -> Self {
        Self {
            check,
            state,
            says: says.into(),
            next: None,
        }
    }

    pub(crate) fn well(check: &'static str, says: impl Into<String>) -> Self {
        Self::new(check, State::Well, says)
    }

    pub(crate) fn skipped(check: &'static str, says: impl Into<String>) -> Self {
        Self::new(check, State::Skipped, says)
    }

    pub(crate) fn warning(check: &'static str, says: impl Into<String>) -> Self {
        Self::new(check, State::Warning, says)
    }

    pub(crate) fn error(check: &'static str, says: impl Into<String>) -> Self {
        Self::new(check, State::Error, says)
    }

    /// Says what to do.
    pub(crate) fn next(mut self, next: impl Into<String>) -> Self {
        self.next = Some(next.into());
        self
    }

    /// Writes it for programs.
    pub(crate) fn to_json(&self) -> Value {
        json!({
            "check": self.check,
            "state": self.state.as_str(),
            "says": self.says,
            "next": self.next,
        })
    }
}
