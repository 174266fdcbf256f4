//! An agent as it is seen from outside: by the lines that it writes for people.
//!
//! ```text
//! refit-agent: connected
//! refit-agent: job 0-x3k: switching firmware 2.0.0
//! refit-agent: job 0-x3k: FAILURE: the health command failed (exit code 1); it said: …
//! refit-agent: idle
//! ```

use crate::demo::ledger::Word;

/// What is known of an agent.
#[derive(Clone, Debug, Default)]
pub(in crate::demo) struct Agent {
    /// Its device ID.
    pub(in crate::demo) id: String,
    /// Whether its process runs.
    pub(in crate::demo) is_alive: bool,
    /// Whether it is connected.
    pub(in crate::demo) is_up: bool,
    /// The last step that it told of; `idle` if it has nothing to do.
    pub(in crate::demo) stage: String,
    /// The job that it last worked on.
    pub(in crate::demo) job: Option<String>,
    /// The version that it works on.
    pub(in crate::demo) to: Option<String>,
    /// How the job ended, if that is not acknowledged yet.
    pub(in crate::demo) ending: Option<Word>,
    /// The version that it runs.
    pub(in crate::demo) runs: Option<String>,
    /// Why it went back, or that it was killed.
    pub(in crate::demo) note: Option<String>,
    /// How often it was killed.
    pub(in crate::demo) kills: usize,
}

/// A line of an agent, understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Line<'a> {
    /// It is connected.
    Connected,
    /// It is not.
    Disconnected,
    /// It has nothing to do.
    Idle,
    /// It is at this stage of a job.
    Doing {
        /// The job.
        job: &'a str,
        /// The stage.
        stage: &'a str,
        /// Which software, or why it goes back.
        what: &'a str,
    },
    /// The job ended so; the server does not know it yet.
    Ended {
        /// The job.
        job: &'a str,
        /// How.
        word: Word,
    },
    /// More of what it said before, as a command wrote it.
    More(&'a str),
    /// Something else.
    Other,
}

/// Understands a line.
pub(super) fn read(line: &str) -> Line<'_> {
    let Some(line) = line.strip_prefix("refit-agent: ") else {
        return Line::More(line);
    };
    let step = line
        .strip_prefix("job ")
        .and_then(|rest| rest.split_once(": "));
    let Some((job, step)) = step else {
        return match line.split([':', ' ']).next() {
            Some("connected") => Line::Connected,
            Some("not" | "stopped") => Line::Disconnected,
            Some("idle") => Line::Idle,
            _ => Line::Other,
        };
    };
    let (stage, what) = step.split_once(' ').unwrap_or((step, ""));
    match stage.trim_end_matches([',', ':']) {
        "SUCCESS" => Line::Ended {
            job,
            word: Word::Success,
        },
        "FAILURE" => Line::Ended {
            job,
            word: Word::Failure,
        },
        stage => Line::Doing { job, stage, what },
    }
}

impl Agent {
    /// Hears one line. If that closes a job, returns how it ended.
    pub(super) fn hear(&mut self, line: Line<'_>) -> Option<Word> {
        match line {
            Line::Connected => self.is_up = true,
            Line::Disconnected => self.is_up = false,
            Line::Idle => {
                "idle".clone_into(&mut self.stage);
                return self.ending.take();
            }
            Line::Doing { job, stage, what } => {
                self.job = Some(job.to_owned());
                stage.clone_into(&mut self.stage);
                if stage == GOING_BACK {
                    self.note = Some(what.to_owned());
                }
            }
            Line::Ended { job, word } => {
                self.job = Some(job.to_owned());
                self.ending = Some(word);
            }
            Line::More(more) => {
                let is_reason = self.stage == GOING_BACK && self.ending.is_none();
                if let Some(note) = self.note.as_mut().filter(|_| is_reason) {
                    note.push('\n');
                    note.push_str(more);
                }
            }
            Line::Other => {}
        }
        None
    }

    /// What it is doing, in a word for people.
    pub(in crate::demo) fn doing(&self) -> &'static str {
        match self.stage.as_str() {
            "fetching" => "downloading",
            "writing" => "unpacking",
            "fenced" => "asking leave",
            "switching" => "switching",
            "checking" => "self-test",
            "confirming" => "confirming",
            GOING_BACK => "going back",
            "idle" => "idle",
            _ => "starting",
        }
    }
}

/// The stage in which an agent returns to the former release.
const GOING_BACK: &str = "going-back";
