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
    /// A rollout has paused by itself.
    Paused,
    /// A rollout was aborted.
    Aborted,
    /// What was waited for did not come.
    WaitedInVain,
    /// Somebody stopped it.
    Interrupted,
    /// Nobody reads what is written.
    Unread,
}

impl Kind {
    /// All kinds that have an exit code of their own, in the order of these.
    #[cfg(test)]
    pub(crate) const ALL: [Self; 9] = [
        Self::Error,
        Self::Usage,
        Self::NotFound,
        Self::Refused,
        Self::Conflict,
        Self::Paused,
        Self::Aborted,
        Self::WaitedInVain,
        Self::Interrupted,
    ];

    /// Says when it is the exit code, for the reference.
    #[cfg(test)]
    pub(crate) const fn when(self) -> &'static str {
        match self {
            Self::Unread => "",
            Self::Error => {
                "something did not work: the server cannot be reached, a disk is full, a job that was waited for failed"
            }
            Self::Usage => "the command, a setting or a request makes no sense",
            Self::NotFound => "what it is about is not there: a device, a job, a release",
            Self::Refused => {
                "it is not allowed, or cannot be done: no valid token, a secret that others can read, a wish that is refused"
            }
            Self::Conflict => {
                "it does not fit the present state: another version, a release that is desired, no open job, a port or a \
                 data directory that is in use"
            }
            Self::Paused => "`rollout status`: it has paused by itself",
            Self::Aborted => "`rollout status`: it was aborted",
            Self::WaitedInVain => "`--timeout` passed",
            Self::Interrupted => "somebody stopped it",
        }
    }

    pub(crate) const fn exit_code(self) -> u8 {
        match self {
            Self::Unread => 0,
            Self::Error => 1,
            Self::Usage => 2,
            Self::NotFound => 3,
            Self::Refused => 4,
            Self::Conflict => 5,
            Self::Paused => 10,
            Self::Aborted => 11,
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

    /// Says what and why, in a line.
    pub(crate) fn in_a_line(&self) -> String {
        match &self.why {
            Some(why) => format!("{}: {why}", self.what),
            None => self.what.clone(),
        }
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
