//! How a record lies in its row: desired and reported as the JSON they are, jobs and why there is none as a small
//! JSON of short names, absent for a device that never had a job. The names and codes here are stored: they may be
//! added to, never given another meaning.

use std::borrow::Cow;
use std::fmt;

use refit_protocol::grant::GrantPolicy;
use refit_protocol::job::{JobId, Progress, Status};
use refit_protocol::rollout::{Assignment, RolloutId};
use refit_protocol::time::Timestamp;
use refit_replica::record::{Failures, Job, PastJob, Record, Stage, Withheld};
use serde::{Deserialize, Serialize};

/// The code of RUNNING, which an index of the schema speaks of.
pub(super) const RUNNING: i64 = 2;

/// Returns the stored code of a state.
pub(super) const fn code(status: Status) -> i64 {
    match status {
        Status::Queued => 0,
        Status::Sent => 1,
        Status::Running => RUNNING,
        Status::Succeeded => 3,
        Status::Failed => 4,
        Status::Rejected => 5,
        Status::TimedOut => 6,
        Status::Cancelled => 7,
        Status::Superseded => 8,
    }
}

/// Reads such a code.
pub(super) fn status(stored: i64) -> Result<Status, Unreadable> {
    Status::ALL
        .into_iter()
        .find(|status| code(*status) == stored)
        .ok_or_else(|| Unreadable(format!("{stored} is no state of a job")))
}

/// What is stored cannot be what was written.
#[derive(Debug)]
pub(super) struct Unreadable(pub(super) String);

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Unreadable {}

/// Everything of a record but desired, reported and version.
#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Control<'a> {
    #[serde(rename = "j", borrow, default, skip_serializing_if = "Option::is_none")]
    job: Option<JobColumns<'a>>,
    #[serde(rename = "p", borrow, default, skip_serializing_if = "Vec::is_empty")]
    past: Vec<PastColumns<'a>>,
    #[serde(rename = "w", default, skip_serializing_if = "Option::is_none")]
    withheld: Option<WithheldColumns<'a>>,
    #[serde(rename = "f", borrow, default, skip_serializing_if = "Vec::is_empty")]
    failures: Vec<(Cow<'a, str>, u8)>,
    #[serde(rename = "h", default, skip_serializing_if = "is_false")]
    held: bool,
    #[serde(rename = "r", default, skip_serializing_if = "Option::is_none")]
    rollout: Option<RolloutId>,
    #[serde(rename = "n", default, skip_serializing_if = "is_false")]
    pinned: bool,
    #[serde(rename = "x", default, skip_serializing_if = "is_false")]
    gone: bool,
    /// In the words of the wire.
    #[serde(rename = "g", default, skip_serializing_if = "Option::is_none")]
    grant: Option<GrantPolicy>,
}

/// What stands between a device and its software.
#[derive(Debug, Default)]
pub(super) struct Bars {
    pub(super) withheld: Option<Withheld>,
    pub(super) rollout: Option<RolloutId>,
    pub(super) pinned: bool,
    pub(super) held: bool,
    pub(super) gone: bool,
    /// Whose its open job is.
    pub(super) assignment: Option<Assignment>,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct JobColumns<'a> {
    #[serde(rename = "i", borrow)]
    id: Cow<'a, str>,
    #[serde(rename = "s", borrow)]
    software: Cow<'a, str>,
    #[serde(rename = "p", borrow, default, skip_serializing_if = "Option::is_none")]
    previous: Option<Cow<'a, str>>,
    #[serde(rename = "o", borrow)]
    origin: Cow<'a, str>,
    #[serde(rename = "a", default, skip_serializing_if = "Option::is_none")]
    assignment: Option<AssignmentColumns>,
    #[serde(rename = "y", default, skip_serializing_if = "is_level")]
    priority: i32,
    #[serde(rename = "t")]
    opened: u64,
    #[serde(rename = "l", default, skip_serializing_if = "Option::is_none")]
    start_left_ms: Option<u64>,
    #[serde(rename = "e")]
    end_left_ms: u64,
    #[serde(rename = "r", default, skip_serializing_if = "is_zero")]
    resends: u8,
    #[serde(rename = "d", default, skip_serializing_if = "Option::is_none")]
    sent: Option<u64>,
    #[serde(rename = "u", default, skip_serializing_if = "Option::is_none")]
    running: Option<u64>,
    #[serde(rename = "h", borrow, default, skip_serializing_if = "Option::is_none")]
    phase: Option<Cow<'a, str>>,
    #[serde(rename = "c", default, skip_serializing_if = "Option::is_none")]
    percent: Option<u8>,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct PastColumns<'a> {
    #[serde(rename = "i", borrow)]
    id: Cow<'a, str>,
    #[serde(rename = "s", borrow)]
    software: Cow<'a, str>,
    #[serde(rename = "w", default, skip_serializing_if = "Option::is_none")]
    assignment: Option<AssignmentColumns>,
    #[serde(rename = "c")]
    status: i64,
    #[serde(rename = "a", default, skip_serializing_if = "is_false")]
    acknowledged: bool,
    #[serde(rename = "l", default, skip_serializing_if = "is_false")]
    late_success: bool,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
enum WithheldColumns<'a> {
    #[serde(rename = "e")]
    Ended(Cow<'a, str>, i64),
    #[serde(rename = "c")]
    Capped,
    #[serde(rename = "r")]
    Reverted(Cow<'a, str>),
    #[serde(rename = "p")]
    Planned,
}

/// Rollout, wave, attempt.
type AssignmentColumns = (u32, u16, u8);

const fn columns(of: Assignment) -> AssignmentColumns {
    (of.rollout.0, of.wave, of.attempt)
}

const fn assignment((rollout, wave, attempt): AssignmentColumns) -> Assignment {
    Assignment {
        rollout: RolloutId(rollout),
        wave,
        attempt,
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde gives a reference")]
const fn is_level(priority: &i32) -> bool {
    *priority == 0
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde gives a reference")]
const fn is_false(flag: &bool) -> bool {
    !*flag
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde gives a reference")]
const fn is_zero(count: &u8) -> bool {
    *count == 0
}

impl<'a> Control<'a> {
    /// Returns what is to be stored of a record, or `None` if that is nothing.
    pub(super) fn of(record: &'a Record) -> Option<Self> {
        let control = Self {
            job: record.job.as_ref().map(JobColumns::of),
            past: record.past.iter().map(PastColumns::of).collect(),
            withheld: record.withheld.as_ref().map(WithheldColumns::of),
            failures: record
                .failures
                .iter()
                .map(|f| (Cow::from(&f.software_url), f.count))
                .collect(),
            held: record.held,
            rollout: record.rollout,
            pinned: record.pinned,
            gone: record.gone,
            grant: record.grant,
        };
        (control != Self::default()).then_some(control)
    }

    /// Puts what was stored into a record.
    pub(super) fn fill(self, record: &mut Record) -> Result<(), Unreadable> {
        record.job = self.job.map(JobColumns::read).transpose()?;
        record.past = self
            .past
            .into_iter()
            .map(PastColumns::read)
            .collect::<Result<_, _>>()?;
        record.withheld = self.withheld.map(WithheldColumns::read).transpose()?;
        let failures = self.failures.into_iter();
        record.failures = failures
            .map(|(url, count)| Failures {
                software_url: url.into_owned(),
                count,
            })
            .collect();
        record.held = self.held;
        record.rollout = self.rollout;
        record.pinned = self.pinned;
        record.gone = self.gone;
        record.grant = self.grant;
        Ok(())
    }

    /// Returns what stands between the device and its software, alone.
    pub(super) fn bars(self) -> Result<Bars, Unreadable> {
        Ok(Bars {
            withheld: self.withheld.map(WithheldColumns::read).transpose()?,
            rollout: self.rollout,
            pinned: self.pinned,
            held: self.held,
            gone: self.gone,
            assignment: self.job.and_then(|job| job.assignment).map(assignment),
        })
    }

    /// Returns the ID and state of the open job alone.
    pub(super) fn open_job(&self) -> Result<Option<(JobId, Status)>, Unreadable> {
        let Some(job) = &self.job else {
            return Ok(None);
        };
        let status = match (job.running, job.sent) {
            (Some(_), _) => Status::Running,
            (None, Some(_)) => Status::Sent,
            (None, None) => Status::Queued,
        };
        Ok(Some((job_id(&job.id)?, status)))
    }
}

impl<'a> JobColumns<'a> {
    fn of(job: &'a Job) -> Self {
        let (running, progress) = match &job.stage {
            Stage::Running { at, progress, .. } => (Some(at.0), Some(progress)),
            Stage::Queued | Stage::Sent { .. } => (None, None),
        };
        Self {
            id: job.id.as_str().into(),
            software: (&job.software_url).into(),
            previous: job.previous.as_ref().map(Cow::from),
            origin: (&job.origin).into(),
            assignment: job.assignment.map(columns),
            priority: job.priority,
            opened: job.opened.0,
            start_left_ms: job.start_left_ms,
            end_left_ms: job.end_left_ms,
            resends: job.resends,
            sent: job.sent().map(|at| at.0),
            running,
            phase: progress.and_then(|said| said.phase.as_ref()).map(Cow::from),
            percent: progress.and_then(|said| said.percent),
        }
    }

    fn read(self) -> Result<Job, Unreadable> {
        let sent = self.sent.map(Timestamp);
        let stage = match (self.running, sent) {
            (Some(at), sent) => Stage::Running {
                sent,
                at: Timestamp(at),
                progress: Progress {
                    phase: self.phase.map(Cow::into_owned),
                    percent: self.percent,
                },
            },
            (None, Some(at)) => Stage::Sent { at },
            (None, None) => Stage::Queued,
        };
        Ok(Job {
            id: job_id(&self.id)?,
            software_url: self.software.into_owned(),
            previous: self.previous.map(Cow::into_owned),
            origin: self.origin.into_owned(),
            assignment: self.assignment.map(assignment),
            priority: self.priority,
            stage,
            opened: Timestamp(self.opened),
            start_left_ms: self.start_left_ms,
            end_left_ms: self.end_left_ms,
            resends: self.resends,
        })
    }
}

impl<'a> PastColumns<'a> {
    fn of(job: &'a PastJob) -> Self {
        Self {
            id: job.id.as_str().into(),
            software: (&job.software_url).into(),
            assignment: job.assignment.map(columns),
            status: code(job.status),
            acknowledged: job.acknowledged,
            late_success: job.late_success,
        }
    }

    fn read(self) -> Result<PastJob, Unreadable> {
        Ok(PastJob {
            id: job_id(&self.id)?,
            software_url: self.software.into_owned(),
            assignment: self.assignment.map(assignment),
            status: status(self.status)?,
            acknowledged: self.acknowledged,
            late_success: self.late_success,
        })
    }
}

impl<'a> WithheldColumns<'a> {
    fn of(withheld: &'a Withheld) -> Self {
        match withheld {
            Withheld::Ended { job, status } => Self::Ended(job.as_str().into(), code(*status)),
            Withheld::Capped => Self::Capped,
            Withheld::Planned => Self::Planned,
            Withheld::Reverted { job } => Self::Reverted(job.as_str().into()),
        }
    }

    fn read(self) -> Result<Withheld, Unreadable> {
        Ok(match self {
            Self::Ended(job, ended) => Withheld::Ended {
                job: job_id(&job)?,
                status: status(ended)?,
            },
            Self::Capped => Withheld::Capped,
            Self::Planned => Withheld::Planned,
            Self::Reverted(job) => Withheld::Reverted { job: job_id(&job)? },
        })
    }
}

/// Reads a stored job ID.
pub(super) fn job_id(text: &str) -> Result<JobId, Unreadable> {
    JobId::parse(text).ok_or_else(|| Unreadable(format!("{text:?} is no job ID")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_those_that_were_always_stored() {
        let codes: Vec<i64> = Status::ALL.into_iter().map(code).collect();
        assert_eq!(codes, [0, 1, 2, 3, 4, 5, 6, 7, 8]);
        for state in Status::ALL {
            assert_eq!(status(code(state)).unwrap(), state);
        }
        assert!(status(9).is_err());
    }

    #[test]
    fn a_device_that_never_had_a_job_stores_nothing_of_one() {
        assert_eq!(Control::of(&Record::default()), None);
    }

    #[test]
    fn stored_names_stay_readable() {
        let stored = r#"{"j":{"i":"0-a","s":"u","o":"direct/app","t":1,"e":2,"d":3},"w":{"e":["0-b",4]},"f":[["u",1]],"h":true}"#;
        let mut record = Record::default();
        serde_json::from_str::<Control<'_>>(stored)
            .unwrap()
            .fill(&mut record)
            .unwrap();
        assert_eq!(
            record.job.as_ref().unwrap().stage,
            Stage::Sent { at: Timestamp(3) }
        );
        assert!(record.held);
        assert_eq!(record.grant, None);
        let again = serde_json::to_string(&Control::of(&record).unwrap()).unwrap();
        assert_eq!(again, stored);
    }

    #[test]
    fn whose_a_job_is_stays_readable() {
        let stored = r#"{"j":{"i":"0-a","s":"u","o":"rollout/r","a":[7,2,1],"y":-3,"t":1,"e":2},"p":[{"i":"0-b","s":"u","w":[7,2,0],"c":4}],"h":true,"r":7,"n":true}"#;
        let mut record = Record::default();
        serde_json::from_str::<Control<'_>>(stored)
            .unwrap()
            .fill(&mut record)
            .unwrap();
        let whose = |attempt| assignment((7, 2, attempt));
        assert_eq!(record.job.as_ref().unwrap().assignment, Some(whose(1)));
        assert_eq!(record.past[0].assignment, Some(whose(0)));
        assert_eq!((record.rollout, record.pinned), (Some(RolloutId(7)), true));
        let again = serde_json::to_string(&Control::of(&record).unwrap()).unwrap();
        assert_eq!(again, stored);
    }

    #[test]
    fn a_grant_is_stored_in_the_words_of_the_wire() {
        let stored = r#"{"g":{"kind":"presigned","strength":"address","lifetime":60,"network":"203.0.113.0/24","fallback":"time"}}"#;
        let mut record = Record::default();
        serde_json::from_str::<Control<'_>>(stored)
            .unwrap()
            .fill(&mut record)
            .unwrap();
        assert_eq!(record.grant.unwrap().lifetime, Some(60));
        let again = serde_json::to_string(&Control::of(&record).unwrap()).unwrap();
        assert_eq!(again, stored);
    }
}
