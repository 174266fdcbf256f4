//! What a simulated device says of a job, and how that is written.

use serde_json::json;

use crate::demo::ledger::Word;

/// Something to say.
#[derive(Clone)]
pub(super) struct Saying {
    /// Of which job.
    pub(super) job: String,
    /// What.
    pub(super) word: Word,
    /// In JSON, or in the pattern's plain form.
    pub(super) payload: Vec<u8>,
}

impl Saying {
    /// It works on the job, and is so far.
    pub(super) fn running(job: &str, phase: &str, percent: u8, is_plain: bool) -> Self {
        let payload = if is_plain {
            format!("jobID:{job} RUNNING")
        } else {
            let progress = json!({ "phase": phase, "percent": percent });
            json!({ "jobID": job, "status": "RUNNING", "progress": progress }).to_string()
        };
        Self {
            job: job.to_owned(),
            word: Word::Running,
            payload: payload.into_bytes(),
        }
    }

    /// It runs the software of the job.
    pub(super) fn success(job: &str, url: &str, version: &str, is_plain: bool) -> Self {
        let payload = if is_plain {
            format!("jobID:{job} SUCCESS")
        } else {
            let url = url.split('?').next().unwrap_or_default();
            let reported = json!({ "softwareURL": url, "version": version });
            json!({ "jobID": job, "status": "SUCCESS", "state": { "reported": reported } })
                .to_string()
        };
        Self {
            job: job.to_owned(),
            word: Word::Success,
            payload: payload.into_bytes(),
        }
    }
}
