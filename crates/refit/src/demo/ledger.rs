//! What devices were promised: every word about a job that was acknowledged to the device that said it.
//!
//! A word gets in here only when its PUBACK has arrived at the device (or, for an agent, when the agent has closed the
//! job in its journal, which it does on `accepted`). So whatever is in here must be in the server, whatever happened.

use std::collections::BTreeMap;

use super::api::Job;

/// What a device said of a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Word {
    /// It works on it.
    Running,
    /// It runs the software of that job.
    Success,
    /// It does not, and will not by this job.
    Failure,
}

impl Word {
    /// The word of the wire.
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Running => "RUNNING",
            Self::Success => "SUCCESS",
            Self::Failure => "FAILURE",
        }
    }

    /// Tells whether it ends a job.
    const fn is_end(self) -> bool {
        !matches!(self, Self::Running)
    }

    /// Tells whether a job in this state has heard the word.
    fn was_heard(self, status: &str) -> bool {
        match self {
            Self::Running => !matches!(status, "QUEUED" | "SENT"),
            Self::Success => status == "SUCCEEDED",
            Self::Failure => status == "FAILED",
        }
    }
}

/// The acknowledged words about a job.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Promises {
    device: String,
    /// RUNNING was acknowledged.
    has_begun: bool,
    /// This end was acknowledged.
    end: Option<Word>,
    /// Two different ends were acknowledged.
    is_contradicted: bool,
}

impl Promises {
    fn words(&self) -> impl Iterator<Item = Word> {
        self.has_begun
            .then_some(Word::Running)
            .into_iter()
            .chain(self.end)
    }
}

/// All that was acknowledged.
#[derive(Clone, Debug, Default)]
pub(super) struct Ledger {
    jobs: BTreeMap<String, Promises>,
}

/// How a ledger compares with the server's jobs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Compared {
    /// How many promises were kept.
    pub(super) kept: usize,
    /// How many there are.
    pub(super) of: usize,
    /// Those that were not, in words.
    pub(super) lost: Vec<String>,
}

impl Ledger {
    /// Notes an acknowledged word.
    pub(super) fn note(&mut self, device: &str, job: &str, word: Word) {
        let promises = self.jobs.entry(job.to_owned()).or_default();
        device.clone_into(&mut promises.device);
        if word == Word::Running {
            promises.has_begun = true;
            return;
        }
        promises.is_contradicted |= promises.end.is_some_and(|end| end != word);
        promises.end = Some(word);
    }

    /// Takes a word back that was refused after its PUBACK, as MQTT 3.1.1 does it.
    pub(super) fn strike(&mut self, job: &str) {
        self.jobs.remove(job);
    }

    /// How many jobs' ends were acknowledged.
    pub(super) fn ends(&self) -> usize {
        self.jobs
            .values()
            .filter(|promises| promises.end.is_some())
            .count()
    }

    /// Holds every word against the server's jobs.
    pub(super) fn compare(&self, jobs: &BTreeMap<String, Job>) -> Compared {
        self.compare_those(jobs, |_| true)
    }

    /// Holds the ends against the server's jobs.
    pub(super) fn compare_ends(&self, jobs: &BTreeMap<String, Job>) -> Compared {
        self.compare_those(jobs, Word::is_end)
    }

    fn compare_those(
        &self,
        jobs: &BTreeMap<String, Job>,
        counts: impl Fn(Word) -> bool,
    ) -> Compared {
        let mut compared = Compared::default();
        for (id, promises) in &self.jobs {
            for word in promises.words().filter(|word| counts(*word)) {
                compared.of += 1;
                match broken(id, promises, word, jobs.get(id)) {
                    None => compared.kept += 1,
                    Some(how) => compared.lost.push(how),
                }
            }
        }
        compared
    }
}

fn broken(id: &str, promises: &Promises, word: Word, job: Option<&Job>) -> Option<String> {
    let said = format!("{} said {} of job {id}", promises.device, word.as_str());
    match job {
        None => Some(format!("{said}, which the server does not know")),
        Some(job) if job.device != promises.device => {
            Some(format!("{said}, which the server has for {}", job.device))
        }
        Some(_) if promises.is_contradicted => Some(format!("{said}, and two different ends")),
        Some(job) if !word.was_heard(&job.status) => {
            Some(format!("{said}, which the server has as {}", job.status))
        }
        Some(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn jobs(all: &[(&str, &str, &str)]) -> BTreeMap<String, Job> {
        let job = |(id, device, status): &(&str, &str, &str)| {
            let job = Job {
                device: (*device).into(),
                status: (*status).into(),
                release: None,
                reason: None,
            };
            ((*id).into(), job)
        };
        all.iter().map(job).collect()
    }

    #[test]
    fn a_promise_is_kept_if_the_server_has_it_or_more() {
        let mut ledger = Ledger::default();
        ledger.note("a", "j1", Word::Running);
        ledger.note("b", "j2", Word::Running);
        ledger.note("b", "j2", Word::Success);
        ledger.note("c", "j3", Word::Failure);
        ledger.note("c", "j3", Word::Running); // a late repetition takes nothing back
        assert_eq!(ledger.ends(), 2);
        let server = jobs(&[
            ("j1", "a", "SUCCEEDED"),
            ("j2", "b", "SUCCEEDED"),
            ("j3", "c", "FAILED"),
        ]);
        assert_eq!(
            ledger.compare(&server),
            Compared {
                kept: 5,
                of: 5,
                lost: vec![]
            }
        );
        assert_eq!(ledger.compare_ends(&server).of, 2);
    }

    #[test]
    fn what_is_lost_is_named() {
        let mut ledger = Ledger::default();
        for job in ["gone", "other", "behind", "torn"] {
            ledger.note("a", job, Word::Success);
        }
        ledger.note("a", "torn", Word::Failure);
        let server = jobs(&[
            ("other", "b", "SUCCEEDED"),
            ("behind", "a", "RUNNING"),
            ("torn", "a", "FAILED"),
        ]);
        let compared = ledger.compare(&server);
        assert_eq!((compared.kept, compared.of), (0, 4));
        for said in ["as RUNNING", "does not know", "has for b", "two different"] {
            assert!(
                compared.lost.iter().any(|l| l.contains(said)),
                "{said}: {compared:?}"
            );
        }
    }
}
