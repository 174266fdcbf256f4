//! What goes wrong, as an operator is told it: what, why, and what to do next.

use std::error::Error;
use std::io::Write as _;
use std::process::ExitCode;

use anstyle::{AnsiColor, Style};

use crate::output::printable;

/// What kind of failure it is; each has an exit code of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Something did not work.
    Error,
    /// The command makes no sense.
    Usage,
    /// What it is about is not there.
    NotFound,
    /// It is not allowed.
    Refused,
    /// It does not fit the present state.
    Conflict,
    /// What was waited for did not come.
    WaitedInVain,
    /// Somebody stopped it.
    Interrupted,
    /// Nobody reads what is written.
    Unread,
}

impl Kind {
    const fn exit_code(self) -> u8 {
        match self {
            Self::Unread => 0,
            Self::Error => 1,
            Self::Usage => 2,
            Self::NotFound => 3,
            Self::Refused => 4,
            Self::Conflict => 5,
            Self::WaitedInVain => 124,
            Self::Interrupted => 130,
        }
    }
}

/// A failure.
#[derive(Clone, Debug)]
pub(crate) struct Failure {
    pub(crate) kind: Kind,
    what: String,
    why: Option<String>,
    next: Option<String>,
    request: Option<String>,
}

impl Failure {
    pub(crate) fn new(kind: Kind, what: impl Into<String>) -> Self {
        Self {
            kind,
            what: what.into(),
            why: None,
            next: None,
            request: None,
        }
    }

    pub(crate) fn why(mut self, why: impl Into<String>) -> Self {
        self.why = Some(why.into());
        self
    }

    /// Adds the causes of an error; one that its error has told already is not told twice.
    pub(crate) fn because(self, error: &dyn Error) -> Self {
        let mut text = error.to_string();
        let mut cause = error.source();
        while let Some(error) = cause {
            let more = error.to_string();
            if !text.contains(&more) {
                text.push_str(": ");
                text.push_str(&more);
            }
            cause = error.source();
        }
        self.why(text)
    }

    pub(crate) fn next(mut self, next: impl Into<String>) -> Self {
        self.next = Some(next.into());
        self
    }

    /// Names the request, as the server's log does.
    pub(crate) fn request(mut self, request: Option<String>) -> Self {
        self.request = request;
        self
    }

    /// Says it on stderr, and returns the exit code.
    pub(crate) fn report(&self) -> ExitCode {
        if self.kind != Kind::Unread {
            let mut stderr = anstream::stderr().lock();
            let red = Style::new().bold().fg_color(Some(AnsiColor::Red.into()));
            let what = printable(&self.what);
            // If stderr is closed there is nobody to tell.
            drop(writeln!(stderr, "{red}error:{red:#} {what}"));
            for (name, line) in [
                ("why", &self.why),
                ("next", &self.next),
                ("request", &self.request),
            ] {
                if let Some(line) = line {
                    drop(writeln!(stderr, "  {name}: {}", printable(line)));
                }
            }
        }
        ExitCode::from(self.kind.exit_code())
    }
}
